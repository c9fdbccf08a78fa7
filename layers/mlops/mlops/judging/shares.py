"""A share of few, and how sure it is."""

from dataclasses import dataclass

from mlops.judging.intervals import wilson

# A wider interval than this says next to nothing.
_MOST_WIDTH = 0.5


@dataclass(frozen=True)
class Share:
    """`count` of `of`, with Wilson's interval: in about 95 of 100 cases it holds the truth."""

    count: int
    of: int

    @property
    def value(self) -> float | None:
        return self.count / self.of if self.of else None

    @property
    def interval(self) -> tuple[float, float]:
        found = wilson(self.count, self.of)
        return found.low, found.high

    @property
    def is_too_few(self) -> bool:
        low, high = self.interval
        return high - low > _MOST_WIDTH

    def told(self) -> str:
        """For people: the counts beside the share, and the interval; too few to say is said."""
        if self.value is None:
            return "none yet: too few to say"
        low, high = self.interval
        counts = f"{self.count} of {self.of}"
        if self.is_too_few:
            return f"{counts}: too few to say"
        return f"{100 * self.value:.1f} % ({counts}; 95 %: {100 * low:.1f} to {100 * high:.1f} %)"

    def as_dict(self) -> dict[str, object]:
        low, high = self.interval
        return {"count": self.count, "of": self.of, "low": round(low, 6), "high": round(high, 6)}
