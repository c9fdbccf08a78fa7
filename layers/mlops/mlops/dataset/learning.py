"""What models of a task learn from: which images of a dataset, what of them, and in which form they are shown.

A further task is a further class here and in `judging/tasks.py`, a line in `_ALL`, and a row in the tables of the
service's limits (`limits`) and of the forms of manifests (`manifests`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from mlops.dataset.annotations import annotate
from mlops.dataset.dataset_json import DatasetSettings
from mlops.dataset.datasets import Dataset
from mlops.dataset.images import Image
from mlops.dataset.labels import NORMAL
from mlops.dataset.limits import BoxSizes
from mlops.dataset.tiles import too_many
from mlops.words import counted


@dataclass(frozen=True)
class Selection:
    """What one task makes of a dataset: its images, with boxes for detection, and the files it leaves out."""

    images: tuple[Image, ...]
    refused: Mapping[str, str]


class Learning(Protocol):
    """What models of a task learn from."""

    @property
    def name(self) -> str:
        """What the task is called in documents, rows and names of runs."""
        ...

    @property
    def absence(self) -> str:
        """Why it is left out of a dataset that has nothing for it; empty where every dataset has."""
        ...

    def select(self, dataset: Dataset, sides: Mapping[str, str]) -> Selection:
        """The images of a run, by the sides that all images of the dataset have."""
        ...

    def labels_of(self, image: Image) -> tuple[str, ...]:
        """The labels that are learned from an image, or that it is tested with."""
        ...

    def may_say(self, label: str) -> bool:
        """Whether a model that learned a label ever says it."""
        ...

    def lists(self, image: Image, side: str) -> bool:
        """Whether the manifest of a side names an image of that side."""
        ...

    def taught(self, image: Image, label: str) -> tuple[Any, ...]:
        """What of an image decides a training beside its file, its side and its labels; `label` is its only one."""
        ...

    def tile_side(self, settings: DatasetSettings) -> int:
        """The side in pixels of the tiles that are shown in place of pictures; 0 for whole pictures."""
        ...

    def objections(self, dataset: Dataset, selection: Selection) -> list[str]:
        """Why nothing can be learned from images that there are; empty when it can."""
        ...

    def remarks(self, sizes: BoxSizes, *, has_clean: bool) -> list[str]:
        """What somebody who decides should know of the images of a run, some of which may be clean."""
        ...


class OfPictures:
    """Classification: the labels of whole pictures."""

    name = "classification"
    absence = ""

    def select(self, dataset: Dataset, sides: Mapping[str, str]) -> Selection:
        """All of them."""
        return Selection(dataset.images, dict(sorted(dataset.refused.items())))

    def labels_of(self, image: Image) -> tuple[str, ...]:
        """Those of the picture."""
        return image.labels

    def may_say(self, label: str) -> bool:
        """It does."""
        return True

    def lists(self, image: Image, side: str) -> bool:
        """Each does."""
        return True

    def taught(self, image: Image, label: str) -> tuple[Any, ...]:
        """Nothing."""
        return ()

    def tile_side(self, settings: DatasetSettings) -> int:
        """Never in tiles: a folder's label does not say in which of them the defect is."""
        return 0

    def objections(self, dataset: Dataset, selection: Selection) -> list[str]:
        """None."""
        return []

    def remarks(self, sizes: BoxSizes, *, has_clean: bool) -> list[str]:
        """None."""
        return []


class OfBoxes:
    """Detection: the boxes on pictures."""

    name = "detection"
    absence = "no detection: there are no masks below ground_truth/, and no boxes in annotations.manifest"

    def select(self, dataset: Dataset, sides: Mapping[str, str]) -> Selection:
        """Images with boxes, and the clean ones that it is tested on: held out, or else of the test."""
        found = annotate(dataset.images, dataset.masks, dataset.refused_masks)
        clean = [image for image in found.images if image.is_clean]
        held_out = [image for image in clean if sides[image.key] == "holdout"]
        tested = held_out or [image for image in clean if sides[image.key] == "test"]
        images = sorted([image for image in found.images if image.boxes] + tested, key=lambda image: image.key)
        refused = {**dataset.refused, **dataset.refused_masks, **found.problems}
        return Selection(tuple(images), dict(sorted(refused.items())))

    def labels_of(self, image: Image) -> tuple[str, ...]:
        """Those of its boxes, or else "no defect"."""
        return tuple(sorted({labeled.label for labeled in image.boxes})) or image.labels

    def may_say(self, label: str) -> bool:
        """It never says that a part is normal."""
        return label != NORMAL

    def lists(self, image: Image, side: str) -> bool:
        """The service ignores images without boxes, in training and in testing; the inference test asks about them."""
        return bool(image.boxes) or side == "holdout"

    def taught(self, image: Image, label: str) -> tuple[Any, ...]:
        """Its boxes, with the label of each that has another one than the image."""
        boxes = []
        for one in image.boxes:
            edges = one.box.left, one.box.top, one.box.width, one.box.height
            boxes.append(edges if one.label == label else (one.label, *edges))
        return (boxes,)

    def tile_side(self, settings: DatasetSettings) -> int:
        """As dataset.json says."""
        return settings.tiles or 0

    def objections(self, dataset: Dataset, selection: Selection) -> list[str]:
        """No image has boxes, or some would be too many tiles."""
        if any(image.boxes for image in selection.images):
            side = self.tile_side(dataset.settings)
            return too_many(selection.images, side) if side else []
        unusable = len(selection.refused.keys() & {*dataset.refused_masks, *(mask.key for mask in dataset.masks)})
        why = f"{counted(unusable, 'mask')} cannot be used" if unusable else "there is no mask"
        return [
            f"no image has boxes, for {why}: put masks at ground_truth/<label>/<name of the image>_mask.png, "
            "or boxes into annotations.manifest"
        ]

    def remarks(self, sizes: BoxSizes, *, has_clean: bool) -> list[str]:
        """Boxes that are hardly seen, and what the test cannot tell."""
        untold = [] if has_clean else ["no clean image is tested on: nothing will be known of false alarms on them"]
        return [*sizes.told(), *untold]


_ALL: Sequence[Learning] = (OfPictures(), OfBoxes())


def learning_of(task: str) -> Learning:
    """What models of a task learn from."""
    return next(one for one in _ALL if one.name == task)
