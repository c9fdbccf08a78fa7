"""For which reasons a run may fail, and what in its history must be the cause."""

import re
from collections.abc import Callable

from mlops.records.runs import Run
from tests.simulation.cloud import MISSES_GATE, MISSES_TEST, NOT_TRAINED
from tests.simulation.plans import BROKEN_SETTINGS, MANIFEST
from tests.simulation.play import Play


def is_just(play: Play, run: Run, reason: str) -> bool:
    """Whether a run may fail for a reason; any other is a fault of ours."""
    return any(re.search(pattern, reason) and has_cause(play, run) for pattern, has_cause in JUST)


def _plans(play: Play, *what: str) -> bool:
    return any(action.what in what for action in play.plan.actions)


def uploads_of(play: Play, content: int) -> bool:
    return any(content in action.contents for action in play.plan.actions if action.what == "upload")


def _misses_test(play: Play, run: Run) -> bool:
    """Whether a model may be right about too little: it is no good, or its test is about other pictures by now."""
    return play.quality(run.run_id) == MISSES_TEST or uploads_of(play, MANIFEST) or _has_changes(play, run)


def _has_changes(play: Play, run: Run) -> bool:
    """Whether a dataset was changed after its first upload, or half of that may have been taken for all."""
    changes = [a for a in play.plan.actions if a.dataset == run.dataset and a.what in ("upload", "delete")]
    is_plain = [len(action.keys) > 2 for action in changes] == [True]
    return not is_plain or bool(play.plan.faults) or bool(play.people.kept)


STOPPED = (
    r"stopped by the sweeper|was stopped before its test|of the test were over|images? cannot be read|calls failed"
)
JUST: tuple[tuple[str, Callable[[Play, Run], bool]], ...] = (
    (r"F1 .* below", lambda play, run: play.quality(run.run_id) == MISSES_GATE),
    (r"inference test: |macro F1|loses|worse than production", _misses_test),
    (r"Rekognition: TRAINING_FAILED", lambda play, run: play.quality(run.run_id) == NOT_TRAINED),
    (r"rejected by", lambda play, run: any(a.verdict == "reject" or a.is_disputed for a in play.plan.answers)),
    (r"is the current release|was never released", lambda play, run: _plans(play, "roll back", "forge")),
    (r"was (replaced|deleted) after its|was deleted while|the dataset changed before all", _has_changes),
    (r"dataset\.json", lambda play, run: uploads_of(play, BROKEN_SETTINGS)),
    (r"no usable image|\d+ labels?.*needs|has no images|only \d+ of the|no label", _has_changes),
    (r"is not in .* any more", lambda play, run: play.plan.account.keep_models < 20),
    (r"no evaluation result; was it deleted", lambda play, run: any(run.run_id in arn for arn in play.pruned)),
    (r"is still .* after", lambda play, run: bool(play.plan.faults)),
    (STOPPED, lambda play, run: True),
)
