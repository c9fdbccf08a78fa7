"""What the console made in a project comes out of its datasets, as `mlops upload` takes it with a project's ARN."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from cli.layouts.registry import read
from cli.project_datasets import entries_of, fetch
from tests.emulator.clients import new_project
from tests.emulator.conformance.test_datasets import make
from tests.emulator.datasets import boxes_line, line, put_pictures
from tests.emulator.target import BUCKET


def test_lines_labels_boxes_and_sides_of_both_datasets_come_out_and_what_is_gone_is_named(
    rekognition: Any, s3: Any, tmp_path: Path
) -> None:
    training = put_pictures(s3, "comes-out/train", {"ok": 2, "scratch": 2})
    testing = put_pictures(s3, "comes-out/test", {"scratch": 1})
    marked = testing[0]["source-ref"].removeprefix(f"s3://{BUCKET}/")
    project = new_project(rekognition)
    make(rekognition, s3, [*training, line("comes-out/gone.png", "ok")], project)
    make(rekognition, s3, [boxes_line(marked, ("scratch", 10, 20, 30, 25))], project, "TEST")
    session: Any = SimpleNamespace(client={"rekognition": rekognition, "s3": s3}.__getitem__)

    entries, without_picture = entries_of(session, project)
    left_out = fetch(session, entries, tmp_path)

    found = read(tmp_path)
    assert (len(entries), without_picture) == (6, [])
    (gone,) = left_out
    assert gone.startswith(f"s3://{BUCKET}/comes-out/gone.png cannot be read")
    assert found.layout == "manifest" and not found.left_out
    assert sorted((entry.side, entry.labels) for entry in found.pictures) == [
        ("test", ("scratch",)),
        *([("train", ("normal",))] * 2),
        *([("train", ("scratch",))] * 2),
    ]
    (box,) = (box for entry in found.pictures for box in entry.boxes)
    assert (box.label, box.left, box.top, box.width, box.height) == ("scratch", 10, 20, 30, 25)
