"""Documents, rows and messages as frozen dataclasses: written and read by one set of rules.

A dataclass is a JSON object, its fields have the names of the object's, and types say how they are read: `str`, `int`,
`float`, `bool`, times (ISO 8601, in UTC where nothing is said), other dataclasses, tuples, mappings by text, and None
beside one of these.

What other releases of a stack wrote is read by the same rules everywhere:

* A field that is not known is passed over: a newer release may have written it.
* A field that is missing, or null where it cannot be None, has its default: an older release did not write it. Without
  a default the document is not one of these: `Unreadable` says which field is missing.
* What an older release called otherwise is told by the class itself, in a class method `earlier` that gets the object
  as it was written, and returns it as it would be today.

What is no object by itself (an interval is a list of two) has a method `as_plain` and a class method `of_plain`.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

# A JSON object of which nobody knows yet what it holds: it came from AWS, from a tool or from another release.
Json = Mapping[str, Any]
_Kind = TypeVar("_Kind")
_Read = Callable[[Any], Any]
_NAME, _SOMETIMES, _INLINE = "name", "sometimes", "inline"
# The metadata of a field that stands in the document only where it says something else than its default.
SOMETIMES: Mapping[str, object] = {_SOMETIMES: True}
# The metadata of a field whose own fields stand among those of the dataclass that it belongs to.
INLINE: Mapping[str, object] = {_INLINE: True}
_PLAIN: Mapping[Any, _Read]


def _time(told: Any) -> datetime:
    time = datetime.fromisoformat(str(told))
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def _number(told: Any) -> float:
    # A whole number stays one: what is written again is written as it was.
    return told if type(told) is int else float(told)


_PLAIN = {str: str, int: int, float: _number, bool: bool, datetime: _time}
_STAYS: Mapping[_Read, type] = {str: str, int: int, _number: float, bool: bool}


class Unreadable(TypeError):  # noqa: N818  - says what is wrong with a document
    """A document that is none of its kind; the message names the field."""


def called(name: str) -> Mapping[str, object]:
    """The metadata of a field that is called otherwise in the document, for its name is a word of Python."""
    return {_NAME: name}


def plain(value: Any) -> Any:
    """What is to be written as JSON: dataclasses as objects, tuples as lists."""
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds")
    if is_dataclass(value):
        if own := getattr(value, "as_plain", None):
            return own()
        return object_of(value)
    if isinstance(value, Mapping):
        return {name: plain(one) for name, one in value.items()}
    if isinstance(value, Iterable):
        return [plain(one) for one in value]
    raise TypeError(f"nobody writes a {type(value).__name__}")


def object_of(value: Any) -> dict[str, Any]:
    """The JSON object of a dataclass."""
    told: dict[str, Any] = {}
    kind: Any = type(value)
    for one in _shape_of(kind):
        content = getattr(value, one.field)
        if one.is_inline:
            told |= object_of(content)
        elif not (one.is_sometimes and content == one.default()):
            told[one.name] = plain(content)
    return told


def item_of(value: Any) -> dict[str, Any]:
    """The same as a row of the table, which knows no floats."""
    return {name: _exact(one) for name, one in object_of(value).items()}


def _exact(value: Any) -> Any:
    if isinstance(value, float):
        # By its text: as a binary number it has more digits than the table takes.
        return Decimal(str(value))
    if isinstance(value, dict):
        return {name: _exact(one) for name, one in value.items()}
    return [_exact(one) for one in value] if isinstance(value, list) else value


def read(kind: type[_Kind], told: object) -> _Kind:
    """A dataclass from its object, as JSON or the table have it. Raises Unreadable."""
    wanted: Any = kind
    found: _Kind = _reader_of(wanted)(told)
    return found


class _Shape:
    """A field of a class: how it is called in documents, how it is read, and what it is where it is missing."""

    def __init__(self, given: Field[Any], kind: Any) -> None:
        self.field, self.name = given.name, str(given.metadata.get(_NAME, given.name))
        self.is_inline, self.is_sometimes = bool(given.metadata.get(_INLINE)), bool(given.metadata.get(_SOMETIMES))
        self.read, self.may_be_none = _reader_of(kind), NoneType in get_args(kind) or kind is Any
        # What has this type already is read as it is.
        self.stays = _STAYS.get(self.read, NoneType)
        self._given = given

    @property
    def is_needed(self) -> bool:
        return self._given.default is MISSING and self._given.default_factory is MISSING

    def default(self) -> Any:
        """What it is where nobody says."""
        if self._given.default_factory is not MISSING:
            return self._given.default_factory()
        return self._given.default


@cache
def _shape_of(kind: Any) -> tuple[_Shape, ...]:
    hints = get_type_hints(kind)
    return tuple(_Shape(one, hints[one.name]) for one in fields(kind) if one.init)


@cache
def _reader_of(kind: Any) -> _Read:
    if kind in _PLAIN:
        return _PLAIN[kind]
    origin, inside = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        return _reader_of_union([one for one in inside if one is not NoneType])
    if origin is tuple and inside[-1:] == (...,):
        return _reader_of_many(_reader_of(inside[0]))
    if origin is tuple:
        each = [_reader_of(one) for one in inside]
        return lambda told: tuple(one(part) for one, part in zip(each, told, strict=True))
    if isinstance(origin, type) and issubclass(origin, Mapping):
        value = _reader_of(inside[1])
        return lambda told: {str(name): value(one) for name, one in told.items()}
    if isinstance(kind, type) and is_dataclass(kind):
        own = getattr(kind, "of_plain", None)
        return own or _reader_of_class(kind)
    if kind in (Any, object):
        return lambda told: told
    raise TypeError(f"nobody reads a {kind}")


def _reader_of_many(each: _Read) -> _Read:
    return lambda told: tuple(map(each, told))


def _reader_of_union(kinds: list[Any]) -> _Read:
    others = [one for one in kinds if one is not str]
    if len(others) > 1 or not kinds:
        # A text is told from anything else by itself; two other kinds look alike in JSON.
        raise TypeError(f"nobody can tell apart {kinds}")
    other = _reader_of(others[0]) if others else str
    if str in kinds:
        return lambda told: told if told is None or isinstance(told, str) else other(told)
    return lambda told: None if told is None else other(told)


def _reader_of_class(kind: Any) -> _Read:
    earlier = getattr(kind, "earlier", None)
    # Filled at the first document: a class may have fields of its own kind. As plain tuples, for most of what functions
    # do with rows is to read them.
    shape: list[tuple[_Shape, str, str | None, _Read, type]] = []

    def read_one(told: Any) -> Any:
        told = earlier(told) if earlier else told
        if type(told) is not dict and not isinstance(told, Mapping):
            raise Unreadable(f"{kind.__name__} is not a JSON object")
        if not shape:
            # One that is inline has no name of its own, which nothing else has either.
            named = ((one, None if one.is_inline else one.name) for one in _shape_of(kind))
            shape.extend((one, one.field, name, one.read, one.stays) for one, name in named)
        found: dict[str, Any] = {}
        for one, field, name, read, stays in shape:
            if (value := told.get(name)) is not None:
                found[field] = value if type(value) is stays else read(value)
            elif one.is_inline:
                found[field] = read(told)
            # None that somebody wrote is kept; where nobody wrote anything, the default says what that meant.
            elif one.may_be_none and name in told:
                found[field] = read(value)
            elif one.is_needed:
                raise Unreadable(f"{kind.__name__} lacks {name}")
        return kind(**found)

    return read_one
