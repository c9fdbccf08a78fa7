"""Manifests as labelling tools write them, and as nobody should."""

import json
import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops.dataset import annotation_manifest
from mlops.dataset.annotation_manifest import LabelledBox, Line, MaskColour, Refused, read
from mlops.dataset.images import Image
from mlops.dataset.manifest_lines import MOST_BYTES_A_LINE, Overlong, lines_of
from mlops.dataset.manifests import manifest_of

CLASSIFIED = {"class-name": "scratch", "confidence": 0.9, "type": "groundtruth/image-classification"}
MULTILABEL = {
    "class-map": {"0": "scratch", "3": "dent"},
    "confidence-map": {"0": 0.7, "3": 1},
    "type": "groundtruth/image-classification-multilabel",
}
DETECTED = {"class-map": {"0": "scratch"}, "objects": [{"confidence": 1}], "type": "groundtruth/object-detection"}
BOX = {"class_id": 0, "left": 10, "top": 20, "width": 30, "height": 40}
SIZE = {"width": 640, "height": 480, "depth": 3}


def entry(**attributes: Any) -> dict[str, Any]:
    return {"source-ref": "images/1.png", **{name.replace("_", "-"): value for name, value in attributes.items()}}


def detection(*boxes: Any, size: Any = (SIZE,), **metadata: Any) -> dict[str, Any]:
    value = {"image_size": list(size), "annotations": list(boxes)}
    return entry(boxes=value, boxes_metadata={**DETECTED, **metadata})


def written(*entries: Any) -> list[bytes]:
    return [json.dumps(found).encode() + b"\n" for found in entries]


def only(*entries: Any, base: str = "") -> Line:
    (line,) = read(written(*entries), base)
    assert isinstance(line, Line), line
    return line


def refusal(*entries: Any) -> str:
    *_, refused = read(written(*entries))
    assert isinstance(refused, Refused), refused
    assert refused.number == len(entries)
    return refused.why


def test_an_image_label_is_read() -> None:
    assert only(entry(defect=0, defect_metadata=CLASSIFIED)) == Line(1, "images/1.png", ("scratch",))


def test_several_attributes_and_several_labels_of_one_are_read() -> None:
    line = only(
        entry(
            a=0,
            a_metadata=CLASSIFIED,
            b=[0, 3],
            b_metadata=MULTILABEL,
            c=1,
            c_metadata={**CLASSIFIED, "class-name": "stain"},
        )
    )

    assert line.labels == ("scratch", "dent", "stain") and not line.remarks


def test_boxes_are_read() -> None:
    line = only(detection(BOX, {**BOX, "left": 0.5}))

    assert line.boxes == (LabelledBox("scratch", 10, 20, 30, 40), LabelledBox("scratch", 0.5, 20, 30, 40))
    assert (line.image_size, line.is_boxed, line.labels) == ((640, 480), True, ())


def test_that_there_are_no_boxes_is_told_from_that_nobody_looked() -> None:
    assert only(detection(**{"class-map": {}})).is_boxed
    assert not only(entry(defect=0, defect_metadata=CLASSIFIED)).is_boxed


def test_what_lookout_for_vision_wrote_is_read() -> None:
    colours = {
        "0": {"class-name": "BACKGROUND", "hex-color": "#ffffff", "confidence": 0},
        "1": {"class-name": "scratch", "hex-color": "#2CA02C", "confidence": 0},
    }
    line = only(
        {
            "source-ref": "s3://bucket/images/1.jpg",
            "anomaly-label": 1,
            "anomaly-label-metadata": {**CLASSIFIED, "class-name": "anomaly"},
            "anomaly-mask-ref": "s3://bucket/masks/1.png",
            "anomaly-mask-ref-metadata": {
                "internal-color-map": colours,
                "type": "groundtruth/semantic-segmentation",
                "human-annotated": "yes",
            },
        }
    )

    assert line == Line(
        1,
        "s3://bucket/images/1.jpg",
        ("anomaly",),
        mask="s3://bucket/masks/1.png",
        mask_colours=(MaskColour("#ffffff", "BACKGROUND"), MaskColour("#2ca02c", "scratch")),
    )


def test_a_mask_needs_no_metadata() -> None:
    assert only(entry(anomaly_mask_ref="masks/1.png")).mask == "masks/1.png"


def test_what_this_product_writes_is_read_back() -> None:
    image = Image(
        "datasets/d/train/bent/1.png", "etag", ("bent",), "train", "digest", uploaded_at="2026-03-04T10:15:00Z"
    )

    (line,) = read([manifest_of("classification", [image], "bucket").encode()], "s3://bucket/datasets/d/")

    assert line == Line(1, "train/bent/1.png", ("bent",))


