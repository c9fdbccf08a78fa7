"""Which answers of a test a person looks at: the worst mistakes first, then a sample of what is right."""

from collections.abc import Mapping, Sequence
from typing import Any

from mlops.dataset.keys import run_key
from mlops.judging.answers import said_of, truths_of
from mlops.judging.detection import FALSE_ALARM, MISSED
from mlops.stage import StageRef
from mlops.words import percent, quoted

_MOST, _MOST_WRONG = 24, 18
Answer = Mapping[str, Any]


def plan(ref: StageRef, answers: Sequence[Answer]) -> list[dict[str, Any]]:
    """Which images are drawn where, and what is said of them."""
    wrong = sorted((answer for answer in answers if is_wrong(answer)), key=_badness)
    right = sorted((answer for answer in answers if not is_wrong(answer)), key=_dullness)
    shown = wrong[:_MOST_WRONG]
    shown += right[: _MOST - len(shown)]
    return [
        {
            "key": run_key(ref.run_id, f"{ref.environment}/gallery/{number:02}-{_verdict(answer)}.jpg"),
            "image": answer["key"],
            "caption": caption(answer),
            "is_wrong": is_wrong(answer),
        }
        for number, answer in enumerate(shown)
    ]


def is_wrong(answer: Answer) -> bool:
    """Whether an answer has a mistake that a person should look at."""
    return _verdict(answer) in ("missed", "false-alarm", "wrong")


def caption(answer: Answer) -> str:
    """What a picture shows, in words: 2 missed, 1 false alarm: bent_lead/003.png."""
    name = answer["key"].split("/", 2)[2]
    if not _has_boxes(answer):
        sure = percent(float(answer["confidence"]))
        said = f"{quoted(answer['label'])} with {sure}" if answer["label"] else "nothing"
        return f"{quoted(answer['truth'])}, called {said}: {name}" if is_wrong(answer) else f"{said}: {name}"
    counts = [(_missed(answer), "missed"), (_false_alarms(answer), "false alarm")]
    parts = [f"{count} {what}{'s' * (count > 1 and what != 'missed')}" for count, what in counts if count]
    return f"{', '.join(parts) or ('all found' if answer['truth'] else 'clean, nothing found')}: {name}"


def _has_boxes(answer: Answer) -> bool:
    return "found" in answer


def _verdict(answer: Answer) -> str:
    if not _has_boxes(answer):
        return "right" if set(said_of(answer)) == set(truths_of(answer)) else "wrong"
    if _missed(answer):
        return "missed"
    if _false_alarms(answer):
        return "false-alarm"
    return "found" if answer["truth"] else "clean"


def _badness(answer: Answer) -> tuple[float, ...]:
    # Surer is worse: no threshold would have caught it.
    if not _has_boxes(answer):
        return (-float(answer["confidence"]),)
    return -_missed(answer), -_false_alarms(answer)


def _dullness(answer: Answer) -> tuple[Any, ...]:
    # Doubtful answers first, and defects before clean parts.
    if not _has_boxes(answer):
        return float(answer["confidence"]), answer["key"]
    return not answer["truth"], answer["key"]


def _missed(answer: Answer) -> int:
    return sum(box["outcome"] == MISSED for box in answer["truth"])


def _false_alarms(answer: Answer) -> int:
    return sum(box["outcome"] == FALSE_ALARM for box in answer["found"])
