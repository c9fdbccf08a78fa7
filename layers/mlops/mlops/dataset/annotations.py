"""Which mask belongs to which image: the boxes of every image, and whatever has no counterpart, by name."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from mlops.dataset.boxes import Box, LabeledBox, grown
from mlops.dataset.images import Image
from mlops.dataset.keys import MASK_ENDING, folder_of, mask_key, stem_of
from mlops.dataset.labels import NORMAL, as_written, likeness
from mlops.dataset.limits import least_box_side
from mlops.words import some


@dataclass(frozen=True, slots=True)
class MaskRecord:
    """An accepted mask: where it lies (`side` "" fits any), its size and boxes in its own pixels."""

    key: str
    side: str
    label: str
    width: int
    height: int
    boxes: tuple[Box, ...]
    specks: int = 0

    @property
    def stem(self) -> str:
        """What its image's file is called, without ending."""
        return stem_of(self.key, MASK_ENDING)


@dataclass
class Annotations:
    """Images with the boxes of their masks, clean images without, and why files were left out, by key.

    `unmasked` are the images for which there is no mask at all, not even one that cannot be used.
    """

    images: list[Image] = field(default_factory=list)
    problems: dict[str, str] = field(default_factory=dict)
    unmasked: list[str] = field(default_factory=list)


# How tools end the name of a mask that they put beside its picture.
_ENDINGS = (
    *("mask", "masks", "gt", "groundtruth", "ground truth", "ground_truth", "ground-truth", "label", "labels"),
    *("seg", "segmentation", "segmentations", "annotation", "annotations"),
)
_LIKE_A_MASK = re.compile(rf"(?P<name>.+?)[ _.-]?(?:{'|'.join(_ENDINGS)})")
_HOW_TO_TELL = "put it below ground_truth/<train, test or holdout>/, or rename one of the images"


def annotate(images: Iterable[Image], masks: Iterable[MaskRecord], refused: Mapping[str, str]) -> Annotations:
    """Give every image without boxes those of the mask with its label and stem; a mask that names its side comes first.

    `refused` has the reasons why masks could not be used; they explain why an image has no boxes.
    """
    listed, found = list(images), Annotations()
    given = list(masks)
    found.problems |= {mask.key: fault for mask in given if (fault := mask_fault(mask))}
    # "Its mask cannot be used" helps more than "it has no mask".
    unusable = {_place(key): key for key in (*refused, *found.problems)}
    unmarked = [image for image in listed if not image.boxes]
    partners = _partners(unmarked, (mask for mask in given if mask.key not in found.problems), found.problems)
    for image in listed:
        mask = partners.get(image.key)
        if image.is_clean or image.boxes:
            found.images.append(image)
        elif mask is None and (refusal := unusable.get(_place(image.key))):
            found.problems[image.key] = f"its mask {refusal} cannot be used: not used for detection"
        elif mask is None:
            found.problems[image.key] = f"has no {_where_boxes_come_from(image)}: not used for detection"
            found.unmasked.append(image.key)
        elif (mapping := image.drawn_on(mask.width, mask.height)) is None:
            sizes = f"{mask.width} x {mask.height} px, its image {image.key} {_size_of(image)} px"
            found.problems[mask.key] = f"is {sizes}: draw it on the image as it is"
            found.problems[image.key] = f"its mask {mask.key} has another size: not used for detection"
        else:
            drawn = (mapping.box(box.left, box.top, box.width, box.height) for box in mask.boxes)
            boxes = tuple(LabeledBox(mask.label, enlarged(box, image)) for box in drawn)
            found.images.append(replace(image, boxes=boxes))
    return found


def enlarged(box: Box, image: Image) -> Box:
    """The box as large as the service needs it to be, inside the picture that it gets."""
    return grown(box, least_box_side(image.width, image.height), image.width, image.height)


def _where_boxes_come_from(image: Image) -> str:
    if image.is_in_manifest:
        return "box in annotations.manifest"
    return f"mask {mask_key(image.key, f'{folder_of(image.key)}/{image.stem}')}"


def _size_of(image: Image) -> str:
    mapping = image.mapping
    return f"{mapping.stored_width} x {mapping.stored_height}" if mapping else f"{image.width} x {image.height}"


def mask_fault(mask: MaskRecord) -> str:
    """Why a mask cannot be what its folder says; empty when it can."""
    if mask.label == NORMAL:
        where = "marks a defect in an image that has none by its folder: move the image, or delete this"
        return where if mask.boxes else ""
    if mask.boxes:
        return ""
    what = "marks nothing but specks below MinimumDefectPixels" if mask.specks else "is empty: it marks nothing"
    return f"{what}; mark the defect, or move the image to the folder good"


def masks_among(keys: Iterable[str]) -> dict[str, str]:
    """Why some images are none: by their names they are masks of others, beside them or in a folder of their own."""
    folders: dict[str, list[str]] = defaultdict(list)
    for key in keys:
        folders[key.rpartition("/")[0]].append(key)
    by_folder: dict[str, dict[str, str]] = defaultdict(dict)
    for folder, own in folders.items():
        by_folder[likeness(folder)] |= {likeness(stem_of(key)): key for key in own}
    found = {}
    for folder, names in by_folder.items():
        pictures = by_folder.get(_unmasked(folder), {})
        for stem, key in names.items():
            name = _unmasked(stem)
            if picture := names.get(name) or pictures.get(stem) or pictures.get(name):
                found[key] = _as_a_mask(picture)
    return found


def _unmasked(name: str) -> str:
    """The name of the picture, or of the folder of pictures, that something named like a mask belongs to.

    All are likenesses: small letters.
    """
    # Of a hundred thousand names, hardly one ends so.
    match = _LIKE_A_MASK.fullmatch(name) if name.endswith(_ENDINGS) else None
    return match["name"] if match else ""


def _as_a_mask(picture: str) -> str:
    place = mask_key(picture, f"{folder_of(picture)}/{stem_of(picture)}")
    return f"is named like the mask of {picture}, which is no picture of its own: put it at {place}, or rename it"


def _partners(images: Iterable[Image], masks: Iterable[MaskRecord], problems: dict[str, str]) -> dict[str, MaskRecord]:
    """The mask of each image by the image's key; masks that fit no image, or several, become problems."""
    by_name: dict[tuple[str, str], list[Image]] = defaultdict(list)
    for image in images:
        for label in image.labels:
            by_name[label, likeness(image.stem)].append(image)
    partners: dict[str, MaskRecord] = {}
    # Those that name their side first.
    for mask in sorted(masks, key=lambda mask: (mask.side == "", mask.key)):
        fitting = [i for i in by_name[mask.label, likeness(mask.stem)] if mask.side in ("", i.side)]
        # Spelled alike comes before what only looks alike.
        fitting = [i for i in fitting if as_written(i.stem) == as_written(mask.stem)] or fitting
        free = [image.key for image in fitting if image.key not in partners]
        if len(free) == 1:
            partners[free[0]] = mask
        elif free:
            problems[mask.key] = f"fits several images: {some(free)}; {_HOW_TO_TELL}"
        elif fitting:
            problems[mask.key] = f"a second mask of {fitting[0].key}: delete one of them"
        else:
            problems[mask.key] = "has no usable image with the same label and name; upload that image, or delete this"
    return partners


def _place(key: str) -> tuple[str, str]:
    """Folder and name that an image and its mask share, however they are written."""
    name = likeness(stem_of(key))
    return likeness(folder_of(key)), _unmasked(name) or name
