"""New pictures of the demo, and how they are judged on the laptop."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cli import inspect
from cli.inspect import Estimate, Plan
from cli.stack import CommandRefused
from local.runner import inspecting


class Display:
    """What was said, and how far the counting came."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.counted: list[tuple[int, int]] = []

    def say(self, text: str) -> None:
        self.said.append(text)

    def counting(self, _: str) -> Any:
        return self

    def __enter__(self) -> Any:
        return lambda done, count: self.counted.append((done, count))

    def __exit__(self, *_: object) -> None:
        pass


def answer(key: str, verdict: str) -> dict[str, Any]:
    found = [{"label": "bent", "confidence": 91.0}]
    return {"key": key, "verdict": verdict, "labels": found, "boxes": [], "reasons": [], "seconds": 0, "run_ids": {}}


def test_pictures_are_sent_judged_and_shown_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = ["inspect/parts/b.png", "inspect/parts/a.png"]
    plan = Plan("parts", dict.fromkeys(keys, tmp_path / "x"))
    sent = Plan("parts", plan.files, sent=dict.fromkeys(keys, "v"))
    waited: list[Plan] = []

    def answers(_: Any, awaited: Plan, *__: Any) -> Any:
        waited.append(awaited)
        return iter([(keys[0], answer(keys[0], "ok")), (keys[1], answer(keys[1], "defect"))])

    for name, act in {
        "find": lambda *_: plan,
        "with_answers": lambda _, plan: plan,
        "estimate": lambda *_: Estimate(2, 1, 0),
        "send": lambda *_: sent,
        "answers": answers,
        "fetch_pictures": lambda *_: 2,
    }.items():
        monkeypatch.setattr(inspect, name, act)
    display = Display()
    found = inspecting.judge(SimpleNamespace(), tmp_path, "parts", display, tmp_path / "out")  # type: ignore[arg-type]

    assert [one["key"] for one in found] == sorted(keys)
    assert waited == [sent]
    assert display.counted == [(1, 2), (2, 2)]
    assert [text.split()[0] for text in display.said[1:3]] == ["defect", "ok"]
    assert inspect.exit_code(found) == 3


def test_without_a_cloud_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(inspecting, "running_cloud", lambda: None)

    with pytest.raises(CommandRefused, match="make up"):
        inspecting.inspect_folder(Display(), "s", tmp_path, "parts")  # type: ignore[arg-type]


def test_a_dozen_of_the_given_pictures_are_copied_by_names_that_do_not_collide(tmp_path: Path) -> None:
    given = []
    for number in range(30):
        path = tmp_path / f"{number}" / "same.png"
        path.parent.mkdir()
        path.write_bytes(bytes([number]))
        given.append(path)
    new = inspecting.new_pictures(tmp_path / "new", 7, given)

    assert len(list(new.iterdir())) == inspecting.DOZEN


def test_without_given_pictures_others_are_drawn_than_those_of_the_demo(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[int] = []

    def generate(folder: Path, seed: int, **_: int) -> None:
        drawn.append(seed)
        (folder / "ground_truth").mkdir(parents=True)

    monkeypatch.setattr(inspecting.pictures, "generate", generate)
    new = inspecting.new_pictures(tmp_path / "new", 7, [])

    assert drawn == [7 + inspecting.OTHER_SEED]
    assert not (new / "ground_truth").exists()
