"""Hours of a week: what words mean, by the clocks of a zone, and what the template lets through."""

import re
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from mlops import hours
from tests.infrastructure.language_extensions import expanded

BERLIN = "Europe/Berlin"
# Monday is the 2nd of March 2026.
WORDS = {
    "mon-fri 06:00-14:00": True,
    "sat 00:00-24:00": True,
    "mon-thu 06:00-22:00, fri 06:00-14:00": True,
    "sun-thu 22:00-06:00": True,
    "mon-fri 06:00-14:00,sat 06:00-14:00": False,
    "mon-fri 06:00-14:00, ": False,
    "mon-fri 6:00-14:00": False,
    "mon-fri 24:00-06:00": False,
    "mon-fri 06:00-24:01": False,
    "mon-fri 06:00-25:00": False,
    "mon-fri 06:60-14:00": False,
    "mon-fri": False,
    "Mon-Fri 06:00-14:00": False,
    "": False,
}


def end(words: str, at: str, zone: str = BERLIN) -> str:
    """When the hours end in which a time of the zone lies, as its clocks show it; empty where it lies in none."""
    moment = datetime.fromisoformat(at).replace(tzinfo=ZoneInfo(zone)).timestamp()
    found = hours.read(words, zone).end_at(moment)
    return f"{datetime.fromtimestamp(found, ZoneInfo(zone)):%Y-%m-%d %H:%M}" if found else ""


@pytest.mark.parametrize(
    ("at", "until"),
    [
        ("2026-03-02 05:59", ""),
        ("2026-03-02 06:00", "2026-03-02 14:00"),
        ("2026-03-06 13:59", "2026-03-06 14:00"),
        ("2026-03-06 14:00", ""),
        ("2026-03-07 08:00", ""),
    ],
)
def test_hours_are_from_the_begin_to_before_the_end_on_their_days(at: str, until: str) -> None:
    assert end("mon-fri 06:00-14:00", at) == until


@pytest.mark.parametrize(
    ("at", "until"),
    [("2026-03-02 23:00", "2026-03-03 06:00"), ("2026-03-03 05:00", "2026-03-03 06:00"), ("2026-03-02 05:00", "")],
)
def test_a_shift_over_midnight_belongs_to_the_day_on_which_it_begins(at: str, until: str) -> None:
    assert end("mon 22:00-06:00", at) == until


def test_days_go_over_the_end_of_the_week() -> None:
    found = [end("sat-mon 06:00-07:00", f"2026-03-{day:02} 06:30") for day in range(6, 11)]

    assert [bool(until) for until in found] == [False, True, True, True, False]


@pytest.mark.parametrize(
    ("words", "until"),
    [
        ("mon 06:00-14:00, mon 14:00-22:00", "2026-03-02 22:00"),
        ("mon 06:00-24:00, tue 00:00-02:00", "2026-03-03 02:00"),
        ("mon 06:00-14:00, mon 08:00-16:00", "2026-03-02 16:00"),
        ("mon 06:00-06:00", "2026-03-03 06:00"),
    ],
)
def test_hours_without_a_break_between_them_are_one(words: str, until: str) -> None:
    assert end(words, "2026-03-02 12:00") == until


def test_hours_that_never_end_are_told_for_about_a_week() -> None:
    assert end("mon-sun 00:00-24:00", "2026-03-02 12:00") == "2026-03-10 00:00"


@pytest.mark.parametrize(
    ("words", "at", "until", "hours_long"),
    [
        # Clocks went forward at 02:00 on the 29th of March 2026, and back at 03:00 on the 25th of October.
        ("sat 22:00-06:00", "2026-03-28 22:00", "2026-03-29 06:00", 7),
        ("sat 22:00-06:00", "2026-10-24 22:00", "2026-10-25 06:00", 9),
        ("sun 00:00-02:30", "2026-03-29 00:00", "2026-03-29 03:30", 2.5),
        ("sun 00:00-02:30", "2026-10-25 00:00", "2026-10-25 02:30", 2.5),
    ],
)
def test_clocks_that_go_forward_or_back_are_followed(words: str, at: str, until: str, hours_long: float) -> None:
    begin = datetime.fromisoformat(at).replace(tzinfo=ZoneInfo(BERLIN)).timestamp()

    assert end(words, at) == until
    assert hours.read(words, BERLIN).end_at(begin) - begin == 3600 * hours_long


@pytest.mark.parametrize(("words", "is_right"), WORDS.items())
def test_the_template_takes_what_can_be_read_and_nothing_else(words: str, is_right: bool) -> None:
    assert bool(re.fullmatch(expanded()["Parameters"]["ServingHours"]["AllowedPattern"], words)) == is_right
    if is_right:
        hours.read(words, "UTC")
    else:
        with pytest.raises(ValueError, match="ServingHours says"):
            hours.read(words, "UTC")


@pytest.mark.parametrize(
    "zone", ["UTC", BERLIN, "America/Argentina/Buenos_Aires", "Etc/GMT+5", "America/Port-au-Prince"]
)
def test_the_template_takes_the_names_of_time_zones(zone: str) -> None:
    assert re.fullmatch(expanded()["Parameters"]["ServingTimeZone"]["AllowedPattern"], zone)
    hours.read("mon 06:00-14:00", zone)


@pytest.mark.parametrize("zone", ["Europe/Nowhere", "Europe", "../etc/passwd", ""])
def test_what_is_no_time_zone_is_named(zone: str) -> None:
    with pytest.raises(ValueError, match="which is no time zone: give one as the IANA names it"):
        hours.read("mon 06:00-14:00", zone)