def test_side_and_group_are_plain() -> None:
    line = only(entry(side="Holdout", group=" part 7 "))

    assert (line.side, line.group) == ("holdout", "part 7")
    assert only(entry(group=17)).group == "17"
    assert only(entry(side=None, group=None)) == Line(1, "images/1.png")


def test_notes_of_a_service_are_no_attributes() -> None:
    line = only(entry(cl_metadata={"is_labeled": True}, worker="7", defect=0, defect_metadata=CLASSIFIED))

    assert line == Line(1, "images/1.png", ("scratch",))


@pytest.mark.parametrize(
    ("given", "read_as"),
    [
        ("images/a b+ä.png", "images/a b+ä.png"),
        ("./images/1.png", "images/1.png"),
        ("s3://bucket/datasets/d/images/1.png", "images/1.png"),
        ("s3://bucket/datasets/e/1.png", "s3://bucket/datasets/e/1.png"),
        ("...png", "...png"),
    ],
)
def test_references_lead_into_the_dataset_or_to_s3(given: str, read_as: str) -> None:
    assert only({"source-ref": given}, base="s3://bucket/datasets/d/").source_ref == read_as


@pytest.mark.parametrize(
    "given",
    [
        *(
            "../1.png",
            "images/../../1.png",
            "/etc/passwd",
            "C:\\1.png",
            "C:/1.png",
            "images\\1.png",
            "https://a.b/1.png",
        ),
        *("file:///1.png", "s3://bucket", "s3://bucket/", "s3:///1.png", "s3://bucket/../1.png", "s3://B/1.png"),
        *(
            "images//1.png",
            "images/",
            ".",
            "",
            "  ",
            "a\nb.png",
            "a\0.png",
            "\ud800.png",
            "x" * 1025,
            "a\u2028b",
            "./../1",
        ),
        *(None, 7, True, ["images/1.png"], {}),
    ],
)
def test_references_to_elsewhere_are_refused(given: Any) -> None:
    why = refusal({"source-ref": given})

    assert why.startswith("source-ref ") and "\n" not in why and "\0" not in why and len(why) < 250
    assert why.encode()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"{", "is not valid JSON"),
        (b"hello", "is not valid JSON"),
        (b"[]", "is not a JSON object; write one a line"),
        (b"7", "is not a JSON object"),
        (b"null", "is not a JSON object"),
        (b"{}", 'has no "source-ref"'),
        (b'{"a": NaN, "source-ref": "a"}', "has NaN, which is no number in JSON"),
        (b'{"a": -Infinity}', "has -Infinity"),
        (b'{"source-ref": "a", "source-ref": "b"}', "has the field source-ref twice"),
        (b'{"source-ref": "\xff"}', "is not text in UTF-8"),
        (b"[" * 100_000, "is nested too deeply"),
        (b'{"a":' * 100_000, "is nested too deeply"),
        (b'{"a": ' + b"9" * 5000 + b"}", "is not valid JSON"),
    ],
)
def test_what_is_no_line_is_refused(text: bytes, why: str) -> None:
    found = list(read([text + b"\n", *written(entry())]))

    assert isinstance(found[0], Refused) and found[0].why.startswith(why)
    assert found[1] == Line(2, "images/1.png")


@pytest.mark.parametrize("given", ["val", "", 7, True, ["train"]])
def test_a_wrong_side_is_refused(given: Any) -> None:
    assert "it must be train, test or holdout" in refusal(entry(side=given))


@pytest.mark.parametrize("given", ["", " ", True, 1.5, [], "a\nb", "x" * 2000])
def test_a_wrong_group_is_refused(given: Any) -> None:
    assert refusal(entry(group=given)).startswith("has ")


