import json

from hypothesis import given
from hypothesis import strategies as st

from mlops.dataset.images import Image
from mlops.dataset.manifests import labels_of, manifest_of, parse_lines

# Keys as S3 takes them: any text without surrogates.
keys = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)


def image(key: str, label: str = "bent") -> Image:
    return Image(key, "etag", (label,), "train", "digest", uploaded_at="2026-03-04T10:15:00.000Z")


def test_line_is_the_documented_one() -> None:
    assert manifest_of("classification", [image("2026/03/w0001.jpg", "scratch")], "line-a-img") == (
        '{"source-ref":"s3://line-a-img/2026/03/w0001.jpg","label":0,"label-metadata":{"class-name":"scratch",'
        '"confidence":1.0,"type":"groundtruth/image-classification","human-annotated":"yes",'
        '"creation-date":"2026-03-04T10:15:00.000Z","job-name":"labeling-job/folders"}}\n'
    )


def test_keys_are_written_as_they_are() -> None:
    names = ["a b.png", "a+b.png", "a%41.png", "größe/日本.png", 'quo"te.png', "back\\slash.png"]

    entries = parse_lines(manifest_of("classification", map(image, names), "b"))

    assert {entry["source-ref"] for entry in entries} == {f"s3://b/{name}" for name in names}


def test_nothing_makes_an_empty_manifest() -> None:
    assert manifest_of("classification", [], "b") == ""
    assert parse_lines("") == []


def test_class_numbers_follow_the_sorted_labels() -> None:
    entries = parse_lines(
        manifest_of("classification", [image("1", "cut"), image("2", "bent"), image("3", "cut")], "b")
    )

    assert [entry["label"] for entry in entries] == [1, 0, 1]


@given(st.dictionaries(keys, keys, max_size=8))
def test_what_is_written_is_read_back_sorted(labels: dict[str, str]) -> None:
    manifest = manifest_of("classification", (image(*item) for item in labels.items()), "bucket")

    entries = parse_lines(manifest)

    assert [entry["source-ref"] for entry in entries] == [f"s3://bucket/{key}" for key in sorted(labels)]
    assert [labels_of(entry) for entry in entries] == [[label] for _, label in sorted(labels.items())]
    assert manifest.count("\n") == len(labels)
    assert all(json.loads(line) for line in manifest.split("\n")[:-1])


@given(st.lists(keys, unique=True, max_size=8))
def test_order_of_the_images_does_not_matter(listed: list[str]) -> None:
    images = [image(key) for key in listed]

    assert manifest_of("classification", images, "b") == manifest_of("classification", reversed(images), "b")
