"""A dataset as it is read from its records: labels by what folders mean, and why files cannot be used."""

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from sys import intern

from mlops.dataset import annotation_manifest
from mlops.dataset.annotation_manifest import Line, MaskColour, Refused
from mlops.dataset.annotations import MaskRecord, enlarged, masks_among
from mlops.dataset.boxes import Box, LabeledBox
from mlops.dataset.dataset_json import TASKS, DatasetSettings, SettingsInvalid, parse_settings
from mlops.dataset.images import Image
from mlops.dataset.keys import KeyRefused, annotations_key, dataset_prefix, folder_of, parse_upload, path_of
from mlops.dataset.labels import NORMAL, label_of, likeness, looks_like_no_defect, unified
from mlops.dataset.mapping import PictureMapping
from mlops.dataset.object_record import ACCEPTED, REFUSED, Record
from mlops.dataset.splits import find_duplicates
from mlops.words import counted, some

_ANYTHING = "anomaly"


@dataclass(frozen=True)
class Dataset:
    """Everything that is known about a dataset at one moment.

    `refused` says why files cannot be used, by key; `problem` why nothing can be trained; `label_names` which label a
    folder stands for where that is not its own name; `remarks` is what somebody who decides should know; `window`
    (lowest and highest number) brought pictures of more than eight bits to eight, None where there are none.
    """

    name: str
    images: tuple[Image, ...]
    refused: Mapping[str, str]
    settings: DatasetSettings
    problem: str = ""
    masks: tuple[MaskRecord, ...] = ()
    refused_masks: Mapping[str, str] = field(default_factory=dict)
    label_names: Mapping[str, str] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()
    window: tuple[int, int] | None = None

    @property
    def tasks(self) -> tuple[str, ...]:
        """What is trained: as the settings say, or else detection only where there are masks or boxes."""
        has_boxes = bool(self.masks or self.refused_masks) or any(image.boxes for image in self.images)
        return self.settings.tasks or (TASKS if has_boxes else ("classification",))


@dataclass(frozen=True)
class Annotations:
    """What the annotation manifest says, by the key of each image; why lines cannot be used, by `<key> line <n>`.

    `opinions` are what reviewers said of images of which folders or lines say something already.
    """

    lines: Mapping[str, Line] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)
    opinions: tuple[Line, ...] = ()


def read_annotations(name: str, chunks: Iterable[bytes], bucket: str, keys: Collection[str]) -> Annotations:
    """The annotation manifest of a dataset whose files have these `keys`; references into `bucket` are taken, too."""
    key, prefix = annotations_key(name), dataset_prefix(name)
    lines: dict[str, Line] = {}
    refused: dict[str, str] = {}
    opinions: list[Line] = []
    for found in annotation_manifest.read(chunks, f"s3://{bucket}/{prefix}"):
        place = f"{key} line {found.number}"
        if isinstance(found, Refused):
            refused[place] = found.why
        elif found.same_as:
            opinions.append(found)
        elif found.source_ref.startswith("s3://"):
            refused[place] = (
                f"names {found.source_ref}, which is elsewhere: copy it below s3://{bucket}/{prefix}images/ and name "
                "it there, or let `mlops upload` do both"
            )
        elif f"{prefix}{found.source_ref}" not in keys:
            refused[place] = f"names {found.source_ref}, which is not in the dataset: upload it, or delete the line"
        else:
            lines[f"{prefix}{found.source_ref}"] = found
    return Annotations(lines, refused, tuple(opinions))


# What is read of a record here.
FACTS = (
    *("kind", "folder", "reason", "etag", "digest", "uploaded_at", "version_id", "width", "height", "size", "format"),
    *("picture", "stored", "done", "window", "looks", "thumbnail", "boxes", "specks", "remarks"),
    "regions",
)


