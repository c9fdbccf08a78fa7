"""Which answers of a test a person looks at: the worst mistakes first, then a sample of what is right."""

from collections.abc import Sequence
from dataclasses import dataclass

from mlops.dataset.keys import path_of, run_key
from mlops.judging.answers import Answer
from mlops.stage import StageRef

# As many as fit on a page; some places stay for right ones, which show what the model goes by.
_MOST, _MOST_WRONG = 24, 18


@dataclass(frozen=True)
class Shown:
    """A picture of the gallery: where it is drawn, of which image, and what is said of it."""

    key: str
    image: str
    caption: str
    is_wrong: bool


def plan(ref: StageRef, answers: Sequence[Answer]) -> list[Shown]:
    """Which images are drawn where, and what is said of them."""
    wrong = sorted((answer for answer in answers if answer.is_wrong), key=lambda answer: answer.badness)
    right = sorted((answer for answer in answers if not answer.is_wrong), key=lambda answer: answer.dullness)
    shown = wrong[:_MOST_WRONG]
    shown += right[: _MOST - len(shown)]
    return [
        Shown(
            key=run_key(ref.run_id, f"{ref.environment}/gallery/{number:02}-{answer.verdict}.jpg"),
            image=answer.about.key,
            caption=caption(answer),
            is_wrong=answer.is_wrong,
        )
        for number, answer in enumerate(shown)
    ]


def caption(answer: Answer) -> str:
    """What a picture shows, in words: 2 missed, 1 false alarm: bent_lead/003.png."""
    return f"{answer.caption}: {path_of(answer.about.key)}"
