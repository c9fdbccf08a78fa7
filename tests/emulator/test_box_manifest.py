"""What is said of the boxes in a manifest line, and where."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from local.rekognition.boxes import Box
from local.rekognition.manifests.manifest import ManifestLine, parse_line, parse_manifest
from local.rekognition.use_case import UseCase
from tests.emulator.datasets import boxes_line, line

DENT = ("dent", 10, 12, 30, 24)
FIRST_PASS = {
    "ERROR_INVALID_LABEL_ATTRIBUTE_FORMAT",
    "ERROR_INVALID_LABEL_ATTRIBUTE_METADATA_FORMAT",
    "ERROR_MISSING_BOUNDING_BOX_CONFIDENCE",
    "ERROR_MISSING_CLASS_MAP_ID",
}


def parsed(document: Any) -> ManifestLine:
    return parse_line(json.dumps(document))


def shown_findings(shown: Any, place: str = "line") -> Iterator[tuple[str, str, str]]:
    """List (place, code, sentence) of everything that a validation manifest says about a line."""
    for key in ("errors", "warnings"):
        yield from ((place, entry["code"], entry["message"]) for entry in shown.get(key, []))
    for key, value in shown.items():
        inner = key if place == "line" else f"{place}.{key}"
        if isinstance(value, dict):
            yield from shown_findings(value, inner)
        elif key == "annotations":
            for index, entry in enumerate(value):
                yield from shown_findings(entry, f"{inner}[{index}]")


def said_of(document: Any) -> list[tuple[str, str]]:
    return [(place, code) for place, code, _ in shown_findings(parsed(document).annotated())]


def with_value(**changes: Any) -> dict[str, Any]:
    document = boxes_line("a.png", DENT)
    return document | {"boxes": {**document["boxes"], **changes}}


def with_metadata(**changes: Any) -> dict[str, Any]:
    return boxes_line("a.png", DENT, **changes)


def without(side: str, key: str) -> dict[str, Any]:
    document = boxes_line("a.png", DENT)
    return document | {side: {name: value for name, value in document[side].items() if name != key}}


def with_annotation(**changes: Any) -> dict[str, Any]:
    document = boxes_line("a.png", DENT)
    document["boxes"]["annotations"][0] |= changes
    return document


SIZE = {"width": 96, "height": 80, "depth": 3}


def test_boxes_are_read_with_their_labels() -> None:
    found = parsed(boxes_line("a.png", DENT, ("rust", 1, 2, 3.5, 4)))

    assert found.is_valid
    assert not found.findings
    assert [(a.label, a.box) for a in found.annotations] == [
        ("dent", Box(10.0, 12.0, 30.0, 24.0)),
        ("rust", Box(1.0, 2.0, 3.5, 4.0)),
    ]


@pytest.mark.parametrize(
    "document",
    [
        boxes_line("a.png", ("dent", 0, 0, 96, 80)),
        without("boxes-metadata", "job-name"),
        with_metadata(objects=[{"confidence": 0}]),
        with_metadata(**{"class-map": {"0": "dent", "7": "unused"}}),
        boxes_line("a.png", *[DENT] * 50),
    ],
    ids=["as large as the image", "no job name", "confidence 0", "class that no box uses", "fifty boxes"],
)
def test_what_the_contract_allows_is_not_reported(document: dict[str, Any]) -> None:
    found = parsed(document)

    assert (found.is_valid, found.findings) == (True, ())


VALUE_FORMS = {
    "no object": boxes_line("a.png", DENT) | {"boxes": 0},
    "no image_size": without("boxes", "image_size"),
    "empty image_size": with_value(image_size=[]),
    "two sizes": with_value(image_size=[SIZE, SIZE]),
    "no depth": with_value(image_size=[{"width": 96, "height": 80}]),
    "width 0": with_value(image_size=[SIZE | {"width": 0}]),
    "width that is text": with_value(image_size=[SIZE | {"width": "96"}]),
    "no annotations": without("boxes", "annotations"),
    "annotations that are no list": with_value(annotations={}),
    "class_id that is text": with_annotation(class_id="0"),
    "class_id that is true": with_annotation(class_id=True),
    "left that is text": with_annotation(left="10"),
    "width that is null": with_annotation(width=None),
}


@pytest.mark.parametrize("document", VALUE_FORMS.values(), ids=VALUE_FORMS.keys())
def test_form_of_the_boxes_is_reported_in_the_attribute(document: dict[str, Any]) -> None:
    place = "boxes" if isinstance(document["boxes"], dict) else "line"

    assert said_of(document) == [(place, "ERROR_INVALID_LABEL_ATTRIBUTE_FORMAT")]
    assert parsed(document).is_invalid


METADATA_FORMS = {
    "no objects": without("boxes-metadata", "objects"),
    "more objects than boxes": with_metadata(objects=[{"confidence": 1}] * 2),
    "object that is none": with_metadata(objects=[1]),
    "confidence that is text": with_metadata(objects=[{"confidence": "1"}]),
    "confidence above 1": with_metadata(objects=[{"confidence": 1.1}]),
    "confidence below 0": with_metadata(objects=[{"confidence": -0.1}]),
    "class number that is text": with_metadata(**{"class-map": {"0": "dent", "one": "rust"}}),
    "class number below 0": with_metadata(**{"class-map": {"0": "dent", "-1": "rust"}}),
    "class number that is empty": with_metadata(**{"class-map": {"0": "dent", "": "rust"}}),
    "no class-map": without("boxes-metadata", "class-map"),
    "class-map with a number": with_metadata(**{"class-map": {"0": 1}}),
    "no type": without("boxes-metadata", "type"),
    "no human-annotated": without("boxes-metadata", "human-annotated"),
    "no creation-date": without("boxes-metadata", "creation-date"),
    "job-name that is a number": with_metadata(**{"job-name": 1}),
}


@pytest.mark.parametrize("document", METADATA_FORMS.values(), ids=METADATA_FORMS.keys())
def test_form_of_the_metadata_is_reported_there(document: dict[str, Any]) -> None:
    assert said_of(document) == [("boxes-metadata", "ERROR_INVALID_LABEL_ATTRIBUTE_METADATA_FORMAT")]
    assert parsed(document).is_invalid


RELATIONS = {
    "fewer objects than boxes": (with_metadata(objects=[]), "ERROR_MISSING_BOUNDING_BOX_CONFIDENCE"),
    "object without confidence": (with_metadata(objects=[{}]), "ERROR_MISSING_BOUNDING_BOX_CONFIDENCE"),
    "confidence that is null": (with_metadata(objects=[{"confidence": None}]), "ERROR_MISSING_BOUNDING_BOX_CONFIDENCE"),
    "empty class-map": (with_metadata(**{"class-map": {}}), "ERROR_MISSING_CLASS_MAP_ID"),
    "other class-map": (with_metadata(**{"class-map": {"1": "dent"}}), "ERROR_MISSING_CLASS_MAP_ID"),
}


@pytest.mark.parametrize(("document", "code"), RELATIONS.values(), ids=RELATIONS.keys())
def test_boxes_without_confidence_or_class_are_reported_in_the_metadata(document: dict[str, Any], code: str) -> None:
    assert said_of(document) == [("boxes-metadata", code)]
    assert parsed(document).is_invalid


OFF_FRAME = {
    "left of it": ("dent", -1, 5, 20, 20),
    "above it": ("dent", 5, -1, 20, 20),
    "right of it": ("dent", 77, 5, 20, 20),
    "below it": ("dent", 5, 61, 20, 20),
    "negative width": ("dent", 5, 5, -20, 20),
    "infinitely wide": ("dent", 5, 5, float("1e999"), 20),
}


@pytest.mark.parametrize("box", OFF_FRAME.values(), ids=OFF_FRAME.keys())
def test_box_off_the_frame_is_dropped_and_the_line_survives(box: Any) -> None:
    text = json.dumps(boxes_line("a.png", DENT, box)).replace("Infinity", "1e999")

    found = parse_line(text)

    assert [(place, code) for place, code, _ in shown_findings(found.annotated())] == [
        ("boxes.annotations[1]", "ERROR_INVALID_BOUNDING_BOX")
    ]
    assert [annotation.position for annotation in found.annotations] == [0]
    assert found.is_valid


@pytest.mark.parametrize(
    ("size", "side", "kept"),
    [
        ((96, 80), 1, False),
        ((96, 80), 1.01, True),
        ((1280, 960), 1.01, True),
        ((2560, 960), 2, False),
        ((2560, 960), 2.01, True),
        ((960, 2560), 2, False),
        ((4096, 300), 3, False),
        ((4096, 300), 4, True),
    ],
)
def test_box_must_exceed_a_pixel_once_large_images_are_shrunk(size: tuple[int, int], side: float, kept: bool) -> None:
    wide, tall = ("dent", 5, 5, 40, side), ("dent", 5, 5, side, 40)

    document = boxes_line("a.png", DENT, wide, tall, size=size)

    expected = [] if kept else [(f"boxes.annotations[{index}]", "ERROR_BOUNDING_BOX_TOO_SMALL") for index in (1, 2)]
    assert said_of(document) == expected
    assert len(parsed(document).annotations) == (3 if kept else 1)


def test_line_whose_boxes_are_all_dropped_is_invalid() -> None:
    document = boxes_line("a.png", ("dent", -1, 0, 9, 9), ("dent", 0, 0, 1, 1))

    assert said_of(document) == [
        ("line", "ERROR_NO_VALID_ANNOTATIONS"),
        ("boxes", "ERROR_NO_VALID_ANNOTATIONS"),
        ("boxes.annotations[0]", "ERROR_INVALID_BOUNDING_BOX"),
        ("boxes.annotations[1]", "ERROR_BOUNDING_BOX_TOO_SMALL"),
    ]
    assert parsed(document).is_invalid


def test_more_than_fifty_boxes_lose_the_attribute() -> None:
    document = boxes_line("a.png", *[DENT] * 51)

    assert said_of(document) == [
        ("line", "ERROR_NO_VALID_ANNOTATIONS"),
        ("boxes", "ERROR_TOO_MANY_BOUNDING_BOXES"),
    ]
    assert parsed(document).is_invalid


@pytest.mark.parametrize("label", ["", "x" * 256])
def test_length_of_a_label_is_reported_in_the_metadata(label: str) -> None:
    assert said_of(with_metadata(**{"class-map": {"0": label}})) == [
        ("line", "ERROR_NO_VALID_LABEL_ATTRIBUTES"),
        ("boxes-metadata", "ERROR_INVALID_LABEL_NAME_LENGTH"),
    ]


def test_unsupported_type_is_reported_in_the_metadata_whatever_else_is_wrong() -> None:
    assert said_of(with_metadata(type="groundtruth/semantic-segmentation", objects=None)) == [
        ("line", "ERROR_NO_VALID_LABEL_ATTRIBUTES"),
        ("boxes-metadata", "ERROR_UNSUPPORTED_USE_CASE_TYPE"),
    ]


def test_line_without_boxes_is_ignored_with_two_warnings() -> None:
    document = boxes_line("a.png")

    found = parsed(document)

    assert said_of(document) == [
        ("line", "WARNING_NO_ANNOTATIONS"),
        ("boxes", "WARNING_NO_ATTRIBUTE_ANNOTATIONS"),
    ]
    assert (found.is_valid, found.is_invalid) == (False, False)


def test_attribute_without_boxes_is_warned_of_beside_one_with_boxes() -> None:
    document = boxes_line("a.png", DENT)
    empty = boxes_line("a.png")
    document |= {"more": empty["boxes"], "more-metadata": empty["boxes-metadata"]}

    assert said_of(document) == [("more", "WARNING_NO_ATTRIBUTE_ANNOTATIONS")]
    assert parsed(document).is_valid


OFF = {"class_id": 0, "left": -1, "top": 0, "width": 9, "height": 9}
BAD_FORMS = {
    "ERROR_INVALID_LABEL_ATTRIBUTE_FORMAT": {"boxes": {"image_size": [], "annotations": [OFF]}},
    "ERROR_INVALID_LABEL_ATTRIBUTE_METADATA_FORMAT": {"boxes-metadata": {"type": "groundtruth/object-detection"}},
    "ERROR_MISSING_BOUNDING_BOX_CONFIDENCE": with_metadata(objects=[]),
    "ERROR_MISSING_CLASS_MAP_ID": with_metadata(**{"class-map": {}}),
}


@pytest.mark.parametrize("code", sorted(FIRST_PASS))
def test_first_pass_hides_what_the_boxes_of_the_attribute_say(code: str) -> None:
    document = boxes_line("a.png", DENT) | BAD_FORMS[code]
    if document["boxes"]["image_size"]:
        document["boxes"] = {**document["boxes"], "annotations": [OFF]}

    assert {found for _, found in said_of(document)} == {code}


@pytest.mark.parametrize("code", sorted(FIRST_PASS))
def test_a_bad_attribute_is_lost_alone(code: str) -> None:
    good = boxes_line("a.png", ("rust", 1, 2, 30, 40))
    document = boxes_line("a.png", DENT) | BAD_FORMS[code]
    document |= {"more": good["boxes"], "more-metadata": good["boxes-metadata"]}

    found = parsed(document)

    assert (found.is_valid, found.is_invalid, found.label_set) == (True, False, {"rust"})
    assert {said for _, said in said_of(document)} == {code}


def test_a_bad_attribute_beside_one_without_a_usable_box_loses_the_line() -> None:
    second = boxes_line("a.png", ("dent", -1, 0, 9, 9))
    document = with_metadata(objects=[]) | {"more": second["boxes"], "more-metadata": second["boxes-metadata"]}

    assert parsed(document).is_invalid
    assert {code for place, code in said_of(document) if place == "line"} == {"ERROR_NO_VALID_ANNOTATIONS"}


def test_findings_carry_the_documented_sentences() -> None:
    documents = [boxes_line("a.png", DENT, ("dent", -1, 0, 9, 9), ("dent", 0, 0, 1, 1)), boxes_line("b.png")]
    documents += [boxes_line("c.png", *[DENT] * 51), with_metadata(objects=[], **{"class-map": {}})]

    said = {code: text for entry in documents for _, code, text in shown_findings(parsed(entry).annotated())}

    assert said == {
        "ERROR_INVALID_BOUNDING_BOX": "The bounding box has off frame values.",
        "ERROR_BOUNDING_BOX_TOO_SMALL": "The height and width of the bounding box is too small.",
        "ERROR_TOO_MANY_BOUNDING_BOXES": "There are more bounding boxes than the allowed maximum.",
        "ERROR_NO_VALID_ANNOTATIONS": "No valid annotations found.",
        "ERROR_MISSING_BOUNDING_BOX_CONFIDENCE": "One or more bounding boxes has a missing confidence value.",
        "ERROR_MISSING_CLASS_MAP_ID": "One of more class ids is missing from the class map.",
        "WARNING_NO_ANNOTATIONS": "No annotations were found.",
        "WARNING_NO_ATTRIBUTE_ANNOTATIONS": "No attribute annotations were found.",
    }


def test_line_with_a_dropped_box_is_ignored_by_a_classifier() -> None:
    found = parsed(boxes_line("a.png", DENT, ("dent", -1, 0, 9, 9))).of_use_case(UseCase.IMAGE_LEVEL_LABELS)

    assert (found.is_valid, found.is_invalid) == (False, False)


def test_second_line_about_an_image_is_ignored_though_a_box_of_it_is_bad() -> None:
    rows = [boxes_line("a.png", DENT), boxes_line("a.png", DENT, ("dent", -1, 0, 9, 9))]

    _, second = parse_manifest("\n".join(json.dumps(row) for row in rows))

    assert (second.is_valid, second.is_invalid) == (False, False)


def test_labels_and_boxes_on_one_line_are_told_apart() -> None:
    found = parsed(line("a.png", "ok") | boxes_line("a.png", DENT))

    assert found.of_use_case(UseCase.IMAGE_LEVEL_LABELS).label_set == {"ok"}
    assert found.of_use_case(UseCase.OBJECT_LOCALIZATION).label_set == {"dent"}


scalars = st.none() | st.booleans() | st.integers(-5, 200) | st.floats() | st.text(max_size=3)
annotations = st.lists(
    st.dictionaries(st.sampled_from(["class_id", "left", "top", "width", "height"]), scalars) | scalars, max_size=4
)
sizes = st.lists(st.dictionaries(st.sampled_from(["width", "height", "depth"]), scalars) | scalars, max_size=2)
objects = st.lists(st.dictionaries(st.just("confidence"), scalars) | scalars, max_size=4)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.dictionaries(st.sampled_from(["image_size", "annotations"]), sizes | annotations | scalars),
    st.dictionaries(st.sampled_from(["objects", "class-map"]), objects | st.dictionaries(st.text(), scalars) | scalars),
)
def test_any_boxes_are_judged_and_can_be_shown(value: dict[str, Any], metadata: dict[str, Any]) -> None:
    document = boxes_line("a.png", DENT)
    document["boxes"] |= value
    document["boxes-metadata"] |= metadata

    found = parsed(document)

    assert found.is_valid or found.findings
    json.dumps(found.annotated())


@given(st.lists(st.tuples(*[st.integers(-3, 100)] * 4), min_size=1, max_size=6))
def test_every_box_is_kept_or_reported(boxes: list[tuple[int, int, int, int]]) -> None:
    found = parsed(boxes_line("a.png", *[("dent", *box) for box in boxes]))

    kept = {annotation.position for annotation in found.annotations}
    reported = {entry.where[2] for entry in found.findings if len(entry.where) == 3}
    assert kept | reported == set(range(len(boxes)))
    assert not kept & reported
