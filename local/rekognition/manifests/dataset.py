"""A training or testing set: its lines, their pictures, and whether the service would train on it."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

from local.rekognition import limits
from local.rekognition.manifests.failures import (
    BUCKET_PERMISSIONS,
    FILE_INVALID,
    FILE_TOO_LARGE,
    ManifestFileError,
    finding,
)
from local.rekognition.manifests.images import ImageDimensionError, check_image
from local.rekognition.manifests.manifest import ManifestLine, Source, manifest_text, parse_manifest
from local.rekognition.manifests.storage import ObjectStorage, Reason, StorageError
from local.rekognition.use_case import UseCase

_PARALLEL_READS = 8
_FILE_ERRORS = {
    Reason.MISSING: FILE_INVALID,
    Reason.DENIED: BUCKET_PERMISSIONS,
    Reason.TOO_LARGE: FILE_TOO_LARGE,
    Reason.UNAVAILABLE: BUCKET_PERMISSIONS,
}

Decode = Callable[[bytes], Any]


@dataclass(frozen=True)
class Dataset:
    """The lines of one manifest, the bucket that holds it, the kind of model that they are for once that is decided,
    and the bytes of each picture once they are loaded.
    """

    manifest_bucket: str
    lines: tuple[ManifestLine, ...]
    use_case: UseCase | None = None
    images: Mapping[Source | None, bytes] = field(default_factory=dict)

    @property
    def valid_lines(self) -> list[ManifestLine]:
        """Return the lines to train on or test with."""
        return [line for line in self.lines if line.is_valid]

    @property
    def labels(self) -> frozenset[str]:
        """Return every label of a valid line."""
        return frozenset().union(*(line.label_set for line in self.valid_lines))

    @property
    def images_per_label(self) -> Counter[str]:
        """Count the pictures that carry each label."""
        return Counter(label for line in self.valid_lines for label in line.label_set)

    @property
    def buckets(self) -> frozenset[str]:
        """Return the buckets of the pictures."""
        return frozenset(line.source.bucket for line in self.lines if line.source is not None)


def read_dataset(storage: ObjectStorage, bucket: str, key: str, version: str | None = None) -> Dataset:
    """Read and parse a manifest. Raises ManifestFileError with the service's sentence."""
    try:
        data = storage.read(bucket, key, limits.MANIFEST_BYTES, version)
    except StorageError as error:
        raise ManifestFileError(_FILE_ERRORS[error.reason]) from error
    return Dataset(bucket, parse_manifest(manifest_text(key, data)))


def read_asset(storage: ObjectStorage, data: Mapping[str, Any]) -> Dataset:
    """Read the manifest of a request's TrainingData or TestingData. Raises ManifestFileError."""
    manifest = data["Assets"][0]["GroundTruthManifest"]["S3Object"]
    return read_dataset(storage, manifest["Bucket"], manifest["Name"], manifest.get("Version"))


def stored_dataset(text: str) -> Dataset:
    """Read the lines that the service kept of a dataset; they belong to the owner of their images."""
    lines = parse_manifest(text) if text else ()
    return Dataset(next((line.source.bucket for line in lines if line.source), ""), lines)


def choose_use_case(training: Dataset) -> UseCase | None:
    """Return the kind of model that most lines of a training set are for, None when no line can be used."""
    kinds = Counter(kind for line in training.lines for kind in {found.use_case for found in line.annotations})
    return max(UseCase, key=lambda kind: kinds[kind]) if kinds else None


def for_use_case(dataset: Dataset, use_case: UseCase | None) -> Dataset:
    """Return the dataset with what is of this kind; lines of another kind are ignored from then on."""
    if use_case is None:
        return dataset
    return replace(dataset, use_case=use_case, lines=tuple(line.of_use_case(use_case) for line in dataset.lines))


def can_split(dataset: Dataset) -> bool:
    """Tell whether every label has pictures for both sides of a split."""
    return all(count >= limits.MIN_IMAGES_PER_LABEL_TO_SPLIT for count in dataset.images_per_label.values())


def split(dataset: Dataset) -> tuple[Dataset, Dataset]:
    """Split into 80 % training and 20 % testing lines, label by label, always the same way for the same pictures."""
    testing = testing_lines(dataset)
    chosen = {id(line) for line in testing}
    training = tuple(line for line in dataset.lines if id(line) not in chosen)
    return replace(dataset, lines=training), replace(dataset, lines=testing)


def testing_lines(dataset: Dataset) -> tuple[ManifestLine, ...]:
    """Return the lines that a split takes for testing."""
    testing = set(_testing_sources(dataset))
    return tuple(line for line in dataset.lines if line.is_valid and line.source in testing)


