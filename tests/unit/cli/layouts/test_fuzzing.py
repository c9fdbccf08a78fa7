"""Whatever stands in an annotation file, reading comes to an end with what was wrong, and never with a traceback."""

import json
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cli.layouts.manifest import write
from cli.layouts.registry import read
from tests.unit.cli.layouts.samples import HEIGHT, ONE, WIDTH, boxes_of, coco_of, picture

numbers = st.one_of(st.integers(), st.floats(), st.integers(-100, 200), st.just(10**400))
plain = st.one_of(st.none(), st.booleans(), numbers, st.text(max_size=8), st.just("a.jpg"), st.just("dent"))
values = st.recursive(plain, lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=5), inner))


@st.composite
def spoiled(draw: st.DrawFn, make: Callable[[], Any]) -> Any:
    """A good structure with some of its parts replaced by anything."""

    def spoil(value: Any) -> Any:
        if draw(st.integers(0, 9)) == 0:
            return draw(values)
        if isinstance(value, dict):
            return {name: spoil(inner) for name, inner in value.items()}
        return [spoil(inner) for inner in value] if isinstance(value, list) else value

    return spoil(make())


def good_coco() -> Any:
    runs = {"size": [HEIGHT, WIDTH], "counts": [5, 9, 3]}
    entries = [
        {"image_id": 1, "category_id": 1, "bbox": list(ONE)},
        {"image_id": 2, "category_id": 2, "segmentation": [[1, 1, 9, 1, 9, 9]]},
        {"image_id": 2, "category_id": 2, "segmentation": runs},
    ]
    return json.loads(coco_of([(1, "a.jpg"), (2, "b.jpg")], entries))


def good_line() -> Any:
    return {"source-ref": "s3://x/a.jpg", "side": "train", "group": "7", **boxes_of((0, ONE), names={"0": "dent"})}


def good_line_of_several() -> Any:
    kind = {"type": "groundtruth/image-classification-multilabel", "class-map": {"0": "dent", "1": "rust"}}
    colours = {"0": {"class-name": "BACKGROUND", "hex-color": "#ffffff"}, "1": {"class-name": "x", "hex-color": "#000"}}
    mask = {"type": "groundtruth/semantic-segmentation", "internal-color-map": colours}
    about = {"kinds": [0, 1], "kinds-metadata": {**kind, "confidence-map": {"0": 1, "1": 0.5}}}
    return {"source-ref": "s3://x/a.jpg", **about, "m-ref": "s3://x/b.jpg", "m-ref-metadata": mask}


def check(name: str, content: str | bytes, form: str) -> None:
    with TemporaryDirectory() as place:
        folder = Path(place)
        for own in ("a.jpg", "b.jpg", "images/c.jpg"):
            picture(folder, own)
        (folder / "labels").mkdir()
        data = content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass")
        (folder / name).write_bytes(data)

        found = read(folder, form)

        told = {entry.path for entry in (*found.pictures, *found.left_out)}
        assert {path.relative_to(folder).as_posix() for path in folder.rglob("*.jpg")} <= {str(path) for path in told}
        for entry in found.pictures:
            for box in entry.boxes:
                assert 0 <= box.left < box.left + box.width <= WIDTH + 1e-9
                assert 0 <= box.top < box.top + box.height <= HEIGHT + 1e-9
        assert write(found.pictures).count("\n") == len(found.pictures)


@given(content=spoiled(good_coco))
@settings(max_examples=50, deadline=None)
def test_any_coco(content: Any) -> None:
    check("a.json", json.dumps(content), "coco")


@given(content=st.lists(spoiled(good_line) | spoiled(good_line_of_several), max_size=3))
@settings(max_examples=100, deadline=None)
def test_any_manifest(content: list[Any]) -> None:
    lines = [json.dumps({"source-ref": "s3://x/b.jpg"}), *map(json.dumps, content)]
    check("a.manifest", "\n".join(lines), "manifest")


@given(content=st.one_of(st.binary(max_size=80), st.text(alphabet="0123456789. -enaif\n", max_size=80)))
@settings(max_examples=50, deadline=None)
def test_any_text_of_yolo(content: str | bytes) -> None:
    check("labels/c.txt", content, "yolo")


@given(content=st.text(max_size=40))
@settings(max_examples=30, deadline=None)
def test_any_data_yaml(content: str) -> None:
    check("data.yaml", f"names: {content}", "yolo")


@given(
    edges=st.lists(st.one_of(numbers.map(str), st.text(alphabet="0123456789.-e ", max_size=6)), min_size=4, max_size=4)
)
@settings(max_examples=30, deadline=None)
def test_any_edges_of_pascal_voc(edges: list[str]) -> None:
    names = ("xmin", "ymin", "xmax", "ymax")
    inner = "".join(f"<{name}>{edge}</{name}>" for name, edge in zip(names, edges, strict=True))
    box = f"<object><name>dent</name><bndbox>{inner}</bndbox></object>"
    check("a.xml", f"<annotation><filename>a.jpg</filename>{box}</annotation>", "voc")


@given(content=st.one_of(st.binary(max_size=60), st.text(alphabet='a.jpg,123 -\n"', max_size=60)))
@settings(max_examples=30, deadline=None)
def test_any_csv_of_run_lengths(content: str | bytes) -> None:
    head = b"ImageId,ClassId,EncodedPixels\na.jpg,1,1 5\n"
    check("t.csv", head + (content if isinstance(content, bytes) else content.encode()), "severstal")


@pytest.mark.parametrize("layout", ["visa", "deeppcb", "real_iad", "dagm_2007", "plain", "hripcb"])
def test_a_folder_that_is_not_in_the_layout_that_was_named_is_empty(layout: str) -> None:
    with TemporaryDirectory() as place:
        picture(Path(place), "a.jpg")

        found = read(Path(place), layout)

    assert not found.pictures and [str(entry.path) for entry in found.left_out] == ["a.jpg"]
