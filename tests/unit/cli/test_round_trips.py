"""A dataset leaves for another tool and comes back: same labels, sides, groups, and boxes on the prepared copies."""

import io
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Picture

from cli import datasets
from cli.layouts.contents import Labelled
from cli.layouts.export import FORMS
from cli.layouts.registry import read
from mlops.dataset.boxes import Box, LabeledBox
from mlops.dataset.images import Image
from mlops.dataset.keys import SPLITS
from mlops.dataset.mapping import PictureMapping

PREFIX = "datasets/parts/"
names = st.sampled_from(["dent", "scratch", "Kratzer & Ritz", "傷"])
orientations = st.integers(1, 8)


def file_of(number: int, stored: tuple[int, int], orientation: int) -> bytes:
    pixels = np.random.default_rng(number).integers(0, 255, (stored[1], stored[0]), np.uint8)
    exif = Picture.Exif()
    exif[0x0112] = orientation
    data = io.BytesIO()
    Picture.fromarray(pixels).save(data, "PNG", exif=exif)
    return data.getvalue()


@st.composite
def boxes(draw: st.DrawFn, width: int, height: int) -> LabeledBox:
    left, top = draw(st.integers(0, width - 1)), draw(st.integers(0, height - 1))
    box = Box(left, top, draw(st.integers(1, width - left)), draw(st.integers(1, height - top)))
    return LabeledBox(draw(names), box)


@st.composite
def images(draw: st.DrawFn, number: int) -> Image:
    """A picture of the dataset, square or not, whose file EXIF turns; its boxes are those of the upright copy."""
    stored, orientation = draw(st.sampled_from([(80, 64), (70, 70)])), draw(orientations)
    mapping = PictureMapping(*stored, *(stored[::-1] if orientation >= 5 else stored), orientation)
    found = tuple(draw(st.lists(boxes(mapping.width, mapping.height), max_size=3)))
    labels = tuple(sorted({box.label for box in found} | draw(st.sets(names, max_size=2)))) or ("normal",)
    place = draw(st.sampled_from(["images/", "images/train/good/", "train/good/"]))
    facts: dict[str, Any] = {"boxes": found, "group": draw(st.sampled_from(["", "part 7"]))}
    facts |= {"mapping": mapping, "picture": "prepared/parts/x.png"} if orientation > 1 else {}
    key = f"{PREFIX}{place}{number}.png"
    return Image(key, "e", labels, draw(st.sampled_from(SPLITS)), str(number), mapping.width, mapping.height, **facts)


@st.composite
def contents(draw: st.DrawFn) -> list[Image]:
    return [draw(images(number)) for number in range(draw(st.integers(1, 4)))]


def stack_with(listed: list[Image]) -> Any:
    """A stack whose newest run of each task saw these pictures."""
    files = {image.key: file_of(number, stored(image), turn(image)) for number, image in enumerate(listed)}
    artifacts: Mapping[str, bytes] = {
        f"runs/{task}/{name}": text.encode()
        for task in ("classification", "detection")
        for name, text in (
            ("ground_truth.json", "{}"),
            ("images.jsonl", "".join(f"{json.dumps(image.as_row(image.side))}\n" for image in seen_by(task, listed))),
        )
    }
    get = lambda Bucket, Key: {"Body": io.BytesIO(files[Key])}  # noqa: E731, N803
    return SimpleNamespace(
        outputs={"DataBucketName": "data"},
        clients=lambda _: SimpleNamespace(get_object=get),
        runs=lambda _: [SimpleNamespace(task=task, run_id=task) for task in ("classification", "detection")],
        artifact=artifacts.get,
    )


def seen_by(task: str, listed: list[Image]) -> list[Image]:
    if task == "detection":
        return [image for image in listed if image.boxes]
    return [replace(image, boxes=()) for image in listed]


def stored(image: Image) -> tuple[int, int]:
    return (image.mapping.stored_width, image.mapping.stored_height) if image.mapping else (image.width, image.height)


def turn(image: Image) -> int:
    return image.mapping.orientation if image.mapping else 1


def prepared(entry: Labelled, image: Image) -> list[LabeledBox]:
    """The boxes of what came back, on the copy that the stack makes of it."""
    mapping = image.mapping or PictureMapping(image.width, image.height, image.width, image.height)
    return [LabeledBox(box.label, mapping.box(box.left, box.top, box.width, box.height)) for box in entry.boxes]


def told(labels: tuple[str, ...], found: list[LabeledBox]) -> tuple[Any, ...]:
    return labels, sorted((b.label, b.box.left, b.box.top, b.box.width, b.box.height) for b in found)


@pytest.mark.parametrize("form", FORMS)
@given(listed=contents())
@settings(max_examples=30, deadline=None)
def test_a_dataset_that_left_comes_back(form: str, listed: list[Image]) -> None:
    with TemporaryDirectory() as place:
        out = Path(place, "out")
        left_out = datasets.leave(stack_with(listed), "parts", form, out)
        found = read(out, None if form == "manifest" else form) if any(out.rglob("*.*")) else None
        files = {entry.path: (out / entry.path).read_bytes() for entry in (found.pictures if found else ())}

    by_file = {file_of(number, stored(image), turn(image)): image for number, image in enumerate(listed)}
    assert found is None or not found.left_out
    back = {by_file[files[entry.path]].key: entry for entry in (found.pictures if found else ())}
    for image in listed:
        marked = tuple(sorted({box.label for box in image.boxes}))
        is_held = form == "manifest" or marked or image.labels == ("normal",)
        labels = image.labels if form == "manifest" else marked or ("normal",)
        # What a form cannot hold is named; no picture with a defect passes for a good one.
        path = image.key.removeprefix(PREFIX)
        assert (path in {str(entry.path) for entry in left_out}) is (not is_held or labels != image.labels)
        assert (image.key in back) is bool(is_held)
        if is_held:
            entry = back[image.key]
            assert told(entry.labels, prepared(entry, image)) == told(labels, list(image.boxes))
            assert entry.side == image.side
            assert (entry.group or "") == (image.group if form == "manifest" else "")
            assert form != "manifest" or str(entry.path) == path