def _testing_sources(dataset: Dataset) -> Iterator[Source | None]:
    counts = dataset.images_per_label
    groups: dict[str, list[ManifestLine]] = {}
    for line in dataset.valid_lines:
        rarest = min(line.label_set, key=lambda label: (counts[label], label))
        groups.setdefault(rarest, []).append(line)
    for lines in groups.values():
        share = round(limits.TESTING_SHARE * len(lines))
        size = max(share, 1) if len(lines) >= limits.MIN_IMAGES_PER_LABEL_TO_SPLIT else 0
        yield from (line.source for line in sorted(lines, key=_shuffled)[:size])


def _shuffled(line: ManifestLine) -> bytes:
    return hashlib.sha256(repr(line.source).encode("utf-8", "surrogatepass")).digest()


def bucket_codes(dataset: Dataset, storage: ObjectStorage) -> Iterator[str]:
    """Name what is wrong with where the pictures lie."""
    if len(dataset.buckets) > 1:
        yield "ERROR_IMAGES_IN_MULTIPLE_S3_BUCKETS"
        return
    for bucket in dataset.buckets:
        try:
            storage.check_bucket(bucket)
            if bucket != dataset.manifest_bucket and storage.owner(bucket) != storage.owner(dataset.manifest_bucket):
                yield "ERROR_INVALID_IMAGES_S3_BUCKET_OWNER"
        except StorageError:
            yield "ERROR_INVALID_PERMISSIONS_IMAGES_S3_BUCKET"


def line_codes(dataset: Dataset) -> Iterator[str]:
    """Name what is wrong with the lines as a whole."""
    invalid = sum(line.is_invalid for line in dataset.lines)
    if invalid > limits.INVALID_LINE_SHARE * len(dataset.lines):
        yield "ERROR_TOO_MANY_INVALID_ROWS_IN_MANIFEST"


def label_codes(dataset: Dataset, *, usable: bool) -> Iterator[str]:
    """Name what is wrong with the labels; `usable` once the lines without a good picture are out."""
    if len(dataset.labels) < limits.MIN_LABELS[dataset.use_case or UseCase.IMAGE_LEVEL_LABELS]:
        yield "ERROR_MANIFEST_TOO_FEW_USABLE_LABELS" if usable else "ERROR_MANIFEST_TOO_FEW_LABELS"
    if len(dataset.labels) > limits.MAX_LABELS:
        yield "ERROR_MANIFEST_TOO_MANY_LABELS"


def testing_size_codes(testing: Dataset) -> Iterator[str]:
    """Name what is wrong with the size of a testing set."""
    if any(count > limits.TESTING_IMAGES_PER_LABEL for count in testing.images_per_label.values()):
        yield "ERROR_TOO_MANY_RECORDS_IN_ERROR"


def overlap_codes(training: Dataset, testing: Dataset, *, usable: bool) -> Iterator[str]:
    """Name what is wrong between the two sets: too few of the training labels are tested."""
    shared = len(training.labels & testing.labels)
    if 100 * shared < limits.LABEL_OVERLAP_PERCENT * len(training.labels):
        yield "ERROR_INSUFFICIENT_USABLE_LABEL_OVERLAP" if usable else "ERROR_INSUFFICIENT_LABEL_OVERLAP"


def with_images(dataset: Dataset, storage: ObjectStorage, decode: Decode) -> Dataset:
    """Load the picture of every valid line; a line whose picture is missing or bad becomes invalid.

    Raises StorageError when S3 itself fails.
    """
    with ThreadPoolExecutor(_PARALLEL_READS) as pool:
        loaded = list(pool.map(lambda line: _load(line, storage, decode), dataset.lines))
    images = {line.source: data for line, data in loaded if data is not None}
    return replace(dataset, lines=tuple(line for line, _ in loaded), images=images)


def _load(line: ManifestLine, storage: ObjectStorage, decode: Decode) -> tuple[ManifestLine, bytes | None]:
    if line.source is None or not line.is_valid:
        return line, None
    try:
        data = storage.read(line.source.bucket, line.source.key, limits.OBJECT_IMAGE_BYTES)
        check_image(data)
        picture = decode(data)
    except StorageError as error:
        if error.reason is Reason.UNAVAILABLE:
            raise
        return line.rejected(finding("ERROR_INVALID_IMAGE")), None
    except ImageDimensionError:
        return line.rejected(finding("ERROR_INVALID_IMAGE_DIMENSION" if line.frames else "ERROR_INVALID_IMAGE")), None
    except ValueError:
        return line.rejected(finding("ERROR_INVALID_IMAGE")), None
    # As the engine sees it: it may turn a picture upright.
    if any(frame != picture.size for frame in line.frames):
        return line.rejected(finding("ERROR_INVALID_IMAGE_DIMENSION")), None
    return line, data
