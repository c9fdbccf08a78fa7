"""The application's table in memory, as far as the package uses it: some hundred times as fast as moto's.

`test_memory_table.py` holds it against moto.
"""

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

from boto3.dynamodb.conditions import AttributeBase, ConditionBase
from boto3.dynamodb.types import DYNAMODB_CONTEXT, TypeDeserializer, TypeSerializer
from botocore.exceptions import ClientError

Item = dict[str, Any]
_INDEX = "dataset_key"
_WRITTEN, _READ = TypeSerializer(), TypeDeserializer()
_COMPARED: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": lambda found, given: found == given,
    "<>": lambda found, given: found != given,
    "<": lambda found, given: found < given,
    "<=": lambda found, given: found <= given,
    ">": lambda found, given: found > given,
    ">=": lambda found, given: found >= given,
    "begins_with": lambda found, given: str(found).startswith(given),
    "IN": lambda found, given: found in given,
}


class MemoryTable:
    """A table with the keys `pk` and `sk`. Items come and go as copies, numbers as Decimal."""

    name = "application"

    def __init__(self) -> None:
        # By partition key, then by sort key; and those that the index has, by its key.
        self._partitions: dict[str, dict[str, Item]] = {}
        self._indexed: dict[Any, dict[tuple[str, str], Item]] = {}

    def get_item(self, Key: Mapping[str, str], ConsistentRead: bool) -> dict[str, Any]:  # noqa: N803
        found = self._find(Key)
        return {"Item": _again(found)} if found is not None else {}

    def batch_get_item(self, RequestItems: Mapping[str, Any]) -> dict[str, Any]:  # noqa: N803
        asked = RequestItems[self.name]
        found = [item for key in asked["Keys"] if (item := self._find(key)) is not None]
        return {"Responses": {self.name: [_again(item) for item in found]}, "UnprocessedKeys": {}}

    @property
    def meta(self) -> SimpleNamespace:
        """As a table of boto3 has the client that reads several rows at once."""
        return SimpleNamespace(client=self)

    def put_item(self, Item: Mapping[str, Any], ConditionExpression: ConditionBase | None = None) -> Item:  # noqa: N803
        self._require(ConditionExpression, Item)
        self._keep(_copied(Item))
        return {}

    def delete_item(self, Key: Mapping[str, str], ConditionExpression: ConditionBase | None = None) -> Item:  # noqa: N803
        self._require(ConditionExpression, Key)
        self._forget(Key)
        return {}

    def update_item(
        self,
        Key: Mapping[str, str],  # noqa: N803
        UpdateExpression: str,  # noqa: N803
        ExpressionAttributeNames: Mapping[str, str],  # noqa: N803
        ExpressionAttributeValues: Mapping[str, Any] | None = None,  # noqa: N803
        ConditionExpression: ConditionBase | None = None,  # noqa: N803
        ReturnValues: str = "NONE",  # noqa: N803
    ) -> dict[str, Any]:
        self._require(ConditionExpression, Key)
        item = _again(self._find(Key) or Key)
        values = _copied(ExpressionAttributeValues or {})
        changed = {}
        for action, body in re.findall(r"(SET|ADD|REMOVE) (.+?)(?= SET | ADD | REMOVE |$)", UpdateExpression.strip()):
            for part in body.strip().split(", "):
                name = ExpressionAttributeNames[part.split()[0]]
                if action == "REMOVE":
                    item.pop(name, None)
                    continue
                value = values[part.split()[-1]]
                changed[name] = item[name] = value + item.get(name, 0) if action == "ADD" else value
        self._keep(item)
        return {"Attributes": _copied(changed)} if ReturnValues == "UPDATED_NEW" else {}

    def query(
        self,
        KeyConditionExpression: ConditionBase,  # noqa: N803
        ConsistentRead: bool = False,  # noqa: N803
        IndexName: str = "",  # noqa: N803
        ProjectionExpression: str = "",  # noqa: N803
        ExpressionAttributeNames: Mapping[str, str] = {},  # noqa: N803
    ) -> dict[str, Any]:
        name, value = key_of(KeyConditionExpression)
        if name == "pk":
            found = [item for _, item in sorted(self._partitions.get(value, {}).items())]
        else:
            assert name == _INDEX
            found = [item for _, item in sorted(self._indexed.get(value, {}).items(), key=_by_place)]
            found.sort(key=lambda item: str(item.get("created_at", "")))
        found = [item for item in found if _holds(KeyConditionExpression, item)]
        return {"Items": [_again(item) for item in projected(found, ProjectionExpression, ExpressionAttributeNames)]}

    def snapshot(self) -> dict[tuple[str, str], Item]:
        """All items, to be put back with `restore`."""
        return {(pk, sk): _again(item) for pk, of_pk in self._partitions.items() for sk, item in of_pk.items()}

    def restore(self, items: Mapping[tuple[str, str], Item]) -> None:
        """Hold these items and no others."""
        self._partitions, self._indexed = {}, {}
        for item in items.values():
            self._keep(_copied(item))

    def _find(self, key: Mapping[str, Any]) -> Item | None:
        return self._partitions.get(key["pk"], {}).get(key["sk"])

    def _keep(self, item: Item) -> None:
        self._forget(item)
        self._partitions.setdefault(item["pk"], {})[item["sk"]] = item
        if _INDEX in item:
            self._indexed.setdefault(item[_INDEX], {})[_place(item)] = item

    def _forget(self, key: Mapping[str, Any]) -> None:
        item = self._partitions.get(key["pk"], {}).pop(key["sk"], None)
        if item and _INDEX in item:
            del self._indexed[item[_INDEX]][_place(item)]

    def _require(self, condition: ConditionBase | None, key: Mapping[str, Any]) -> None:
        if condition is not None and not _holds(condition, self._find(key) or {}):
            error = {"Code": "ConditionalCheckFailedException", "Message": "The conditional request failed"}
            raise ClientError({"Error": error}, "Write")


