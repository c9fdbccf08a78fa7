"""Inspections are written once, and read as they were written."""

from dataclasses import replace

import pytest

from mlops.dataset.boxes import Box
from mlops.judging.verdicts import Found
from mlops.records import inspections, runs
from mlops.records.inspections import Inspection, Statistics
from tests.unit.mlops.world import World, set_clock

ANSWERED = Inspection(
    dataset="parts",
    key="inspect/parts/line 2/1.png",
    digest="d1",
    verdict="defect",
    reasons=("the classifier says bent 97.5 (counts from 50.0)",),
    inspected_at="2026-03-02T09:15:00.000+00:00",
    labels=(Found("bent", 97.5),),
    boxes=(Found("bent", 91.25, Box(1, 2, 3, 4)),),
    run_ids={"classification": "r1", "detection": "r2"},
    version_arns={"classification": "a1", "detection": "a2"},
    seconds=0.25,
    usd=0.0012,
    looks="00ff",
    statistics=Statistics(120.5, 30.25, 4.125, 1.0, 2.0, 3.0, 640, 480),
)
REFUSED = Inspection(
    "parts", ANSWERED.key, "d1", "unsure", ("nothing is released",), ANSWERED.inspected_at, refused=True
)


def test_an_inspection_is_read_as_it_was_written(world: World) -> None:
    assert inspections.record(ANSWERED) == ANSWERED
    assert inspections.find("parts", ANSWERED.key, "d1") == ANSWERED
    assert inspections.find("parts", ANSWERED.key, "d2") is None
    assert (ANSWERED.day, ANSWERED.path) == ("2026-03-02", "line 2/1.png")


def test_the_first_answer_counts(world: World) -> None:
    inspections.record(ANSWERED)

    assert inspections.record(replace(ANSWERED, verdict="ok")) == ANSWERED
    assert inspections.record(REFUSED) == ANSWERED


def test_a_refusal_gives_way_to_an_answer_and_to_no_other_refusal(world: World) -> None:
    inspections.record(REFUSED)

    assert inspections.record(replace(REFUSED, reasons=("another",))) == REFUSED
    assert inspections.record(ANSWERED) == ANSWERED
    assert inspections.find("parts", ANSWERED.key, "d1") == ANSWERED


def test_the_same_bytes_are_found_under_every_key(world: World) -> None:
    other = replace(ANSWERED, key="inspect/parts/2.png")
    for inspection in (ANSWERED, other, replace(ANSWERED, digest="d2"), replace(ANSWERED, dataset="others")):
        inspections.record(inspection)

    own, same = inspections.of_bytes("parts", other.key, "d1")
    assert own == other
    assert {found.key for found in same} == {ANSWERED.key, other.key}
    own, same = inspections.of_bytes("parts", "inspect/parts/3.png", "d1")
    assert own is None
    assert {found.key for found in same} == {ANSWERED.key, other.key}


def test_a_picture_is_found_among_hundreds_of_the_same_bytes(world: World) -> None:
    keys = [f"inspect/parts/{number:03}.png" for number in range(250)]
    for key in keys:
        inspections.record(replace(ANSWERED, key=key))

    own, same = inspections.of_bytes("parts", keys[-1], "d1")
    assert own and own.key == keys[-1]
    assert [found.key for found in same] == keys


NOW = 1_772_442_900.0


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    moment = [NOW]
    set_clock(monkeypatch, time=lambda: moment[0])
    return moment


def found() -> Inspection:
    inspection = inspections.find("parts", ANSWERED.key, "d1")
    assert inspection
    return inspection


def test_an_inspection_is_left_once_whoever_wrote_it_has_ended_and_nobody_was_told(
    world: World, now: list[float]
) -> None:
    mine = inspections.record(replace(ANSWERED, busy_until=int(1000 * NOW) + 120_000))
    assert not found().is_left
    now[0] += 120
    assert found().is_left
    inspections.note_announced(mine)
    assert not found().is_left


def test_of_two_that_find_an_inspection_left_one_takes_it_up(world: World, now: list[float]) -> None:
    inspections.record(replace(ANSWERED, busy_until=int(1000 * NOW)))
    left = found()
    until = int(1000 * NOW) + 120_000
    taken = inspections.take_up(left, until)

    assert taken == replace(left, busy_until=until) == found()
    assert inspections.take_up(left, until + 1) is None


def test_of_two_that_tell_again_one_does_although_the_other_is_through(world: World, now: list[float]) -> None:
    mine = inspections.record(replace(ANSWERED, busy_until=int(1000 * NOW)))
    inspections.note_announced(mine)
    told = found()
    again = inspections.take_up(told, int(1000 * NOW) + 1)
    assert again and not again.announced
    inspections.note_announced(again)

    assert found().announced
    assert inspections.take_up(told, int(1000 * NOW) + 2) is None


def test_an_answer_in_place_of_a_refusal_is_not_noted_as_told_by_who_told_of_the_refusal(world: World) -> None:
    refusal = inspections.record(replace(REFUSED, busy_until=1))
    inspections.record(replace(ANSWERED, busy_until=2))
    inspections.note_announced(refusal)

    assert not found().announced


def test_what_an_earlier_release_has_recorded_is_taken_up(world: World) -> None:
    inspections.record(ANSWERED)
    key = {"pk": "INSPECTION#parts#d1", "sk": f"INSPECTION#{ANSWERED.key}"}
    row = world.table.get_item(key, ConsistentRead=True)["Item"]
    world.table.put_item({name: value for name, value in row.items() if name != "busy_until"})

    assert found().is_left
    assert inspections.take_up(found(), 1) == replace(ANSWERED, busy_until=1)


def test_a_day_has_the_inspections_of_its_dataset_and_no_runs(world: World) -> None:
    runs.create("r1", "parts", "classification")
    later = replace(ANSWERED, digest="d2", inspected_at="2026-03-03T00:00:00.000+00:00")
    for inspection in (ANSWERED, later, replace(ANSWERED, dataset="others")):
        inspections.record(inspection)

    assert list(inspections.of_day("parts", "2026-03-02")) == [ANSWERED]
    assert list(inspections.of_day("parts", "2026-03-03")) == [later]
    assert [run.run_id for run in runs.of_dataset("parts")] == ["r1"]


def test_the_document_has_boxes_in_pixels_and_no_empty_ones() -> None:
    told = ANSWERED.as_document()

    assert told["labels"] == [{"label": "bent", "confidence": 97.5}]
    assert told["boxes"][0]["box"] == {"left": 1, "top": 2, "width": 3, "height": 4}
