"""The report of a day says what was judged, hour by hour, with the pictures to look at, within a bound."""

import re
from dataclasses import replace

import pytest

from mlops.aws import buckets
from mlops.dataset.boxes import Box
from mlops.dataset.keys import result_key
from mlops.events import InspectionDayReported
from mlops.judging.verdicts import Found
from mlops.reading import days, mails
from mlops.records import inspections
from mlops.records.inspections import Inspection
from mlops.stages import report
from tests.unit.mlops.world import World

DAY = "2026-03-02"
LARGEST = 400


def told(number: int, verdict: str, hour: int, *labels: Found, refused: bool = False) -> Inspection:
    at = f"{DAY}T{hour:02}:15:{number % 60:02}.000+00:00"
    reasons = (f"reason <{number}>",)
    own = {"labels": labels, "refused": refused, "version_id": f"v{number}", "usd": 0.01}
    return Inspection("parts", f"inspect/parts/{number}.png", f"d{number}", verdict, reasons, at, **own)  # type: ignore[arg-type]


def drawn(one: Inspection, data: bytes = b"drawn", version_id: str = "") -> None:
    order = f"{one.inspected_at}##{version_id or one.version_id}"
    buckets.artifacts_bucket().write_newest(result_key(one.key, ".jpg"), data, order)


def page() -> str:
    return buckets.artifacts_bucket().read(f"results/parts/{DAY}.html")


def test_verdicts_are_counted_by_the_hour_from_the_first_to_the_last() -> None:
    bent, box = Found("bent", 91.0), Found("cut", 60.0, Box(1, 2, 3, 4))
    one, other = told(1, "defect", 6, bent), replace(told(2, "defect", 8), labels=(bent,), boxes=(box, box))
    day = days.summed_up([one, told(3, "ok", 8), other, told(4, "unsure", 8, refused=True)])

    assert (day.pictures, day.counts, day.refused) == (4, {"ok": 1, "defect": 2, "unsure": 1}, 1)
    assert [(hour.hour, hour.pictures, round(hour.share, 3)) for hour in day.hours] == [
        (6, 1, 0.333),
        (7, 0, 0),
        (8, 3, 1),
    ]
    assert day.defects == {"bent": 2, "cut": 1}


def test_the_page_shows_the_surest_first_and_names_what_has_no_picture(world: World) -> None:
    sure, less = told(1, "defect", 6, Found("bent", 99.0)), told(2, "defect", 6, Found("bent", 70.0))
    written_over = told(3, "unsure", 7)
    for one in (less, sure, written_over, told(4, "ok", 7)):
        inspections.record(one)
    drawn(sure)
    drawn(less)
    drawn(written_over, version_id="a later one")
    report.write_day("parts", DAY)

    text = page()
    assert "2 of 4 pictures called defective" in text
    assert re.findall(r"<figcaption>(\S+?):", text) == ["1.png", "2.png"]
    assert "1 without a picture here" in text and '<p class="soft">3.png</p>' in text
    assert "reason &lt;1&gt;" in text and "reason <1>" not in text
    assert "In production" not in text and "Escapes" in text
    ((kind, detail),) = world.told
    counts = {"ok": 1, "defect": 2, "unsure": 1}
    place = {"dataset": "parts", "day": DAY, "artifact": f"results/parts/{DAY}.html"}
    assert (kind, detail) == ("Inspection Day Reported", {**place, "counts": counts})


def test_a_day_without_answers_has_no_report(world: World) -> None:
    report.write_day("parts", DAY)

    assert world.told == []


def test_a_report_of_many_large_pictures_keeps_to_its_bound_and_reads_no_more(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(days, "MOST_EMBEDDED", 10 * LARGEST)
    read: list[str] = []
    monkeypatch.setattr(
        buckets.Bucket, "read_bytes", lambda _, key: (read.append(key), b"x" * (LARGEST // 2))[1], raising=True
    )
    for number in range(60):
        one = told(number, "defect", 6, Found("bent", 90.0))
        inspections.record(one)
        drawn(one)
    known = days.summed_up(inspections.of_day("parts", DAY))
    shown = days.pictures_of(known)

    assert 0 < sum(len(picture.source) for picture in shown["defect"]) <= 5 * LARGEST
    assert len(read) == len(shown["defect"]) + 1
    assert len(days.named(known, shown)["defect"]) == 60 - len(shown["defect"])


def test_the_mail_of_a_day_says_how_many_and_where() -> None:
    event = InspectionDayReported("parts", DAY, f"results/parts/{DAY}.html", {"ok": 1180, "defect": 12, "unsure": 8})
    subject, text = mails.day_mail(InspectionDayReported.of(event.as_detail()), "bucket")

    assert subject == f"{DAY}: 12 of 1200 pictures defective, parts"
    assert f"s3://bucket/results/parts/{DAY}.html" in text
    assert "unsure: 8" in text and "DailyReport=false" in text
