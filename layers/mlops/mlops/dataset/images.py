"""The accepted images of a dataset."""

from dataclasses import dataclass

from mlops.dataset.boxes import Box
from mlops.dataset.keys import stem_of


@dataclass(frozen=True)
class Image:
    """An accepted image: its key, label, the folder it lies in, its content's SHA-256 and its version in the bucket,
    what the service limits, and, for detection, the boxes of what its label means."""

    key: str
    etag: str
    label: str
    folder: str
    digest: str
    width: int = 0
    height: int = 0
    size: int = 0
    format: str = ""
    uploaded_at: str = ""
    version_id: str = ""
    boxes: tuple[Box, ...] = ()

    @property
    def stem(self) -> str:
        return stem_of(self.key)
