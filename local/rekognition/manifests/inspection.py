"""Read both manifests of a training and decide whether the service would train on them."""

import json
from dataclasses import dataclass, replace
from typing import Any

from local.rekognition.manifests import dataset as rules
from local.rekognition.manifests.dataset import Dataset, Decode
from local.rekognition.manifests.failures import Finding, finding
from local.rekognition.manifests.storage import ObjectStorage, StorageError


@dataclass(frozen=True)
class Inspection:
    """Both sets, and the codes of what is wrong with each of them or between them."""

    training: Dataset
    testing: Dataset
    training_codes: tuple[str, ...] = ()
    testing_codes: tuple[str, ...] = ()
    shared_codes: tuple[str, ...] = ()

    @property
    def findings(self) -> list[Finding]:
        """Return what forbids to train, each once."""
        codes = dict.fromkeys(self.shared_codes + self.training_codes + self.testing_codes)
        return [finding(code) for code in codes]

    def summary_document(self) -> dict[str, Any]:
        """Write the ManifestSummary."""
        return {
            "errors": [finding(code).document() for code in self.shared_codes],
            "statistics": {
                "training": _statistics(self.training, self.training_codes),
                "testing": _statistics(self.testing, self.testing_codes),
            },
        }


def inspect(given: Dataset, given_testing: Dataset | None, storage: ObjectStorage, decode: Decode) -> Inspection:
    """Check the lines, then the pictures; pictures are only read when the lines are in order.

    Without a testing set it is split off the training set.
    """
    use_case = rules.choose_use_case(given)
    training = rules.for_use_case(given, use_case)
    if given_testing is not None:
        found = Inspection(training, rules.for_use_case(given_testing, use_case))
    elif rules.can_split(training):
        found = Inspection(*rules.split(training))
    else:
        codes = (*rules.line_codes(training), "ERROR_INSUFFICIENT_IMAGES_PER_LABEL_FOR_AUTOSPLIT")
        return Inspection(training, Dataset(training.manifest_bucket, ()), training_codes=codes)
    found = _with_manifest_codes(found, given, given_testing, storage)
    return found if found.findings else _with_image_codes(found, storage, decode)


def validation_manifest(dataset: Dataset) -> str:
    """Write every line of a manifest with its findings."""
    return "".join(f"{json.dumps(line.annotated())}\n" for line in dataset.lines)


def _with_manifest_codes(
    found: Inspection, given: Dataset, given_testing: Dataset | None, storage: ObjectStorage
) -> Inspection:
    def codes(dataset: Dataset, manifest: Dataset | None) -> tuple[str, ...]:
        buckets = rules.bucket_codes(manifest, storage) if manifest else ()
        return (*rules.line_codes(dataset), *buckets, *rules.label_codes(dataset, usable=False))

    return replace(
        found,
        training_codes=codes(found.training, given),
        testing_codes=codes(found.testing, given_testing) + tuple(rules.testing_size_codes(found.testing)),
        shared_codes=tuple(rules.overlap_codes(found.training, found.testing, usable=False)),
    )


def _with_image_codes(found: Inspection, storage: ObjectStorage, decode: Decode) -> Inspection:
    try:
        training = rules.with_images(found.training, storage, decode)
        testing = rules.with_images(found.testing, storage, decode)
    except StorageError:
        return replace(found, shared_codes=("ERROR_FAILED_IMAGES_S3_COPY",))
    return Inspection(training, testing, _usable_codes(training), _usable_codes(testing), _overlap(training, testing))


def _usable_codes(dataset: Dataset) -> tuple[str, ...]:
    return (*rules.line_codes(dataset), *rules.label_codes(dataset, usable=True))


def _overlap(training: Dataset, testing: Dataset) -> tuple[str, ...]:
    return tuple(rules.overlap_codes(training, testing, usable=True))


def _statistics(dataset: Dataset, codes: tuple[str, ...]) -> dict[str, Any]:
    valid = sum(line.is_valid for line in dataset.lines)
    invalid = [number for number, line in enumerate(dataset.lines, start=1) if line.is_invalid]
    return {
        "use_case": dataset.use_case if valid and dataset.use_case else "NOT_DETERMINED",
        "total_json_lines": len(dataset.lines),
        "valid_json_lines": valid,
        "invalid_json_lines": len(invalid),
        "ignored_json_lines": len(dataset.lines) - valid - len(invalid),
        "error_json_line_indices": invalid,
        "errors": [finding(code).document() for code in codes],
    }
