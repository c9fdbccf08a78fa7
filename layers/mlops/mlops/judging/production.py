"""What is true in production: from pictures that chance alone put before a person, and what the person said."""

from collections.abc import Iterable
from dataclasses import dataclass

from mlops.judging.shares import Share
from mlops.judging.verdicts import DEFECT, OK, UNSURE


@dataclass(frozen=True)
class Judged:
    """The verdict about a picture of the random share, and whether a person found the part defective."""

    verdict: str
    is_defective: bool


@dataclass(frozen=True)
class Production:
    """`precision`: of parts called defective, those that are. `escapes`: of defective parts, those called good.
    `overkill`: of good parts, those called defective. `unsure`: of all, those that go to a person."""

    precision: Share
    escapes: Share
    overkill: Share
    unsure: Share

    def lines(self) -> list[str]:
        """For people, one measure a line."""
        return [
            f"Precision (parts called defective that are): {self.precision.told()}",
            f"Escapes (defective parts called good): {self.escapes.told()}",
            f"Overkill (good parts called defective): {self.overkill.told()}",
            f"Left to a person (unsure): {self.unsure.told()}",
        ]

    def rates(self) -> dict[str, Share]:
        """All of them, by name."""
        return {name: getattr(self, name) for name in ("precision", "escapes", "overkill", "unsure")}

    def as_dict(self) -> dict[str, object]:
        return {name: share.as_dict() for name, share in self.rates().items()}


def estimated(judged: Iterable[Judged]) -> Production:
    """The rates from the random share alone: pictures chosen because a model was unsure of them tell of no rate."""
    every = list(judged)

    def share(of: list[Judged], verdict: str) -> Share:
        return Share(sum(one.verdict == verdict for one in of), len(of))

    # What was left to a person is among these, and neither an escape nor an overkill: the person has the last word.
    defective = [one for one in every if one.is_defective]
    good = [one for one in every if not one.is_defective]
    accused = [one for one in every if one.verdict == DEFECT]
    right = Share(sum(one.is_defective for one in accused), len(accused))
    return Production(right, share(defective, OK), share(good, DEFECT), share(every, UNSURE))
