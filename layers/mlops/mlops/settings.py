"""dataset.json: what a team may say about one dataset."""

import json
from dataclasses import asdict, dataclass, fields
from typing import Any

TASKS = ("classification", "detection")


class SettingsInvalid(ValueError):  # noqa: N818
    """dataset.json cannot be used; the message names the field."""


@dataclass(frozen=True)
class DatasetSettings:
    """`split` is `auto`, `folders` or `pool`; the fractions say how much of a pooled label is tested and held out.

    `tasks` are trained; without any: classification, and detection where there are masks.
    """

    split: str = "auto"
    test_fraction: float = 0.2
    holdout_fraction: float = 0.2
    tasks: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, object]:
        return {**asdict(self), "tasks": list(self.tasks)}


def parse_settings(text: str | None) -> DatasetSettings:
    """Read dataset.json (None: there is none). Raises SettingsInvalid with the field and what it may hold."""
    try:
        given = json.loads(text) if text and text.strip() else {}
    except (ValueError, RecursionError) as error:
        raise SettingsInvalid(f"dataset.json is not valid JSON: {error}") from error
    if not isinstance(given, dict):
        raise SettingsInvalid('dataset.json must hold one JSON object, for example {"split": "auto"}')
    known = {field.name for field in fields(DatasetSettings)}
    if unknown := sorted(set(given) - known):
        raise SettingsInvalid(f"dataset.json: unknown field {unknown[0]!r}; known are {', '.join(sorted(known))}")
    return _checked(DatasetSettings(**given | {"tasks": _tasks(given.get("tasks", []))}))


def _tasks(given: Any) -> tuple[str, ...]:
    if not isinstance(given, list) or any(task not in TASKS for task in given):
        raise SettingsInvalid(f"dataset.json: tasks is {given!r}; it must be a list of {' and '.join(TASKS)}")
    return tuple(task for task in TASKS if task in given)


def _checked(settings: DatasetSettings) -> DatasetSettings:
    if settings.split not in ("auto", "folders", "pool"):
        raise SettingsInvalid(f"dataset.json: split is {settings.split!r}; it must be auto, folders or pool")
    for name in ("test_fraction", "holdout_fraction"):
        value = getattr(settings, name)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 1:
            raise SettingsInvalid(f"dataset.json: {name} is {value!r}; it must be a number from 0 to below 1")
    if settings.test_fraction <= 0:
        raise SettingsInvalid("dataset.json: test_fraction must be above 0: Rekognition needs test images")
    if settings.test_fraction + settings.holdout_fraction >= 1:
        raise SettingsInvalid("dataset.json: test_fraction and holdout_fraction leave nothing to train on")
    return settings