@dataclass
class Recorded:
    """What is kept of the records of a dataset, as they come one by one: a few hundred bytes of each.

    `images` are the accepted ones, with the name of their folder as it is written in place of a label; those of
    `unlabelled` have no folder that names one. Those of a few colours may be masks that lines name: `coloured`.
    """

    images: list[Image] = field(default_factory=list)
    unlabelled: set[str] = field(default_factory=set)
    coloured: dict[str, "_Coloured"] = field(default_factory=dict)
    refused_images: dict[str, str] = field(default_factory=dict)
    masks: list[MaskRecord] = field(default_factory=list)
    refused_masks: dict[str, str] = field(default_factory=dict)
    others: dict[str, str] = field(default_factory=dict)
    window: tuple[int, int] | None = None
    _remarks: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    # One tuple for all pictures of a folder, of which there may be a hundred thousand.
    _folders: dict[str, tuple[str]] = field(default_factory=dict)

    @classmethod
    def of(cls, records: Iterable[Record]) -> "Recorded":
        """Everything that a run needs of these records."""
        found = cls()
        for record in records:
            found.take(record)
        return found

    def take(self, record: Record) -> None:
        """Keep what is needed of a record."""
        key, kind, state, reason = record.key, record.kind, record.state, record.reason
        # What was accepted before the layout knew better is judged by what it is now.
        try:
            if not parse_upload(key).label:
                self.unlabelled.add(key)
        except KeyRefused as refusal:
            kind, state, reason = refusal.kind, REFUSED, str(refusal)
            self.unlabelled.add(key)
        if kind == "mask":
            for remark in record.remarks:
                self._remarks[remark].append(key)
            if state == ACCEPTED:
                self.masks.append(_mask(record))
            else:
                self.refused_masks[key] = reason
        elif kind == "image" and state == ACCEPTED:
            folder = folder_of(key)
            self.images.append(_image(record, self._folders.setdefault(folder, (folder,))))
            if record.regions:
                size = record.stored[:2] if record.stored else (record.width, record.height)
                self.coloured[key] = _Coloured(size, record.regions)
            # One window serves all pictures of more than eight bits of a settled dataset.
            self.window = self.window or record.window
        elif kind == "image":
            self.refused_images[key] = reason
        else:
            self.others[key] = reason if state == REFUSED else ""

    @property
    def keys(self) -> set[str]:
        """The keys of all records."""
        masks = (mask.key for mask in self.masks)
        return {*(i.key for i in self.images), *self.refused_images, *masks, *self.refused_masks, *self.others}

    def names(self, annotations: Annotations) -> set[str]:
        """Labels as they are written: by folders, and by lines."""
        lines = annotations.lines
        names = {folder_of(key) for key in self.keys if key not in self.unlabelled and key not in lines}
        names |= {name for line in lines.values() for name in (*line.labels, *(box.label for box in line.boxes))}
        return names | {colour.label for line in lines.values() for colour in line.mask_colours if _marks(colour)}

    def remarks(self) -> Iterator[str]:
        """What is to be said of the masks."""
        for remark, keys in sorted(self._remarks.items()):
            yield f"{some(keys)}: {remark}"


