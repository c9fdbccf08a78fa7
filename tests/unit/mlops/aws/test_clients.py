"""Answers of AWS are read as botocore reads them, as far as anything here uses them."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import boto3
import botocore.session
import pytest
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from botocore.exceptions import ClientError

from mlops.aws import clients

LISTING = b"""<?xml version="1.0" encoding="UTF-8"?>
<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>b</Name><IsTruncated>true</IsTruncated>
<NextContinuationToken>t</NextContinuationToken><EncodingType>url</EncodingType>
<Contents><Key>a%20b%2B%C3%A9.png</Key><LastModified>2026-01-02T03:04:05.000Z</LastModified><ETag>&quot;e&quot;</ETag>
<ChecksumAlgorithm>CRC32</ChecksumAlgorithm><Size>7</Size><StorageClass>STANDARD</StorageClass></Contents>
<CommonPrefixes><Prefix>d/</Prefix></CommonPrefixes></ListBucketResult>"""
ITEM = {
    "text": {"S": "a"},
    "number": {"N": "1.50"},
    "flag": {"BOOL": True},
    "nothing": {"NULL": True},
    "list": {"L": [{"N": "1"}, {"M": {"in": {"S": "b"}}}]},
}


@pytest.fixture(params=[False, True], ids=["botocore", "ours"])
def session(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "nobody's")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    if request.param:
        clients._make_session()
    else:
        boto3.setup_default_session(botocore_session=botocore.session.get_session())
    yield boto3.DEFAULT_SESSION


def answering(client: Any, body: bytes, kind: str) -> Any:
    class Raw:
        def stream(self, *_: Any, **__: Any) -> Iterator[bytes]:
            yield body

    headers = {"content-type": kind, "Last-Modified": "Fri, 02 Jan 2026 03:04:05 GMT"}
    client.meta.events.register("before-send", lambda request, **_: AWSResponse(request.url, 200, headers, Raw()))
    return client


@pytest.mark.parametrize(
    "body",
    [
        b"<Error><Code>InternalError</Code><Message>We encountered an internal error</Message></Error>",
        LISTING[: len(LISTING) // 2],
    ],
    ids=["an error", "half a listing"],
)
def test_what_is_no_whole_listing_is_an_error_whatever_its_status(session: Any, body: bytes) -> None:
    once = Config(retries={"total_max_attempts": 1})
    s3 = answering(session.client("s3", config=once), body, "application/xml")

    with pytest.raises(ClientError):
        s3.list_objects_v2(Bucket="b", Prefix="")


def test_a_listing_has_keys_etags_and_times(session: Any) -> None:
    s3 = answering(session.client("s3"), LISTING, "application/xml")
    answer = s3.list_objects_v2(Bucket="b", Prefix="")

    (entry,) = answer["Contents"]
    assert (entry["Key"], entry["ETag"]) == ("a b+é.png", '"e"')
    assert entry["LastModified"] == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert answer["NextContinuationToken"] == "t"
    assert answer["CommonPrefixes"] == [{"Prefix": "d/"}]
    assert s3.head_object(Bucket="b", Key="k")["LastModified"] == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def test_items_have_their_values(session: Any) -> None:
    table = session.resource("dynamodb").Table("t")
    answering(table.meta.client, json.dumps({"Item": ITEM}).encode(), "application/x-amz-json-1.0")
    item = table.get_item(Key={"pk": "a", "sk": "b"})["Item"]

    assert {name: str(value) for name, value in item.items() if name != "list"} == {
        "text": "a",
        "number": "1.50",
        "flag": "True",
        "nothing": "None",
    }
    assert item["list"][1] == {"in": "b"}
