"""What is known of a version before it has run: the service's numbers for the test images, ours, and the gate."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from mlops.codec import INLINE, SOMETIMES
from mlops.judging.gate import Thresholds
from mlops.judging.intervals import Interval
from mlops.judging.metrics import Means, Score
from mlops.judging.operating_points import Chosen


@dataclass(frozen=True)
class ByService:
    """What the service says: over all labels, of detectors also averages over confidences; by label, and from which
    confidence on (0 to 1) it let answers count."""

    means: Means = field(metadata=INLINE)
    average_precision: float | None = field(default=None, metadata=SOMETIMES)
    average_recall: float | None = field(default=None, metadata=SOMETIMES)
    per_label: Mapping[str, Score] = field(default_factory=dict)
    assumed_thresholds: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Counted:
    """What we count in the service's snapshot, from certain confidences on."""

    means: Means = field(metadata=INLINE)
    per_label: Mapping[str, Score] = field(default_factory=dict)
    f1_interval: Interval | None = field(default=None, metadata=SOMETIMES)


def _nothing_said() -> ByService:
    return ByService(Means())


def _nothing_counted() -> Counted:
    return Counted(Means())


@dataclass(frozen=True)
class Evaluation:
    """Both sources, how far they differ, and what the gate says of the version at its operating points.

    `recomputed` is our count at the thresholds that the service assumed. What an earlier release of this stack has
    judged knows no operating points, and no numbers at them.
    """

    service: ByService = field(default_factory=_nothing_said)
    recomputed: Counted = field(default_factory=_nothing_counted)
    at_points: Counted | None = field(default=None, metadata=SOMETIMES)
    differences: Mapping[str, float] = field(default_factory=dict)
    agrees: bool = True
    thresholds: Thresholds = field(default_factory=lambda: Thresholds(0.0, 0.0))
    operating_points: Mapping[str, Chosen] = field(default_factory=dict)
    test_images: int = 0
    reasons: tuple[str, ...] = ()

    @property
    def points(self) -> dict[str, float]:
        """The operating points by label, 0 to 100: of what an earlier release trained, the thresholds that the service
        assumed; empty when nothing is known."""
        chosen = {label: one.min_confidence for label, one in sorted(self.operating_points.items())}
        return chosen or self.service_points

    @property
    def service_points(self) -> dict[str, float]:
        """The thresholds that the service assumed when it evaluated the version, 0 to 100."""
        assumed = sorted(self.service.assumed_thresholds.items())
        # 100 * 0.55 is a little more than 55, and an answer of exactly 55 has to count.
        return {label: round(100 * value, 6) for label, value in assumed}
