"""Filling datasets: from manifests, from calls, and from training to testing."""

from collections.abc import Sequence
from dataclasses import dataclass

from local.rekognition import limits
from local.rekognition.manifests.dataset import Dataset, can_split, testing_lines
from local.rekognition.manifests.manifest import parse_line
from local.rekognition.manifests.storage import ObjectStorage, Reason, StorageError
from local.rekognition.state.entries import Entry, read_entries

_CODES = {
    Reason.MISSING: "ERROR_MANIFEST_INACCESSIBLE_OR_UNSUPPORTED_FORMAT",
    Reason.DENIED: "ERROR_INVALID_PERMISSIONS_MANIFEST_S3_BUCKET",
    Reason.TOO_LARGE: "ERROR_MANIFEST_SIZE_TOO_LARGE",
    Reason.UNAVAILABLE: "ERROR_MANIFEST_INACCESSIBLE_OR_UNSUPPORTED_FORMAT",
}
_MESSAGES = {
    "ERROR_MANIFEST_INACCESSIBLE_OR_UNSUPPORTED_FORMAT": "The manifest cannot be read, or is no JSON Lines file.",
    "ERROR_INVALID_PERMISSIONS_MANIFEST_S3_BUCKET": "The permissions for the manifest's S3 bucket are invalid.",
    "ERROR_MANIFEST_SIZE_TOO_LARGE": "The manifest file size exceeds the maximum supported size.",
    "ERROR_MANIFEST_ROWS_EXCEEDS_MAXIMUM": "The manifest has more rows than a dataset may have.",
    "ERROR_MANIFEST_TOO_MANY_LABELS": "The manifest has more labels than a dataset may have.",
    "ERROR_TOO_MANY_RECORDS_IN_ERROR": "The manifest has too many records in error.",
    "ERROR_INSUFFICIENT_IMAGES_PER_LABEL_FOR_DISTRIBUTE": "A label has too few images to be distributed.",
}


class DatasetError(Exception):
    """A dataset cannot be made or changed as asked; the message begins with the service's code."""

    def __init__(self, code: str) -> None:
        super().__init__(f"{code}: {_MESSAGES[code]}")
        self.code = code


@dataclass(frozen=True)
class ManifestSource:
    """A manifest in S3."""

    bucket: str
    key: str
    version: str | None = None


def read_manifest(source: ManifestSource, storage: ObjectStorage) -> list[Entry]:
    """Read the entries of a manifest. Raises DatasetError."""
    try:
        data = storage.read(source.bucket, source.key, limits.MANIFEST_BYTES, source.version)
    except StorageError as error:
        raise DatasetError(_CODES[error.reason]) from error
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DatasetError("ERROR_MANIFEST_INACCESSIBLE_OR_UNSUPPORTED_FORMAT") from error
    return read_text(text)


def read_text(text: str) -> list[Entry]:
    """Read the entries of JSON Lines. Raises DatasetError when there are too many of something."""
    rows = text.removesuffix("\n").split("\n")
    if len(rows) > limits.MANIFEST_LINES:
        raise DatasetError("ERROR_MANIFEST_ROWS_EXCEEDS_MAXIMUM")
    entries = list(read_entries(rows))
    if not entries and text.strip():
        raise DatasetError("ERROR_MANIFEST_INACCESSIBLE_OR_UNSUPPORTED_FORMAT")
    if len({label for entry in entries for label in entry.labels}) > limits.MAX_LABELS:
        raise DatasetError("ERROR_MANIFEST_TOO_MANY_LABELS")
    return entries


def check_errors(entries: Sequence[Entry]) -> None:
    """Raise DatasetError when too many entries are in error; they can be listed all the same."""
    in_error = sum(entry.has_errors and not entry.is_labeled for entry in entries)
    if in_error > limits.INVALID_LINE_SHARE * len(entries):
        raise DatasetError("ERROR_TOO_MANY_RECORDS_IN_ERROR")


def to_distribute(bodies: Sequence[str]) -> list[str]:
    """Choose the `source-ref`s that go from training to testing: a fifth, label by label, always the same ones.

    Raises DatasetError when a label has too few images.
    """
    given = Dataset("", tuple(parse_line(body) for body in bodies))
    if not given.valid_lines or not can_split(given):
        raise DatasetError("ERROR_INSUFFICIENT_IMAGES_PER_LABEL_FOR_DISTRIBUTE")
    return [str((line.document or {})["source-ref"]) for line in testing_lines(given)]
