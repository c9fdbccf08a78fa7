"""From which confidence an answer counts: what costs least, and what is never done for it."""

from math import exp, log
from statistics import NormalDist

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops.codec import object_of, read
from mlops.dataset.boxes import Box, LabeledBox, match
from mlops.judging import operating_points
from mlops.judging.evaluation import Evaluation
from mlops.judging.operating_points import Answered, Cost, Costs, answered_boxes, answered_images, choose, counts_at

EVEN = Cost(1, 1)
confidences = st.lists(st.integers(0, 1000), max_size=30).map(lambda said: tuple(sorted(n / 10 for n in said)))


def answered(right: tuple[float, ...], wrong: tuple[float, ...] = (), missed: int = 0) -> Answered:
    return Answered(tuple(sorted(right)), tuple(sorted(wrong)), len(right) + missed)


def test_what_was_said_of_images_is_right_or_wrong_of_every_label() -> None:
    found = answered_images([(["cut"], {"cut": 90, "normal": 10}), (["normal"], {"cut": 20}), (["cut", "bent"], {})])

    assert {label: (list(said.right), list(said.wrong), said.support) for label, said in found.items()} == {
        "bent": ([], [], 1),
        "cut": ([90], [20], 2),
        "normal": ([], [10], 1),
    }


boxes = st.lists(
    st.builds(
        LabeledBox,
        st.sampled_from("ab"),
        st.builds(Box, st.integers(0, 9), st.integers(0, 9), st.integers(1, 9), st.integers(1, 9)),
        st.sampled_from([0.1, 0.25, 0.5, 0.75, 0.9]),
    ),
    max_size=8,
)


@given(boxes, boxes, st.sampled_from([0.0, 25.0, 50.0, 90.0]))
def test_counts_from_a_point_on_are_those_of_the_boxes_that_reach_it(
    truth: list[LabeledBox], found: list[LabeledBox], point: float
) -> None:
    kept = [box for box in found if box.confidence * 100 >= point]
    hits = match(truth, kept, 0.3)

    for label, known in answered_boxes([(truth, found)], 0.3).items():
        counts = counts_at(known, point)
        assert counts.support == sum(box.label == label for box in truth)
        assert counts.found == sum(truth[index].label == label for index in hits.values())
        of_label = sum(box.label == label for box in kept)
        assert counts.found + counts.false + counts.false_on_clean == of_label
        assert not (counts.false_on_clean and truth)


def test_between_what_is_right_and_what_is_wrong_is_the_point() -> None:
    assert 20 < choose(answered((80, 85, 90)), EVEN, 50) < 80
    assert 20 < choose(answered((80, 85, 90), (10, 15, 20)), EVEN, 50) < 80


@given(confidences, confidences, st.floats(1, 99))
def test_the_more_an_escape_costs_the_lower_the_point(
    right: tuple[float, ...], wrong: tuple[float, ...], service: float
) -> None:
    known = answered(right, wrong)
    points = [choose(known, Cost(escape, 1), service) for escape in (0.2, 1, 5, 25)]

    assert points == sorted(points, reverse=True)


@given(confidences, confidences, st.floats(1, 99), st.sampled_from([Cost(1, 1), Cost(1, 50), Cost(20, 1), Cost(0, 1)]))
def test_half_of_what_has_an_answer_is_found_whatever_it_costs(
    right: tuple[float, ...], wrong: tuple[float, ...], service: float, cost: Cost
) -> None:
    known = answered(tuple(said for said in right if said >= 1), wrong)
    point = choose(known, cost, service)

    assert operating_points.LEAST <= point <= operating_points.MOST
    if known.right:
        assert 2 * counts_at(known, point).found >= len([said for said in known.right if said > 0.1]) - 1


@pytest.mark.parametrize("escape", [0.1, 1, 10])
def test_a_hundred_answers_of_each_side_are_blurred_to_no_more_than_their_own_spread(escape: float) -> None:
    middle, spread = 2.0, 1.5
    drawn = [NormalDist(middle, spread).inv_cdf((place + 0.5) / 100) for place in range(100)]
    known = answered(*(tuple(100 / (1 + exp(-sign * odds)) for odds in drawn) for sign in (1, -1)))
    point = choose(known, Cost(escape, 1), 50)

    # Where both densities, weighed by what mistakes cost, are the same.
    assert log(point / (100 - point)) == pytest.approx(-log(escape) * spread**2 / (2 * middle), abs=0.05)


