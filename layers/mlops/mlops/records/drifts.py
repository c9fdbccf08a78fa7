"""How inspected pictures compare with those that trained: `looks.json` and `drift.json` of a dataset."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from mlops import codec, stack
from mlops.aws import buckets
from mlops.codec import INLINE
from mlops.dataset.keys import drift_key, looks_key
from mlops.judging.drift import Measured, Reference
from mlops.records import documents

References = Mapping[str, Reference]
_LATELY_SECONDS = 60


@dataclass(frozen=True)
class Looks:
    """What the pictures look like that trained the runs `run_ids` (by task): all of them, those that came back from
    production last, and the keys of the most usual."""

    run_ids: Mapping[str, str] = field(default_factory=dict)
    looks: References = field(default_factory=dict)
    newest: tuple[References, ...] = ()
    usual: tuple[str, ...] = ()


@dataclass(frozen=True)
class Drifting:
    """A measure of the pictures that `window` names."""

    measured: Measured = field(metadata=INLINE)
    window: str = ""


@dataclass(frozen=True)
class Day:
    """What was found about a whole day (UTC, YYYY-MM-DD), beside what the released runs trained on."""

    date: str = ""
    run_ids: Mapping[str, str] = field(default_factory=dict)
    pictures: int = 0
    measures: tuple[Drifting, ...] = ()


@dataclass(frozen=True)
class Window:
    """The pictures that were looked at: when the first and the last of them were inspected, and how many they are."""

    first: str = ""
    last: str = ""
    pictures: int = 0


@dataclass(frozen=True)
class Drift:
    """The last look at a dataset, and what the next one goes by: how the versions answered at first, and what was told
    when, by measure. `farthest` are the keys of pictures that differ most."""

    dataset: str = ""
    looked_at: str = ""
    measures: tuple[Drifting, ...] = ()
    farthest: tuple[str, ...] = ()
    usual: tuple[str, ...] = ()
    window: Window = field(default_factory=Window)
    versions: tuple[str, ...] = ()
    answers: References = field(default_factory=dict)
    day: Day = field(default_factory=Day)
    told: Mapping[str, str] = field(default_factory=dict)

    @property
    def drifted(self) -> list[Drifting]:
        """The measures that have drifted."""
        return [one for one in self.measures if one.measured.has_drifted]


def find(dataset: str) -> Drift | None:
    """The last look at a dataset, None before the first."""
    return documents.read(Drift, drift_key(dataset))


def write(drift: Drift) -> None:
    """Keep a look in place of the one before."""
    buckets.artifacts_bucket().write_json(drift_key(drift.dataset), codec.plain(drift))


def looks_of(dataset: str) -> Looks | None:
    """What the pictures of a dataset look like, None before that was measured."""
    return documents.read(Looks, looks_key(dataset))


def looks_lately(dataset: str) -> References:
    """What they look like, as it was known at some moment of the last minute, for whoever asks about every picture;
    nothing before that was measured."""
    return _looks_then(dataset, int(stack.here().clock.time() // _LATELY_SECONDS))


# The number counts minutes: with the next one what has changed is read.
@lru_cache(maxsize=64)
def _looks_then(dataset: str, _: int) -> References:
    known = looks_of(dataset)
    return known.looks if known else {}


def write_looks(dataset: str, looks: Looks) -> None:
    """Keep what they look like."""
    buckets.artifacts_bucket().write_json(looks_key(dataset), codec.plain(looks))
