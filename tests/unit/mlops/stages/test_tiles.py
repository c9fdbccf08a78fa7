"""A dataset that is looked at in tiles: what is written, trained on, asked about and released."""

import io
import json
from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mlops.aws import buckets
from mlops.dataset.boxes import Box
from mlops.dataset.images import Image as Picture
from mlops.dataset.tiles import WHOLE, Tile, Tiling, tiles_of
from mlops.judging.answers import Call, Said
from mlops.pictures.pixels import open_picture
from mlops.pictures.tiling import tile_file
from mlops.records import activity, releases
from mlops.records.releases import Release
from mlops.stages import cutting, ground_truth, inference_test
from tests.unit.mlops.settling import Uploads, bucket_with_events, mask, picture
from tests.unit.mlops.world import set_clock

SIZE, SIDE = (256, 192), 128
# Whole in the first tile of the upper row, and in no other one.
BOX = (20, 10, 50, 40)


@pytest.fixture
def uploads(monkeypatch: pytest.MonkeyPatch) -> Iterator[Uploads]:
    with bucket_with_events(monkeypatch) as uploads:
        yield uploads


def marked(uploads: Uploads, settings: Any = SIDE, count: int = 4) -> None:
    """Pictures of cuts on every side, and good ones, and what dataset.json says of tiles."""
    for place, side in enumerate(("train", "test", "holdout")):
        for number in range(count):
            uploads.put(f"{side}/good/{number}.png", picture(1000 + 10 * place + number, SIZE))
            uploads.put(f"{side}/cut/{number}.png", picture(10 * place + number, SIZE))
            uploads.put(f"ground_truth/{side}/cut/{number}_mask.png", mask(SIZE, BOX))
    if settings:
        uploads.put("dataset.json", json.dumps({"tiles": settings}).encode())


def tiles(uploads: Uploads) -> list[str]:
    found = uploads.s3.list_objects_v2(Bucket="data", Prefix="prepared/parts/tiles/").get("Contents", ())
    return [entry["Key"] for entry in found]


def manifest(uploads: Uploads, run: dict[str, Any], side: str) -> list[dict[str, Any]]:
    body = uploads.s3.get_object(Bucket="artifacts", Key=run["manifests"][side])["Body"].read()
    return [json.loads(line) for line in body.decode().splitlines()]


def test_a_detector_is_shown_the_tiles_with_boxes_and_a_classifier_whole_pictures(uploads: Uploads) -> None:
    marked(uploads)
    uploads.settle()
    (detection,), (classification,) = uploads.runs("detection"), uploads.runs()

    lines = manifest(uploads, detection, "train")
    keys = [line["source-ref"].removeprefix("s3://data/") for line in lines]
    assert len(lines) == 4 and set(keys) <= set(tiles(uploads))
    (drawn,) = lines[0]["bounding-box"]["annotations"]
    assert [drawn[side] for side in ("left", "top", "width", "height")] == [20, 10, 30, 30]
    assert lines[0]["bounding-box"]["image_size"] == [{"width": SIDE, "height": SIDE, "depth": 3}]
    shown = Image.open(io.BytesIO(uploads.s3.get_object(Bucket="data", Key=keys[0])["Body"].read()))
    whole = Image.open(io.BytesIO(picture(0, SIZE)))
    assert shown.format == "PNG" and shown.tobytes() == whole.crop((0, 0, SIDE, SIDE)).tobytes()
    assert {line["source-ref"].split("/")[3] for line in manifest(uploads, classification, "train")} == {"datasets"}
    assert (detection.get("tiles"), classification.get("tiles")) == ({"side": SIDE, "calls": 6}, None)


def test_only_tiles_that_are_learned_from_are_written_and_the_holdout_stays_whole(uploads: Uploads) -> None:
    marked(uploads)
    uploads.settle()

    # Of each of eight pictures in train and test the one tile that has its box.
    assert len(tiles(uploads)) == 8 and all("/0-0-128-128.png" in key for key in tiles(uploads))
    held_out = manifest(uploads, uploads.runs("detection")[0], "holdout")
    assert {line["source-ref"].split("/")[3] for line in held_out} == {"datasets"}


