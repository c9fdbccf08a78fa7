"""Which mask belongs to which image: the boxes of every image, and whatever has no counterpart, by name."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from mlops.boxes import Box, grown
from mlops.keys import MASK_ENDING, NORMAL, mask_key, stem_of
from mlops.limits import NAMED, least_box_side
from mlops.splits import Image
from mlops.words import listed


@dataclass(frozen=True)
class MaskRecord:
    """An accepted mask: where it lies (`split` "" fits any side), its size and boxes in pixels."""

    key: str
    split: str
    label: str
    width: int
    height: int
    boxes: tuple[Box, ...]

    @property
    def stem(self) -> str:
        return stem_of(self.key, MASK_ENDING)


@dataclass
class Annotations:
    """Images with the boxes of their masks, clean images without, and why files were left out, by key."""

    images: list[Image] = field(default_factory=list)
    problems: dict[str, str] = field(default_factory=dict)


_HOW_TO_TELL = "put it below ground_truth/<train, test or holdout>/, or rename one of the images"


def annotate(images: Iterable[Image], masks: Iterable[MaskRecord], refused: Mapping[str, str]) -> Annotations:
    """Give every image the boxes of the mask with its label and stem; a mask that names its side comes first.

    `refused` has the reasons why masks could not be used; they explain why an image has no boxes.
    """
    listed, found = list(images), Annotations()
    partners = _partners(listed, masks, found.problems)
    for image in listed:
        mask = partners.get(image.key)
        if image.label == NORMAL:
            found.images.append(image)
        elif mask is None:
            found.problems.setdefault(image.key, _without_mask(image, refused))
        elif (mask.width, mask.height) != (image.width, image.height):
            sizes = f"{mask.width} x {mask.height} px, its image {image.key} {image.width} x {image.height} px"
            found.problems[mask.key] = f"is {sizes}: draw it on the image as it is"
            found.problems[image.key] = f"its mask {mask.key} has another size: not used for detection"
        else:
            least = least_box_side(image.width, image.height)
            boxes = tuple(grown(box, least, image.width, image.height) for box in mask.boxes)
            found.images.append(replace(image, boxes=boxes))
    return found


def _partners(images: Iterable[Image], masks: Iterable[MaskRecord], problems: dict[str, str]) -> dict[str, MaskRecord]:
    """The mask of each image by the image's key; masks that fit no image, or several, become problems."""
    by_name: dict[tuple[str, str], list[Image]] = defaultdict(list)
    for image in images:
        by_name[image.label, image.stem].append(image)
    partners: dict[str, MaskRecord] = {}
    # Those that name their side first.
    for mask in sorted(masks, key=lambda mask: (mask.split == "", mask.key)):
        fitting = [i for i in by_name[mask.label, mask.stem] if mask.split in ("", i.folder)]
        free = [image.key for image in fitting if image.key not in partners]
        if len(free) == 1:
            partners[free[0]] = mask
        elif free:
            problems[mask.key] = f"fits several images: {listed(sorted(free), NAMED)}; {_HOW_TO_TELL}"
        elif fitting:
            problems[mask.key] = f"a second mask of {fitting[0].key}: delete one of them"
        else:
            problems[mask.key] = "has no usable image with the same label and name; upload that image, or delete this"
    return partners


def _without_mask(image: Image, refused: Mapping[str, str]) -> str:
    sides = f"{image.folder}/", ""
    places = [mask_key(image.key, f"{side}{image.label}/{image.stem}") for side in sides]
    unusable = next((place for place in places if place in refused), None)
    reason = f"its mask {unusable} cannot be used" if unusable else f"has no mask {places[-1]}"
    return f"{reason}: not used for detection"
