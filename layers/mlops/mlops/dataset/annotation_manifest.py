"""`datasets/<dataset>/annotations.manifest`: what labelling tools say of pictures, one JSON object a line.

Read are the output of SageMaker Ground Truth, the manifests of Rekognition Custom Labels and of Lookout for Vision.
Source: "Output data" in the SageMaker guide; "Manifest files" in the guides of Custom Labels and Lookout for Vision.
Whoever wrote it, it is taken for hostile: a bad line is refused with its reason, and its neighbours go on.
"""

import hashlib
import json
import math
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from mlops.codec import Json
from mlops.dataset.keys import SPLITS
from mlops.dataset.labels import as_written, likeness
from mlops.dataset.limits import MAX_BOXES, MAX_IMAGES, MAX_LABEL_NAME
from mlops.dataset.manifest_lines import MOST_BYTES_A_LINE, Overlong, lines_of
from mlops.words import quoted

_METADATA = "-metadata"
# A reviewer's word about a picture that the dataset has already.
SAME_AS = "same-as"
_LOOKOUT_MASK = "anomaly-mask-ref"
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")
# What S3 takes for a key, in bytes of UTF-8.
_MOST_KEY_BYTES = 1024
_MOST_SAID = 80
_Names = Mapping[str, str]


@dataclass(frozen=True)
class LabelledBox:
    """A box in pixels of the stored picture, from its top left corner."""

    label: str
    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True)
class MaskColour:
    """Which label a colour of a mask (`#rrggbb`, lower case) stands for; the background is a label like any other."""

    colour: str
    label: str


@dataclass(frozen=True)
class Line:
    """What is said of one picture. `number` counts lines from 1.

    `source_ref` and `mask` are relative to the dataset or begin with `s3://`. `labels` are those of the whole picture,
    as they are written. `same_as` is the picture of the dataset that it is: the line is a word about that one, which
    keeps its own labels. `is_boxed`: boxes were asked for, so that none means there are none; `image_size` is (width,
    height) in pixels as the boxes were drawn. `remarks` say what was left out and why.
    """

    number: int
    source_ref: str
    labels: tuple[str, ...] = ()
    boxes: tuple[LabelledBox, ...] = ()
    mask: str | None = None
    side: str | None = None
    group: str | None = None
    same_as: str | None = None
    image_size: tuple[int, int] | None = None
    is_boxed: bool = False
    mask_colours: tuple[MaskColour, ...] = ()
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Refused:
    """A line that cannot be used, and a sentence that goes after `line <number> `."""

    number: int
    why: str


class _Wrong(ValueError):  # noqa: N818  - a refusal is a result that is recorded, not a fault
    """What is wrong with a line or an attribute, and what to do."""


def read(chunks: Iterable[bytes], base: str = "") -> Iterator[Line | Refused]:
    """Read a manifest that comes in pieces of any size; blank lines are skipped.

    `base` (`s3://<bucket>/datasets/<dataset>/`) is where the dataset lies: a reference that begins with it is made
    relative. The first line of a picture counts, later ones are refused. Of each line that is taken a few bytes are
    kept, so memory is bounded: after 250 000 pictures nothing more is read.
    """
    known: dict[bytes, int] = {}
    for number, text in enumerate(lines_of(chunks), start=1):
        if isinstance(text, bytes) and not text.strip():
            continue
        if len(known) == MAX_IMAGES:
            yield Refused(number, f"and all after it are not read: a dataset has at most {MAX_IMAGES} pictures")
            return
        try:
            line = _line(number, text, base)
            # Digests of one length: a quarter of a million keys would take several times the memory.
            seen = hashlib.blake2b(line.source_ref.encode(), digest_size=16).digest()
            if seen in known:
                raise _Wrong(f"names {_said(line.source_ref)} again: line {known[seen]} counts; delete one of them")
        except _Wrong as wrong:
            yield Refused(number, str(wrong))
            continue
        known[seen] = number
        yield line


