"""What the parts of label attributes must look like."""

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any

SIDES = ("left", "top", "width", "height")
_MOST_PIXELS = 1 << 31
_CLASS_NUMBER = re.compile("[0-9]+")


def is_integer(value: Any) -> bool:
    """Tell an integer, which a JSON `true` is not."""
    return isinstance(value, int) and not isinstance(value, bool)


def is_box_value(value: Any) -> bool:
    """Tell the X of boxes: one image_size, and annotations."""
    if not isinstance(value, dict) or not _are(value.get("image_size"), _is_size):
        return False
    return len(value["image_size"]) == 1 and _are(value.get("annotations"), _is_annotation)


def is_common_metadata(metadata: dict[str, Any]) -> bool:
    """Tell an X-metadata that has what every type needs."""
    job = metadata.get("job-name")
    known = metadata.get("human-annotated") in ("yes", "no") and (job is None or isinstance(job, str))
    return known and _is_time(metadata.get("creation-date"))


def is_label_metadata(metadata: dict[str, Any]) -> bool:
    """Tell an X-metadata that has what an image-level label needs."""
    return isinstance(metadata.get("class-name"), str) and _is_confidence(metadata.get("confidence"))


def is_box_metadata(metadata: dict[str, Any]) -> bool:
    """Tell an X-metadata that has what boxes need; a missing confidence has a code of its own."""
    names = metadata.get("class-map")
    if not isinstance(names, dict) or not all(_CLASS_NUMBER.fullmatch(number) for number in names):
        return False
    if not all(isinstance(name, str) for name in names.values()):
        return False
    return _are(metadata.get("objects"), _is_object)


def _is_number(value: Any) -> bool:
    return is_integer(value) or isinstance(value, float)


def _is_confidence(value: Any) -> bool:
    return _is_number(value) and 0 <= value <= 1


def _is_time(value: Any) -> bool:
    try:
        return bool(datetime.fromisoformat(value))
    except (TypeError, ValueError):
        return False


def _is_size(value: Any) -> bool:
    if not isinstance(value, dict) or not is_integer(value.get("depth")):
        return False
    return all(is_integer(value.get(side)) and 0 < value[side] < _MOST_PIXELS for side in ("width", "height"))


def _is_annotation(value: Any) -> bool:
    if not isinstance(value, dict) or not is_integer(value.get("class_id")):
        return False
    return all(_is_number(value.get(side)) for side in SIDES)


def _is_object(value: Any) -> bool:
    return isinstance(value, dict) and (value.get("confidence") is None or _is_confidence(value["confidence"]))


def _are(values: Any, check: Callable[[Any], bool]) -> bool:
    return isinstance(values, list) and all(check(value) for value in values)