def read(
    name: str,
    recorded: Recorded,
    content: bytes | None,
    annotations: Annotations = Annotations(),
) -> Dataset:
    """A dataset from its records, the content of its dataset.json, if it has one, and its annotation manifest."""
    problem, settings = "", DatasetSettings()
    try:
        settings = parse_settings(content)
    except SettingsInvalid as error:
        problem = str(error)
    labels = _Labels(recorded.names(annotations), settings)
    of_lines = _masks_of_lines(name, recorded, annotations)
    refused = recorded.refused_images | {key: reason for key, reason in recorded.others.items() if reason}
    # A mask beside its picture would teach the classifier what masks look like.
    images = (*(image.key for image in recorded.images), *recorded.refused_images)
    among = masks_among(key for key in images if key not in annotations.lines and key not in of_lines)
    refused |= among | dict(annotations.refused)
    accepted, unread = [], defaultdict[str, list[str]](list)
    for image in recorded.images:
        if image.key not in refused and image.key not in of_lines:
            try:
                line = annotations.lines.get(image.key)
                labelled = _labelled(image, recorded, labels, line, settings)
                if line and line.mask:
                    labelled = _marked(labelled, line, of_lines, labels, unread)
                accepted.append(labelled)
            except _Unusable as why:
                refused[image.key] = str(why)
    # After the labels are known: copies under two labels contradict each other, copies under one do not.
    refused |= find_duplicates(accepted)
    remarks = [*labels.remarks(), *recorded.remarks(), *_remarks_on_lines(annotations)]
    remarks += _remarks_of_reviewers(name, accepted, annotations.opinions)
    remarks += [f"{some(keys)}: {why}" for why, keys in sorted(unread.items())]
    if among:
        remarks.append(f"{counted(len(among), 'picture')} seem to be masks, and are not trained on: {some(among)}")
    return Dataset(
        name,
        tuple(sorted((image for image in accepted if image.key not in refused), key=lambda image: image.key)),
        refused,
        settings,
        problem or labels.question(),
        tuple(labels.of_mask(mask) for mask in recorded.masks),
        recorded.refused_masks,
        labels.renamed,
        tuple(remarks),
        recorded.window,
    )


class _Labels:
    """What the folders of the images and masks of a dataset, and the labels of its lines, stand for."""

    def __init__(self, written: Collection[str], settings: DatasetSettings) -> None:
        self._normal = settings.normal
        names = unified(map(label_of, written), settings.normal or ())
        self._labels = {name: names[label_of(name)] for name in sorted(written)}
        # One tuple for all pictures of a folder, of which there may be a hundred thousand.
        self._alone = {name: (label,) for name, label in self._labels.items()}

    def only(self, name: str) -> tuple[str, ...]:
        """The label of a folder as that of a picture which has no other."""
        return self._alone[name]

    def of(self, name: str) -> str:
        """The label of a folder or of a line's label."""
        return self._labels[name]

    def of_mask(self, mask: MaskRecord) -> MaskRecord:
        """The mask with the label that its folder stands for."""
        label = self.of(mask.label)
        return mask if mask.label == label else replace(mask, label=label)

    @property
    def renamed(self) -> dict[str, str]:
        return {folder: label for folder, label in self._labels.items() if folder != label}

    @property
    def _doubtful(self) -> list[str]:
        labels = set(self._labels.values()) - {NORMAL}
        return sorted(label for label in labels if looks_like_no_defect(label))

    @property
    def _has_normal(self) -> bool:
        return NORMAL in self._labels.values()

    def question(self) -> str:
        """Why nobody knows which label means "no defect"; empty when that is clear."""
        known = set(map(likeness, self._labels))
        if missing := [name for name in self._normal or () if likeness(name) not in known]:
            known_names = some(self._labels)
            return f"dataset.json: normal names {missing[0]!r}, but no folder or label is called so, only {known_names}"
        if self._normal is None and self._doubtful and not self._has_normal:
            name = json.dumps(self._doubtful[0], ensure_ascii=False)
            return (
                f'does {name} mean "no defect"? No label is known to. Say so in dataset.json: "normal": [{name}], '
                'or "normal": [] when every label is a defect'
            )
        return ""

    def remarks(self) -> Iterator[str]:
        together = defaultdict(list)
        for folder, label in self.renamed.items():
            if label != NORMAL:
                together[label].append(folder)
        for label, folders in together.items():
            yield f"{some(map(repr, folders))} is taken for {label!r}: it looks the same"
        if self._has_normal:
            for label in self._doubtful:
                yield f'{label!r} is trained as a defect. If it means "no defect", name it in dataset.json under normal'


