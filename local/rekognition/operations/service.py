"""What every operation works with."""

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from local.rekognition.access.faults import Faults
from local.rekognition.access.identity import Scope, scope_of_arn
from local.rekognition.access.settings import Settings
from local.rekognition.access.throttle import ControlPlaneThrottle
from local.rekognition.errors import ServiceError, not_found
from local.rekognition.state.records import DatasetRecord, Project, ProjectVersion
from local.rekognition.state.store import Record, Store
from local.rekognition.transitions.lifecycle import Lifecycle

_PAGE_SIZE = 100
# Of the numbers in tokens, milliseconds and positions: SQLite knows no longer ones.
_DIGITS = 18


@dataclass(frozen=True)
class Service:
    """The state of the service and what moves it."""

    store: Store
    lifecycle: Lifecycle
    settings: Settings
    throttle: ControlPlaneThrottle
    faults: Faults

    def project(self, scope: Scope, arn: str) -> Project:
        """Return a project of the caller. Raises ServiceError ResourceNotFoundException."""
        return self._owned(Project, scope, arn)

    def version(self, scope: Scope, arn: str) -> ProjectVersion:
        """Return a version of the caller. Raises ServiceError ResourceNotFoundException."""
        return self._owned(ProjectVersion, scope, arn)

    def dataset(self, scope: Scope, arn: str) -> DatasetRecord:
        """Return a dataset of the caller. Raises ServiceError ResourceNotFoundException."""
        return self._owned(DatasetRecord, scope, arn)

    def datasets_of(self, project: Project) -> list[DatasetRecord]:
        """List the datasets of a project, newest first."""
        datasets = self.store.within(DatasetRecord, scope_of_arn(project.arn))
        return [dataset for dataset in datasets if dataset.project_arn == project.arn]

    def versions_of(self, project: Project) -> list[ProjectVersion]:
        """List the versions of a project, newest first."""
        versions = self.store.within(ProjectVersion, scope_of_arn(project.arn))
        return [version for version in versions if version.project_arn == project.arn]

    def _owned(self, kind: type[Record], scope: Scope, arn: str) -> Record:
        record = self.store.get(kind, arn)
        if record is None or scope_of_arn(arn) != scope:
            raise not_found(arn)
        return record


Request = Mapping[str, Any]
Answer = dict[str, Any]


def page(
    records: Sequence[Record], request: Request, member: str, describe: Callable[[Record], dict[str, Any]]
) -> Answer:
    """Answer one page of records that are sorted newest first; the token names the last record of the page before."""
    token = request.get("NextToken")
    if token:
        before = decode_number(token)
        records = [record for record in records if record.created_ms < before]
    size = request.get("MaxResults", _PAGE_SIZE)
    answer: Answer = {member: [describe(record) for record in records[:size]]}
    if len(records) > size:
        answer["NextToken"] = encode_token(str(records[size - 1].created_ms))
    return answer


def decode_number(token: str) -> int:
    """Return the number that a token names. Raises ServiceError InvalidPaginationTokenException."""
    number = decode_token(token)
    if not (number.isascii() and number.isdecimal() and len(number) <= _DIGITS):
        raise _invalid_token()
    return int(number)


def encode_token(place: str) -> str:
    """Return the token that names the last thing on a page."""
    return base64.urlsafe_b64encode(place.encode()).decode()


def decode_token(token: str) -> str:
    """Return what a token names. Raises ServiceError InvalidPaginationTokenException."""
    try:
        return base64.b64decode(token.encode(), altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError) as error:
        raise _invalid_token() from error


def _invalid_token() -> ServiceError:
    message = "Invalid Pagination Token. Pass the NextToken of the previous answer as it is."
    return ServiceError("InvalidPaginationTokenException", message)
