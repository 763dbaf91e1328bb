"""Cells as ids, numbers and times; invalid cells are reported by their row, never guessed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recdash.data.readers import time_formats
from recdash.data.readers.time_formats import ISO, AmbiguousFormat
from recdash.errors import DataError, quote

if TYPE_CHECKING:
    import pandas as pd

NUMBER = re.compile(r"\s*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?\s*", re.ASCII)
MISSING = frozenset(("", "nan", "null", "none", "\\n", "na", "n/a", "#n/a", "<na>", "nat", "(null)"))
_BOOLEANS = {"true": "1", "false": "0", "yes": "1", "no": "0"}
LARGEST = float(np.finfo(np.float32).max)
_FRACTION_DIGITS = 9  # of a second, so nanoseconds

EncodedIds = tuple[NDArray[np.int64], list[str]]  # the code of each row's id, and the distinct ids, stripped
Problems = dict[int, str]  # what is wrong with a cell, by row


class RawTimes(NamedTuple):
    """Times as read: integer parts, (n,) int64 (seconds since 1970 for text), and nanoseconds or None."""

    whole: NDArray[np.int64]
    nanos: NDArray[np.int64] | None

    def take(self, rows: NDArray[Any]) -> RawTimes:
        """Return the selected rows; rows: indices or a mask."""
        return RawTimes(self.whole[rows], None if self.nanos is None else self.nanos[rows])


def parse_ids(texts: Any) -> tuple[EncodedIds, Problems]:
    """Encode ids, (n,) texts; missing values are problems."""
    import pandas as pd  # lazy: pandas

    codes, unique = pd.factorize(np.asarray(texts, object))
    ids = [text.strip() for text in unique]
    problem_of = {code: problem for code, name in enumerate(ids) if (problem := _id_problem(name))}
    problems = (
        {int(row): problem_of[int(codes[row])] for row in np.flatnonzero(np.isin(codes, list(problem_of)))}
        if problem_of
        else {}
    )
    return (codes, ids), problems


def parse_numbers(texts: Sequence[str], comma: bool) -> tuple[NDArray[np.float64], Problems]:
    """Parse numbers, (n,) texts; comma: whether they have a decimal comma."""
    values, problems = np.zeros(len(texts)), Problems()
    for index, text in enumerate(texts):
        plain = text.replace(",", ".") if comma and "." not in text else _BOOLEANS.get(text.strip().lower(), text)
        value = float(plain) if NUMBER.fullmatch(plain) else np.nan
        if abs(value) <= LARGEST:
            values[index] = value
        elif not text.strip():
            problems[index] = "is empty"
        else:
            hint = ", not a number"
            if "," in text and NUMBER.fullmatch(text.replace(",", ".", 1)):
                hint = ", a number with a comma unlike the others"
            problems[index] = f"is {quote(text)}{hint}"
    return values, problems


def parse_numeric_times(texts: Sequence[str], comma: bool = False) -> tuple[RawTimes, Problems]:
    """Parse numeric times exactly, down to nanoseconds; comma: whether they have a decimal comma."""
    whole, nanos, invalid = np.zeros(len(texts), np.int64), np.zeros(len(texts), np.int64), list[int]()
    for index, text in enumerate(texts):
        plain = text.replace(",", ".") if comma else text
        try:
            whole[index], nanos[index] = _parse_exact(plain)
        except (ValueError, OverflowError):
            invalid.append(index)
    are_numbers = len(invalid) <= len(texts) / 2
    return RawTimes(whole, nanos if nanos.any() else None), {
        index: _time_problem(texts[index].strip(), are_numbers) for index in invalid
    }


def parse_text_times(cells: Any, time_format: str) -> tuple[RawTimes, Problems]:
    """Parse times written as text; times without a zone are UTC.

    Args:
        cells: The texts of the column, (n,).
        time_format: `ISO`, or a format as for `strftime`.

    Raises:
        UsageError: The format is invalid.
        DataError: The format is an `AmbiguousFormat` and its candidates disagree about a time.
    """
    import pandas as pd  # lazy: pandas

    texts = pd.Series(np.asarray(cells, object)).str.strip()
    if isinstance(time_format, AmbiguousFormat):
        time_format = _decide_format(texts, time_format)
    parsed = _parse_times(texts, time_format)
    missing = parsed.isna().to_numpy()
    times = parsed.dt.tz_localize(None).to_numpy(copy=True)
    times[missing] = np.datetime64(0, "s")
    whole = times.astype("datetime64[s]")
    nanos = (times - whole).astype("timedelta64[ns]").astype(np.int64)
    problems = {
        int(index): "is empty"
        if not texts[index]
        else f"is {quote(texts[index])}, not a {_describe_format(time_format)}"
        for index in np.flatnonzero(missing)
    }
    return RawTimes(whole.astype(np.int64), nanos if nanos.any() else None), problems


def detect_time_format(cells: Sequence[str], subject: str) -> str | None:
    """Detect the format of times from the first cell; None for numbers and unknown formats.

    Args:
        cells: The first cells of the column.
        subject: Subject of messages, such as "mine.csv: the time".

    Returns:
        The format; an `AmbiguousFormat` if several formats fit all cells, for later cells to decide.

    Raises:
        DataError: Day and month are ambiguous, a year has two digits, or a time zone is given by name.
    """
    texts = [time_formats.normalise(cell) for cell in cells if cell.strip().lower() not in MISSING]
    if not texts or NUMBER.fullmatch(texts[0].replace(",", ".", 1)):
        return None
    if not _parse_times(texts[:1], ISO).isna()[0]:
        return ISO
    formats = time_formats.matching_formats(texts[0])
    if not formats:
        _refuse_ambiguous_times(texts, subject)
        return None
    ambiguous = AmbiguousFormat(formats, subject)
    first = _decide_format(texts, ambiguous)
    return first if len(ambiguous.candidates) == 1 else ambiguous


def _parse_times(texts: Any, time_format: str) -> pd.Series[Any]:
    """Parse times as UTC; NaT where a text does not match the format."""
    import pandas as pd  # lazy: pandas

    time_formats.check_format(time_format)
    if not isinstance(texts, pd.Series):
        texts = pd.Series(np.asarray(texts, object))
    if time_formats.digit_count(time_format):
        texts = texts.map(lambda text: time_formats.restore_leading_zero(text, time_format))
    parsed = pd.to_datetime(texts, format=time_format, utc=True, errors="coerce")
    unparsed = parsed.isna()
    # Parse all again: pandas infers one resolution for the whole column.
    if unparsed.any() and (unparsed := unparsed & (texts != "")).any():
        texts = texts.where(~unparsed, texts[unparsed].map(time_formats.normalise))
        parsed = pd.to_datetime(texts, format=time_format, utc=True, errors="coerce")
    if "%Z" in time_format:  # other zone names depend on the machine's locale
        parsed = parsed.where(texts.str.contains(r"\b(?:UTC|GMT|Z)\b", regex=True))
    found: pd.Series[Any] = parsed
    return found


def _decide_format(texts: Any, ambiguous: AmbiguousFormat) -> str:
    """Keep the candidates that fit most times; raises DataError if two of them disagree about a time."""
    readings = {time_format: _parse_times(texts, time_format) for time_format in ambiguous.candidates}
    missing = {time_format: int(times.isna().sum()) for time_format, times in readings.items()}
    ambiguous.candidates = [
        time_format for time_format in ambiguous.candidates if missing[time_format] == min(missing.values())
    ]
    first, *others = ambiguous.candidates
    for other in others:
        differs = (readings[first] != readings[other]) & readings[first].notna() & readings[other].notna()
        if differs.any():
            index = int(np.argmax(differs))
            text = np.asarray(texts, object)[index]
            raise DataError(
                f"{ambiguous.subject} {quote(text)} may be {first} or {other}. Give the format (--time-format).",
                fixes=dict(_format_fix(text, time_format) for time_format in (first, other)),
            )
    return first


def _refuse_ambiguous_times(texts: Sequence[str], subject: str) -> None:
    """Raise DataError for times that are recognised but ambiguous: named time zones, two-digit years."""
    if zone := time_formats.unknown_zone(texts[0]):
        raise DataError(
            f"{subject} {quote(texts[0])} names the time zone {zone}, whose offset is unknown. Write offsets such as "
            "+02:00, or times in UTC.",
            fixes={"Ignore the times": {"time": "none"}},
        )
    formats = [
        candidate
        for candidate in time_formats.matching_short_year_formats(texts[0])
        if not _parse_times(texts, candidate).isna().any()
    ]
    if formats:
        readings = [_parse_times(texts, time_format) for time_format in formats[:2]]
        text = texts[int(np.argmax(readings[0] != readings[-1]))]
        options = " or ".join(f"'{time_format}'" for time_format in formats)
        raise DataError(
            f"{subject} {quote(text)} has a two-digit year. Give the format (--time-format {options}).",
            fixes=dict(_format_fix(text, time_format) for time_format in formats),
        )


def _format_fix(text: str, time_format: str) -> tuple[str, dict[str, object]]:
    """Return a fix that selects a format, labelled with the day it gives for an ambiguous text."""
    day = _parse_times([text], time_format)[0]
    return f"{text} is {day.day} {day:%B %Y}", {"time_format": time_format}


def _time_problem(text: str, are_numbers: bool) -> str:
    """Describe a cell that is no numeric time; are_numbers: whether most other times are numbers."""
    if not text:
        return "is empty"
    if are_numbers or NUMBER.fullmatch(text):
        return f"is {quote(text)}, not a number like the other times"
    return f"is {quote(text)}, {time_formats.describe_unreadable(text)}"


def _id_problem(name: str) -> str:
    if name.lower() in MISSING:
        return f"is {quote(name)}, a missing value" if name else "is empty"
    return f"is {quote(name)}, which spans several lines" if len(name.splitlines()) > 1 else ""


def _parse_exact(cell: str) -> tuple[int, int]:
    """Split a number into its integer part, rounded down, and nanoseconds."""
    text = cell.strip()
    if not NUMBER.fullmatch(text):
        raise ValueError(text)
    if text.isascii() and text.isdecimal():
        return int(text), 0
    if not abs(float(text)) < 2.0**63:  # checked first: 1e999999999 would expand to a billion digits
        raise OverflowError(text)
    scaled = int((Decimal(text) * 10**_FRACTION_DIGITS).to_integral_value("ROUND_FLOOR"))
    whole, nanos = divmod(scaled, 10**_FRACTION_DIGITS)
    return whole, nanos


def _describe_format(time_format: str) -> str:
    return (
        "date such as 2026-11-20 or 2026-11-20T18:30:00Z"
        if time_format == ISO
        else f"date like the others ({time_format})"
    )
