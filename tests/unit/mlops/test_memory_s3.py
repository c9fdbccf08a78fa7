"""The buckets in memory behave as moto's do, as far as the package uses them."""

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from tests.unit.mlops.memory_s3 import MemoryS3
from tests.unit.mlops.world import make_buckets, mocked


@pytest.fixture(params=["memory", "moto"])
def s3(request: pytest.FixtureRequest) -> Iterator[Any]:
    if request.param == "memory":
        yield MemoryS3()
        return
    with mock_aws():
        make_buckets()
        yield mocked("s3")


def code(error: pytest.ExceptionInfo[ClientError]) -> tuple[str, int]:
    answer = error.value.response
    return answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]


def test_an_object_is_read_as_it_was_written(s3: Any) -> None:
    s3.put_object(Bucket="artifacts", Key="a", Body=b"x", Metadata={"order": "1"}, ContentType="text/plain")
    found, head = s3.get_object(Bucket="artifacts", Key="a"), s3.head_object(Bucket="artifacts", Key="a")

    assert (found["Body"].read(), found["ContentLength"]) == (b"x", 1)
    assert head["Metadata"] == {"order": "1"} and head["ETag"] == found["ETag"]
    listed = s3.list_objects_v2(Bucket="artifacts", Prefix="a")["Contents"]
    assert [(entry["Key"], entry["ETag"]) for entry in listed] == [("a", found["ETag"])]


def test_every_version_of_a_picture_can_be_read_and_deleted(s3: Any) -> None:
    first, second = (s3.put_object(Bucket="data", Key="a", Body=data)["VersionId"] for data in (b"1", b"2"))

    assert s3.get_object(Bucket="data", Key="a")["Body"].read() == b"2"
    assert s3.get_object(Bucket="data", Key="a", VersionId=first)["Body"].read() == b"1"
    s3.delete_object(Bucket="data", Key="a", VersionId=second)
    assert s3.get_object(Bucket="data", Key="a")["Body"].read() == b"1"
    with pytest.raises(ClientError) as gone:
        s3.get_object(Bucket="data", Key="a", VersionId=second)
    assert code(gone) == ("NoSuchVersion", 404)


def test_what_is_not_there_is_said(s3: Any) -> None:
    with pytest.raises(ClientError) as read:
        s3.get_object(Bucket="artifacts", Key="a")
    with pytest.raises(ClientError) as looked:
        s3.head_object(Bucket="artifacts", Key="a")

    assert (code(read), code(looked)) == (("NoSuchKey", 404), ("404", 404))


def test_conditions_of_writes_hold(s3: Any) -> None:
    etag = s3.put_object(Bucket="artifacts", Key="a", Body=b"1", IfNoneMatch="*")["ETag"]
    s3.put_object(Bucket="artifacts", Key="a", Body=b"2", IfMatch=etag)
    for condition in ({"IfNoneMatch": "*"}, {"IfMatch": etag}):
        with pytest.raises(ClientError) as refused:
            s3.put_object(Bucket="artifacts", Key="a", Body=b"3", **condition)
        assert code(refused) == ("PreconditionFailed", 412)


def test_what_came_in_parts_has_an_etag_of_its_own(s3: Any) -> None:
    where = {"Bucket": "data", "Key": "a"}
    upload = where | {"UploadId": s3.create_multipart_upload(**where)["UploadId"]}
    etag = s3.upload_part(**upload, PartNumber=1, Body=b"x")["ETag"]
    s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": etag}]})

    # The digest of the digests of the parts, and how many there were.
    assert s3.get_object(**where)["ETag"] == '"9affad555af89da9b0bfcd5e45bc93da-1"'


def test_what_is_archived_is_not_handed_out(s3: Any) -> None:
    s3.put_object(Bucket="data", Key="a", Body=b"x", StorageClass="GLACIER")
    with pytest.raises(ClientError) as error:
        s3.get_object(Bucket="data", Key="a")

    assert code(error) == ("InvalidObjectState", 403)


def test_versions_are_listed_newest_first_and_deleted_one_by_one(s3: Any) -> None:
    written = [s3.put_object(Bucket="data", Key="a", Body=data)["VersionId"] for data in (b"x", b"y")]
    s3.delete_object(Bucket="data", Key="a")
    listed = s3.list_object_versions(Bucket="data", Prefix="a")

    assert [entry["VersionId"] for entry in listed["Versions"]] == written[::-1]
    (marker,) = listed["DeleteMarkers"]
    s3.delete_object(Bucket="data", Key="a", VersionId=marker["VersionId"])
    assert s3.get_object(Bucket="data", Key="a")["Body"].read() == b"y"
