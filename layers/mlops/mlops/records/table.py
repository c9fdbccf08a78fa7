"""The application table: every kind of row has a module of its own in this room, and nobody else knows a key."""

from collections.abc import Iterator, Sequence
from types import MappingProxyType
from typing import Any

from boto3.dynamodb.conditions import ConditionBase, Key
from botocore.exceptions import ClientError

from mlops import stack
from mlops.aws import ahead, clients
from mlops.aws.clients import code_of
from mlops.codec import Json

# The one index, named after what was first in it: another one would make every write dearer. What a row has as these
# two attributes puts it there: under what it is found, and in which order.
_INDEX, INDEXED, ORDER = "runs-of-dataset", "dataset_key", "created_at"
# How long to wait for what a busy table has left out, in seconds.
_PAUSES = (0.1, 0.2, 0.4, 0.8)
# A row as DynamoDB takes it and hands it over: the module of its kind makes a dataclass of it.
Item = dict[str, Any]
# Where a row stands: its `pk` and `sk`.
Place = tuple[str, str]


def _table() -> Any:
    return clients.table(stack.here().table)


class Table:
    """A table with the keys `pk` and `sk`: the one given, a Table of boto3's resource, or the function's own."""

    def __init__(self, given: Any = None) -> None:
        self._given = given

    @property
    def _rows(self) -> Any:
        return _table() if self._given is None else self._given

    def get(self, pk: str, sk: str) -> Item | None:
        """The item of a key, read consistently; None when there is none."""
        # Consistently: nearly all that is read decides about a write, and half a price is no reason to decide wrongly.
        item = self._rows.get_item(Key={"pk": pk, "sk": sk}, ConsistentRead=True).get("Item")
        return dict(item) if item else None

    def get_all(self, keys: Sequence[Place]) -> list[Item | None]:
        """The items of at most 100 keys (pk, sk), all different, in one call, each read consistently and not all at one
        moment; None for those that there are not. Raises TimeoutError where the table hands out a part of them only."""
        # The client of a resource of boto3 reads and writes the values of items as the resource does.
        name, batch_get_item = self._rows.name, self._rows.meta.client.batch_get_item
        found: dict[Place, Item] = {}
        asked: Item = {name: {"Keys": [{"pk": pk, "sk": sk} for pk, sk in keys], "ConsistentRead": True}}
        for pause in (*_PAUSES, None):
            answer = batch_get_item(RequestItems=asked)
            found |= {(item["pk"], item["sk"]): dict(item) for item in answer["Responses"].get(name, ())}
            # What a busy table leaves out is no error, and botocore does not ask for it again.
            asked = answer.get("UnprocessedKeys") or {}
            if not asked:
                return [found.get(key) for key in keys]
            if pause is not None:
                stack.here().clock.sleep(pause)
        raise TimeoutError(f"the table {name} was too busy to hand out all of {len(keys)} rows")

    def put(self, item: Json, condition: ConditionBase | None = None) -> bool:
        """Write an item; False when the condition does not hold."""
        return _held(lambda: self._rows.put_item(Item=dict(item), **_when(condition))) is not None

    def update(self, pk: str, sk: str, changes: Json, condition: ConditionBase | None = None) -> bool:
        """Set attributes (None removes); False when the condition does not hold."""
        # By placeholders, for names of ours such as `state` and `comment` are words of its language.
        sets = [name for name, value in changes.items() if value is not None]
        removes = [name for name, value in changes.items() if value is None]
        expression = (f"SET {', '.join(f'#{n} = :{n}' for n in sets)} " if sets else "") + (
            f"REMOVE {', '.join(f'#{n}' for n in removes)}" if removes else ""
        )
        arguments: Item = {
            "Key": {"pk": pk, "sk": sk},
            "UpdateExpression": expression,
            "ExpressionAttributeNames": {f"#{name}": name for name in changes},
            **_when(condition),
        }
        if sets:
            arguments["ExpressionAttributeValues"] = {f":{name}": changes[name] for name in sets}
        return _held(lambda: self._rows.update_item(**arguments)) is not None

    def increment(self, pk: str, sk: str, name: str, changes: Json = MappingProxyType({})) -> int:
        """Add one to a counter and return it; set attributes with it."""
        sets = f"SET {', '.join(f'#{change} = :{change}' for change in changes)} " if changes else ""
        # Added by the table itself: of two that count at once, none is lost.
        answer = self._rows.update_item(
            Key={"pk": pk, "sk": sk},
            UpdateExpression=f"{sets}ADD #n :one",
            ExpressionAttributeNames={"#n": name, **{f"#{change}": change for change in changes}},
            ExpressionAttributeValues={":one": 1, **{f":{change}": value for change, value in changes.items()}},
            ReturnValues="UPDATED_NEW",
        )
        return int(answer["Attributes"][name])

    def delete(self, pk: str, sk: str, condition: ConditionBase | None = None) -> bool:
        """Delete an item; False when the condition does not hold."""
        return _held(lambda: self._rows.delete_item(Key={"pk": pk, "sk": sk}, **_when(condition))) is not None

    def query(self, pk: str, prefix: str = "", after: str = "", facts: Sequence[str] = ()) -> Iterator[Item]:
        """All items of a partition whose sort key begins with `prefix`, or those behind the sort key `after`, in the
        order of their sort keys; with these attributes only, where any are named."""
        where = Key("pk").eq(pk) & Key("sk").begins_with(prefix) if prefix else Key("pk").eq(pk)
        where = Key("pk").eq(pk) & Key("sk").gt(after) if after else where
        named = {f"#{name}": name for name in facts}
        only = {"ProjectionExpression": ", ".join(named), "ExpressionAttributeNames": named} if facts else {}
        return self._pages(KeyConditionExpression=where, ConsistentRead=True, **only)

    def indexed(self, value: str, since: str = "") -> Iterator[Item]:
        """The items that the index has under a value of `INDEXED`, as far as it has them yet, in the order of `ORDER`,
        or from a time on."""
        where = Key(INDEXED).eq(value) & Key(ORDER).gte(since) if since else Key(INDEXED).eq(value)
        # DynamoDB reads no such index consistently: whoever asks has to bear that the newest is missing.
        return self._pages(KeyConditionExpression=where, IndexName=_INDEX)

    def _pages(self, **request: Any) -> Iterator[Item]:
        def following(page: ahead.Page) -> ahead.Page:
            last = page.get("LastEvaluatedKey")
            return {"ExclusiveStartKey": last} if last else {}

        for page in ahead.pages(lambda start: self._rows.query(**request, **start), following):
            yield from page["Items"]


# The table of the function that this is; whoever looks at a stack from outside gives its own.
OWN = Table()


def _when(condition: ConditionBase | None) -> Item:
    return {"ConditionExpression": condition} if condition is not None else {}


def _held(write: Any) -> Any:
    try:
        return write()
    except ClientError as error:
        if code_of(error) == "ConditionalCheckFailedException":
            return None
        raise
