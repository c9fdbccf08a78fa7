"""A folder that a labelling tool or a published data set left, on its way into the layout of the stack.

Pictures are sent as they are; what their labels and boxes say goes into the annotation manifest.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from PIL import Image

from cli import upload
from cli.layouts import manifest, registry
from cli.layouts.contents import Labelled, Recognised
from cli.stack import CommandRefused
from mlops.dataset.dataset_json import SettingsInvalid, parse_settings
from mlops.dataset.keys import annotations_key, dataset_prefix, settings_key
from mlops.pictures.drawing import TRUTH, Mark, as_jpeg, draw, sheet
from mlops.pictures.looking import MaskRules
from mlops.pictures.pixels import open_picture
from mlops.pictures.png import PictureRefused
from mlops.pictures.preparing import prepare
from mlops.words import counted, listed, quoted

# These the stack takes as they are.
_AS_IT_IS = ("plain", "dataset")
_TILES_A_LABEL, _MOST_TILES, _TILE_SIDE = 3, 24, 400


@dataclass(frozen=True)
class Incoming:
    """What a folder was recognised as, and what of it is to be sent as which dataset.

    `is_as_it_is`: the stack takes the folder without a manifest of ours.
    """

    dataset: str
    folder: Path
    recognised: Recognised
    is_as_it_is: bool = False

    @property
    def title(self) -> str:
        return next(layout.title for layout in registry.LAYOUTS if layout.name == self.recognised.layout)

    def told(self) -> Iterator[str]:
        """What was found, what it is called, what is left out and why, sentence by sentence."""
        pictures = self.recognised.pictures
        boxes = Counter(box.label for picture in pictures for box in picture.boxes)
        labels = Counter(label for picture in pictures for label in picture.labels)
        marked = f" and {counted(sum(boxes.values()), 'box', 'boxes')}" if boxes else ""
        yield f"{self.folder} is read as {self.title}: {counted(len(pictures), 'picture')}{marked}."
        named = (f"{quoted(label)} ({_of(count, boxes[label])})" for label, count in sorted(labels.items()))
        yield f"Labels: {'; '.join(named)}."
        sides = Counter(picture.side or "dealt by the stack" for picture in pictures)
        yield f"Sides: {'; '.join(f'{side} ({count})' for side, count in sorted(sides.items()))}."
        if self.recognised.normal_labels:
            yield f'Means "no defect": {listed(self.recognised.normal_labels)}.'
        if groups := {picture.group for picture in pictures if picture.group}:
            yield f"Pictures of one part stay together: {counted(len(groups), 'part')}."
        yield from self.recognised.notes
        # What is sent as it is, is checked as the stack does it, and what that finds is told then.
        for left_out in () if self.is_as_it_is else self.recognised.left_out:
            place = f"{left_out.path} line {left_out.line}" if left_out.line else str(left_out.path)
            yield f"Left out: {place}: {left_out.why}"

    def plan(self, into: Path) -> upload.Plan:
        """What is to be sent; the manifest is written below `into`."""
        if self.is_as_it_is:
            return upload.plan(self.folder, self.dataset)
        prefix = dataset_prefix(self.dataset)
        files = {f"{prefix}{_name(picture)}": self.folder / picture.path for picture in self.recognised.pictures}
        into.joinpath("annotations.manifest").write_text(self._manifest(), encoding="utf-8")
        files[annotations_key(self.dataset)] = into / "annotations.manifest"
        if (settings := self.folder / "dataset.json").is_file():
            files[settings_key(self.dataset)] = settings
        return upload.Plan(self.dataset, files, {})

    def _manifest(self) -> str:
        named = [replace(picture, path=type(picture.path)(_name(picture))) for picture in self.recognised.pictures]
        return manifest.write(named)

    def contact_sheet(self) -> bytes | None:
        """A JPEG of some pictures of every label with their boxes, as the stack will see them; None without any."""
        tiles = [tile for picture in self._sample() if (tile := self._tile(picture))]
        return as_jpeg(sheet(tiles, 4)) if tiles else None

    def _sample(self) -> list[Labelled]:
        chosen: dict[str, Labelled] = {}
        labels = sorted({label for picture in self.recognised.pictures for label in picture.labels})
        for label in labels:
            own = [picture for picture in self.recognised.pictures if label in picture.labels]
            for picture in own[:: max(1, len(own) // _TILES_A_LABEL)][:_TILES_A_LABEL]:
                chosen.setdefault(str(picture.path), picture)
        return list(chosen.values())[:_MOST_TILES]

    def _tile(self, picture: Labelled) -> Image.Image | None:
        try:
            data = (self.folder / picture.path).read_bytes()
            prepared = prepare(data)
            image = open_picture(prepared.data or data)
        except (OSError, PictureRefused):
            return None
        marks = [
            Mark(prepared.mapping.box(box.left, box.top, box.width, box.height), box.label, TRUTH)
            for box in picture.boxes
        ]
        return draw(image, marks, f"{', '.join(picture.labels)}: {picture.path}", _TILE_SIDE)


def _of(pictures: int, boxes: int) -> str:
    return f"{counted(pictures, 'picture')}, {counted(boxes, 'box', 'boxes')}" if boxes else f"{pictures}"


def _name(picture: Labelled) -> str:
    """Where a picture lies in its dataset: below images/, by its whole path, so that no two meet in one place."""
    return f"images/{picture.path}"


def recognise(
    folder: Path, dataset: str, layout: str | None, rules: MaskRules, renamed: Mapping[str, str]
) -> Incoming | None:
    """What a folder is; None when nobody knows. Raises CommandRefused."""
    try:
        known = [layout] if layout else registry.recognised_by(folder)
        if not known:
            return None
        found = registry.read(folder, known[0] if len(known) == 1 else None, rules, renamed, _normal(folder))
    except registry.NotRecognised as why:
        raise CommandRefused(f"{why} (--as says which)") from None
    except registry.LabelUnknown as why:
        raise CommandRefused(f"--labels: {why}") from None
    # Folders cannot be renamed on their way; a manifest can say what they are called now.
    is_as_it_is = found.layout in _AS_IT_IS and not renamed
    if not found.pictures and not is_as_it_is:
        reasons = "; ".join(f"{left.path}: {left.why}" for left in found.left_out[:3])
        raise CommandRefused(f"{folder} is read as {found.layout}, but has no picture that can be used. {reasons}")
    return Incoming(dataset, folder, found, is_as_it_is)


def _normal(folder: Path) -> Sequence[str]:
    """The labels that the folder's dataset.json says mean "no defect"; whether it can be used is checked later."""
    try:
        return parse_settings(folder.joinpath("dataset.json").read_bytes()).normal or ()
    except (OSError, SettingsInvalid):
        return ()


def read_renaming(given: str | None) -> dict[str, str]:
    """`old=new,...` as a mapping. Raises CommandRefused."""
    found: dict[str, str] = {}
    for pair in filter(None, (given or "").split(",")):
        old, equals, new = (part.strip() for part in pair.partition("="))
        if not (old and equals and new):
            raise CommandRefused(f"--labels has {pair!r}; write old=new, several with commas")
        found[old] = new
    return found
