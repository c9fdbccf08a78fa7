"""The table in memory answers as moto's does, whatever is written and asked in whatever order."""

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from boto3.dynamodb.conditions import Attr, Key
from hypothesis import given
from hypothesis import strategies as st
from moto import mock_aws

from mlops.records.table import Table
from tests.unit.mlops.memory_table import MemoryTable
from tests.unit.mlops.world import SETTINGS, make_tables_and_buckets

PARTITIONS, SORTS = st.sampled_from(["RUN#a", "RUN#b"]), st.sampled_from(["STAGE#x", "STAGE#y", "RUN"])
VALUES = st.one_of(st.integers(0, 3), st.sampled_from(["", "a", "b"]), st.booleans(), st.lists(st.integers(0, 2)))
ITEMS = st.dictionaries(st.sampled_from(["state", "count", "hop"]), VALUES)
CHANGES = st.dictionaries(st.sampled_from(["state", "hop"]), st.one_of(st.none(), VALUES), min_size=1)
CONDITIONS = st.one_of(
    st.none(),
    st.just(Attr("pk").not_exists()),
    st.just(Attr("pk").exists()),
    st.builds(Attr("state").eq, VALUES),
    st.builds(Attr("state").ne, VALUES),
    st.just(Attr("state").is_in(["a", "b"])),
    st.builds(lambda text: Attr("state").eq(text) & Attr("hop").not_exists(), st.sampled_from("ab")),
    st.builds(lambda text: Attr("state").not_exists() | ~Attr("state").eq(text), st.sampled_from("ab")),
)
STEPS = st.one_of(
    st.tuples(st.just("put"), PARTITIONS, SORTS, ITEMS, CONDITIONS),
    st.tuples(st.just("update"), PARTITIONS, SORTS, CHANGES, CONDITIONS),
    st.tuples(st.just("delete"), PARTITIONS, SORTS, CONDITIONS),
    st.tuples(st.just("increment"), PARTITIONS, SORTS, st.just("counter")),
    st.tuples(st.just("get"), PARTITIONS, SORTS),
    st.tuples(st.just("query"), PARTITIONS, st.sampled_from(["", "STAGE#"])),
)


@pytest.fixture(scope="module")
def moto_table() -> Iterator[Any]:
    with mock_aws(), pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
        patch.setenv("TABLE", SETTINGS["TABLE"])
        make_tables_and_buckets()
        yield boto3.resource("dynamodb").Table(SETTINGS["TABLE"])


def carried_out(step: tuple[Any, ...], on: Any) -> Any:
    action, pk, sk, *rest = step
    table = Table(on)
    if action == "put":
        return table.put({"pk": pk, "sk": sk, **rest[0]}, rest[1])
    answer = getattr(table, action)(pk, sk, *rest)
    return list(answer) if action == "query" else answer


@given(steps=st.lists(STEPS, max_size=12))
def test_every_step_has_the_answer_that_moto_gives(steps: list[tuple[Any, ...]], moto_table: Any) -> None:
    memory = MemoryTable()
    for item in moto_table.scan()["Items"]:
        moto_table.delete_item(Key={"pk": item["pk"], "sk": item["sk"]})
    for step in steps:
        assert carried_out(step, memory) == carried_out(step, moto_table), step


def test_what_is_read_can_be_changed_without_changing_the_table() -> None:
    memory = MemoryTable()
    memory.put_item({"pk": "a", "sk": "b", "list": [1]})
    memory.get_item({"pk": "a", "sk": "b"}, ConsistentRead=True)["Item"]["list"].append(2)

    assert memory.query(Key("pk").eq("a"), ConsistentRead=True)["Items"] == [{"pk": "a", "sk": "b", "list": [1]}]


def test_several_rows_are_read_at_once_as_moto_hands_them_over(moto_table: Any) -> None:
    rows = MemoryTable()
    places = [("RUN#many", f"STAGE#{number}") for number in range(4)]
    for on in (rows, moto_table):
        for pk, sk in places[:3]:
            Table(on).put({"pk": pk, "sk": sk, "count": 3, "told": ["a"]})

    found = Table(rows).get_all(places)
    assert found == Table(moto_table).get_all(places)
    assert [row and row["sk"] for row in found] == ["STAGE#0", "STAGE#1", "STAGE#2", None]
