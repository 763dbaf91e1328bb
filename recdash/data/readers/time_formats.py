"""How times are written as text: the layouts that are read, and what to say about those that are not."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from functools import cache

from recdash.data.readers.chunks import shown
from recdash.errors import UsageError

ISO = "ISO8601"
_DATES = ("%Y/%m/%d", "%Y.%m.%d", "%d.%m.%Y", "%m/%d/%Y", "%d/%m/%Y", "%m-%d-%Y", "%d-%m-%Y", "%m %d, %Y", "%b %d, %Y",
    "%B %d, %Y", "%d %b %Y", "%d %B %Y", "%d-%b-%Y", "%Y-%m-%d")  # fmt: skip
_CLOCKS = ("", " %H:%M", " %H:%M:%S", " %H:%M:%S.%f", " %I:%M %p", " %I:%M:%S %p")
_LONG = ("%a %b %d %H:%M:%S %z %Y", "%a, %d %b %Y %H:%M:%S %z", "%a %b %d %H:%M:%S %Y", "%d/%b/%Y:%H:%M:%S %z",
    "%a %b %d %Y %H:%M:%S GMT%z", "%Y-%m-%dT%H:%M:%S.%f%z")  # fmt: skip
_READ = (*(date + clock for date in _DATES for clock in _CLOCKS), *_LONG)
_SHORT_YEARS = ("%d.%m.%y", "%m/%d/%y", "%d/%m/%y", "%y/%m/%d", "%y-%m-%d", "%d-%m-%y", "%m-%d-%y", "%d-%b-%y",
    "%d %b %y", "%b %d, %y")  # fmt: skip
_WIDTHS = {"Y": 4, "y": 2, "m": 2, "d": 2, "H": 2, "M": 2, "S": 2}  # digits of each part
_CLOCK = re.compile(r"\d{1,2}:\d\d(:\d\d([.,]\d+)?)?( ?[AaPp][Mm])?")
_ZONE = re.compile(r"\d ?([A-Z][A-Za-z]{1,4})")
_ZONES = frozenset(("UTC", "GMT", "AM", "PM", "Z"))
_COMMENT = re.compile(r"(?<=[+-]\d{4}) *\([^)]*\)$")  # the name of a zone whose offset is given
_UTC = re.compile(r"(?<=[\d.]) ?(?:UTC|GMT)$")
_FRACTION = re.compile(r"(?<=:\d\d),(?=\d{1,9}(?!\d))")


class Undecided(str):
    """Layouts that all times so far fit alike, the day before the month in one; a later time decides.

    left: those that are still possible.  what: how messages call the time.
    """

    left: list[str]
    what: str

    def __new__(cls, layouts: Sequence[str], what: str) -> Undecided:
        """Take the layouts in the order in which they are shown."""
        made = super().__new__(cls, " or ".join(layouts))
        made.left, made.what = list(layouts), what
        return made


@cache
def check(layout: str) -> None:
    """Raise UsageError unless a layout, as strftime writes, says what a moment is."""
    import pandas as pd

    if layout == ISO:
        return
    advice = "Write for example '%d.%m.%Y %H:%M'."
    try:
        pd.to_datetime(pd.Series(["x"]), format=layout, utc=True, errors="coerce")
    except (ValueError, TypeError, re.error) as error:
        said = str(error).splitlines()[0].rstrip(".")
        raise UsageError(f"The time format {shown(layout)} cannot be used: {said}. {advice}") from error
    if not re.search("%[YyG]", layout):
        raise UsageError(f"The time format {shown(layout)} has no year. {advice}")


def plain(text: str) -> str:
    """Write a time in its usual form: UTC is left unsaid, and a point stands before fractions of a second."""
    return _FRACTION.sub(".", _UTC.sub("", _COMMENT.sub("", text.strip())))


def with_zeros(text: str, layout: str) -> str:
    """Give back the first zero that digits without marks between them lost; "" where another one is missing."""
    width = digits_of(layout)
    if not width or not (text.isascii() and text.isdecimal()):
        return text
    return text.zfill(width) if width - 1 <= len(text) <= width else ""


def digits_of(layout: str) -> int:
    """How many digits a time has in a layout of digits alone, such as %d%m%Y; 0 in others."""
    parts = layout.removeprefix("%").split("%")
    return sum(_WIDTHS[part] for part in parts) if all(part in _WIDTHS for part in parts) and parts[1:] else 0


def possible(text: str) -> list[str]:
    """Return the layouts that are read and may be that of one time."""
    return [layout for layout in _READ if _is_written(text, layout)]


def with_short_year(text: str) -> list[str]:
    """Return the layouts with a year of two digits that may be that of one time."""
    return [date + clock for date in _SHORT_YEARS for clock in _CLOCKS if _is_written(text, date + clock)]


def unknown_zone(text: str) -> str:
    """Return the name of a time zone that a time ends in; "" without one, or for UTC."""
    found = _ZONE.search(text)
    ends = found is not None and found.end() == len(text)
    return found[1] if found and ends and found[1].upper() not in _ZONES and possible_date(text, found[1]) else ""


def possible_date(text: str, zone: str) -> bool:
    """Whether a time without the name of its zone can be read."""
    rest = text.removesuffix(zone).strip()
    try:
        datetime.fromisoformat(rest)
    except ValueError:
        return bool(possible(rest))
    return True


def unread(text: str) -> str:
    """Say what a text is that is no time, and how to have it read."""
    if re.fullmatch(r"[+-]?\d,\d+[eE]\+?\d+", text):
        return "a number that a spreadsheet cut short; export the times in full"
    if _CLOCK.fullmatch(text):
        return "a time of day without a date; name a column of dates (--time COLUMN), or none (--time none)"
    if re.search(r"\d[ T]24:\d\d", text):
        return "a time with the hour 24; write 00:00 of the next day"
    return "not a time that is known; say how it is written (--time-format '%d.%m.%Y')"


def _is_written(text: str, layout: str) -> bool:
    """Whether one time is written so."""
    try:
        datetime.strptime(text, layout)
    except ValueError:
        return False
    return True
