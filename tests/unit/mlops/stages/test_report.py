"""A report stays within what its function has, however many labels, pictures and answers a run has."""

import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest

from mlops.aws import buckets
from mlops.reading import evidence
from mlops.reading.rendering import encoded
from tests.unit.mlops.reading.test_rendering import RUN, evidence_of, known_of, shared
from tests.unit.mlops.world import World

SHEET, SHOT = 3_000_000, 350_000
MEGABYTE = 1_000_000


class Pictures:
    """A bucket of pictures whose sizes are known only once they are read."""

    name = "artifacts"

    def __init__(self, sizes: dict[str, int]) -> None:
        self.sizes = sizes
        self.etags = dict.fromkeys(sizes, "e")
        self.read: list[str] = []

    def list(self, _: str) -> Iterator[tuple[str, str]]:
        yield from self.etags.items()

    def read_bytes(self, key: str) -> bytes:
        self.read.append(key)
        return bytes(self.sizes[key])


def known_with(labels: int, wrong: int = 18, shots: int = 24) -> dict[str, Any]:
    """A detection run with a sheet of overlays for each label, and a gallery."""
    known = known_of("label_0", "detection")
    overlays = {f"label_{number}": f"runs/{RUN}/overlays/label_{number}.jpg" for number in range(labels)}
    gallery = [
        {"key": f"runs/{RUN}/gallery/{n:02}.jpg", "image": "", "caption": f"shot {n}", "is_wrong": n < wrong}
        for n in range(shots)
    ]
    test, truth = known["test"] | {"gallery": gallery}, known["truth"] | {"overlays": overlays}
    return known | {"test": test, "truth": truth}


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Pictures:
    """The pictures of `known_with(250)`."""
    known = known_with(250)
    sizes = dict.fromkeys(known["truth"]["overlays"].values(), SHEET)
    found = Pictures(sizes | {item["key"]: SHOT for item in known["test"]["gallery"]})
    monkeypatch.setattr(buckets, "artifacts_bucket", lambda: found)
    evidence._kept.clear()
    return found


def written(known: dict[str, Any], pictures: dict[str, Any]) -> bytes:
    told = {"headline": "x", "reasons": [], "next_step": "x", "written_at": "2026-03-02T09:16", "stages": []}
    return encoded("report.html", **shared("label_0", "detection", known) | {"pictures": pictures}, **told)


@pytest.mark.parametrize("labels", [2, 20, 250])
def test_a_report_of_any_number_of_labels_is_bounded_in_size_and_memory(bucket: Pictures, labels: int) -> None:
    known = known_with(labels)
    written(known_with(0), {"gallery": [], "overlays": []})
    tracemalloc.start()
    text = written(known, evidence.embedded(evidence_of(known)))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert len(text) < 12 * MEGABYTE
    assert peak < 80 * MEGABYTE
    assert sum(bucket.sizes[key] for key in bucket.read) < 15 * MEGABYTE


@pytest.mark.parametrize(("sheet", "shot"), [(SHEET, SHOT), (500_000, 100_000), (SHEET, 3 * SHOT), (20_000_000, 1000)])
def test_every_picture_is_in_the_report_or_named_in_it(bucket: Pictures, sheet: int, shot: int) -> None:
    known = known_with(250)
    bucket.sizes = {key: sheet if "overlays" in key else shot for key in bucket.sizes}
    pictures = evidence.embedded(evidence_of(known))
    text = written(known, pictures).decode()

    assert sum(map(len, pictures.values())) == len(bucket.sizes)
    assert f"{len(pictures['left_out'])} more pictures are in the bucket" in text
    assert all(f"<code>{picture.source}</code>" in text for picture in pictures["left_out"])
    assert {picture.source for picture in pictures["left_out"]} <= {f"s3://artifacts/{key}" for key in bucket.sizes}


def test_mistakes_come_first_then_overlays_then_what_is_right(bucket: Pictures) -> None:
    evidence.embedded(evidence_of(known_with(1)))

    assert bucket.read[:19] == [f"runs/{RUN}/gallery/{n:02}.jpg" for n in range(18)] + [
        f"runs/{RUN}/overlays/label_0.jpg"
    ]


