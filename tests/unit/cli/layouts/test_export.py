"""What is exported is read back: same boxes and labels, within the rounding that the form forces."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cli.layouts.contents import Box, Labelled, Side
from cli.layouts.export import FORMS, ExportRefused, export
from cli.layouts.registry import read, recognised_by
from tests.unit.cli.layouts.samples import EVERY, HEIGHT, WIDTH, Sample, picture, plain

# In pixels: how far an edge may move.
ROUNDING = {"coco": 1e-9, "yolo": 0.001, "voc": 0.5, "manifest": 0.5}

sides = st.sampled_from(["train", "test", "holdout"])
names = st.sampled_from(["dent", "scratch", "Kratzer & Ritz", "<b>", "傷", "no: 1", "'quoted'"])


@st.composite
def boxes(draw: st.DrawFn) -> Box:
    left, top = draw(st.integers(0, 8 * WIDTH - 8)) / 8, draw(st.integers(0, 8 * HEIGHT - 8)) / 8
    width = draw(st.integers(8, 8 * WIDTH - int(left * 8))) / 8
    height = draw(st.integers(8, 8 * HEIGHT - int(top * 8))) / 8
    return Box(draw(names), left, top, width, height)


@st.composite
def labelled(draw: st.DrawFn, number: int, side: Side) -> Labelled:
    found = tuple(draw(st.lists(boxes(), max_size=4)))
    # Of labels that the picture has, some may be marked nowhere.
    labels = tuple(sorted({box.label for box in found} | draw(st.sets(names, max_size=2)))) or ("normal",)
    # Names that only differ by their ending or their folder.
    path = PurePosixPath(draw(st.sampled_from(["a", "b/a", "b_a"])), f"{number // 2}.{('png', 'bmp')[number % 2]}")
    return Labelled(path, WIDTH, HEIGHT, side, labels, found, group=draw(st.sampled_from([None, "part 7", "傷 8"])))


@st.composite
def datasets(draw: st.DrawFn) -> list[Labelled]:
    return [draw(labelled(number, draw(sides))) for number in range(draw(st.integers(1, 5)))]


def held(entry: Labelled, form: str) -> Labelled | None:
    """What a form can hold of a picture; None when that would call it a good part."""
    if form == "manifest":
        return entry
    marked = tuple(sorted({box.label for box in entry.boxes}))
    if not marked and entry.labels != ("normal",):
        return None
    return replace(entry, labels=marked or ("normal",), group=None)


def edges(box: Box) -> tuple[float, float, float, float]:
    return box.left, box.top, box.left + box.width, box.top + box.height


@pytest.mark.parametrize("form", FORMS)
@given(given_pictures=datasets())
@settings(max_examples=30, deadline=None)
def test_a_round_trip_keeps_boxes_labels_and_sides(form: str, given_pictures: list[Labelled]) -> None:
    with TemporaryDirectory() as place:
        folder, out = Path(place, "in"), Path(place, "out")
        for entry in given_pictures:
            picture(folder, str(entry.path))

        out.mkdir()

        left_out = export(given_pictures, folder, out, form)
        found = read(out, form)
        kept = [entry for given in given_pictures if (entry := held(given, form))]
        before, after = by_content(kept, folder), by_content(found.pictures, out)

    assert {entry.path for entry in left_out} == {
        entry.path for entry in given_pictures if (own := held(entry, form)) is None or own.labels != entry.labels
    }
    assert not found.left_out
    assert len(found.pictures) == len(kept)
    for old, new in zip(before, after, strict=True):
        assert (new.side, new.labels, new.group) == (old.side, old.labels, old.group)
        assert [box.label for box in new.boxes] == [box.label for box in old.boxes]
        for one, other in zip(old.boxes, new.boxes, strict=True):
            assert edges(other) == pytest.approx(edges(one), abs=ROUNDING[form] + 1e-6)


def by_content(pictures: Iterable[Labelled], folder: Path) -> list[Labelled]:
    """Pictures in the order of their bytes, which tell who is who: names were made flat."""
    return sorted(pictures, key=lambda entry: (folder / entry.path).read_bytes())


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("name", "sample"), EVERY, ids=[sample.__name__ for _, sample in EVERY])
def test_every_layout_can_be_exported_and_is_recognised_again(
    tmp_path: Path, form: str, name: str, sample: Sample
) -> None:
    sample(tmp_path / "in")
    found = read(tmp_path / "in")

    export(found.pictures, tmp_path / "in", tmp_path / "out", form)

    # Where the paths are those of the bucket, a manifest makes a dataset of this system.
    assert recognised_by(tmp_path / "out") in ([form], ["dataset"] if form == "manifest" else [])


def test_same_input_gives_the_same_bytes(tmp_path: Path) -> None:
    plain(tmp_path / "in")
    found = read(tmp_path / "in").pictures

    for out, pictures in (("one", found), ("two", found[::-1])):
        export(pictures, tmp_path / "in", tmp_path / out, "manifest")

    assert (tmp_path / "one/annotations.manifest").read_bytes() == (tmp_path / "two/annotations.manifest").read_bytes()


@pytest.mark.parametrize("form", ["coco", "yolo", "voc"])
def test_a_defect_that_nobody_marked_is_not_written_as_a_good_part(tmp_path: Path, form: str) -> None:
    picture(tmp_path / "in", "a.png")
    unmarked = Labelled(PurePosixPath("a.png"), WIDTH, HEIGHT, "train", ("dent",))

    (entry,) = export([unmarked], tmp_path / "in", tmp_path / "out", form)

    assert entry.why.startswith("shows dent, but no box says where")
    assert not list((tmp_path / "out").rglob("*.png"))


def test_a_folder_that_has_something_is_left_alone(tmp_path: Path) -> None:
    plain(tmp_path)

    with pytest.raises(ExportRefused, match="has something already"):
        export([], tmp_path, tmp_path, "coco")


def test_a_form_that_nobody_knows_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ExportRefused, match="'csv' is no form; known are coco"):
        export([], tmp_path, tmp_path / "out", "csv")


def test_a_picture_that_went_away_is_named(tmp_path: Path) -> None:
    gone = Labelled(PurePosixPath("a.png"), WIDTH, HEIGHT, "train", ("normal",))

    (entry,) = export([gone], tmp_path, tmp_path / "out", "coco")

    assert entry.why.startswith("is not in the folder any more")