def _remarks_on_lines(annotations: Annotations) -> Iterator[str]:
    said = defaultdict(list)
    for line in annotations.lines.values():
        for remark in line.remarks:
            said[remark].append(f"line {line.number}")
    for remark, places in sorted(said.items()):
        yield f"annotations.manifest, {some(places)}: {remark}"


def _remarks_of_reviewers(name: str, images: Iterable[Image], opinions: Sequence[Line]) -> Iterator[str]:
    """Where reviewers contradict the dataset: nothing that they say changes a picture that tests, or its side, but
    somebody should know that its label may be wrong."""
    asked = {f"{dataset_prefix(name)}{line.same_as}": line for line in opinions}
    for image in images:
        line = asked.get(image.key)
        said = {label_of(label) for label in line.labels} if line else set()
        if line and {*map(likeness, said)} != {*map(likeness, image.labels)}:
            yield (
                f"{image.key} is labelled {some(map(repr, image.labels))}, and a reviewer says {some(map(repr, said))} "
                f"(annotations.manifest, line {line.number}): the dataset counts; correct it if the reviewer is right"
            )


@dataclass(frozen=True, slots=True)
class _Coloured:
    """A picture of a few colours: its width and height as it is stored, and the boxes of each colour."""

    size: tuple[int, int] = (0, 0)
    regions: Mapping[str, Sequence[Sequence[int]]] = field(default_factory=dict)


def _masks_of_lines(name: str, recorded: Recorded, annotations: Annotations) -> dict[str, _Coloured | None]:
    """The files that lines name as masks, by key, None where one cannot be read: they are no pictures to learn from."""
    keys = {f"{dataset_prefix(name)}{line.mask}" for line in annotations.lines.values() if line.mask}
    return {key: recorded.coloured.get(key) for key in keys & recorded.keys if key not in annotations.lines}


def _marks(colour: MaskColour) -> bool:
    """Whether a colour of a mask stands for a defect."""
    return likeness(colour.label) != "background" and label_of(colour.label) != NORMAL


def _marked(
    image: Image,
    line: Line,
    masks: Mapping[str, _Coloured | None],
    labels: "_Labels",
    unread: dict[str, list[str]],
) -> Image:
    """The image with a box for every region of a colour of its mask that stands for a defect.

    A mask that cannot be used leaves the image its labels, and `unread` is told why.
    """
    # Boxes that somebody drew say more than a mask.
    if line.is_boxed or image.is_clean:
        return image
    boxes = []
    try:
        mapping, regions = _regions(image, line, masks)
        for colour in filter(_marks, line.mask_colours):
            label = labels.of(colour.label)
            drawn = (mapping.box(*map(int, box)) for box in regions.get(colour.colour, ()) if label != NORMAL)
            boxes += [LabeledBox(label, enlarged(box, image)) for box in drawn]
        if not boxes and image.labels:
            raise _Unusable("its mask marks nothing that is large enough in a colour that the line names: draw it anew")
    except _Unusable as why:
        if not image.labels:
            raise
        unread[str(why)].append(f"line {line.number} of annotations.manifest")
        return image
    # Of the part as a whole Lookout for Vision knows no other word; the kinds that the mask names say more.
    found = {label for label in image.labels if likeness(label) != _ANYTHING} | {box.label for box in boxes}
    # Where nothing is marked, somebody looked and there is no defect.
    return replace(image, labels=tuple(sorted(found or {NORMAL})), boxes=tuple(boxes))


def _regions(
    image: Image, line: Line, masks: Mapping[str, _Coloured | None]
) -> tuple[PictureMapping, Mapping[str, Sequence[Sequence[int]]]]:
    """How the mask of a line lies on its image, and the boxes of every colour of it."""
    key = f"{dataset_prefix(image.key.split('/')[1])}{line.mask}"
    if key not in masks:
        raise _Unusable(
            "its mask is not in the dataset: copy it below images/ and name it there, or use `mlops upload`"
        )
    mask = masks[key]
    if mask is None:
        raise _Unusable("its mask is no PNG of a few colours that can be read: save it as one, or use `mlops upload`")
    mapping = image.drawn_on(*mask.size)
    if mapping is None:
        raise _Unusable("its mask has another size than the picture: draw it on the picture as it is")
    return mapping, mask.regions


