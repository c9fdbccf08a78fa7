"""The lines of a training manifest: what each says, and what is wrong with it."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import PurePosixPath
from typing import Any

from local.rekognition import limits
from local.rekognition.failures import FILE_EMPTY, FILE_INVALID, FILE_TOO_LARGE, Finding, ManifestFileError, finding

CLASSIFICATION = "groundtruth/image-classification"
DETECTION = "groundtruth/object-detection"

_SOURCE_REF = re.compile(r"s3://(?P<bucket>[0-9A-Za-z.\-_]{3,255})/(?P<key>.{1,1024})", re.DOTALL)
_METADATA = "-metadata"


@dataclass(frozen=True)
class Source:
    """The image a line is about."""

    bucket: str
    key: str


@dataclass(frozen=True)
class ManifestLine:
    """One line; `labels` maps the key of each usable label attribute to its label.

    A line is valid with labels, invalid with errors and no labels, and ignored otherwise.
    """

    document: Mapping[str, Any] | None
    source: Source | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()

    @property
    def key(self) -> str:
        """Return the key of the image, empty without one."""
        return self.source.key if self.source else ""

    @property
    def is_valid(self) -> bool:
        """Tell whether the line can be trained on or tested with."""
        return bool(self.labels)

    @property
    def is_invalid(self) -> bool:
        """Tell whether the line counts against the share of invalid lines."""
        return not self.labels and any(found.is_error for found in self.findings)

    @property
    def label_set(self) -> frozenset[str]:
        """Return the labels of the image."""
        return frozenset(self.labels.values())

    def rejected(self, *findings: Finding) -> "ManifestLine":
        """Return the line with more findings and without labels."""
        return replace(self, labels={}, findings=self.findings + findings)

    def annotated(self) -> dict[str, Any]:
        """Return the line as a validation manifest shows it: findings listed in the object that they concern."""
        document = dict(self.document or {})
        for found in self.findings:
            target = document
            if isinstance(document.get(found.where), dict):
                target = document[found.where] = dict(document[found.where])
            kind = "errors" if found.is_error else "warnings"
            target[kind] = [*target.get(kind, []), found.document()]
        return document


def manifest_text(name: str, data: bytes) -> str:
    """Decode a manifest file. Raises ManifestFileError with the service's sentence."""
    if not PurePosixPath(name).suffix:
        raise ManifestFileError(FILE_INVALID)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ManifestFileError(FILE_INVALID) from error
    if not text.strip():
        raise ManifestFileError(FILE_EMPTY)
    return text


def parse_manifest(text: str) -> tuple[ManifestLine, ...]:
    """Parse JSON Lines; the first of several lines about one image counts. Raises ManifestFileError on too many."""
    rows = text.removesuffix("\n").split("\n")
    if len(rows) > limits.MANIFEST_LINES:
        raise ManifestFileError(FILE_TOO_LARGE)
    seen: set[Source] = set()
    return tuple(_first_of_its_image(parse_line(row), seen) for row in rows)


def parse_line(row: str) -> ManifestLine:
    """Parse one line; the structure is checked first, and only a sound one for what it says."""
    document = _json_object(row)
    if document is None:
        return ManifestLine(None, findings=(finding("ERROR_INVALID_JSON_LINE"),))
    line = ManifestLine(document, _source(document))
    structural = tuple(_structural_findings(document))
    if structural:
        return line.rejected(*structural)
    if set(document) == {"source-ref"}:
        return line.rejected(finding("WARNING_UNANNOTATED_RECORD"))
    return _with_labels(line, document)


def has_boxes(line: ManifestLine) -> bool:
    """Tell whether a sound line carries bounding boxes."""
    if line.document is None or line.findings:
        return False
    metadata = [line.document[key + _METADATA] for key in _label_attributes(line.document)]
    return any(entry["type"] == DETECTION for entry in metadata)


def _first_of_its_image(line: ManifestLine, seen: set[Source]) -> ManifestLine:
    if line.source is None or not line.is_valid:
        return line
    if line.source in seen:
        return line.rejected()
    seen.add(line.source)
    return line


def _json_object(row: str) -> dict[str, Any] | None:
    if len(row) > limits.LINE_CHARACTERS:
        return None
    try:
        document = json.loads(row, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _source(document: Mapping[str, Any]) -> Source | None:
    reference = document.get("source-ref")
    match = _SOURCE_REF.fullmatch(reference) if isinstance(reference, str) else None
    return Source(match["bucket"], match["key"]) if match else None


def _label_attributes(document: Mapping[str, Any]) -> list[str]:
    return [key for key in document if key != "source-ref" and key + _METADATA in document]


def _structural_findings(document: Mapping[str, Any]) -> Iterator[Finding]:
    if "source-ref" not in document:
        yield finding("ERROR_MISSING_SOURCE_REF")
    elif _source(document) is None:
        yield finding("ERROR_INVALID_SOURCE_REF_FORMAT")
    attributes = _label_attributes(document)
    if not attributes and set(document) - {"source-ref"}:
        yield finding("ERROR_NO_LABEL_ATTRIBUTES")
    for key in attributes:
        yield from _attribute_findings(key, document[key], document[key + _METADATA])


def _attribute_findings(key: str, value: Any, metadata: Any) -> Iterator[Finding]:
    if not isinstance(metadata, dict) or not isinstance(metadata.get("type"), str):
        yield finding("ERROR_INVALID_LABEL_ATTRIBUTE_METADATA_FORMAT", key + _METADATA)
    elif metadata["type"] == CLASSIFICATION:
        if not _is_number(value, int):
            yield finding("ERROR_INVALID_LABEL_ATTRIBUTE_FORMAT", key)
        if not all(check(metadata.get(name)) for name, check in _METADATA_CHECKS.items()):
            yield finding("ERROR_INVALID_LABEL_ATTRIBUTE_METADATA_FORMAT", key + _METADATA)


def _is_number(value: Any, kind: type | tuple[type, ...]) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)


def _is_confidence(value: Any) -> bool:
    return _is_number(value, (int, float)) and 0 <= value <= 1


def _is_time(value: Any) -> bool:
    try:
        return bool(datetime.fromisoformat(value))
    except (TypeError, ValueError):
        return False


_METADATA_CHECKS: dict[str, Callable[[Any], bool]] = {
    "class-name": lambda value: isinstance(value, str),
    "confidence": _is_confidence,
    "human-annotated": lambda value: value in ("yes", "no"),
    "creation-date": _is_time,
    "job-name": lambda value: value is None or isinstance(value, str),
}


def _with_labels(line: ManifestLine, document: Mapping[str, Any]) -> ManifestLine:
    labels: dict[str, str] = {}
    findings: list[Finding] = []
    for key in _label_attributes(document):
        metadata = document[key + _METADATA]
        if metadata["type"] not in (CLASSIFICATION, DETECTION):
            findings.append(finding("ERROR_UNSUPPORTED_USE_CASE_TYPE", key + _METADATA))
        elif metadata["type"] == CLASSIFICATION and not 1 <= len(metadata["class-name"]) <= limits.LABEL_CHARACTERS:
            findings.append(finding("ERROR_INVALID_LABEL_NAME_LENGTH", key + _METADATA))
        elif metadata["type"] == CLASSIFICATION:
            labels[key] = metadata["class-name"]
    if (findings and not labels) or len(set(labels.values())) > limits.LABELS_PER_IMAGE:
        return line.rejected(*findings, finding("ERROR_NO_VALID_LABEL_ATTRIBUTES"))
    return replace(line, labels=labels, findings=tuple(findings))
