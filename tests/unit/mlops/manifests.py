"""Manifests as whole texts."""

from collections.abc import Iterable

from mlops.dataset.images import Image
from mlops.dataset.manifests import manifest_lines


def manifest_of(task: str, images: Iterable[Image], bucket: str) -> str:
    return "".join(f"{line}\n" for line in manifest_lines(task, images, bucket))
