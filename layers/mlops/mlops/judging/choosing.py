"""Which inspected pictures are put before a person, and which give way when a day has no more room.

The same picture is always judged the same: chance is a hash of its bytes.
"""

import hashlib
from collections.abc import Collection
from dataclasses import dataclass

from mlops.judging.verdicts import THEY_DISAGREE, UNSURE, Verdict

RANDOM, DISAGREE, UNLIKE = "random", "disagree", "unlike"
# Why a picture is asked about, in the order in which reasons win; `random` is told from all others by `is_random`.
REASONS = (RANDOM, DISAGREE, UNSURE, UNLIKE)
WHY = {
    RANDOM: "chosen by chance, to know how right the models are in production",
    DISAGREE: "the classifier and the detector disagree",
    UNSURE: "the models are unsure",
    UNLIKE: "it looks unlike the pictures that the models learned from",
}
_STEPS = 1 << 64


@dataclass(frozen=True, order=True)
class Candidate:
    """A picture to ask about. `rank`, 0 to below 1, is its lot: the lowest stay when there is no room for all."""

    rank: float
    name: str
    reasons: tuple[str, ...]

    @property
    def is_random(self) -> bool:
        return RANDOM in self.reasons


@dataclass(frozen=True)
class Place:
    """What the arrival of a candidate means for its day: whether it is asked about, and who gives way to it."""

    is_taken: bool
    gives_way: str = ""


def lot(digest: str, purpose: str) -> float:
    """A number from 0 to below 1 that the bytes of a picture draw, another for every purpose."""
    # The purpose is part of it: who has a low lot for one would else be first for all.
    drawn = hashlib.sha256(f"{purpose} {digest}".encode()).digest()
    return int.from_bytes(drawn[:8], "big") / _STEPS


def reasons_of(digest: str, verdict: Verdict, *, is_unlike: bool, share: float) -> tuple[str, ...]:
    """Why to ask about an inspected picture; empty for most. `share`, 0 to 1, are chosen whatever they are."""
    found = {
        RANDOM: lot(digest, RANDOM) < share,
        DISAGREE: THEY_DISAGREE in verdict.reasons,
        UNSURE: verdict.verdict == UNSURE,
        UNLIKE: is_unlike,
    }
    return tuple(reason for reason in REASONS if found[reason])


def candidate(name: str, digest: str, reasons: tuple[str, ...]) -> Candidate:
    """A picture with its lot. That of the random share is the one that brought it there: whoever stays when there is no
    room is a random choice, too."""
    return Candidate(lot(digest, RANDOM if RANDOM in reasons else "order"), name, reasons)


def place_of(new: Candidate, day: Collection[Candidate], most: int, fixed: Collection[str] = ()) -> Place:
    """Whether there is room for `new` among those of its day, of whom at most `most` are asked about.

    Who was drawn by chance has room whatever else comes: the others give way, those with the highest lots first, and
    then those drawn with higher lots. So they are the same whenever they come, and tell of the whole day.
    `fixed` names those that are asked about whatever comes, because somebody works on them or has answered: they leave
    their place to one that chance drew, and the day has a picture more; to no other.
    """
    if any(one.name == new.name for one in day) or len(day) < most:
        return Place(is_taken=True)
    chosen = [one for one in day if not one.is_random]
    free = [one for one in chosen if one.name not in fixed]
    beside = (free or chosen or day) if new.is_random else free
    if beside and ((new.is_random and chosen) or new < max(beside)):
        return Place(is_taken=True, gives_way=max(beside).name)
    return Place(is_taken=False)
