"""S3 in memory, as far as the package uses it while pictures are inspected: some ten times as fast as moto's.

`test_memory_s3.py` holds it against moto.
"""

import hashlib
from itertools import count
from types import SimpleNamespace
from typing import Any

from botocore.exceptions import ClientError

from tests.simulation.cloud import Body

_VERSIONED = "data"


def _refused(code: str, status: int) -> ClientError:
    answer = {"Error": {"Code": code, "Message": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, "Operation")  # type: ignore[arg-type]


class MemoryS3:
    """Objects of all buckets; of the one for pictures every version."""

    def __init__(self) -> None:
        self._objects: dict[tuple[str, str], dict[str, dict[str, Any]]] = {}
        self._number = count(1)

    def snapshot(self) -> dict[tuple[str, str], dict[str, dict[str, Any]]]:
        """All objects, to be put back with `restore`; none of them is ever changed in its place."""
        return {place: dict(versions) for place, versions in self._objects.items()}

    def restore(self, objects: dict[tuple[str, str], dict[str, dict[str, Any]]]) -> None:
        """Hold these objects and no others."""
        self._objects = {place: dict(versions) for place, versions in objects.items()}

    def put_object(self, Bucket: str, Key: str, Body: bytes, **options: Any) -> dict[str, Any]:  # noqa: N803
        versions = self._objects.setdefault((Bucket, Key), {})
        newest = next(reversed(versions.values()), None)
        if options.get("IfNoneMatch") and newest:
            raise _refused("PreconditionFailed", 412)
        if wanted := options.get("IfMatch"):
            if newest is None:
                raise _refused("NoSuchKey", 404)
            if newest["ETag"] != wanted:
                raise _refused("PreconditionFailed", 412)
        name = f"v{next(self._number):06}"
        if Bucket != _VERSIONED:
            versions.clear()
        etag = f'"{hashlib.md5(Body, usedforsecurity=False).hexdigest()}"'
        found = {"Data": bytes(Body), "ETag": etag, "Metadata": dict(options.get("Metadata", {}))}
        versions[name] = {**found, "ContentLength": len(Body), "ContentType": options.get("ContentType", "")}
        return {"ETag": etag, "VersionId": name}

    def get_object(self, Bucket: str, Key: str, VersionId: str = "") -> dict[str, Any]:  # noqa: N803
        versions = self._objects.get((Bucket, Key), {})
        if VersionId and VersionId not in versions:
            raise _refused("NoSuchVersion", 404)
        if not versions:
            raise _refused("NoSuchKey", 404)
        found = versions[VersionId] if VersionId else next(reversed(versions.values()))
        return {**found, "Body": Body(found["Data"])}

    def head_object(self, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: N803
        try:
            return self.get_object(Bucket, Key)
        except ClientError as error:
            raise _refused("404", 404) from error

    def delete_object(self, Bucket: str, Key: str, VersionId: str = "") -> None:  # noqa: N803
        self._objects.get((Bucket, Key), {}).pop(VersionId, None)
        if not VersionId:
            self._objects.pop((Bucket, Key), None)

    def list_objects_v2(self, Bucket: str, Prefix: str = "", **_: Any) -> dict[str, Any]:  # noqa: N803
        found = [key for bucket, key in sorted(self._objects) if bucket == Bucket and key.startswith(Prefix)]
        return {"Contents": [{"Key": key, "ETag": self.head_object(Bucket, key)["ETag"]} for key in found]}

    def get_paginator(self, _: str) -> Any:
        return SimpleNamespace(paginate=lambda **request: [self.list_objects_v2(**request)])