def _line(number: int, text: bytes | Overlong, base: str) -> Line:
    if isinstance(text, Overlong):
        raise _Wrong(
            f"has more than {MOST_BYTES_A_LINE} bytes; write one picture a line, with at most {MAX_BOXES} boxes"
        )
    entry = _parsed(text)
    if "source-ref" not in entry:
        raise _Wrong('has no "source-ref": say there which picture it is about, relative to the dataset')
    source = _reference("source-ref", entry["source-ref"], base)
    said = _Said(base)
    for name in [key.removesuffix(_METADATA) for key in entry if key.endswith(_METADATA) and key != _METADATA]:
        said.take(name, entry)
    said.take_plain(entry)
    # What cannot be used costs the line only where it has nothing else to say.
    if said.wrong and not said.is_anything:
        raise _Wrong("; ".join(said.wrong))
    return Line(
        number,
        source,
        tuple(dict.fromkeys(said.labels)),
        tuple(said.boxes),
        said.mask,
        _side(entry),
        _group(entry),
        _same_as(entry, base),
        said.image_size,
        said.is_boxed,
        tuple(said.colours),
        tuple([f"{wrong}; it was left out" for wrong in said.wrong] + said.remarks),
    )


def _parsed(text: bytes) -> Json:
    try:
        entry = json.loads(text.decode(), object_pairs_hook=_without_repetition, parse_constant=_no_constant)
    except UnicodeDecodeError:
        raise _Wrong("is not text in UTF-8; save the file as UTF-8") from None
    except RecursionError:
        raise _Wrong("is nested too deeply; write it as Ground Truth does") from None
    except _Wrong:
        raise
    except ValueError as error:
        raise _Wrong(f"is not valid JSON ({error}); write one JSON object a line") from None
    if not isinstance(entry, dict):
        raise _Wrong("is not a JSON object; write one a line, without brackets and commas around them")
    return entry


def _without_repetition(pairs: list[tuple[str, Any]]) -> Json:
    # JSON leaves open which of two fields of a name counts: nobody would notice what was lost.
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise _Wrong(f"has the field {_said(name)} twice: keep one of them")
        found[name] = value
    return found


def _no_constant(name: str) -> None:
    raise _Wrong(f"has {name}, which is no number in JSON; write the number, or leave the field out")


@dataclass
class _Said:
    """What the attributes of a line say; `wrong` has a sentence for each that cannot be used."""

    base: str
    labels: list[str] = field(default_factory=list)
    boxes: list[LabelledBox] = field(default_factory=list)
    colours: list[MaskColour] = field(default_factory=list)
    mask: str | None = None
    image_size: tuple[int, int] | None = None
    is_boxed: bool = False
    wrong: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    @property
    def is_anything(self) -> bool:
        return bool(self.labels or self.is_boxed or self.mask)

    def take(self, name: str, entry: Json) -> None:
        """An attribute, whose name the tool chose; its metadata say of which kind it is."""
        readers: dict[str, Callable[[str, Any, Json], None]] = {
            "groundtruth/image-classification": self._label,
            "groundtruth/image-classification-multilabel": self._labels,
            "groundtruth/object-detection": self._boxes,
            "groundtruth/semantic-segmentation": self._mask,
        }
        try:
            metadata = _object(entry[f"{name}{_METADATA}"], "its metadata")
            if "failure-reason" in metadata:
                raise _Wrong(f"the labelling job failed here: {_said(metadata['failure-reason'])}; label it again")
            if name not in entry and "type" not in metadata:
                # Notes of a service, such as cl-metadata of Custom Labels, belong to no attribute.
                return
            # Lookout for Vision gives its masks no type.
            kind = metadata.get("type", "groundtruth/semantic-segmentation" if name == _LOOKOUT_MASK else None)
            reader = readers.get(kind) if isinstance(kind, str) else None
            if reader is None:
                raise _Wrong(f"its type is {_said(kind)}; known are {', '.join(readers)}")
            reader(name, entry.get(name), metadata)
        except _Wrong as wrong:
            self.wrong.append(f"{_said(name)} cannot be used: {wrong}")

    def take_plain(self, entry: Json) -> None:
        """What stands without metadata."""
        for name, value in entry.items():
            if f"{name}{_METADATA}" in entry:
                continue
            if isinstance(value, dict) and "annotations" in value:
                self.wrong.append(
                    f"{_said(name)} cannot be used: it has no {_said(name + _METADATA)}, which names its labels"
                )
            elif name == _LOOKOUT_MASK:
                self.take(name, {name: value, f"{name}{_METADATA}": {}})

    def _label(self, _: str, __: Any, metadata: Json) -> None:
        _check_confidence(metadata.get("confidence"))
        self.labels.append(_label("class-name", metadata.get("class-name")))

    def _labels(self, _: str, value: Any, metadata: Json) -> None:
        if not isinstance(value, list):
            raise _Wrong("it is not a list of class numbers")
        names = _class_map(metadata)
        for confidence in _object(metadata.get("confidence-map", {}), "its confidence-map").values():
            _check_confidence(confidence)
        self.labels += [_named(number, names) for number in value]

    def _boxes(self, _: str, value: Any, metadata: Json) -> None:
        value = _object(value, "it")
        size, given = _image_size(value.get("image_size")), value.get("annotations")
        if not isinstance(given, list):
            raise _Wrong('its "annotations" are not a list of boxes')
        if len(given) + len(self.boxes) > MAX_BOXES:
            raise _Wrong(f"it has {len(given)} boxes; a picture may have {MAX_BOXES}")
        if self.image_size and size and size != self.image_size:
            raise _Wrong(f"its image_size is {size[0]} x {size[1]} px, and another attribute says otherwise")
        names = _class_map(metadata) if given else {}
        drawn = [_box(place, box, names, size) for place, box in enumerate(given, start=1)]
        self.boxes += [box for box, _ in drawn]
        self.remarks += [remark for _, remark in drawn if remark]
        self.image_size, self.is_boxed = self.image_size or size, True

    def _mask(self, name: str, value: Any, metadata: Json) -> None:
        if self.mask is not None:
            raise _Wrong("there is another mask already; a picture has one")
        colours = _colours(metadata.get("internal-color-map", {}))
        self.mask = _reference(name, value, self.base)
        self.colours += colours


