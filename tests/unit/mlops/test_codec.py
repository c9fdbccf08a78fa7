"""Documents are read as any release of the stack has written them, by the same rules everywhere."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

import pytest

from mlops.codec import INLINE, SOMETIMES, Json, Unreadable, called, item_of, object_of, read


@dataclass(frozen=True)
class Place:
    name: str
    floor: int = 0


@dataclass(frozen=True)
class Span:
    low: float
    high: float

    def as_plain(self) -> list[float]:
        return [self.low, self.high]

    @classmethod
    def of_plain(cls, told: list[float]) -> "Span":
        return cls(*map(float, told))


@dataclass(frozen=True)
class Document:
    place: Place = field(metadata=INLINE)
    beside: str = field(default="", metadata=called("with"))
    rate: float | None = None
    places: tuple[Place, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    size: tuple[int, int] | None = None
    span: Span | None = None
    edge: str | float = ""
    remark: str = field(default="", metadata=SOMETIMES)
    notes: tuple[str, ...] = field(default_factory=tuple, metadata=SOMETIMES)

    @classmethod
    def earlier(cls, told: Json) -> Json:
        return {**told, "name": told["title"]} if "title" in told else told


FULL = Document(
    Place("hall", 1), "yard", 0.5, (Place("loft"),), {"ok": 2}, (3, 4), Span(0.1, 0.2), 1.5, "a remark", ("a note",)
)


def test_what_is_written_is_read_again() -> None:
    assert read(Document, json.loads(json.dumps(object_of(FULL)))) == FULL


def test_a_row_of_the_table_is_read_again() -> None:
    row = item_of(FULL)

    assert row["rate"] == Decimal("0.5") and row["span"] == [Decimal("0.1"), Decimal("0.2")]
    assert read(Document, row) == FULL


def test_numbers_of_the_table_have_the_kinds_of_the_fields() -> None:
    found = read(Document, {"name": "hall", "floor": Decimal(3), "counts": {"ok": Decimal(2)}})

    assert type(found.place.floor) is int and type(found.counts["ok"]) is int


def test_fields_of_an_inline_part_stand_among_the_others() -> None:
    assert object_of(Document(Place("hall")))["name"] == "hall"


def test_a_field_that_is_a_word_of_python_has_its_name_in_the_document() -> None:
    assert object_of(FULL)["with"] == "yard"


def test_what_sometimes_says_something_is_left_out_where_it_does_not() -> None:
    told = object_of(Document(Place("hall")))

    assert "remark" not in told and "notes" not in told and told["rate"] is None


def test_a_field_of_a_newer_release_is_passed_over() -> None:
    assert read(Place, {"name": "hall", "colour": "red"}) == Place("hall")


@pytest.mark.parametrize("told", [{"name": "hall"}, {"name": "hall", "floor": None}])
def test_a_field_that_an_older_release_did_not_write_has_its_default(told: Json) -> None:
    assert read(Place, told) == Place("hall", 0)


def test_a_document_without_a_field_that_it_needs_is_named() -> None:
    with pytest.raises(Unreadable, match="Place lacks name"):
        read(Place, {"floor": 1})


def test_what_is_no_object_is_no_document() -> None:
    with pytest.raises(Unreadable, match="Document is not a JSON object"):
        read(Document, ["hall"])


def test_a_class_tells_what_an_older_release_called_otherwise() -> None:
    assert read(Document, {"title": "hall"}).place == Place("hall")
