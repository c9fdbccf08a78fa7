"""Files that are broken in a few hundred ways, all in one dataset: each is taken or refused with a reason, and what
lies beside them is trained on as ever."""

import io
import json
import random
import tracemalloc
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import pytest
from PIL import Image

from mlops.dataset.object_record import ACCEPTED, REFUSED
from mlops.records.images import records_of
from tests.unit.mlops.settling import Uploads, bucket_with_events, mask, picture

SEED = 21
# Of each kind; each is made of a sound file by one to four changes.
PICTURES, MASKS, LINES, SETTINGS, MANIFESTS = 100, 60, 100, 25, 20
# Bytes: what the largest file of the corpus may take, many times what it has.
MOST_MEMORY = 64 << 20


@pytest.fixture
def uploads(monkeypatch: pytest.MonkeyPatch) -> Iterator[Uploads]:
    with bucket_with_events(monkeypatch) as uploads:
        yield uploads


def _flipped(data: bytes, chance: random.Random) -> bytes:
    place = chance.randrange(max(len(data), 1))
    return data[:place] + bytes([chance.randrange(256)]) + data[place + 1 :]


def _cut(data: bytes, chance: random.Random) -> bytes:
    return data[: chance.randrange(len(data) + 1)]


def _doubled(data: bytes, chance: random.Random) -> bytes:
    first, last = sorted(chance.randrange(len(data) + 1) for _ in range(2))
    return data[:last] + data[first:]


def _inserted(data: bytes, chance: random.Random) -> bytes:
    place = chance.randrange(len(data) + 1)
    odd = (b"\x00" * 40, b"\xff" * 40, b"IDAT", b"\n", b"[" * 200, b'"', b"1e999", b"\xed\xa0\x80", b"\xef\xbb\xbf")
    return data[:place] + chance.choice(odd) + data[place:]


def _enlarged(data: bytes, chance: random.Random) -> bytes:
    """A header that promises more than there is: a number of four bytes becomes a large one."""
    place = chance.randrange(max(len(data) - 4, 1))
    return (
        data[:place]
        + chance.choice((b"\x7f\xff\xff\xff", b"\xff\xff\xff\xff", b"\x00\x00\x00\x00"))
        + data[place + 4 :]
    )


CHANGES: tuple[Callable[[bytes, random.Random], bytes], ...] = (_flipped, _cut, _doubled, _inserted, _enlarged)


def broken(data: bytes, chance: random.Random) -> bytes:
    for _ in range(chance.randint(1, 4)):
        data = chance.choice(CHANGES)(data, chance)
    return data


def _encoded(kind: str, mode: str = "RGB") -> bytes:
    pixels = np.random.default_rng(5).integers(0, 255, (72, 80, 3), np.uint8)
    data = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(data, kind)
    return data.getvalue()


def _line(reference: str) -> bytes:
    said = {"human-annotated": "yes", "creation-date": "2026-01-01T00:00:00", "job-name": "x", "confidence": 1}
    boxes = {
        "image_size": [{"width": 80, "height": 72, "depth": 3}],
        "annotations": [{"class_id": 0, "left": 5, "top": 5, "width": 20, "height": 20}],
    }
    box = {"type": "groundtruth/object-detection", "class-map": {"0": "cut"}, "objects": [{"confidence": 1}], **said}
    return json.dumps({"source-ref": reference, "boxes": boxes, "boxes-metadata": box}).encode()


SOUND_SETTINGS = (
    b'{"split": "pool", "test_fraction": 0.3, "holdout_fraction": 0.2, "tasks": ["classification"]}',
    b'{"normal": ["good"], "costs": {"escape": 2, "overkill": 1}, "groups": "(?P<group>[a-z]+)", "window": [0, 4095]}',
)


