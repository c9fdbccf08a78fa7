"""Operations on the tags of projects, versions and datasets."""

from collections.abc import Mapping
from dataclasses import replace

from local.rekognition import limits
from local.rekognition.access.identity import Caller, Scope, scope_of_arn
from local.rekognition.errors import ServiceError, not_found
from local.rekognition.operations.service import Answer, Request, Service
from local.rekognition.state.records import DatasetRecord, Project, ProjectVersion
from local.rekognition.state.store import AnyRecord


def tag_resource(service: Service, caller: Caller, request: Request) -> Answer:
    """TagResource: add tags, or give them new values."""
    record = _tagged(service, caller.scope, request["ResourceArn"])
    _put_tags(service, record, {**record.tags, **request["Tags"]})
    return {}


def untag_resource(service: Service, caller: Caller, request: Request) -> Answer:
    """UntagResource: remove tags; keys that are not there are ignored."""
    record = _tagged(service, caller.scope, request["ResourceArn"])
    _put_tags(service, record, {key: value for key, value in record.tags.items() if key not in request["TagKeys"]})
    return {}


def list_tags_for_resource(service: Service, caller: Caller, request: Request) -> Answer:
    """ListTagsForResource."""
    return {"Tags": dict(_tagged(service, caller.scope, request["ResourceArn"]).tags)}


def _tagged(service: Service, scope: Scope, arn: str) -> AnyRecord:
    store = service.store
    record = store.get(Project, arn) or store.get(ProjectVersion, arn) or store.get(DatasetRecord, arn)
    if record is None or scope_of_arn(arn) != scope:
        raise not_found(arn)
    return record


def _put_tags(service: Service, record: AnyRecord, tags: Mapping[str, str]) -> None:
    if len(tags) > limits.TAGS_PER_RESOURCE:
        message = f"A resource may have {limits.TAGS_PER_RESOURCE} tags at most, not {len(tags)}."
        raise ServiceError("ServiceQuotaExceededException", message)
    service.store.put(replace(record, tags=tags))
