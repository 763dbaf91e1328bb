"""Formats of textual times: the supported ones, and explanations for the others."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from functools import cache

from recdash.errors import UsageError, quote

ISO = "ISO8601"
_DATES = ("%Y/%m/%d", "%Y.%m.%d", "%d.%m.%Y", "%m/%d/%Y", "%d/%m/%Y", "%m-%d-%Y", "%d-%m-%Y", "%m %d, %Y", "%b %d, %Y",
    "%B %d, %Y", "%d %b %Y", "%d %B %Y", "%d-%b-%Y", "%Y-%m-%d")  # fmt: skip
_CLOCKS = ("", " %H:%M", " %H:%M:%S", " %H:%M:%S.%f", " %I:%M %p", " %I:%M:%S %p")
_LONG_FORMATS = ("%a %b %d %H:%M:%S %z %Y", "%a, %d %b %Y %H:%M:%S %z", "%a %b %d %H:%M:%S %Y", "%d/%b/%Y:%H:%M:%S %z",
    "%a %b %d %Y %H:%M:%S GMT%z", "%Y-%m-%dT%H:%M:%S.%f%z")  # fmt: skip
_FORMATS = (*(date + clock for date in _DATES for clock in _CLOCKS), *_LONG_FORMATS)
_SHORT_YEARS = ("%d.%m.%y", "%m/%d/%y", "%d/%m/%y", "%y/%m/%d", "%y-%m-%d", "%d-%m-%y", "%m-%d-%y", "%d-%b-%y",
    "%d %b %y", "%b %d, %y")  # fmt: skip
_WIDTHS = {"Y": 4, "y": 2, "m": 2, "d": 2, "H": 2, "M": 2, "S": 2}  # digits of each directive
_CLOCK = re.compile(r"\d{1,2}:\d\d(:\d\d([.,]\d+)?)?( ?[AaPp][Mm])?")
_ZONE = re.compile(r"\d ?([A-Z][A-Za-z]{1,4})")
_ZONES = frozenset(("UTC", "GMT", "AM", "PM", "Z"))
_ZONE_COMMENT = re.compile(r"(?<=[+-]\d{4}) *\([^)]*\)$")  # a zone name after its offset
_UTC_SUFFIX = re.compile(r"(?<=[\d.]) ?(?:UTC|GMT)$")
_COMMA_BEFORE_FRACTION = re.compile(r"(?<=:\d\d),(?=\d{1,9}(?!\d))")


class AmbiguousFormat(str):
    """Several formats that fit all times so far, such as day first and month first; a later time decides.

    Attributes:
        candidates: The formats still possible.
        subject: Subject of messages, such as "mine.csv: the time".
    """

    candidates: list[str]
    subject: str

    def __new__(cls, formats: Sequence[str], subject: str) -> AmbiguousFormat:
        """Create from formats in the order in which messages list them."""
        made = super().__new__(cls, " or ".join(formats))
        made.candidates, made.subject = list(formats), subject
        return made


@cache
def check_format(time_format: str) -> None:
    """Raise UsageError unless a format, as for `strftime`, is valid and has a year."""
    import pandas as pd  # lazy: pandas

    if time_format == ISO:
        return
    advice = "For example: '%d.%m.%Y %H:%M'."
    try:
        pd.to_datetime(pd.Series(["x"]), format=time_format, utc=True, errors="coerce")
    except (ValueError, TypeError, re.error) as error:
        problem = str(error).splitlines()[0].rstrip(".")
        raise UsageError(f"The time format {quote(time_format)} is invalid: {problem}. {advice}") from error
    if not re.search("%[YyG]", time_format):
        raise UsageError(f"The time format {quote(time_format)} has no year. {advice}")


def normalise(text: str) -> str:
    """Normalise a time: no UTC suffix or zone comment, and a point before fractions of a second."""
    return _COMMA_BEFORE_FRACTION.sub(".", _UTC_SUFFIX.sub("", _ZONE_COMMENT.sub("", text.strip())))


def restore_leading_zero(text: str, time_format: str) -> str:
    """Restore a leading zero lost by a date of digits such as 1012010; "" if more digits are missing."""
    width = digit_count(time_format)
    if not width or not (text.isascii() and text.isdecimal()):
        return text
    return text.zfill(width) if width - 1 <= len(text) <= width else ""


def digit_count(time_format: str) -> int:
    """Return the number of digits of a format without separators, such as %d%m%Y; 0 for other formats."""
    parts = time_format.removeprefix("%").split("%")
    return sum(_WIDTHS[part] for part in parts) if all(part in _WIDTHS for part in parts) and parts[1:] else 0


def matching_formats(text: str) -> list[str]:
    """Return the supported formats that match a time."""
    return [time_format for time_format in _FORMATS if _matches(text, time_format)]


def matching_short_year_formats(text: str) -> list[str]:
    """Return the formats with a two-digit year that match a time."""
    return [date + clock for date in _SHORT_YEARS for clock in _CLOCKS if _matches(text, date + clock)]


def unknown_zone(text: str) -> str:
    """Return the time zone name that a time ends with; "" for none and for UTC."""
    found = _ZONE.search(text)
    ends = found is not None and found.end() == len(text)
    return (
        found[1]
        if found and ends and found[1].upper() not in _ZONES and _is_readable_without_zone(text, found[1])
        else ""
    )


def _is_readable_without_zone(text: str, zone: str) -> bool:
    """Whether a time is readable without its zone name."""
    rest = text.removesuffix(zone).strip()
    try:
        datetime.fromisoformat(rest)
    except ValueError:
        return bool(matching_formats(rest))
    return True


def describe_unreadable(text: str) -> str:
    """Describe a text that is not a readable time, and how to fix it."""
    if re.fullmatch(r"[+-]?\d,\d+[eE]\+?\d+", text):
        return "a number truncated by a spreadsheet; export the times in full"
    if _CLOCK.fullmatch(text):
        return "a time of day without a date; give a column of dates (--time COLUMN), or none (--time none)"
    if re.search(r"\d[ T]24:\d\d", text):
        return "a time with hour 24; write 00:00 of the next day"
    return "not a known time format; give the format (--time-format '%d.%m.%Y')"


def _matches(text: str, time_format: str) -> bool:
    """Whether a time matches a format."""
    try:
        datetime.strptime(text, time_format)
    except ValueError:
        return False
    return True