def projected(items: list[Item], expression: str | None, names: Mapping[str, str] | None) -> list[Item]:
    """Items with the attributes that a projection asks for, or whole where there is none."""
    if not expression:
        return items
    asked = [(names or {})[name] for name in expression.split(", ")]
    return [{name: item[name] for name in asked if name in item} for item in items]


def _place(key: Mapping[str, Any]) -> tuple[str, str]:
    return key["pk"], key["sk"]


def _by_place(entry: tuple[tuple[str, str], Item]) -> tuple[str, str]:
    return entry[0]


def key_of(condition: ConditionBase) -> tuple[str, Any]:
    """The key that a query is about, and its value."""
    expression = condition.get_expression()
    values = expression["values"]
    return key_of(values[0]) if expression["operator"] == "AND" else (values[0].name, values[1])


def _again(item: Mapping[str, Any]) -> Item:
    """What is in the table, once more: only what is nested could be changed."""
    again = dict(item)
    for name, value in item.items():
        if type(value) is list or type(value) is dict:
            again[name] = _copy(value)
    return again


def _copied(item: Mapping[str, Any]) -> Item:
    return {name: _copy(value) for name, value in item.items()}


def _copy(value: Any) -> Any:
    """What the table gives back of a value that was written; the usual kinds without writing and reading them."""
    if value is None or isinstance(value, (bool, str)):
        return value
    if type(value) is int:
        return DYNAMODB_CONTEXT.create_decimal(value)
    if isinstance(value, Decimal):
        return value
    if isinstance(value, (list, tuple)):
        return [_copy(part) for part in value]
    if isinstance(value, dict):
        return _copied(value)
    return _READ.deserialize(_WRITTEN.serialize(value))


def _holds(condition: ConditionBase, item: Mapping[str, Any]) -> bool:
    """Whether a condition, as the package builds them, is true of an item; nothing is true of a missing attribute."""
    expression = condition.get_expression()
    operator, values = expression["operator"], expression["values"]
    if operator in ("AND", "OR"):
        return (all if operator == "AND" else any)(_holds(value, item) for value in values)
    if operator == "NOT":
        return not _holds(values[0], item)
    attribute: AttributeBase = values[0]
    if operator in ("attribute_exists", "attribute_not_exists"):
        return (attribute.name in item) == (operator == "attribute_exists")
    if attribute.name not in item:
        return operator == "<>"
    return _COMPARED[operator](item[attribute.name], values[1])