BAD = {
    "a name that is none": (entry(a=0, a_metadata={**CLASSIFIED, "class-name": 7}), "its class-name is 7"),
    "an empty name": (entry(a=0, a_metadata={**CLASSIFIED, "class-name": " "}), 'its class-name is " "'),
    "a long name": (entry(a=0, a_metadata={**CLASSIFIED, "class-name": "x" * 256}), "has 256 characters"),
    "a name of two lines": (entry(a=0, a_metadata={**CLASSIFIED, "class-name": "a\nb"}), "cannot be seen"),
    "a confidence above 1": (entry(a=0, a_metadata={**CLASSIFIED, "confidence": 90}), "its confidence is 90"),
    "a true confidence": (entry(a=0, a_metadata={**CLASSIFIED, "confidence": True}), "its confidence is true"),
    "an unknown type": (entry(a=0, a_metadata={"type": "groundtruth/text"}), "its type is groundtruth/text; known are"),
    "a type that is none": (entry(a=0, a_metadata={"type": [1]}), "its type is [1]"),
    "no type": (entry(a=0, a_metadata={}), "its type is null"),
    "metadata that are none": (entry(a=0, a_metadata=7), "its metadata is not a JSON object"),
    "no metadata": (entry(a={"annotations": []}), "it has no a-metadata"),
    "a job that failed": (entry(a_metadata={"failure-reason": "ClientError"}), "failed here: ClientError"),
    "no list": (entry(a=0, a_metadata=MULTILABEL), "it is not a list of class numbers"),
    "an unknown class": (entry(a=[0, 4], a_metadata=MULTILABEL), "does not name the class 4"),
    "a true class": (entry(a=[True], a_metadata=MULTILABEL), "a class number is true"),
    "a class in words": (entry(a=["0"], a_metadata=MULTILABEL), "a class number is 0"),
    "no class map": (detection(BOX, **{"class-map": None}), "its class-map is not a JSON object"),
    "a box of an unknown class": (detection({**BOX, "class_id": 5}), "does not name the class 5"),
    "a box of no class": (detection({"left": 1, "top": 1, "width": 1, "height": 1}), "a class number is null"),
    "a negative box": (detection({**BOX, "left": -1}), "left of box 1 is -1; it must be a number of pixels from 0"),
    "a box of true": (detection(BOX, {**BOX, "top": True}), "top of box 2 is true"),
    "a box in words": (detection({**BOX, "width": "30"}), "width of box 1 is 30"),
    "an endless box": (detection({**BOX, "width": 1e300}), "width of box 1 is 1e+300"),
    "an empty box": (detection({**BOX, "height": 0}), "box 1 is 30 x 0 px"),
    "a box elsewhere": (detection({**BOX, "left": 640}), "box 1 lies outside of its picture of 640 x 480 px"),
    "a box that is none": (detection([1, 2, 3, 4]), "box 1 is not a JSON object"),
    "a million boxes": (detection(*[BOX] * 51), "it has 51 boxes; a picture may have 50"),
    "boxes that are none": (entry(a={"annotations": 7}, a_metadata=DETECTED), "are not a list of boxes"),
    "no size": (detection(BOX, size=[]), "is not a list of one width and height"),
    "half a pixel": (detection(BOX, size=[{"width": 1.5, "height": 2}]), "a picture has whole pixels"),
    "a true size": (detection(BOX, size=[{"width": True, "height": 2}]), "its width is true"),
    "a mask elsewhere": (entry(anomaly_mask_ref="../1.png"), "must go straight to a file"),
    "a colour in words": (
        entry(
            a_ref="1.png",
            a_ref_metadata={
                "type": "groundtruth/semantic-segmentation",
                "internal-color-map": {"1": {"class-name": "a", "hex-color": "red"}},
            },
        ),
        "a hex-color is red",
    ),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_attribute_alone_refuses_its_line(kind: str) -> None:
    bad, why = BAD[kind]

    found = refusal(bad)
    assert why in found and "cannot be used: " in found


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_attribute_beside_a_good_one_is_left_out_and_told(kind: str) -> None:
    bad, why = BAD[kind]

    line = only({**bad, "good": 0, "good-metadata": {**CLASSIFIED, "class-name": "stain"}})

    assert (line.labels, line.boxes, line.mask, line.is_boxed) == (("stain",), (), None, False)
    (remark,) = line.remarks
    assert why in remark and remark.endswith("; it was left out")


def test_a_box_that_reaches_beyond_its_picture_is_cut_off_and_told() -> None:
    line = only(detection({**BOX, "left": 620, "top": 470}))

    assert line.boxes == (LabelledBox("scratch", 620, 470, 20, 10),)
    assert line.remarks == ("box 1 reached beyond its picture of 640 x 480 px and was cut off there",)


def test_an_endless_number_is_none() -> None:
    text = json.dumps(detection({**BOX, "left": 12345})).replace("12345", "1e999")

    (refused,) = read([text.encode()])
    assert isinstance(refused, Refused) and "left of box 1 is Infinity" in refused.why


def test_boxes_of_two_attributes_belong_to_one_picture() -> None:
    one, other = detection(BOX), detection(BOX, size=[{"width": 64, "height": 48}])

    line = only({**one, "more": one["boxes"], "more-metadata": DETECTED})
    odd = only({**one, "more": other["boxes"], "more-metadata": DETECTED})

    assert len(line.boxes) == 2 and not line.remarks
    assert len(odd.boxes) == 1 and "another attribute says otherwise" in odd.remarks[0]


def test_a_picture_has_one_mask() -> None:
    kind = {"type": "groundtruth/semantic-segmentation"}

    line = only(entry(a_ref="a.png", a_ref_metadata=kind, b_ref="b.png", b_ref_metadata=kind))

    assert line.mask == "a.png" and "there is another mask already" in line.remarks[0]


def test_of_a_picture_the_first_usable_line_counts() -> None:
    bad = entry(a=0, a_metadata={})

    found = list(read(written(bad, entry(group=1), entry(group=2), {"source-ref": "./images/1.png"})))

    assert [type(line) for line in found] == [Refused, Line, Refused, Refused]
    assert found[2] == Refused(3, "names images/1.png again: line 2 counts; delete one of them")


def test_a_picture_by_its_uri_is_the_same_picture() -> None:
    lines = written(entry(), {"source-ref": "s3://b/datasets/d/images/1.png"})

    assert [type(line) for line in read(lines, "s3://b/datasets/d/")] == [Line, Refused]


def test_after_all_that_a_dataset_may_have_nothing_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(annotation_manifest, "MAX_IMAGES", 2)
    entries = [{"source-ref": f"{number}.png"} for number in range(9)]

    found = list(read(written(*entries)))

    assert [type(line) for line in found] == [Line, Line, Refused] and "at most 2 pictures" in found[-1].why


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_any_encoding_and_blank_lines_are_read(encoding: str, ending: str) -> None:
    names = ["größe.png", "日本.png", "🙂.png"]
    rows = [json.dumps({"source-ref": name}, ensure_ascii=False) for name in names]
    data = ending.join([rows[0], "", rows[1], "  ", rows[2]]).encode(encoding)

    for size in (1, 3, 1000):
        chunks = [data[start : start + size] for start in range(0, len(data), size)]
        assert list(read(chunks)) == [Line(1, names[0]), Line(3, names[1]), Line(5, names[2])]


def test_half_a_character_is_told_in_any_encoding() -> None:
    data = '{"source-ref": "a\ud800b"}'.encode("utf-16-le", "surrogatepass")

    (refused,) = read([data])
    assert isinstance(refused, Refused) and "cannot be seen" in refused.why


def test_a_line_without_end_takes_no_memory() -> None:
    def chunks() -> Iterator[bytes]:
        yield from written(entry())
        yield b'{"source-ref": "'
        for _ in range(1000):
            yield b"x" * 50_000
        yield b'"}\n'
        yield from written({"source-ref": "2.png"})

    tracemalloc.start()
    found = list(read(chunks()))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert [line.number for line in found] == [1, 2, 3]
    assert isinstance(found[1], Refused) and found[1].why.startswith(f"has more than {MOST_BYTES_A_LINE} bytes")
    assert isinstance(found[2], Line) and peak < 8_000_000


@given(st.binary(max_size=300), st.integers(1, 50))
def test_bytes_are_read_or_refused(data: bytes, size: int) -> None:
    for line in read(data[start : start + size] for start in range(0, len(data), size)):
        assert isinstance(line, Refused) or line.source_ref


@given(
    st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\n"), max_size=9), max_size=6), st.integers(1, 9)
)
def test_lines_do_not_depend_on_the_pieces_they_come_in(texts: list[str], size: int) -> None:
    # The first bytes say what the encoding is, and NUL is no JSON.
    data = "\n".join(["first", *texts]).encode()

    found = list(lines_of(data[start : start + size] for start in range(0, len(data), size)))

    assert found == (data.removesuffix(b"\n") if texts and not texts[-1] else data).split(b"\n")
    assert Overlong() not in found


jsons = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 700) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(sorted({*BOX, *SIZE, "0"})), inner),
    max_leaves=8,
)


@given(st.sampled_from(sorted(BAD)), st.data())
def test_whatever_stands_in_a_field_a_line_is_read_or_refused(kind: str, data: st.DataObject) -> None:
    found = json.loads(json.dumps(data.draw(st.sampled_from([BAD[kind][0], detection(BOX, BOX)]))))
    place = found
    while isinstance(place, dict | list) and place:
        key = data.draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
        if data.draw(st.booleans()) or not isinstance(place[key], dict | list):
            place[key] = data.draw(jsons)
            break
        place = place[key]

    for line in read(written(found)):
        if isinstance(line, Line):
            assert all(box.width > 0 and box.height > 0 and box.left >= 0 and box.top >= 0 for box in line.boxes)
            assert all(isinstance(label, str) and label for label in line.labels)
        else:
            assert line.why
