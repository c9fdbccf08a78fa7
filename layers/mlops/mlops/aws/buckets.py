"""Objects in S3 as text, JSON and bytes."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from itertools import chain
from mimetypes import MimeTypes
from types import MappingProxyType
from typing import IO, Any
from urllib.parse import urlsplit

from botocore.exceptions import ClientError

from mlops import stack
from mlops.aws import ahead, clients
from mlops.aws.clients import code_of, message_of
from mlops.codec import Json


class ObjectUnreadable(Exception):  # noqa: N818  - a fact about an object, not a fault of ours
    """S3 has an object and does not hand it out: it is archived, or its key is not ours. The message is S3's."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")


# S3 User Guide, "Conditional writes": another object is there, or is being written.
_OVERTAKEN = ("PreconditionFailed", "412", "ConditionalRequestConflict", "409")
_ABSENT = ("NoSuchKey", "NoSuchVersion", "NotFound", "404")
# Refusals of the moment: by S3, by KMS behind it, or of credentials that are about to be renewed.
_PASSING = ("SlowDown", "RequestTimeout", "RequestTimeTooSkewed", "ExpiredToken", "OperationAborted", "NoSuchBucket")

# What is read or sent at once. S3 takes 10 000 parts, of 5 MB at least, in an upload.
_PIECE, _PART = 1 << 20, 8 << 20
# S3 User Guide, "Multipart upload limits": only the last part may be smaller.
LEAST_PART = 5 * 1024 * 1024
# The metadata of an object that says where it stands among what is written under its key.
_ORDER = "order"

# Those that Python knows, not those of the machine: the same everywhere.
_KINDS = MimeTypes()
_KINDS.add_type("application/jsonlines", ".jsonl")
_KINDS.add_type("application/jsonlines", ".manifest")


def _kind_of(key: str) -> str:
    kind = _KINDS.guess_type(key)[0] or "application/octet-stream"
    return f"{kind}; charset=utf-8" if kind == "text/html" else kind


def _if_it_is(etag: str) -> dict[str, str]:
    """The condition of a write in place of the object with this etag, or of none."""
    return {"IfMatch": etag} if etag else {"IfNoneMatch": "*"}


def _took_its_place(write: Callable[[], object]) -> bool:
    """Whether a write under such a condition was done."""
    try:
        write()
    except ClientError as error:
        # Of an object that was deleted since it was read, S3 says that there is none.
        if code_of(error) in (*_ABSENT, *_OVERTAKEN):
            return False
        raise
    return True


def _is_passing(error: ClientError) -> bool:
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    code = code_of(error)
    return not 400 <= status < 500 or status == 429 or code in _PASSING or "Throttl" in code


def _parts(lines: Iterable[str]) -> Iterator[bytes]:
    part = bytearray()
    for line in lines:
        part += line.encode()
        part += b"\n"
        if len(part) >= _PART:
            yield bytes(part)
            part.clear()
    if part:
        yield bytes(part)