class _Unusable(Exception):  # noqa: N818  - a refusal is a result that is recorded
    """Why an image cannot be used."""


def _image(record: Record, labels: tuple[str, ...]) -> Image:
    """An accepted image as it is recorded. Words that many share are kept once."""
    return Image(
        record.key,
        record.etag,
        labels=labels,
        side=intern(record.folder),
        digest=record.digest,
        width=record.width,
        height=record.height,
        size=record.size,
        format=intern(record.format),
        uploaded_at=record.uploaded_at,
        version_id=record.version_id,
        picture=record.picture,
        mapping=record.mapping,
        looks=record.looks,
        thumbnail=record.thumbnail,
        done=tuple(map(intern, record.done)),
    )


def _labelled(image: Image, recorded: Recorded, labels: _Labels, line: Line | None, settings: DatasetSettings) -> Image:
    """The image with what its folder or its line says of it."""
    group = (line and line.group) or settings.group_of(path_of(image.key))
    if line:
        image = replace(image, side=line.side or image.side, is_in_manifest=True, group=group)
        return _annotated(image, line, labels)
    if image.key in recorded.unlabelled:
        raise _Unusable("no line of annotations.manifest names it: add one, or put it under train/<label>/")
    alone = labels.only(image.labels[0])
    # Most folders are called as their labels are, and a copy of each picture would take long.
    return image if (image.labels, image.group) == (alone, group) else replace(image, labels=alone, group=group)


def _annotated(image: Image, line: Line, labels: _Labels) -> Image:
    """The image with what its line says of it."""
    drawn_on = line.image_size or _stored(image)
    mapping = image.drawn_on(*drawn_on)
    where = f"line {line.number} of annotations.manifest"
    if mapping is None and line.boxes:
        sizes = f"{drawn_on[0]} x {drawn_on[1]} px, and it has {_stored(image)[0]} x {_stored(image)[1]}"
        raise _Unusable(f"the boxes of {where} were drawn on {sizes}: draw them on the picture as it is")
    boxes = []
    for box in line.boxes:
        # Tools draw boxes around good parts, too; a detector of defects must not learn those.
        if (label := labels.of(box.label)) == NORMAL:
            continue
        if box.left >= drawn_on[0] or box.top >= drawn_on[1]:
            raise _Unusable(f"a box of {where} lies outside of it: draw it on the picture as it is")
        assert mapping
        drawn = mapping.box(box.left, box.top, box.width, box.height)
        boxes.append(LabeledBox(label, enlarged(drawn, image)))
    found = {labels.of(name) for name in (*line.labels, *(box.label for box in line.boxes))}
    if not found and line.is_boxed:
        # Somebody looked for defects, and there is none.
        found = {NORMAL}
    if not found and not line.mask:
        raise _Unusable(f"{where} gives it no label: add one")
    if NORMAL in found and (defects := sorted(found - {NORMAL})):
        raise _Unusable(f"{where} says that it has no defect, and that it shows {some(map(repr, defects))}: mend one")
    return replace(image, labels=tuple(sorted(found)), boxes=tuple(boxes))


def _stored(image: Image) -> tuple[int, int]:
    mapping = image.mapping
    return (mapping.stored_width, mapping.stored_height) if mapping else (image.width, image.height)


def _mask(record: Record) -> MaskRecord:
    """An accepted mask as it is recorded, its label as its folder is written."""
    boxes, size = tuple(Box(*box) for box in record.boxes), (record.width, record.height)
    return MaskRecord(record.key, intern(record.folder), folder_of(record.key), *size, boxes, record.specks)
