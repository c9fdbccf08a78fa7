"""S3 in memory, as far as the package uses it, by the clock of the world outside: some fifty times as fast as moto's.

`test_memory_s3.py` holds it against moto.
"""

import time
from typing import Any

from tests.simulation.cloud import Client, Objects, Version

_VERSIONED = "data"


class Now:
    """The clock of the world outside, as the simulation reads its own."""

    @property
    def now(self) -> float:
        return time.time()


class MemoryS3(Objects):
    """The buckets of the simulation, of which only that of pictures keeps versions; nobody is told of what changes."""

    def __init__(self) -> None:
        super().__init__(Now(), lambda _: None)
        self.get_paginator = Client("s3", self, lambda _, act: act()).get_paginator

    def snapshot(self) -> dict[str, dict[str, list[Version]]]:
        """All objects, to be put back with `restore`; a version is never changed in its place."""
        return {name: {key: [*versions] for key, versions in there.items()} for name, there in self.buckets.items()}

    def restore(self, objects: dict[str, dict[str, list[Version]]]) -> None:
        """Hold these objects and no others."""
        self.buckets = {name: {key: [*versions] for key, versions in there.items()} for name, there in objects.items()}

    def _write(self, bucket: str, key: str, *content: Any, **described: Any) -> dict[str, Any]:
        if bucket != _VERSIONED:
            self.buckets.get(bucket, {}).pop(key, None)
        return super()._write(bucket, key, *content, **described)
