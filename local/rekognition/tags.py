"""Operations on the tags of projects and versions."""

from collections.abc import Mapping
from dataclasses import replace

from local.rekognition import limits
from local.rekognition.errors import ServiceError, not_found
from local.rekognition.identity import Caller, Scope, scope_of_arn
from local.rekognition.records import Project, ProjectVersion
from local.rekognition.service import Answer, Request, Service


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


def _tagged(service: Service, scope: Scope, arn: str) -> Project | ProjectVersion:
    record = service.store.get(Project, arn) or service.store.get(ProjectVersion, arn)
    if record is None or scope_of_arn(arn) != scope:
        raise not_found(arn)
    return record


def _put_tags(service: Service, record: Project | ProjectVersion, tags: Mapping[str, str]) -> None:
    if len(tags) > limits.TAGS_PER_RESOURCE:
        message = f"A resource may have {limits.TAGS_PER_RESOURCE} tags at most, not {len(tags)}."
        raise ServiceError("ServiceQuotaExceededException", message)
    service.store.put(replace(record, tags=tags))