def test_another_side_is_another_detection_run_and_the_same_classification_run(uploads: Uploads) -> None:
    marked(uploads)
    uploads.settle()
    uploads.put("dataset.json", b'{"tiles": 160}')
    uploads.settle()
    uploads.put("dataset.json", b"{}")
    uploads.settle()

    assert sorted(str(run.get("tiles")) for run in uploads.runs("detection")) == [
        *("None", "{'calls': 4, 'side': 160}", "{'calls': 6, 'side': 128}"),
    ]
    assert len(uploads.runs()) == 1


def test_tiles_are_written_in_pieces_and_each_of_them_once(uploads: Uploads, monkeypatch: pytest.MonkeyPatch) -> None:
    passed, written = [0.0], []
    monkeypatch.setattr(ground_truth, "_PIECE_SECONDS", 60)

    def slow(*given: Any) -> bytes:
        passed[0] += 25
        written.append(given[1])
        return tile_file(*given)

    monkeypatch.setattr(cutting, "tile_file", slow)
    set_clock(monkeypatch, time=lambda: uploads.now, monotonic=lambda: passed[0])
    marked(uploads)
    steps = []
    while uploads.messages:
        message, delay = uploads.messages.pop(0)
        uploads.now += delay
        ground_truth.settle(message)
        steps.append((len(written), len(uploads.runs("detection"))))

    # Three pictures take more than a minute. The run begins when all is there.
    assert list(dict.fromkeys(steps))[-4:] == [(3, 0), (6, 0), (8, 0), (8, 1)]
    assert activity.of("parts").progress == ""


