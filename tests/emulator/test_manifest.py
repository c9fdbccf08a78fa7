import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from local.rekognition.manifests.failures import ManifestFileError
from local.rekognition.manifests.manifest import ManifestLine, manifest_text, parse_line, parse_manifest
from tests.emulator.datasets import line


def parsed(document: Any) -> ManifestLine:
    return parse_line(json.dumps(document))


def codes(found: ManifestLine) -> list[str]:
    return [finding.code for finding in found.findings]


def without(document: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name != key}


def metadata_without(key: str) -> dict[str, Any]:
    document = line("a.png", "ok")
    return document | {"tag0-metadata": without(document["tag0-metadata"], key)}


def test_every_label_of_a_line_is_read() -> None:
    found = parsed(line("a.png", "scratch", "glare"))

    assert found.is_valid
    assert [(a.attribute, a.label) for a in found.annotations] == [("tag0", "scratch"), ("tag1", "glare")]
    assert (found.source.bucket, found.source.key) == ("parts", "a.png")


@pytest.mark.parametrize(
    "date", ["2026-03-04T10:15:39.176", "2026-03-04T02:53:27", "2026-03-04T02:53:06.018Z", "2026-03-04T02:53:06+00:00"]
)
def test_documented_date_forms_are_accepted(date: str) -> None:
    assert parsed(line("a.png", "ok", **{"creation-date": date})).is_valid


@pytest.mark.parametrize(
    ("document", "code"),
    [
        (without(line("a.png", "ok"), "source-ref"), "ERROR_MISSING_SOURCE_REF"),
        (line("a.png", "ok") | {"source-ref": "https://parts/a.png"}, "ERROR_INVALID_SOURCE_REF_FORMAT"),
        (line("a.png", "ok") | {"source-ref": 7}, "ERROR_INVALID_SOURCE_REF_FORMAT"),
        (line("", "ok"), "ERROR_INVALID_SOURCE_REF_FORMAT"),
        (without(line("a.png", "ok"), "tag0-metadata"), "ERROR_NO_LABEL_ATTRIBUTES"),
        (line("a.png", "ok") | {"tag0": "ok"}, "ERROR_INVALID_LABEL_ATTRIBUTE_FORMAT"),
        (line("a.png", "ok") | {"tag0": True}, "ERROR_INVALID_LABEL_ATTRIBUTE_FORMAT"),
        (line("a.png", "ok") | {"tag0-metadata": []}, "ERROR_INVALID_LABEL_ATTRIBUTE_METADATA_FORMAT"),
        (line("a.png", "ok", confidence=2), "ERROR_INVALID_LABEL_ATTRIBUTE_METADATA_FORMAT"),
        (line("a.png", "ok", **{"human-annotated": "maybe"}), "ERROR_INVALID_LABEL_ATTRIBUTE_METADATA_FORMAT"),
        (line("a.png", "ok", **{"creation-date": "today"}), "ERROR_INVALID_LABEL_ATTRIBUTE_METADATA_FORMAT"),
        *[
            (metadata_without(key), "ERROR_INVALID_LABEL_ATTRIBUTE_METADATA_FORMAT")
            for key in ("class-name", "confidence", "type", "human-annotated", "creation-date")
        ],
    ],
)
def test_structural_errors_make_a_line_invalid(document: dict[str, Any], code: str) -> None:
    found = parsed(document)

    assert codes(found) == [code]
    assert found.is_invalid


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (
            line("a.png", "ok", type="groundtruth/image-classification-multilabel"),
            ["ERROR_UNSUPPORTED_USE_CASE_TYPE", "ERROR_NO_VALID_LABEL_ATTRIBUTES"],
        ),
        (line("a.png", "x" * 256), ["ERROR_INVALID_LABEL_NAME_LENGTH", "ERROR_NO_VALID_LABEL_ATTRIBUTES"]),
        (line("a.png", ""), ["ERROR_INVALID_LABEL_NAME_LENGTH", "ERROR_NO_VALID_LABEL_ATTRIBUTES"]),
        (line("a.png", *(f"label {n}" for n in range(51))), ["ERROR_NO_VALID_LABEL_ATTRIBUTES"]),
    ],
)
def test_line_without_a_usable_label_is_invalid(document: dict[str, Any], expected: list[str]) -> None:
    found = parsed(document)

    assert codes(found) == expected
    assert found.is_invalid


