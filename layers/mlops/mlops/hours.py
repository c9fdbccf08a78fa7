"""Hours of a week in words, such as `mon-fri 06:00-14:00`: when released models run by the clock."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY = "|".join(DAYS)
_SHIFT = re.compile(rf"({_DAY})(?:-({_DAY}))? (\d\d):([0-5]\d)-(\d\d):([0-5]\d)")
_DAY_MINUTES, _WEEK_SECONDS = 24 * 60, 7 * 86400


@dataclass(frozen=True)
class Shift:
    """From which to which day of the week, 0 for Monday, and from which to which minute of each of them. An end that
    is not later than the begin is on the day after."""

    first: int
    last: int
    begin: int
    end: int

    def begins_on(self, day: date) -> bool:
        """Whether it begins on a day. `fri-mon` goes over the end of the week."""
        return (day.weekday() - self.first) % 7 <= (self.last - self.first) % 7


@dataclass(frozen=True)
class Hours:
    """The hours of every week in a time zone, whose clocks may go forward and back."""

    shifts: tuple[Shift, ...]
    zone: ZoneInfo

    def end_at(self, moment: float) -> int:
        """When the hours end in which a moment lies, both in seconds of Unix time; 0 where it lies in none.

        Hours that follow each other without a break are one. Those that never end are told for a week ahead.
        """
        end = int(moment)
        while (later := max(self._ends_at(end), default=0)) and end - moment < _WEEK_SECONDS:
            end = later
        return end if end > moment else 0

    def _ends_at(self, moment: float) -> Iterator[int]:
        today = datetime.fromtimestamp(moment, self.zone).date()
        for day in (today - timedelta(days=1), today):
            for shift in self.shifts:
                if shift.begins_on(day):
                    ends = shift.end if shift.end > shift.begin else shift.end + _DAY_MINUTES
                    begin, end = self._at(day, shift.begin), self._at(day, ends)
                    if begin <= moment < end:
                        yield end

    def _at(self, day: date, minutes: int) -> int:
        """A minute of a day by the clocks of the zone; of a time that comes twice the first, of one that is passed over
        the one that clocks show instead."""
        days, rest = divmod(minutes, _DAY_MINUTES)
        told = time(*divmod(rest, 60))
        return int(datetime.combine(day + timedelta(days=days), told, self.zone).timestamp())


def read(text: str, zone: str) -> Hours:
    """Hours from their words: days and times, with `, ` between several (`mon-thu 06:00-22:00, fri 06:00-14:00`), by
    the clocks of a zone (`Europe/Berlin`).

    Times are from 00:00 to 24:00. Raises ValueError, which names the parameter of the stack that is wrong.
    """
    try:
        known = ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(
            f"ServingTimeZone is {zone!r}, which is no time zone: give one as the IANA names it, such as Europe/Berlin"
        ) from error
    return Hours(tuple(_shift(part) for part in text.split(", ")), known)


def _shift(text: str) -> Shift:
    told = _SHIFT.fullmatch(text)
    if told is not None:
        first, last, *numbers = told.groups()
        begin_hour, begin_minute, end_hour, end_minute = map(int, numbers)
        begin, end = 60 * begin_hour + begin_minute, 60 * end_hour + end_minute
        if begin < _DAY_MINUTES and end <= _DAY_MINUTES:
            return Shift(DAYS.index(first), DAYS.index(last or first), begin, end)
    raise ValueError(
        f"ServingHours says {text!r}: write days and times such as mon-fri 06:00-14:00, and a comma and a space "
        "between several"
    )
