"""What names mean: which are the same to a person, and which of them say that a part has no defect."""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Collection, Iterable

NORMAL = "normal"
_NO_DEFECT = frozenset({"good", "normal", "ok", "pass", "free", "nodefect", "defectfree"})
# Words that make a name look as if it meant "no defect", and those that turn it round.
_POSITIVE = frozenset(
    {*("good", "normal", "ok", "okay", "pass", "passed", "free", "clean", "intact", "flawless", "fine", "perfect")}
    | {*("healthy", "undamaged", "defectfree", "nodefect", "nodefects", "nondefective", "faultless", "unbroken")}
)
_NEGATIONS = frozenset({"no", "non", "not", "without", "zero", "un"})
_FAULTS = frozenset(
    {*("anomaly", "anomalies", "crack", "damage", "damaged", "defect", "defective", "error", "fault", "faulty", "flaw")}
    | {*("broken", "issue", "problem", "scratch")}
)
# Zero-width letters, byte order marks and soft hyphens, which copying leaves in names and nobody sees.
_INVISIBLE = dict.fromkeys(map(ord, "\u200b\u200c\u200d\u2060\ufeff\u00ad"))


def as_written(name: str) -> str:
    """A name in one Unicode form, without blanks around it."""
    return unicodedata.normalize("NFC", name).translate(_INVISIBLE).strip()


def likeness(name: str) -> str:
    """What a person sees in a name: the same for any Unicode form, case and blanks around or in a row."""
    folded = unicodedata.normalize("NFKC", name).translate(_INVISIBLE).casefold()
    # Once more: folding the case of a letter may leave a form that has another one.
    return " ".join(unicodedata.normalize("NFKC", folded).split())


def means_no_defect(name: str) -> bool:
    """Whether a folder's name is one of those that mean "no defect" everywhere."""
    return re.sub(r"[\s_.-]+", "", likeness(name)) in _NO_DEFECT


def looks_like_no_defect(label: str) -> bool:
    """Whether a label that is trained as a defect reads as if it meant "no defect": `MT_Free`, `OK_2`, `no crack`."""
    words = [re.sub(r"\d+$", "", word) for word in re.split(r"[\W_]+", _apart(as_written(label)))]
    words = [word.casefold() for word in words if word]
    words += [word.removesuffix("s") for word in words]
    if _NEGATIONS & set(words):
        return bool(_FAULTS & set(words))
    return bool(_POSITIVE & set(words))


def _apart(name: str) -> str:
    """Words that only capitals divide, divided by blanks."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)


def label_of(folder: str) -> str:
    """The label that a folder's name stands for, whatever the dataset."""
    return NORMAL if means_no_defect(folder) else as_written(folder)


def unified(labels: Iterable[str], normal: Collection[str] = ()) -> dict[str, str]:
    """For every label the one that stands for all that look like it; those that `normal` names mean "no defect".

    Of spellings that differ only by case the one with the fewest capitals stands, whatever images it has: a label
    must not change its name because images came.
    """
    clean = {likeness(name) for name in normal}
    alike: dict[str, list[str]] = defaultdict(list)
    for label in set(labels):
        alike[likeness(label)].append(label)
    found: dict[str, str] = {}
    for look, spellings in alike.items():
        standing = min(spellings, key=lambda label: (sum(map(str.isupper, label)), as_written(label)))
        means_normal = look in clean or means_no_defect(standing)
        found |= dict.fromkeys(spellings, NORMAL if means_normal else as_written(standing))
    return found