class Bucket:
    """Objects of one bucket as text and JSON."""

    def __init__(self, name: str) -> None:
        self.name = name

    def read(self, key: str) -> str:
        """The text of an object in UTF-8. Raises ClientError when there is none."""
        return self.read_bytes(key).decode()

    def read_bytes(self, key: str) -> bytes:
        """The bytes of an object. Raises ClientError when there is none."""
        return bytes(clients.client("s3").get_object(Bucket=self.name, Key=key)["Body"].read())

    def read_json(self, key: str) -> Any:
        """The JSON document in an object. Raises ClientError when there is none."""
        return json.loads(self.read(key))

    def lines(self, key: str, *, must_exist: bool = False) -> Iterator[str]:
        """The lines of an object in UTF-8 as they come, which only line feeds divide.

        None when there is no object; raises ClientError then if it `must_exist`.
        """
        try:
            body = clients.client("s3").get_object(Bucket=self.name, Key=key)["Body"]
        except ClientError as error:
            if code_of(error) in _ABSENT and not must_exist:
                return
            raise
        rest = b""
        with closing(body):
            for chunk in body.iter_chunks(_PIECE):
                # Divided as bytes: a chunk may end in the middle of a letter.
                *ended, rest = (rest + chunk).split(b"\n")
                yield from (line.decode() for line in ended)
        if rest:
            yield rest.decode()

    def read_if_exists(self, key: str) -> str | None:
        """The text of an object in UTF-8, None when there is none."""
        data = self.find(key)
        return None if data is None else data.decode()

    def find(self, key: str) -> bytes | None:
        """The bytes of an object, None when there is none."""
        try:
            return self.read_bytes(key)
        except ClientError as error:
            if code_of(error) in _ABSENT:
                return None
            raise

    def get(self, key: str, version_id: str = "") -> Json | None:
        """An object as GetObject answers, its newest version or a certain one; None when there is none.

        Raises ObjectUnreadable when S3 has it and does not hand it out, which another try will not change.
        """
        version = {"VersionId": version_id} if version_id else {}
        try:
            return dict(clients.client("s3").get_object(Bucket=self.name, Key=key, **version))
        except ClientError as error:
            if code_of(error) in _ABSENT:
                return None
            # Recorded as unreadable, what is refused for a moment would stay out of the dataset.
            if _is_passing(error):
                raise
            raise ObjectUnreadable(code_of(error), message_of(error)) from error

    def link(self, key: str, seconds: int) -> str:
        """A URL that shows an object to whoever has it, for so long, with the rights of this function."""
        parameters = {"Bucket": self.name, "Key": key}
        return str(clients.client("s3").generate_presigned_url("get_object", Params=parameters, ExpiresIn=seconds))

    @property
    def origin(self) -> str:
        """Where links lead: scheme and host."""
        place = urlsplit(self.link("-", 1))
        return f"{place.scheme}://{place.netloc}"

    def etag(self, key: str) -> str:
        """The etag of an object that may not be readable, as a listing tells it; empty when there is none."""
        # A listing tells it without a right to the object, or to the key that encrypts it.
        return dict(self.list(key)).get(key, "")

    def write(self, key: str, content: str | bytes) -> None:
        """Write an object in place of any other of its key, which says of what kind it is."""
        body = content.encode() if isinstance(content, str) else content
        clients.client("s3").put_object(Bucket=self.name, Key=key, Body=body, ContentType=_kind_of(key))

    def write_lines(self, key: str, lines: Iterable[str]) -> None:
        """Write lines as they come, a line feed after each, in place of any other object of this key.

        What is longer than a part is sent in parts; it appears as a whole, or not at all.
        """
        parts = _parts(lines)
        first, second = next(parts, b""), next(parts, None)
        # Most fit into one part, and that is one request in place of three.
        if second is None:
            self.write(key, first)
            return
        s3, place = clients.client("s3"), {"Bucket": self.name, "Key": key}
        place["UploadId"] = s3.create_multipart_upload(**place, ContentType=_kind_of(key))["UploadId"]
        numbered = enumerate(chain((first, second), parts), start=1)

        def send(part: tuple[int, bytes]) -> str:
            return str(s3.upload_part(**place, PartNumber=part[0], Body=part[1])["ETag"])

        try:
            sent = [{"PartNumber": part[0], "ETag": etag} for part, etag in ahead.each(send, numbered)]
            s3.complete_multipart_upload(**place, MultipartUpload={"Parts": sent})
        except BaseException:
            # What is left when this fails, too, goes by the bucket's rule about incomplete uploads.
            s3.abort_multipart_upload(**place)
            raise

    def fetch(self, key: str, into: IO[bytes]) -> str:
        """Write the bytes of an object into a file, piece by piece; returns its etag, empty when there is none."""
        found = self.get(key)
        if found is None:
            return ""
        with closing(found["Body"]) as body:
            for piece in body.iter_chunks(_PIECE):
                into.write(piece)
        return str(found["ETag"])

    def write_over(
        self, key: str, content: bytes | IO[bytes], etag: str, metadata: Mapping[str, str] = MappingProxyType({})
    ) -> bool:
        """Write an object in place of the one with this etag, or of none; False when it is another one by now."""
        named = {"Bucket": self.name, "Key": key, "ContentType": _kind_of(key), "Metadata": dict(metadata)}
        return _took_its_place(lambda: clients.client("s3").put_object(**named, Body=content, **_if_it_is(etag)))

    def write_behind(self, key: str, keep: int, tail: bytes, etag: str, metadata: Mapping[str, str]) -> bool:
        """Let the object with this etag (none: of none) have its first `keep` bytes and these behind them.

        S3 appends nothing. What is large is copied within S3, so what is read and written here has a bound, however
        large the object gets. False when it is another object by now.
        """
        # A first part may not be smaller: until then all of it passes through here.
        if keep < LEAST_PART:
            kept = self.read_bytes(key)[:keep] if keep else b""
            return self.write_over(key, kept + tail, etag, metadata)
        s3, named = clients.client("s3"), {"Bucket": self.name, "Key": key}
        upload = s3.create_multipart_upload(**named, ContentType=_kind_of(key), Metadata=dict(metadata))["UploadId"]
        source = {"CopySource": named, "CopySourceRange": f"bytes=0-{keep - 1}", "CopySourceIfMatch": etag}
        part = {**named, "UploadId": upload}

        def put() -> None:
            # Two conditions: that what is copied is what was read, and that nothing else has taken its place since.
            copied = s3.upload_part_copy(**part, **source, PartNumber=1)["CopyPartResult"]["ETag"]
            added = s3.upload_part(**part, Body=tail, PartNumber=2)["ETag"]
            parts = [{"PartNumber": 1, "ETag": copied}, {"PartNumber": 2, "ETag": added}]
            s3.complete_multipart_upload(**part, MultipartUpload={"Parts": parts}, **_if_it_is(etag))

        return _took_its_place(put)

    def write_newest(self, key: str, content: bytes, order: str) -> bool:
        """Write an object unless there is one of a later order, whoever writes at the same time; whether it was.

        `order` is an ASCII text that is kept with the object; one that was written without any is the earliest.
        """
        etag = ""
        # At first as if nothing were there, which is usual and takes one request.
        while not self.write_over(key, content, etag, {_ORDER: order}):
            etag, there = self.head(key)
            if there.get(_ORDER, "") > order:
                return False
        return True

    def order_of(self, key: str) -> str:
        """The order that an object was written with; empty where there is none."""
        return self.head(key)[1].get(_ORDER, "")

    def head(self, key: str) -> tuple[str, Mapping[str, str]]:
        """The etag and the metadata of an object; empty where there is none."""
        try:
            found = clients.client("s3").head_object(Bucket=self.name, Key=key)
        except ClientError as error:
            if code_of(error) in _ABSENT:
                return "", {}
            raise
        return str(found["ETag"]), dict(found["Metadata"])

    def write_json(self, key: str, document: Any) -> None:
        """Write a document so that the same one has the same bytes."""
        self.write(key, as_json(document))

    def entries(self, prefix: str, after: str = "") -> Iterator[Json]:
        """Every object below a prefix, as ListObjectsV2 tells of it, in the order of their keys; behind `after`."""
        request = {"Bucket": self.name, "Prefix": prefix, **({"StartAfter": after} if after else {})}

        def following(page: ahead.Page) -> ahead.Page:
            token = page.get("NextContinuationToken")
            return {"ContinuationToken": token} if token else {}

        s3 = clients.client("s3")
        for page in ahead.pages(lambda token: s3.list_objects_v2(**request, **token), following):
            yield from page.get("Contents", ())

    def page(self, prefix: str, after: str) -> dict[str, str]:
        """The etags of the next thousand objects behind a key, or of all that there are, by key in their order."""
        answer = clients.client("s3").list_objects_v2(Bucket=self.name, Prefix=prefix, StartAfter=after)
        return {entry["Key"]: entry["ETag"].strip('"') for entry in answer.get("Contents", ())}

    def list(self, prefix: str) -> Iterator[tuple[str, str]]:
        """(key, etag) of every object below a prefix."""
        for entry in self.entries(prefix):
            yield entry["Key"], entry["ETag"].strip('"')

    def folders(self, prefix: str) -> Iterator[str]:
        """The names of the folders right below a prefix."""
        request = {"Bucket": self.name, "Prefix": prefix, "Delimiter": "/"}
        for page in clients.client("s3").get_paginator("list_objects_v2").paginate(**request):
            yield from (entry["Prefix"].removeprefix(prefix).rstrip("/") for entry in page.get("CommonPrefixes", ()))


def as_json(document: Any) -> str:
    """The text of a document; the same one has the same text."""
    return json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def data_bucket() -> Bucket:
    """Where people drop pictures."""
    return Bucket(stack.here().data_bucket)


def artifacts_bucket() -> Bucket:
    """Where runs leave what they make."""
    return Bucket(stack.here().artifacts_bucket)