def _object(value: Any, what: str) -> Json:
    if not isinstance(value, dict):
        raise _Wrong(f"{what} is not a JSON object")
    return value


def _label(where: str, value: Any) -> str:
    if not isinstance(value, str) or not (name := as_written(value)):
        raise _Wrong(f"its {where} is {_said(value)}; it must be the name of a label")
    if len(name) > MAX_LABEL_NAME:
        raise _Wrong(f"its {where} has {len(name)} characters; a label has at most {MAX_LABEL_NAME}")
    if _has_odd_characters(name):
        raise _Wrong(f"its {where} {_said(name)} has characters that cannot be seen; rename the label")
    return name


def _class_map(metadata: Json) -> _Names:
    given = _object(metadata.get("class-map"), "its class-map")
    return {number: _label("class-map", name) for number, name in given.items()}


def _named(number: Any, names: _Names) -> str:
    if isinstance(number, bool) or not isinstance(number, int):
        raise _Wrong(f"a class number is {_said(number)}; it must be a whole number")
    if str(number) not in names:
        raise _Wrong(f"its class-map does not name the class {_said(number)}; add it there")
    return names[str(number)]


def _number(where: str, value: Any) -> float:
    """A number from 0 on; JSON takes 1e999, which is none, and Python takes true for 1."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not 0 <= value < 2**31 or not math.isfinite(value):
        raise _Wrong(f"{where} is {_said(value)}; it must be a number of pixels from 0 on")
    number: float = value
    return number


def _check_confidence(value: Any) -> None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if value is not None and not (is_number and 0 <= value <= 1):
        raise _Wrong(f"its confidence is {_said(value)}; it must be a number from 0 to 1")


def _image_size(given: Any) -> tuple[int, int] | None:
    if given is None:
        return None
    if not isinstance(given, list) or len(given) != 1 or not isinstance(given[0], dict):
        raise _Wrong('its "image_size" is not a list of one width and height')
    width, height = (_number(f"its {side}", given[0].get(side)) for side in ("width", "height"))
    if min(width, height) < 1 or width != int(width) or height != int(height):
        raise _Wrong(f"its image_size is {width} x {height} px; a picture has whole pixels")
    return int(width), int(height)


def _box(place: int, given: Any, names: _Names, size: tuple[int, int] | None) -> tuple[LabelledBox, str]:
    """A box, cut off at the edge of its picture, and a remark where it was."""
    given = _object(given, f"box {place}")
    label = _named(given.get("class_id"), names)
    left, top, width, height = (
        _number(f"{side} of box {place}", given.get(side)) for side in ("left", "top", "width", "height")
    )
    if not (width and height):
        raise _Wrong(f"box {place} is {width} x {height} px; draw it around something, or delete it")
    box = LabelledBox(label, left, top, width, height)
    if size is None or (left + width <= size[0] and top + height <= size[1]):
        return box, ""
    frame = f"its picture of {size[0]} x {size[1]} px"
    if left >= size[0] or top >= size[1]:
        raise _Wrong(f"box {place} lies outside of {frame}; was the picture turned or scaled after it was labelled?")
    cut = LabelledBox(label, left, top, min(width, size[0] - left), min(height, size[1] - top))
    return cut, f"box {place} reached beyond {frame} and was cut off there"


def _colours(given: Any) -> list[MaskColour]:
    found = []
    for value in _object(given, "its internal-color-map").values():
        entry = _object(value, "a colour of its internal-color-map")
        colour = entry.get("hex-color")
        if not isinstance(colour, str) or not _COLOUR.fullmatch(colour):
            raise _Wrong(f"a hex-color is {_said(colour)}; it must be like #1f77b4")
        found.append(MaskColour(colour.lower(), _label("class-name", entry.get("class-name"))))
    return found


def _reference(where: str, value: Any, base: str) -> str:
    """A path relative to the dataset, or an S3 URI. Raises _Wrong for whatever could mean another place."""
    if not isinstance(value, str) or not value.strip():
        raise _Wrong(f"{where} is {_said(value)}; it must be the path of a picture")
    path = value.removeprefix(base) if base else value
    if _has_odd_characters(path):
        raise _Wrong(f"{where} {_said(value)} has characters that cannot be seen; rename the file")
    if len(path.encode()) > _MOST_KEY_BYTES:
        raise _Wrong(f"{where} has {len(path.encode())} bytes; S3 takes {_MOST_KEY_BYTES}")
    bucket, key = "", path.removeprefix("./")
    if path.startswith("s3://"):
        bucket, _, key = path.removeprefix("s3://").partition("/")
        if not _BUCKET.fullmatch(bucket):
            raise _Wrong(f"{where} {_said(value)} names no bucket; write s3://<bucket>/<key>")
    elif _SCHEME.match(path) or path.startswith("/") or "\\" in path:
        raise _Wrong(f"{where} {_said(value)} must be relative to the dataset, with /, or begin with s3://")
    # A path is put behind the prefix of a dataset: none may lead out of it.
    if any(part in ("", ".", "..") for part in key.split("/")):
        raise _Wrong(f"{where} {_said(value)} must go straight to a file: no .., no . and no empty names")
    return f"s3://{bucket}/{key}" if bucket else key


def _side(entry: Json) -> str | None:
    """On a wrong side a picture would be learned that is to be tested with, so that a word nobody knows is refused."""
    given = entry.get("side")
    if given is None or f"side{_METADATA}" in entry:
        return None
    if not isinstance(given, str) or (side := likeness(given)) not in SPLITS:
        raise _Wrong(f"has the side {_said(given)}; it must be {', '.join(SPLITS[:-1])} or {SPLITS[-1]}")
    return side


def _group(entry: Json) -> str | None:
    given = entry.get("group")
    if given is None or f"group{_METADATA}" in entry:
        return None
    if isinstance(given, int) and not isinstance(given, bool):
        given = str(given)
    if not isinstance(given, str) or not (group := as_written(given)) or _has_odd_characters(group):
        raise _Wrong(f"has the group {_said(given)}; it must be a name that all pictures of one part share")
    if len(group.encode()) > _MOST_KEY_BYTES:
        raise _Wrong(f"has a group of {len(group.encode())} bytes; at most {_MOST_KEY_BYTES} are kept")
    return group


def _same_as(entry: Json, base: str) -> str | None:
    given = entry.get(SAME_AS)
    return None if given is None or f"{SAME_AS}{_METADATA}" in entry else _reference(SAME_AS, given, base)


def _has_odd_characters(text: str) -> bool:
    """Control characters, line separators, halves of surrogates, and what stands for something unreadable."""
    return any(unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp") or letter == "\ufffd" for letter in text)


def _said(value: Any) -> str:
    """What was written, in short, and harmless wherever it is shown."""
    is_plain = isinstance(value, str) and not _has_odd_characters(value)
    try:
        text = quoted(value) if is_plain else json.dumps(value)
    except RecursionError:
        text = "nested too deeply"
    return text if len(text) <= _MOST_SAID else f"{text[:_MOST_SAID]}…"
