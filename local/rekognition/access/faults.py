"""Errors on demand, so that a client can be tried against those that nobody can provoke."""

from collections.abc import Iterable
from dataclasses import dataclass
from http import HTTPStatus

from local.rekognition.access.validation import has_operation, service_model
from local.rekognition.errors import ServiceError

# What the service model marks as faults of the service; botocore's shapes do not pass the mark on.
_OF_THE_SERVICE = {"InternalServerError", "ThrottlingException"}


@dataclass(frozen=True)
class Fault:
    """The next `times` calls of an operation answer with an error."""

    operation: str
    error: str
    times: int = 1

    @classmethod
    def parse(cls, text: str) -> "Fault":
        """Read `OPERATION=ERROR` or `OPERATION=ERROR:TIMES`; the operation must model the error. Raises ValueError."""
        operation, _, rest = text.partition("=")
        error, _, times = rest.partition(":")
        if not has_operation(operation):
            raise ValueError(f"{operation!r} is no operation of Amazon Rekognition")
        modelled = [shape.name for shape in service_model().operation_model(operation).error_shapes]
        if error not in modelled:
            raise ValueError(f"{operation} has no error {error!r}; it has {', '.join(sorted(modelled))}")
        if times and not times.isdecimal():
            raise ValueError(f"{times!r} is no number of calls")
        return cls(operation, error, int(times or 1))


class Faults:
    """What is still to go wrong; faults of one operation follow each other as they were given."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self._left: dict[str, list[str]] = {}
        for fault in faults:
            self._left.setdefault(fault.operation, []).extend([fault.error] * fault.times)

    def strike(self, operation: str) -> None:
        """Raise the next ServiceError that was ordered for an operation."""
        if not self._left.get(operation):
            return
        code = self._left[operation].pop(0)
        status = HTTPStatus.INTERNAL_SERVER_ERROR if code in _OF_THE_SERVICE else HTTPStatus.BAD_REQUEST
        raise ServiceError(code, f"{operation} was told to fail with --fault.", status)