def test_a_picture_that_was_deleted_meanwhile_holds_nothing_up(
    uploads: Uploads, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = cutting.write

    def late(image: Picture, tiles: Any) -> None:
        if image.key.endswith("train/cut/0.png"):
            uploads.delete("train/cut/0.png", is_told=False)
        write(image, tiles)

    monkeypatch.setattr(cutting, "write", late)
    marked(uploads)
    uploads.settle()

    (run,) = uploads.runs("detection")
    assert len(manifest(uploads, run, "train")) == 3


def test_more_boxes_than_a_picture_may_have_are_taken_where_no_tile_has_too_many(uploads: Uploads) -> None:
    marked(uploads)
    many = Image.new("L", SIZE)
    for number in range(60):
        left, top = 20 * (number % 12) + 4, 30 * (number // 12) + 10
        many.paste(255, (left, top, left + 6, top + 6))
    data = io.BytesIO()
    many.save(data, "PNG")
    uploads.put("ground_truth/train/cut/0_mask.png", data.getvalue())
    uploads.settle()

    reasons, warnings = uploads.prepared(uploads.runs("detection")[0])
    assert reasons == []
    assert [said for said in warnings if "tiles" in said] == [
        "it works on tiles of 128 px: a picture takes about 6 calls of the service, in tests and for new pictures"
    ]


def test_pictures_that_would_be_too_many_tiles_are_refused_with_the_least_side(uploads: Uploads) -> None:
    marked(uploads, 64, count=1)
    uploads.put("train/cut/wide.png", picture(77, (1600, 160)))
    uploads.put("ground_truth/train/cut/wide_mask.png", mask((1600, 160), (5, 5, 30, 30)))
    uploads.settle()

    (run,) = uploads.runs("detection")
    assert run["outcome"] == "FAILED" and tiles(uploads) == []
    assert 'write "tiles": 91, or more, into dataset.json' in run["reasons"][0]


RECORDED = Picture("datasets/parts/test/cut/0.png", "", ("cut",), "test", "same", *SIZE, version_id="v1")
WHOLE_FILE = picture(1, SIZE)


def asked(
    monkeypatch: pytest.MonkeyPatch,
    said: dict[int, list[Any]],
    image: Picture = RECORDED,
    file: bytes | None = WHOLE_FILE,
) -> tuple[Call, list[Any]]:
    """The call of a test about an image whose tiles, by number, are told so; also what the service was shown."""
    numbers = {tile_file(open_picture(WHOLE_FILE), tile): number for number, tile in enumerate(tiles_of(*SIZE, SIDE))}
    shown: list[Any] = []

    def detect(Image: Any, **_: Any) -> dict[str, Any]:  # noqa: N803
        shown.append(Image)
        return {"CustomLabels": said.get(numbers.get(Image.get("Bytes"), -1), [])}

    found = {"Body": io.BytesIO(file)} if file else None
    monkeypatch.setattr(buckets.Bucket, "get", lambda self, key, version_id: found)
    monkeypatch.setenv("DATA_BUCKET", "data")
    client = SimpleNamespace(detect_custom_labels=detect)
    return inference_test._Asked(client, "arn", {}, SIDE, 3).about(image), shown


def box(confidence: float, left: float, top: float, width: float, height: float) -> dict[str, Any]:
    drawn = {"Left": left, "Top": top, "Width": width, "Height": height}
    return {"Name": "cut", "Confidence": confidence, "Geometry": {"BoundingBox": drawn}}


def test_a_test_asks_about_every_tile_and_puts_the_answers_together(monkeypatch: pytest.MonkeyPatch) -> None:
    # From the first tile it goes on into the second one, which begins 64 pixels further on.
    said = {0: [box(90.0, 0.5, 0.25, 0.5, 0.125)], 1: [box(80.0, 0.0, 0.25, 0.75, 0.125)]}
    call, shown = asked(monkeypatch, said)

    assert call.said == (Said("cut", 90.0, Box(64.0, 32.0, 96.0, 16.0)),)
    assert [Image.open(io.BytesIO(one["Bytes"])).size for one in shown] == [(SIDE, SIDE)] * 6


def test_a_picture_no_larger_than_a_tile_is_asked_about_in_the_bucket(monkeypatch: pytest.MonkeyPatch) -> None:
    _, (shown,) = asked(monkeypatch, {}, replace(RECORDED, width=100, height=100))

    assert shown == {"S3Object": {"Bucket": "data", "Name": RECORDED.key, "Version": "v1"}}


def test_a_picture_that_is_gone_is_told_from_a_failed_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlops.records.images.record_of", lambda key: None)
    call, shown = asked(monkeypatch, {}, file=None)

    assert call.is_gone and shown == []


def test_a_release_keeps_its_tiles_and_an_old_one_is_about_whole_pictures(uploads: Uploads) -> None:
    place = {"dataset": "parts", "task": "detection", "environment": "production"}
    for at, tiling in (("2026-01-01", WHOLE), ("2026-01-02", Tiling(640, 24))):
        releases.record(Release("run", "arn", at, **place, tested_at=at, lease_id=at, tiles=tiling))

    assert [release.tiles for release in releases.history("parts", "detection")] == [Tiling(640, 24), WHOLE]
    current = releases.current("parts", "detection", "production")
    assert current is not None and current.tiles == Tiling(640, 24)


def test_the_same_tile_has_the_same_bytes_and_fits_into_a_call() -> None:
    noise = np.random.default_rng(1).integers(0, 255, (1500, 1500, 3), np.uint8)
    data = io.BytesIO()
    Image.fromarray(noise).save(data, "PNG", compress_level=1)
    small, large = Tile(3, 5, 1170, 1180), Tile(0, 0, 1500, 1500)
    files = [tile_file(open_picture(data.getvalue()), tile) for tile in (small, small, large)]

    assert files[0] == files[1]
    assert [Image.open(io.BytesIO(file)).format for file in files] == ["PNG", "PNG", "JPEG"]
    assert max(map(len, files)) <= 4 * 1024 * 1024
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(files[0]))), noise[5:1185, 3:1173])
