"""The application table: image records, runs and their stages, leases, approvals, releases."""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import boto3
from boto3.dynamodb.conditions import ConditionBase, Key
from botocore.exceptions import ClientError

from mlops.aws.clients import code_of
from mlops.stack import setting

Item = dict[str, Any]


@cache
def _table() -> Any:
    return boto3.resource("dynamodb").Table(setting("TABLE"))


def get(pk: str, sk: str) -> Item | None:
    item = _table().get_item(Key={"pk": pk, "sk": sk}, ConsistentRead=True).get("Item")
    return dict(item) if item else None


def put(item: Mapping[str, Any], condition: ConditionBase | None = None) -> bool:
    """Write an item; False when the condition does not hold."""
    return _held(lambda: _table().put_item(Item=dict(item), **_when(condition))) is not None


def update(pk: str, sk: str, changes: Mapping[str, Any], condition: ConditionBase | None = None) -> bool:
    """Set attributes (None removes); False when the condition does not hold."""
    sets = [name for name, value in changes.items() if value is not None]
    removes = [name for name, value in changes.items() if value is None]
    expression = (f"SET {', '.join(f'#{n} = :{n}' for n in sets)} " if sets else "") + (
        f"REMOVE {', '.join(f'#{n}' for n in removes)}" if removes else ""
    )
    arguments: dict[str, Any] = {
        "Key": {"pk": pk, "sk": sk},
        "UpdateExpression": expression,
        "ExpressionAttributeNames": {f"#{name}": name for name in changes},
        **_when(condition),
    }
    if sets:
        arguments["ExpressionAttributeValues"] = {f":{name}": changes[name] for name in sets}
    return _held(lambda: _table().update_item(**arguments)) is not None


def increment(pk: str, sk: str, name: str) -> int:
    """Add one to a counter and return it."""
    answer = _table().update_item(
        Key={"pk": pk, "sk": sk},
        UpdateExpression="ADD #n :one",
        ExpressionAttributeNames={"#n": name},
        ExpressionAttributeValues={":one": 1},
        ReturnValues="UPDATED_NEW",
    )
    return int(answer["Attributes"][name])


def delete(pk: str, sk: str, condition: ConditionBase | None = None) -> bool:
    return _held(lambda: _table().delete_item(Key={"pk": pk, "sk": sk}, **_when(condition))) is not None


def query(pk: str, prefix: str = "") -> Iterator[Item]:
    """All items of a partition whose sort key begins with `prefix`."""
    where = Key("pk").eq(pk) & Key("sk").begins_with(prefix) if prefix else Key("pk").eq(pk)
    return _pages(KeyConditionExpression=where, ConsistentRead=True)


def runs_of(dataset: str) -> Iterator[Item]:
    """The run records of a dataset, as far as the index has them yet, oldest first."""
    where = Key("dataset_key").eq(f"DATASET#{dataset}")
    return _pages(KeyConditionExpression=where, IndexName="runs-of-dataset")


def _pages(**request: Any) -> Iterator[Item]:
    start: dict[str, Any] = {}
    while True:
        page = _table().query(**request, **start)
        yield from page["Items"]
        if "LastEvaluatedKey" not in page:
            return
        start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}


def _when(condition: ConditionBase | None) -> dict[str, Any]:
    return {"ConditionExpression": condition} if condition is not None else {}


def _held(write: Any) -> Any:
    try:
        return write()
    except ClientError as error:
        if code_of(error) == "ConditionalCheckFailedException":
            return None
        raise
