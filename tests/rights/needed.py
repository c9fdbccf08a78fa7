"""Which rights a call to AWS takes, by the service authorization reference and what services do in a caller's name."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from tests.infrastructure import template
from tests.rights.granted import Need
from tests.simulation.cloud import Call, Objects

_HERE = "eu-west-1:111122223333"
_BUCKETS = {name: logical for logical, name in template.BUCKETS.items()}
_TABLES = {"application": "ApplicationTable", "idempotency": "IdempotencyTable"}
# Custom Labels guide, "Setting up": what the service reads and writes with the rights of its caller when it trains.
_OF_BUCKETS = ("s3:GetBucketAcl", "s3:GetBucketLocation", "s3:ListBucket")
_OF_FILES = ("s3:GetObject", "s3:GetObjectAcl", "s3:GetObjectVersion", "s3:GetObjectTagging")


def needs(call: Call, objects: Objects) -> Iterator[Need]:
    """Everything that a call takes; `objects` tells what there is."""
    service = {"once": _once, "s3": _s3}.get(call.service, _others)
    yield from service(call, objects)


def _once(call: Call, _: Objects) -> Iterator[Need]:
    yield Need(_action("dynamodb", call), _table("idempotency"))


def _s3(call: Call, objects: Objects) -> Iterator[Need]:
    bucket, key = str(call.request["Bucket"]), str(call.request.get("Key", ""))
    match call.operation:
        case "list_objects_v2":
            yield Need("s3:ListBucket", _bucket(bucket))
        case "get_object" | "head_object":
            yield Need("s3:GetObjectVersion" if call.request.get("VersionId") else "s3:GetObject", _file(bucket, key))
            # GetObject: without the right to list, S3 does not tell that there is none.
            if key not in objects.present(bucket):
                yield Need("s3:ListBucket", _bucket(bucket))
        case "put_object":
            yield Need("s3:PutObject", _file(bucket, key))
            # PutObject: who writes in place of what was read must be able to read it.
            if "IfMatch" in call.request:
                yield Need("s3:GetObject", _file(bucket, key))
        case "presign":
            yield Need("s3:GetObject", _file(bucket, key))
        case operation:
            raise NotImplementedError(f"say which rights {operation} takes")


def _others(call: Call, _: Objects) -> Iterator[Need]:
    yield from _BY_OPERATION[call.service, call.operation](call, call.request)


def _rows(call: Call, request: Mapping[str, Any]) -> Iterator[Need]:
    index = f"/index/{request['IndexName']}" if "IndexName" in request else ""
    yield Need(_action("dynamodb", call), _table(request["TableName"]) + index)


def _about(name: str) -> Callable[[Call, Mapping[str, Any]], Iterator[Need]]:
    """An action of Custom Labels about the project or version that the request names so."""

    def found(call: Call, request: Mapping[str, Any]) -> Iterator[Need]:
        yield Need(_action("rekognition", call), _project(request[name]))

    return found


def _train(call: Call, request: Mapping[str, Any]) -> Iterator[Need]:
    yield Need(_action("rekognition", call), _project(request["ProjectArn"]))
    for side in ("TrainingData", "TestingData"):
        place = request[side]["Assets"][0]["GroundTruthManifest"]["S3Object"]
        yield from (Need(action, _file(place["Bucket"], place["Name"])) for action in _OF_FILES)
    for picture in ("datasets/parts/train/good/0.png", "prepared/parts/0.png"):
        yield from (Need(action, f"arn:aws:s3:::DataBucket/{picture}") for action in _OF_FILES)
    yield from _results(request)


def _copy(call: Call, request: Mapping[str, Any]) -> Iterator[Need]:
    yield Need(_action("rekognition", call), _project(request["SourceProjectVersionArn"]))
    yield Need(_action("rekognition", call), _project(request["DestinationProjectArn"]))
    yield from _results(request)


def _results(request: Mapping[str, Any]) -> Iterator[Need]:
    output = request["OutputConfig"]
    if output["S3Bucket"] not in _BUCKETS:
        return
    yield Need("s3:PutObject", _file(output["S3Bucket"], f"{output['S3KeyPrefix']}/evaluation.json"))
    for bucket in ("DataBucket", "ArtifactsBucket"):
        yield from (Need(action, f"arn:aws:s3:::{bucket}") for action in _OF_BUCKETS)


def _detect(call: Call, request: Mapping[str, Any]) -> Iterator[Need]:
    yield Need(_action("rekognition", call), _project(request["ProjectVersionArn"]))
    # DetectCustomLabels: the picture is read with the rights of the caller.
    if place := request["Image"].get("S3Object"):
        yield Need(
            "s3:GetObjectVersion" if "Version" in place else "s3:GetObject", _file(place["Bucket"], place["Name"])
        )


def _message(_: Call, request: Mapping[str, Any]) -> Iterator[Need]:
    # SQS knows no right to batches.
    yield Need("sqs:SendMessage", f"arn:aws:sqs:{_HERE}:{request['QueueUrl']}")


def _events(call: Call, request: Mapping[str, Any]) -> Iterator[Need]:
    for entry in request["Entries"]:
        sources = {"events:source": str(entry["Source"])}
        yield Need(_action("events", call), f"arn:aws:events:{_HERE}:event-bus/default", sources)


def _mail(call: Call, _: Mapping[str, Any]) -> Iterator[Need]:
    yield Need(_action("sns", call), f"arn:aws:sns:{_HERE}:Topic")
    # SNS guide, "Key management": who publishes to an encrypted topic needs both.
    yield from (Need(f"kms:{name}", f"arn:aws:kms:{_HERE}:key/TopicKey") for name in ("GenerateDataKey", "Decrypt"))


def _subscriptions(call: Call, _: Mapping[str, Any]) -> Iterator[Need]:
    yield Need(_action("sns", call), f"arn:aws:sns:{_HERE}:Topic")


def _parameter(call: Call, request: Mapping[str, Any]) -> Iterator[Need]:
    name = str(request["Name"]).removeprefix("/s/")
    yield Need(_action("ssm", call), f"arn:aws:ssm:{_HERE}:parameter/{template.PSEUDO['AWS::StackName']}/{name}")


def _role(call: Call, request: Mapping[str, Any]) -> Iterator[Need]:
    yield Need(_action("sts", call), str(request["RoleArn"]))


def _everything(call: Call, _: Mapping[str, Any]) -> Iterator[Need]:
    yield Need(_action("rekognition", call), "*")


_BY_OPERATION: Mapping[tuple[str, str], Callable[[Call, Mapping[str, Any]], Iterator[Need]]] = {
    **{("dynamodb", f"{name}_item"): _rows for name in ("get", "put", "update", "delete")},
    **{("dynamodb", name): _rows for name in ("query", "batch_get_item")},
    ("rekognition", "create_project_version"): _train,
    ("rekognition", "copy_project_version"): _copy,
    ("rekognition", "detect_custom_labels"): _detect,
    ("rekognition", "describe_projects"): _everything,
    **{
        ("rekognition", name): _about("ProjectArn")
        for name in (
            *("describe_project_versions", "list_project_policies", "put_project_policy", "delete_project_policy"),
        )
    },
    **{("rekognition", f"{name}_project_version"): _about("ProjectVersionArn") for name in ("start", "stop", "delete")},
    ("sqs", "send_message"): _message,
    ("sqs", "send_message_batch"): _message,
    ("events", "put_events"): _events,
    ("sns", "publish"): _mail,
    ("sns", "list_subscriptions_by_topic"): _subscriptions,
    ("ssm", "put_parameter"): _parameter,
    ("sts", "assume_role"): _role,
}


def _action(service: str, call: Call) -> str:
    return f"{service}:{''.join(word.capitalize() for word in call.operation.split('_'))}"


def _bucket(name: str) -> str:
    return f"arn:aws:s3:::{_BUCKETS[name]}"


def _file(bucket: str, key: str) -> str:
    return f"{_bucket(bucket)}/{key}"


def _table(name: str) -> str:
    return f"arn:aws:dynamodb:{_HERE}:table/{_TABLES[name]}"


def _project(arn: str) -> str:
    """The ARN of a project or version, as the template calls its project."""
    *before, path = arn.split(":")
    kind, name, *rest = path.split("/")
    logical = "".join(part.capitalize() for part in name.split("-")[1:])
    return ":".join([*before, "/".join([kind, logical, *rest])])