@pytest.mark.parametrize(
    "row", ["", "   ", "{", "[]", '"text"', "1", '{"a": NaN}', "[" * 90_000, "{" + " " * 100_000 + "}"]
)
def test_what_is_no_json_object_is_replaced_by_its_error(row: str) -> None:
    found = parse_line(row)

    assert found.is_invalid
    assert found.annotated() == {
        "errors": [{"code": "ERROR_INVALID_JSON_LINE", "message": "The JSON Line has an invalid format."}]
    }


def test_line_with_one_good_label_survives_a_bad_one() -> None:
    document = line("a.png", "ok", "scratch")
    document["tag1-metadata"]["type"] = "groundtruth/other"

    found = parsed(document)

    assert found.is_valid
    assert [(a.attribute, a.label) for a in found.annotations] == [("tag0", "ok")]
    assert "errors" in found.annotated()["tag1-metadata"]


@pytest.mark.parametrize(
    "bad",
    [
        {"tag1": "one"},
        {"tag1-metadata": {}},
        {"tag1-metadata": line("a.png", "ok", confidence=1.5)["tag0-metadata"]},
        {"tag1-metadata": line("a.png", "ok", **{"creation-date": "today"})["tag0-metadata"]},
    ],
)
def test_line_with_one_good_label_survives_one_of_a_bad_form(bad: dict[str, Any]) -> None:
    found = parsed(line("a.png", "ok", "scratch") | bad)

    assert (found.is_valid, found.is_invalid, found.label_set) == (True, False, {"ok"})
    assert len(found.findings) == 1


def test_a_line_without_an_image_is_lost_whatever_its_labels_are() -> None:
    found = parsed(without(line("a.png", "ok", "scratch"), "source-ref") | {"tag1": "one"})

    assert codes(found) == ["ERROR_MISSING_SOURCE_REF", "ERROR_INVALID_LABEL_ATTRIBUTE_FORMAT"]
    assert found.is_invalid


def test_findings_are_shown_in_the_object_that_they_concern() -> None:
    document = line("a.png", "ok") | {"tag0": "zero"}
    document["tag0-metadata"]["confidence"] = None

    shown = parsed(document).annotated()

    assert [error["code"] for error in shown["errors"]] == ["ERROR_INVALID_LABEL_ATTRIBUTE_FORMAT"]
    assert [error["code"] for error in shown["tag0-metadata"]["errors"]] == [
        "ERROR_INVALID_LABEL_ATTRIBUTE_METADATA_FORMAT"
    ]
    assert "errors" not in document["tag0-metadata"]


@pytest.mark.parametrize("own", [5, "none", {}, None])
def test_findings_take_the_place_of_what_is_no_list_of_findings(own: Any) -> None:
    shown = parsed(line("a.png", "ok") | {"source-ref": 7, "errors": own}).annotated()

    assert [error["code"] for error in shown["errors"]] == ["ERROR_INVALID_SOURCE_REF_FORMAT"]


def test_line_without_labels_is_ignored_with_a_warning() -> None:
    found = parsed({"source-ref": "s3://parts/a.png"})

    assert codes(found) == ["WARNING_UNANNOTATED_RECORD"]
    assert not found.is_valid
    assert not found.is_invalid
    assert "warnings" in found.annotated()


def test_second_line_about_an_image_is_ignored() -> None:
    rows = [json.dumps(line("a.png", "ok")), json.dumps(line("a.png", "scratch")), json.dumps(line("b.png", "ok"))]

    found = parse_manifest("\n".join(rows))

    assert [row.is_valid for row in found] == [True, False, True]
    assert not any(row.is_invalid for row in found)


def test_blank_lines_count_as_lines_but_a_last_newline_does_not() -> None:
    found = parse_manifest(f"{json.dumps(line('a.png', 'ok'))}\n\n{json.dumps(line('b.png', 'ok'))}\n")

    assert [row.is_valid for row in found] == [True, False, True]


@pytest.mark.parametrize(
    ("name", "data", "sentence"),
    [
        ("train", b"{}", "The manifest file extension or contents are invalid."),
        ("train.manifest", b"\xff\xd8\xff", "The manifest file extension or contents are invalid."),
        ("train.manifest", b" \n\n", "The manifest file is empty."),
        ("train.manifest", b"", "The manifest file is empty."),
    ],
)
def test_unusable_files_end_with_the_documented_sentence(name: str, data: bytes, sentence: str) -> None:
    with pytest.raises(ManifestFileError) as raised:
        manifest_text(name, data)

    assert str(raised.value) == sentence


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from(["source-ref", "a", "a-metadata", "b-metadata", "-metadata"]), json_values))
def test_any_object_is_judged_and_can_be_shown(document: dict[str, Any]) -> None:
    found = parsed(document)

    assert not found.is_valid
    assert found.findings
    json.dumps(found.annotated())
