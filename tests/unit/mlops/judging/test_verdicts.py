"""The verdict about a part: every combination of what the models say, margins included."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops.dataset.boxes import Box
from mlops.judging import verdicts
from mlops.judging.tasks import task_of
from mlops.judging.verdicts import DEFECT, OK, UNSURE, Answer, Found, decide

POINTS = {"normal": 60.0, "bent": 50.0, "cut": 40.0}
BOX = Box(1, 2, 30, 40)
# What a classifier says, and what that is by itself: nothing, the part is good, defective, or one cannot tell.
CLASSIFIER = {
    "surely good": ([("normal", 90.0), ("bent", 10.0)], OK),
    "good at the end of the margin": ([("normal", 65.0), ("bent", 45.0)], OK),
    "barely good": ([("normal", 64.9)], UNSURE),
    "good at its point": ([("normal", 60.0)], UNSURE),
    "nearly good": ([("normal", 59.9)], UNSURE),
    "good, nearly bent": ([("normal", 80.0), ("bent", 45.1)], UNSURE),
    "surely bent": ([("bent", 99.0), ("normal", 1.0)], DEFECT),
    "bent at the end of the margin": ([("bent", 55.0)], DEFECT),
    "barely bent": ([("bent", 54.9)], UNSURE),
    "bent at its point": ([("bent", 50.0)], UNSURE),
    "surely cut, barely bent": ([("cut", 80.0), ("bent", 51.0)], DEFECT),
    "good and bent at once": ([("normal", 70.0), ("bent", 70.0)], UNSURE),
    "nothing at its point": ([("normal", 30.0), ("bent", 30.0)], UNSURE),
    "nothing at all": ([], UNSURE),
}
DETECTOR = {
    "nothing found": ([], OK),
    "far below its point": ([("bent", 20.0)], OK),
    "below by the margin": ([("bent", 45.0)], OK),
    "nearly found": ([("bent", 45.1)], UNSURE),
    "found at its point": ([("bent", 50.0)], UNSURE),
    "barely found": ([("bent", 54.9)], UNSURE),
    "found above by the margin": ([("bent", 55.0)], DEFECT),
    "surely found": ([("bent", 95.0)], DEFECT),
    "one surely, one barely": ([("bent", 95.0), ("cut", 41.0)], DEFECT),
}
# By what each says by itself. Nobody contradicts who is not sure, and who sees a defect clearly is believed.
TOGETHER = {
    (OK, OK): OK,
    (OK, UNSURE): UNSURE,
    (OK, DEFECT): UNSURE,
    (UNSURE, OK): UNSURE,
    (UNSURE, UNSURE): UNSURE,
    (UNSURE, DEFECT): DEFECT,
    (DEFECT, OK): UNSURE,
    (DEFECT, UNSURE): DEFECT,
    (DEFECT, DEFECT): DEFECT,
}


def classifier(found: list[tuple[str, float]], points: dict[str, float] = POINTS) -> Answer:
    return Answer(task_of("classification"), tuple(Found(*one) for one in found), points)


def detector(found: list[tuple[str, float]], points: dict[str, float] = POINTS) -> Answer:
    known = {label: point for label, point in points.items() if label != "normal"}
    return Answer(task_of("detection"), tuple(Found(*one, BOX) for one in found), known)


@pytest.mark.parametrize("said", CLASSIFIER)
def test_a_classifier_alone(said: str) -> None:
    found, expected = CLASSIFIER[said]

    assert decide([classifier(found)]).verdict == expected


@pytest.mark.parametrize("said", DETECTOR)
def test_a_detector_alone(said: str) -> None:
    found, expected = DETECTOR[said]

    assert decide([detector(found)]).verdict == expected


@pytest.mark.parametrize("seen", DETECTOR)
@pytest.mark.parametrize("said", CLASSIFIER)
def test_both_together(said: str, seen: str) -> None:
    (labels, one), (boxes, other) = CLASSIFIER[said], DETECTOR[seen]
    answers = [classifier(labels), detector(boxes)]

    verdict = decide(answers)

    assert verdict.verdict == TOGETHER[one, other]
    assert verdict.verdict == decide(answers[::-1]).verdict
    assert len(verdict.reasons) == 2 + ("they disagree" in verdict.reasons)


def test_a_task_that_does_not_know_a_defect_does_not_contradict_it() -> None:
    misplaced = {"normal": 50.0, "misplaced": 50.0}

    assert decide([classifier([("misplaced", 90.0)], misplaced), detector([])]).verdict == DEFECT
    assert decide([classifier([("normal", 90.0)], misplaced), detector([("bent", 90.0)])]).verdict == DEFECT


def test_without_points_whatever_the_service_answers_counts() -> None:
    assert decide([classifier([("normal", 51.0)], {}), detector([], {})]).verdict == OK
    assert decide([classifier([("bent", 1.0)], {})]).verdict == DEFECT
    assert decide([detector([("bent", 1.0)], {})]).verdict == DEFECT
    assert decide([classifier([("bent", 51.0)], {}), detector([], {})]).verdict == UNSURE


def test_nobody_asked_is_not_sure() -> None:
    assert decide([]).verdict == UNSURE


def test_the_reasons_are_told_in_words() -> None:
    verdict = decide([classifier([("normal", 97.0)]), detector([("bent", 91.234), ("cut", 41.0)])])

    assert verdict.reasons == (
        "the classifier says normal 97.0 (counts from 60.0)",
        "the detector finds 2 boxes: bent 91.2 (counts from 50.0), cut 41.0 (counts from 40.0)",
        "they disagree",
    )


def test_a_model_is_asked_for_everything_within_the_margin() -> None:
    assert verdicts.least_confidence(POINTS) == 35.0
    assert verdicts.least_confidence({"bent": 2.0}) == 0.0
    assert verdicts.least_confidence({}) is None


_LABELS = st.sampled_from(["normal", "bent", "cut", "misplaced"])
_CONFIDENCES = st.floats(0, 100)
_ANSWERS = st.builds(
    lambda task, found, points: Answer(
        task_of(task), tuple(Found(label, sure, BOX if task == "detection" else None) for label, sure in found), points
    ),
    st.sampled_from(["classification", "detection"]),
    st.lists(st.tuples(_LABELS, _CONFIDENCES), max_size=6),
    st.dictionaries(_LABELS, _CONFIDENCES),
)


@given(st.lists(_ANSWERS, max_size=2, unique_by=lambda answer: answer.task.name), st.floats(0, 50))
def test_never_ok_when_anything_says_defect_above_its_point(answers: list[Answer], margin: float) -> None:
    says_defect = any(
        one.confidence >= answer.points.get(one.label, 0.0)
        and (answer.task.name == "detection" or one.label != "normal")
        for answer in answers
        for one in answer.found
    )
    verdict = decide(answers, margin)

    assert verdict.verdict in verdicts.VERDICTS and verdict.reasons
    assert not (says_defect and verdict.verdict == OK)
