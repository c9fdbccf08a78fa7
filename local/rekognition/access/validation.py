"""Check a request against botocore's model of the service: what boto3 checks, and what only the service does."""

import base64
import binascii
import re
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

from botocore.loaders import Loader
from botocore.model import OperationNotFoundError, ServiceModel, Shape

from local.rekognition.errors import ServiceError

# Python's `re` has no Unicode categories. Letters and numbers are both `\w`: the model only uses them side by side.
_CATEGORIES = {
    r"\p{L}": r"\w",
    r"\p{N}": r"\w",
    r"\p{Z}": r" \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000",
}
_SHOWN_CHARACTERS = 100


@cache
def service_model() -> ServiceModel:
    """Load the Rekognition service model that botocore ships."""
    return ServiceModel(Loader().load_service_model("rekognition", "service-2"), "rekognition")


def has_operation(name: str) -> bool:
    """Tell whether Amazon Rekognition has an operation of this name."""
    try:
        service_model().operation_model(name)
    except OperationNotFoundError:
        return False
    return True


def parse_request(operation: str, document: Any) -> dict[str, Any]:
    """Return the known members of a request, blobs decoded.

    Raises ServiceError: SerializationException for a wrong JSON type, ValidationException listing every broken
    constraint (missing member, length, range, pattern, enum).
    """
    shape = service_model().operation_model(operation).input_shape
    request: dict[str, Any] = _convert(shape, document, "")
    violations = list(_violations(shape, request, ""))
    if violations:
        plural = "" if len(violations) == 1 else "s"
        message = f"{len(violations)} validation error{plural} detected: {'; '.join(violations)}"
        raise ServiceError("ValidationException", message)
    return request


def _convert(shape: Any, value: Any, path: str) -> Any:
    match shape.type_name:
        case "structure":
            members = _expect(dict, value, path)
            known = {name: member for name, member in shape.members.items() if members.get(name) is not None}
            return {name: _convert(member, members[name], _join(path, name)) for name, member in known.items()}
        case "map":
            entries = _expect(dict, value, path)
            return {_text(key, path): _convert(shape.value, entry, _join(path, key)) for key, entry in entries.items()}
        case "list":
            items = enumerate(_expect(list, value, path), start=1)
            return [_convert(shape.member, item, f"{path}.{number}.member") for number, item in items]
        case _:
            return _SCALARS[shape.type_name](value, path)


def _expect(kind: type | tuple[type, ...], value: Any, path: str) -> Any:
    # JSON true is no number, although Python's bool is an int.
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        expected = " or ".join(k.__name__ for k in (kind if isinstance(kind, tuple) else (kind,)))
        found = type(value).__name__
        raise ServiceError("SerializationException", f"'{path or 'request'}' must be {expected}, not {found}.")
    return value


def _text(value: Any, path: str) -> str:
    text: str = _expect(str, value, path)
    if not is_text(text):
        raise ServiceError("SerializationException", f"'{path}' has half a character: it is no Unicode text.")
    return text


def is_text(value: str) -> bool:
    """Tell text from what JSON can name and nobody can write: halves of characters."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _decode_blob(value: Any, path: str) -> bytes:
    try:
        return base64.b64decode(_expect(str, value, path), validate=True)
    except (binascii.Error, ValueError) as error:
        raise ServiceError("SerializationException", f"'{path}' is not valid base64.") from error


_SCALARS: dict[str, Callable[[Any, str], Any]] = {
    "string": _text,
    "integer": lambda value, path: _expect(int, value, path),
    "long": lambda value, path: _expect(int, value, path),
    "float": lambda value, path: _expect((float, int), value, path),
    "double": lambda value, path: _expect((float, int), value, path),
    "boolean": lambda value, path: _expect(bool, value, path),
    "timestamp": lambda value, path: _expect((float, int), value, path),
    "blob": _decode_blob,
}


def _violations(shape: Any, value: Any, path: str) -> Iterator[str]:
    yield from _own_violations(shape, value, path)
    match shape.type_name:
        case "structure":
            for name in shape.metadata.get("required", []):
                if name not in value:
                    yield f"Value null at '{_join(path, name)}' failed to satisfy constraint: Member must not be null"
            for name, member in value.items():
                yield from _violations(shape.members[name], member, _join(path, name))
        case "map":
            for key, entry in value.items():
                yield from _violations(shape.key, key, path)
                yield from _violations(shape.value, entry, _join(path, key))
        case "list":
            for number, item in enumerate(value, start=1):
                yield from _violations(shape.member, item, f"{path}.{number}.member")


def _own_violations(shape: Shape, value: Any, path: str) -> Iterator[str]:
    for constraint in _broken_constraints(shape, value):
        yield f"Value {_shown(value)} at '{path}' failed to satisfy constraint: Member must {constraint}"


def _broken_constraints(shape: Shape, value: Any) -> Iterator[str]:
    measured, subject = (value, "value") if isinstance(value, int | float) else (len(value), "length")
    limits = shape.metadata
    if "min" in limits and measured < limits["min"]:
        yield f"have {subject} greater than or equal to {limits['min']}"
    if "max" in limits and measured > limits["max"]:
        yield f"have {subject} less than or equal to {limits['max']}"
    if "pattern" in limits and not _compiled(limits["pattern"]).fullmatch(value):
        yield f"satisfy regular expression pattern: {limits['pattern']}"
    if "enum" in limits and value not in limits["enum"]:
        yield f"satisfy enum value set: [{', '.join(limits['enum'])}]"


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    for category, equivalent in _CATEGORIES.items():
        pattern = pattern.replace(category, equivalent)
    return re.compile(pattern)


def _shown(value: Any) -> str:
    text = f"{len(value)} bytes" if isinstance(value, bytes) else str(value)
    return f"'{text[:_SHOWN_CHARACTERS]}'"


def _join(path: str, name: str) -> str:
    member = name[:1].lower() + name[1:]
    return f"{path}.{member}" if path else member
