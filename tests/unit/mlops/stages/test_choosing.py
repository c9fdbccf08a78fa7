"""Inspected pictures that are put before a person."""

import hashlib
import io
import json
from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from mlops.codec import plain
from mlops.dataset.boxes import Box
from mlops.events import PartInspected
from mlops.judging import drift
from mlops.judging.appearance import Statistics
from mlops.judging.choosing import RANDOM, UNLIKE
from mlops.judging.verdicts import DEFECT, OK, UNSURE, Found
from mlops.pictures.statistics import looks_of, statistics_of
from mlops.records import inspections, reviews
from mlops.records.inspections import Inspection
from mlops.stages import choosing
from tests.unit.mlops.settling import as_png, picture
from tests.unit.mlops.world import Killed, World

DATA = picture(1)
KEY = "inspect/parts/line 2/1.png"


@pytest.fixture(autouse=True)
def _nothing_by_chance(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REVIEW_SHARE", "0")


def inspected(world: World, data: bytes = DATA, key: str = KEY, **facts: object) -> PartInspected:
    """An inspection as it is recorded, and the event that tells of it."""
    digest = hashlib.sha256(data).hexdigest()
    told = {"verdict": UNSURE, "reasons": ("it is near",), "boxes": (Found("bent", 60, Box(1, 2, 30, 40)),), **facts}
    version = world.s3.put_object(Bucket="data", Key=key, Body=data)["VersionId"]
    at = "2026-03-02T09:15:00.000+00:00"
    inspection = Inspection("parts", key, digest, inspected_at=at, version_id=version, **told)  # type: ignore[arg-type]
    inspections.record(inspection)
    return PartInspected("parts", key, inspection.verdict, version_id=version, digest=digest)


def test_what_the_models_are_unsure_of_is_put_before_a_person(world: World) -> None:
    review = choosing.choose(inspected(world))

    assert review and review == reviews.find("parts", review.digest)
    assert (review.reasons, review.width, review.height) == ((UNSURE,), 80, 72)
    assert world.s3.get_object(Bucket="artifacts", Key=review.picture)["Body"].read() == DATA


def test_the_same_event_again_changes_nothing(world: World) -> None:
    event = inspected(world)

    assert choosing.choose(event)
    before = world.table.snapshot()
    assert choosing.choose(event) is None
    assert world.table.snapshot() == before


def test_a_clear_verdict_is_not_asked_about_but_by_chance(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    event = inspected(world, verdict=DEFECT)
    assert choosing.choose(event) is None

    monkeypatch.setenv("REVIEW_SHARE", "100")
    review = choosing.choose(event)
    assert review and review.is_random and review.reasons == (RANDOM,)


def test_a_picture_unlike_all_that_trained_is_asked_about(world: World) -> None:
    usual = [Statistics(100 + number, 40, 0.5, 100, 100, 100, 80, 72) for number in range(30)]
    references = {"brightness": drift.Reference.of(drift.looks_of(one)["brightness"] for one in usual)}
    world.s3.put_object(
        Bucket="artifacts", Key="datasets/parts/looks.json", Body=json.dumps(plain({"looks": references}))
    )

    assert choosing.choose(inspected(world, verdict=OK, statistics=usual[3])) is None
    dark = choosing.choose(
        inspected(world, picture(2), f"{KEY}2", verdict=OK, statistics=replace(usual[3], brightness=5))
    )
    assert dark and dark.reasons == (UNLIKE,)


def test_an_event_of_which_nothing_is_recorded_is_refused(world: World) -> None:
    event = inspected(world)

    for forged in (
        replace(event, dataset="others"),
        replace(event, key="inspect/parts/other.png"),
        replace(event, digest=""),
        replace(event, digest="0" * 64),
    ):
        with pytest.raises(PermissionError):
            choosing.choose(forged)


def test_the_version_that_was_inspected_is_asked_about_whatever_lies_under_its_name_now(world: World) -> None:
    event = inspected(world)
    world.s3.put_object(Bucket="data", Key=KEY, Body=picture(2))
    world.s3.delete_object(Bucket="data", Key=KEY)
    review = choosing.choose(event)

    assert review and review.digest == event.digest
    assert world.s3.get_object(Bucket="artifacts", Key=review.picture)["Body"].read() == DATA


def test_the_same_bytes_that_came_again_are_read_where_the_first_version_is_gone(world: World) -> None:
    event = inspected(world)
    again = world.s3.put_object(Bucket="data", Key=KEY, Body=DATA)["VersionId"]
    world.s3.delete_object(Bucket="data", Key=KEY, VersionId=event.version_id)

    assert choosing.choose(replace(event, version_id=again))


def test_what_was_refused_or_is_gone_for_good_is_not_asked_about(world: World) -> None:
    event = inspected(world)
    other = world.s3.put_object(Bucket="data", Key=KEY, Body=picture(2))["VersionId"]
    assert choosing.choose(replace(event, version_id=other)) is None

    world.s3.delete_object(Bucket="data", Key=KEY, VersionId=event.version_id)
    assert choosing.choose(event) is None
    assert choosing.choose(inspected(world, picture(3), f"{KEY}3", refused=True)) is None


def test_boxes_are_those_of_the_picture_as_it_is_shown(world: World) -> None:
    """A picture that lies on its side is shown upright, and its boxes with it."""
    exif = Image.Exif()
    exif[0x0112] = 6
    data = io.BytesIO()
    Image.new("RGB", (100, 80), "gray").save(data, "JPEG", exif=exif)
    review = choosing.choose(inspected(world, data.getvalue(), "inspect/parts/1.jpg"))

    assert review and (review.width, review.height) == (80, 100)
    assert review.boxes[0].box == Box(80 - 2 - 40, 1, 40, 30)


def test_a_deep_picture_is_shown_as_the_models_saw_it(world: World) -> None:
    truth = json.dumps({"window": [0, 4095]}).encode()
    world.s3.put_object(Bucket="artifacts", Key="runs/parts-1/ground_truth.json", Body=truth)
    data = io.BytesIO()
    Image.fromarray(np.full((72, 80), 1000, np.uint16)).save(data, "PNG")
    event = inspected(world, data.getvalue(), "inspect/parts/deep.png", run_ids={"classification": "parts-1"})
    review = choosing.choose(event)

    assert review
    shown = world.s3.get_object(Bucket="artifacts", Key=review.picture)
    assert shown["ContentType"] == "image/png"
    assert Image.open(io.BytesIO(shown["Body"].read())).getextrema() == (62, 62)


def test_a_day_has_so_many_reviews(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REVIEWS_PER_DAY", "3")
    for number in range(8):
        choosing.choose(inspected(world, picture(number), f"inspect/parts/{number}.png"))

    assert len(list(reviews.of_state("parts", reviews.WAITING))) == 3


def test_where_a_day_has_no_place_the_picture_is_not_read(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REVIEWS_PER_DAY", "0")
    event = inspected(world)
    monkeypatch.setattr(choosing, "_bytes_of", None)

    assert choosing.choose(event) is None


def test_killed_at_any_call_it_is_asked_about_once(world: World) -> None:
    event = inspected(world)
    empty = world.table.snapshot()
    world.kill_after(-1)
    choosing.choose(event)
    calls = world.calls
    assert calls > 6
    for call in range(1, calls + 1):
        world.table.restore(empty)
        world.kill_after(call)
        with suppress(Killed):
            choosing.choose(event)
        world.is_dead = False
        choosing.choose(event)
        assert [review.key for review in reviews.of_state("parts", reviews.WAITING)] == [KEY]


def test_a_large_picture_has_a_small_copy_and_a_small_one_none(world: World) -> None:
    small = choosing.choose(inspected(world))
    large = choosing.choose(inspected(world, picture(2, (2000, 700)), f"{KEY}2"))

    assert large and small and small.small == ""
    data = world.s3.get_object(Bucket="artifacts", Key=large.small)["Body"].read()
    assert Image.open(io.BytesIO(data)).size == (1600, 560)


def test_the_same_pixels_in_another_file_have_the_same_fingerprint(world: World) -> None:
    image = Image.open(io.BytesIO(DATA))
    tiff = io.BytesIO()
    image.save(tiff, "TIFF")
    scratched = image.copy()
    scratched.putpixel((40, 40), (0, 0, 0))
    reviewed = []
    for name, data in (("1.png", DATA), ("1.tiff", tiff.getvalue()), ("2.png", as_png(scratched))):
        shown = Image.open(io.BytesIO(data))
        facts = {"looks": looks_of(shown), "statistics": statistics_of(shown)}
        reviewed.append(choosing.choose(inspected(world, data, f"inspect/parts/{name}", **facts)))

    png, other, scratch = [review.fingerprint for review in reviewed if review]
    assert png and png == other and png != scratch


def test_a_plain_picture_of_one_colour_is_shown_as_well(world: World) -> None:
    assert choosing.choose(inspected(world, as_png(Image.new("L", (70, 70)))))