@pytest.mark.parametrize("wrong", [(), (10.0, 30.0)])
def test_a_label_without_anything_true_keeps_the_point_of_the_service(wrong: tuple[float, ...]) -> None:
    assert choose(answered((), wrong, missed=2), Cost(9, 1), 61.53) == 61.53


@given(st.floats(5, 95))
def test_where_the_test_says_nothing_the_service_decides(service: float) -> None:
    assert choose(answered((99.9,) * 5, (0.1,) * 5), EVEN, service) == pytest.approx(service, abs=6)


@given(confidences, confidences, st.integers(0, 3))
def test_the_curve_tells_what_is_found_from_a_confidence_on(
    right: tuple[float, ...], wrong: tuple[float, ...], missed: int
) -> None:
    known = answered(right, wrong, missed)
    drawn = operating_points.curve(known)

    assert [place[0] for place in drawn] == sorted({place[0] for place in drawn}, reverse=True)
    for confidence, precision, recall in drawn:
        counts = counts_at(known, confidence)
        assert (counts.precision, counts.recall) == pytest.approx((precision, recall))
    if drawn:
        assert drawn[-1][2] == pytest.approx(len(right) / max(known.support, 1))


def test_a_long_curve_is_drawn_with_fewer_points() -> None:
    drawn = operating_points.curve(answered(tuple(number / 10 for number in range(1000))))

    assert len(drawn) == 60 and drawn[0][0] == 99.9 and drawn[-1][2] == 1


def test_who_wrongly_calls_a_part_normal_lets_it_go() -> None:
    costs = operating_points.costs_of(Cost(5, 1), {"Cut": {"escape": 9}, "chip": {"overkill": 2}}, {"chip": "chipped"})

    assert costs.of("normal") == Cost(1, 5)
    assert costs == Costs(Cost(5, 1), {"Cut": Cost(9, 1), "chipped": Cost(5, 2)})


def test_every_label_that_the_service_knows_has_a_point() -> None:
    chosen = operating_points.choose_all({"cut": answered((80, 90), (20,))}, {"cut": 50, "new": 70}, Costs(EVEN))

    assert Evaluation(operating_points=chosen).points == {
        "cut": chosen["cut"].min_confidence,
        "new": 70,
    }
    assert object_of(chosen["cut"].test) == {"found": 2, "missed": 0, "false": 0}


def test_a_version_of_an_earlier_release_has_the_points_that_the_service_assumed() -> None:
    assert read(Evaluation, {"service": {"assumed_thresholds": {"cut": 0.123, "a": 0.5}}}).points == {
        "a": 50.0,
        "cut": 12.3,
    }
    assert read(Evaluation, {}).points == {}


def test_it_is_told_what_a_step_to_either_side_would_change() -> None:
    known = {"cut": answered((45, 55, 65), (42, 57), missed=1)}
    told = object_of(operating_points.confirmed(known, {"cut": 50}, {"cut": 60})["cut"])

    assert told["at"] == {"from": 50, "found": 2, "missed": 2, "false": 1}
    assert told["lower"] == {"from": 40, "found": 3, "missed": 1, "false": 2}
    assert told["higher"] == {"from": 60, "found": 1, "missed": 3, "false": 0}
    assert told["service"] == told["higher"]


def test_without_clean_pictures_no_point_lies_below_the_services_own() -> None:
    seen = {"cut": answered((40, 55, 90, 95), missed=0)}
    lenient = operating_points.choose_all(seen, {"cut": 80.0}, Costs(Cost(9, 1)))["cut"].min_confidence
    bound = operating_points.choose_all(seen, {"cut": 80.0}, Costs(Cost(9, 1)), shows_clean=False)["cut"]

    assert lenient < 80
    assert bound.min_confidence == 80
