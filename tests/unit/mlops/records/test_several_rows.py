"""Several rows that are read in one call, of which a busy table hands out a part at a time."""

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest

from mlops.records.table import Table
from tests.unit.mlops.memory_table import MemoryTable
from tests.unit.mlops.world import set_clock

PLACES = [("a", "1"), ("b", "2"), ("c", "3")]


class Busy:
    """A table that hands out one row a call, or none."""

    name = "application"

    def __init__(self, at_once: int) -> None:
        self.rows, self.at_once, self.calls = MemoryTable(), at_once, 0
        self.meta = SimpleNamespace(client=self)
        for pk, sk in PLACES:
            self.rows.put_item({"pk": pk, "sk": sk})

    def batch_get_item(self, RequestItems: Mapping[str, Any]) -> dict[str, Any]:  # noqa: N803
        self.calls += 1
        asked = RequestItems[self.name]
        now, later = asked["Keys"][: self.at_once], asked["Keys"][self.at_once :]
        left = {self.name: {**asked, "Keys": later}} if later else {}
        answer = self.rows.batch_get_item({self.name: {**asked, "Keys": now}})
        return {**answer, "UnprocessedKeys": left}


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    pauses: list[float] = []
    set_clock(monkeypatch, sleep=pauses.append)
    return pauses


def test_what_a_busy_table_leaves_out_is_asked_for_again(slept: list[float]) -> None:
    busy = Busy(at_once=1)

    assert [row and row["pk"] for row in Table(busy).get_all(PLACES)] == ["a", "b", "c"]
    assert busy.calls == 3 and len(slept) == 2


def test_a_table_that_stays_busy_is_no_table_without_rows(slept: list[float]) -> None:
    with pytest.raises(TimeoutError, match="too busy to hand out all of 3 rows"):
        Table(Busy(at_once=0)).get_all(PLACES)
    assert slept == sorted(slept)