def test_every_broken_picture_and_mask_is_taken_or_refused_and_its_neighbours_go_on(uploads: Uploads) -> None:
    chance = random.Random(SEED)
    kinds = ("PNG", "JPEG", "BMP", "TIFF", "GIF", "WEBP")
    sound = [_encoded(kind) for kind in kinds] + [_encoded("PNG", mode) for mode in ("L", "P", "1", "I;16")]
    names = {f"train/cut/hostile{n:03}.{chance.choice(('png', 'jpg', 'tif'))}": broken(chance.choice(sound), chance)
             for n in range(PICTURES)}  # fmt: skip
    names |= {f"ground_truth/cut/{n:03}_mask.png": broken(mask(), chance) for n in range(MASKS)}
    uploads.usual()
    tracemalloc.start()
    for name, data in names.items():
        uploads.put(name, data, is_told=False)
        tracemalloc.reset_peak()
        uploads.tell("Object Created", name)
        assert tracemalloc.get_traced_memory()[1] < MOST_MEMORY, name
    tracemalloc.stop()
    uploads.settle()

    recorded = {record.key.split("/", 2)[2]: record for record in records_of("parts")}
    assert names.keys() <= recorded.keys()
    assert all(record.state == ACCEPTED or record.reason for record in recorded.values())
    assert sum(recorded[name].state == REFUSED for name in names) > len(names) // 3
    (run,) = uploads.runs()
    accepted = {
        f"datasets/parts/{name}"
        for name, record in recorded.items()
        if (record.kind, record.state) == ("image", ACCEPTED)
    }
    assert run["images"] + len(accepted & run["refused"].keys()) == len(accepted)
    assert (
        not {f"datasets/parts/train/{label}/{n}.png" for label in ("good", "cut") for n in range(6)}
        & run["refused"].keys()
    )


def test_every_broken_line_is_taken_or_refused_and_its_neighbours_go_on(uploads: Uploads) -> None:
    chance = random.Random(SEED)
    uploads.usual()
    for number in range(4):
        uploads.put(f"images/sound{number}.png", picture(900 + number))
    lines = [_line(f"images/sound{number}.png") for number in range(4)]
    hostile = [
        broken(_line(f"images/sound{chance.randrange(4)}.png"), chance).replace(b"\n", b"") for _ in range(LINES)
    ]
    uploads.put("annotations.manifest", b"\n".join([*lines, *hostile]))
    uploads.settle()

    (run,) = uploads.runs()
    named = [key for key in run["refused"] if "annotations.manifest line " in key]
    # Those that still can be read name a picture that a line before them has named.
    assert len(named) == sum(bool(line.strip()) for line in hostile)
    assert all(run["refused"][key] for key in named)
    assert run["images"] == 16


def test_a_manifest_that_is_broken_as_a_whole_stops_no_folder(uploads: Uploads) -> None:
    chance = random.Random(SEED)
    text = "\n".join(_line(f"images/{n}.png").decode() for n in range(20))
    uploads.usual()
    for _ in range(MANIFESTS):
        encoding = chance.choice(("utf-8", "utf-16", "utf-32", "utf-8-sig", "latin-1"))
        uploads.put("annotations.manifest", broken(text.encode(encoding), chance))
        uploads.settle()

    assert {run["images"] for run in uploads.runs()} == {12}


def test_broken_settings_are_taken_or_named_and_train_nothing_by_mistake(uploads: Uploads) -> None:
    chance = random.Random(SEED)
    uploads.usual()
    uploads.settle()
    for number in range(SETTINGS):
        uploads.put("dataset.json", broken(SOUND_SETTINGS[number % 2], chance))
        uploads.settle()

    runs = uploads.runs()
    assert all(run["reasons"] for run in runs if run["outcome"] == "FAILED")
    assert all(run["images"] == 12 for run in runs)
    assert sum(run["outcome"] == "FAILED" for run in runs) > 5


def test_the_corpus_has_some_hundred_files_and_is_the_same_every_time() -> None:
    made = partial(broken, mask())
    assert [made(random.Random(seed)) for seed in range(9)] == [made(random.Random(seed)) for seed in range(9)]
    assert PICTURES + MASKS + LINES + SETTINGS + MANIFESTS >= 300
