"""Inspections are written once, and read as they were written."""

from dataclasses import replace

from mlops.dataset.boxes import Box
from mlops.judging.verdicts import Found
from mlops.records import inspections, runs
from mlops.records.inspections import Inspection, Statistics
from tests.unit.mlops.world import World

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

    assert {found.key for found in inspections.of_bytes("parts", "d1")} == {ANSWERED.key, other.key}


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
