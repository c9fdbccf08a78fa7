"""dataset.json: what a team may say about one dataset."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from mlops.codec import SOMETIMES, Json, object_of

TASKS = ("classification", "detection")
# Of the side of a tile, in pixels: no shorter than what the service takes, nor so long that it would be no help.
LEAST_TILE, MOST_TILE = 64, 2048
MOST_COST = 1_000_000


class SettingsInvalid(ValueError):  # noqa: N818
    """dataset.json cannot be used; the message names the field."""


@dataclass(frozen=True)
class DatasetSettings:
    """`split` is `auto`, `folders` or `pool`; the fractions say how much of a pooled label is tested and held out.

    `tasks` are trained; without any: classification, and detection where there are masks. `normal` names the folders
    that mean "no defect" beside those that always do (`labels.means_no_defect`); None: nothing is said about it.
    `groups` is a regular expression whose group names the physical part, searched in the path below the dataset.
    `window` are the numbers of a pixel of more than 8 bits that become black and white.
    `costs` says of single labels what an escape and an overkill cost, where it is not what the stack says.
    `tiles` is the side in pixels of the tiles that defects are looked for in, in place of whole pictures.
    """

    split: str = "auto"
    test_fraction: float = 0.2
    holdout_fraction: float = 0.2
    tasks: tuple[str, ...] = ()
    normal: tuple[str, ...] | None = field(default=None, metadata=SOMETIMES)
    groups: str = field(default="", metadata=SOMETIMES)
    window: tuple[int, int] | None = field(default=None, metadata=SOMETIMES)
    costs: Mapping[str, Mapping[str, float]] | None = field(default=None, metadata=SOMETIMES)
    tiles: int | None = field(default=None, metadata=SOMETIMES)

    def as_dict(self) -> Json:
        """What was said, with what counts where nothing was."""
        return object_of(self)

    def group_of(self, path: str) -> str:
        """The physical part that the picture at a path below the dataset shows; empty when that is not known."""
        found = re.search(self.groups, path) if self.groups else None
        return str(found[1] or "") if found else ""


def parse_settings(content: str | bytes | None) -> DatasetSettings:
    """Read dataset.json (None: there is none) in any encoding that editors save JSON in.

    Raises SettingsInvalid with the field and what it may hold.
    """
    try:
        text = _decoded(content or b"")
        given = json.loads(text, object_pairs_hook=_without_repetition) if text.strip() else {}
    except UnicodeDecodeError:
        raise SettingsInvalid("dataset.json is not text: save it as UTF-8") from None
    except (ValueError, RecursionError) as error:
        if isinstance(error, SettingsInvalid):
            raise
        raise SettingsInvalid(f"dataset.json is not valid JSON: {error}") from error
    if not isinstance(given, dict):
        raise SettingsInvalid('dataset.json must hold one JSON object, for example {"split": "auto"}')
    known = {field.name for field in fields(DatasetSettings)}
    if unknown := sorted(set(given) - known):
        raise SettingsInvalid(f"dataset.json: unknown field {unknown[0]!r}; known are {', '.join(sorted(known))}")
    read = {
        "tasks": _tasks(given.get("tasks", [])),
        "normal": _normal(given.get("normal")),
        "groups": _groups(given.get("groups", "")),
        "window": _window(given.get("window")),
        "costs": _costs(given.get("costs")),
        "tiles": _tiles(given.get("tiles")),
    }
    return _checked(DatasetSettings(**given | read))


def _decoded(content: str | bytes) -> str:
    """JSON as text: UTF-8, UTF-16 or UTF-32, with or without a byte order mark."""
    text = content if isinstance(content, str) else content.decode(json.detect_encoding(content))
    return text.removeprefix("\ufeff")


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(name for index, (name, _) in enumerate(pairs) if name in dict(pairs[:index]))
        raise SettingsInvalid(f"dataset.json has the field {twice!r} twice: keep one of them")
    return found


def _normal(given: Any) -> tuple[str, ...] | None:
    if given is None:
        return None
    if not isinstance(given, list) or any(not isinstance(name, str) or not name.strip() for name in given):
        raise SettingsInvalid(
            f'dataset.json: normal is {given!r}; it must be a list of the folders that mean "no defect", '
            'such as ["MT_Free"]'
        )
    return tuple(given)


def _groups(given: Any) -> str:
    fault = "" if isinstance(given, str) else "is no text"
    try:
        if not fault and given and re.compile(given).groups != 1:
            fault = "has no group, or several: put what names the part in one pair of parentheses"
    except (re.error, RecursionError) as error:
        fault = f"is no regular expression ({error})"
    if fault:
        raise SettingsInvalid(f'dataset.json: groups {given!r} {fault}, such as "groups": "/(kos[0-9]+)/"')
    return str(given)


def _window(given: Any) -> tuple[int, int] | None:
    if given is None:
        return None
    are_numbers = isinstance(given, list) and all(isinstance(n, int) and not isinstance(n, bool) for n in given)
    if not are_numbers or len(given) != 2 or not 0 <= given[0] < given[1] <= 65535:
        raise SettingsInvalid(
            f"dataset.json: window is {given!r}; it must be the numbers that become black and white, "
            'such as "window": [0, 4095]'
        )
    return int(given[0]), int(given[1])


def _tiles(given: Any) -> int | None:
    if given is None:
        return None
    if not isinstance(given, int) or isinstance(given, bool) or not LEAST_TILE <= given <= MOST_TILE:
        raise SettingsInvalid(
            f"dataset.json: tiles is {given!r}; it must be the side of a tile in pixels, {LEAST_TILE} to {MOST_TILE}, "
            'such as "tiles": 1280'
        )
    return given


def _costs(given: Any) -> dict[str, dict[str, float]] | None:
    if given is None:
        return None
    if not isinstance(given, dict) or not all(map(_is_cost, given.values())):
        raise SettingsInvalid(
            f"dataset.json: costs is {given!r}; it must say of labels what an escape and an overkill cost, as numbers "
            'above 0, such as "costs": {"cut_lead": {"escape": 10, "overkill": 1}}'
        )
    return {str(label): {name: float(value) for name, value in costs.items()} for label, costs in given.items()}


def _is_cost(given: Any) -> bool:
    if not isinstance(given, dict) or not given or given.keys() - {"escape", "overkill"}:
        return False
    numbers = [value for value in given.values() if isinstance(value, (int, float)) and not isinstance(value, bool)]
    return len(numbers) == len(given) and all(0 < value <= MOST_COST for value in numbers)


def _tasks(given: Any) -> tuple[str, ...]:
    if not isinstance(given, list) or any(task not in TASKS for task in given):
        raise SettingsInvalid(f"dataset.json: tasks is {given!r}; it must be a list of {' and '.join(TASKS)}")
    return tuple(task for task in TASKS if task in given)


def _checked(settings: DatasetSettings) -> DatasetSettings:
    if settings.split not in ("auto", "folders", "pool"):
        raise SettingsInvalid(f"dataset.json: split is {settings.split!r}; it must be auto, folders or pool")
    for name in ("test_fraction", "holdout_fraction"):
        value = getattr(settings, name)
        # JSON's true is a number to Python.
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 1:
            raise SettingsInvalid(f"dataset.json: {name} is {value!r}; it must be a number from 0 to below 1")
    if settings.test_fraction <= 0:
        raise SettingsInvalid("dataset.json: test_fraction must be above 0: Rekognition needs test images")
    if settings.test_fraction + settings.holdout_fraction >= 1:
        raise SettingsInvalid("dataset.json: test_fraction and holdout_fraction leave nothing to train on")
    return settings
