"""What a folder of labelled pictures says, whatever layout it is written in."""

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal

Side = Literal["train", "test", "holdout"]


@dataclass(frozen=True, slots=True)
class Box:
    """A labelled box from (left, top) to the exclusive (left + width, top + height).

    In pixels of the picture as it is stored, not as EXIF turns it; fractions are kept.
    """

    label: str
    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Labelled:
    """A picture and what is known of it; paths are relative to the folder that was read.

    `labels` are those of the whole picture, sorted. A picture with a defect and without boxes is one whose defect
    nobody marked: it is no clean picture. `group` names the physical part that it shows.
    """

    path: PurePosixPath
    width: int
    height: int
    side: Side | None = None
    labels: tuple[str, ...] = ()
    boxes: tuple[Box, ...] = ()
    masks: tuple[PurePosixPath, ...] = ()
    group: str | None = None


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A file, or one line of it, that is not used; `why` says what is wrong and what to do."""

    path: PurePosixPath
    line: int | None
    why: str


@dataclass(frozen=True, slots=True)
class Recognised:
    """A folder as it was read: pictures by path, what was left out, and what somebody who uploads should know.

    `normal_labels` are the names that were taken to mean "no defect", as the folder writes them.
    """

    layout: str
    pictures: tuple[Labelled, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    notes: tuple[str, ...] = ()
    normal_labels: tuple[str, ...] = ()