def test_few_pictures_are_all_in_the_report_and_nothing_is_said_of_more(bucket: Pictures) -> None:
    bucket.sizes = dict.fromkeys(bucket.sizes, 1000)
    known = known_with(8)
    pictures = evidence.embedded(evidence_of(known))

    assert [len(pictures[kind]) for kind in ("gallery", "overlays", "left_out")] == [24, 8, 0]
    assert b"in the bucket</h2>" not in written(known, pictures)


def test_a_report_that_is_written_again_reads_only_what_is_new(bucket: Pictures) -> None:
    bucket.sizes = dict.fromkeys(bucket.sizes, 1000)
    evidence.embedded(evidence_of(known_with(2)))
    bucket.read.clear()
    bucket.etags[f"runs/{RUN}/gallery/03.jpg"] = "replaced"
    evidence.embedded(evidence_of(known_with(3)))

    assert sorted(bucket.read) == [f"runs/{RUN}/gallery/03.jpg", f"runs/{RUN}/overlays/label_2.jpg"]


def test_pictures_of_the_run_before_are_not_kept(bucket: Pictures) -> None:
    evidence.embedded(evidence_of(known_with(250)))
    evidence.embedded(evidence_of(known_with(0, shots=1)))

    assert len(evidence._kept) == 1


def detected(*outcomes: str, label: str = "bent") -> dict[str, Any]:
    sides = dict.fromkeys(("left", "top", "width", "height"), 1)
    boxes = [{"label": label, "confidence": 0.9, "box": sides, "outcome": outcome} for outcome in outcomes]
    found = [box for box in boxes if box["outcome"] in ("right", "false_alarm")]
    truth = [box for box in boxes if box not in found]
    return {"key": "datasets/d/test/x/1.png", "etag": "e", "label": label, "truth": truth, "found": found}


def classified(truth: str, label: str) -> dict[str, Any]:
    return {"key": "datasets/d/test/x/1.png", "etag": "e", "truth": truth, "label": label, "confidence": 9.0}


def put_result(answers: list[dict[str, Any]], names: list[str], task: str) -> None:
    known = known_of("bent", task)
    per_label = dict.fromkeys(names, known["test"]["per_label"]["bent"])
    test = known["test"] | {"answers": answers, "per_label": per_label, "gallery": []}
    overlays = {name: f"runs/{RUN}/overlays/{name}.jpg" for name in names}
    buckets.artifacts_bucket().write_json(f"runs/{RUN}/development/inference_test.json", test)
    buckets.artifacts_bucket().write_json(f"runs/{RUN}/ground_truth.json", known["truth"] | {"overlays": overlays})


@pytest.mark.parametrize(
    ("task", "answers", "mistakes"),
    [
        ("detection", [detected("hit", "right"), detected("missed"), detected("false_alarm"), detected()], 2),
        ("classification", [classified("bent", "bent"), classified("bent", ""), classified("box", "left")], 2),
    ],
)
def test_mistakes_are_counted_whatever_labels_are_called(
    world: World, task: str, answers: list[dict[str, Any]], mistakes: int
) -> None:
    names = ["box", "outcome", "left", "key", "truth", "answers", "bent"]
    put_result(answers, names, task)
    known = evidence.load(RUN, "development")

    assert known.test and known.truth
    per_label = known.test.judged.measured.per_label

    assert known.mistakes == mistakes
    assert list(per_label) == sorted(names)
    assert per_label["outcome"].f1 == 0.8
    assert sorted(known.truth.overlays) == sorted(names)


def test_answers_of_a_test_are_not_read_however_many_there_are(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    put_result([], ["bent"], "detection")
    store, read = buckets.artifacts_bucket(), []
    result = store.read_json(f"runs/{RUN}/development/inference_test.json")
    del result["answers"]
    store.write_json(f"runs/{RUN}/development/inference_test.json", {**result, "mistakes": 7})
    monkeypatch.setattr(buckets.Bucket, "lines", lambda _, key: read.append(key))

    assert evidence.load(RUN, "development").mistakes == 7
    assert read == []
