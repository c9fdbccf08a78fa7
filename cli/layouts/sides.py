"""Which side a picture stands on, by the words that folders and lists are called."""

import re
from collections.abc import Iterable, Mapping
from enum import Enum
from pathlib import PurePosixPath

from cli.layouts.contents import Side


class Word(Enum):
    """What other tools call sides. They choose a model on validation, and test the chosen one."""

    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"
    HOLDOUT = "holdout"


_WORDS = {
    **dict.fromkeys(("train", "training", "trainval"), Word.TRAIN),
    **dict.fromkeys(("val", "valid", "validation", "dev"), Word.VALIDATION),
    **dict.fromkeys(("test", "testing"), Word.TEST),
    "holdout": Word.HOLDOUT,
}


def word(name: str) -> Word | None:
    """The side that a name speaks of: `train`, `train2017`, `instances_val`."""
    found = [_WORDS[part] for part in re.split(r"[^a-z]+", name.lower()) if part in _WORDS]
    return found[0] if found else None


def word_of(folder: PurePosixPath) -> Word | None:
    """The side that the innermost folder with such a name speaks of."""
    return next((found for name in reversed(folder.parts) if (found := word(name))), None)


def meanings(words: Iterable[Word | None]) -> Mapping[Word | None, Side]:
    """What the words mean here. On `test` operating points are chosen, as others do on validation; where both are
    there, what is for testing confirms what was chosen: `holdout`."""
    there = set(words)
    both = {Word.VALIDATION, Word.TEST} <= there and Word.HOLDOUT not in there
    return {
        Word.TRAIN: "train",
        Word.VALIDATION: "test",
        Word.TEST: "holdout" if both else "test",
        Word.HOLDOUT: "holdout",
    }
