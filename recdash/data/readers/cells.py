"""The texts of cells as ids, numbers and times; what is none of these is told by its place, and never guessed at."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recdash.data.readers.blocks import shown
from recdash.errors import DataError

NUMBER = re.compile(r"\s*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?\s*", re.ASCII)
MISSING = frozenset(("", "nan", "null", "none", "\\n", "na", "n/a", "#n/a", "<na>", "nat", "(null)"))
_TRUTH = {"true": "1", "false": "0", "yes": "1", "no": "0"}
ISO = "ISO8601"
_DATES = ("%Y/%m/%d", "%Y.%m.%d", "%d.%m.%Y", "%m/%d/%Y", "%d/%m/%Y", "%m-%d-%Y", "%d-%m-%Y", "%m %d, %Y", "%b %d, %Y",
    "%B %d, %Y", "%d %b %Y", "%d %B %Y", "%d-%b-%Y")  # fmt: skip
_CLOCKS = ("", " %H:%M", " %H:%M:%S", " %H:%M:%S.%f", " %I:%M %p", " %I:%M:%S %p")
_LONG = ("%a %b %d %H:%M:%S %z %Y", "%a, %d %b %Y %H:%M:%S %z", "%a %b %d %H:%M:%S %Y", "%d/%b/%Y:%H:%M:%S %z",
    "%Y-%m-%d %H:%M:%S %Z", "%Y-%m-%dT%H:%M:%S.%f%z")  # fmt: skip
TEXT_FORMATS = (*(date + clock for date in _DATES for clock in _CLOCKS), *_LONG)
LARGEST = float(np.finfo(np.float32).max)
_DIGITS = 9  # of a fraction of a second that are kept

Coded = tuple[NDArray[np.int64], list[str]]  # the code of each id, and the distinct ids without outer spaces
Bad = dict[int, str]  # what is wrong with a cell, by its place in the column


class Moments(NamedTuple):
    """Numbers or moments as read: (n,) int64 whole ones (for text: seconds since 1970), and billionths or None."""

    whole: NDArray[np.int64]
    nanos: NDArray[np.int64] | None

    def take(self, rows: NDArray[Any]) -> Moments:
        """Return the chosen ones."""
        return Moments(self.whole[rows], None if self.nanos is None else self.nanos[rows])


def ids(words: Any) -> tuple[Coded, Bad]:
    """Read ids, (n,) texts."""
    import pandas as pd

    codes, unique = pd.factorize(np.asarray(words, object))
    names = [word.strip() for word in unique]
    wrong = {code: said for code, name in enumerate(names) if (said := _wrong_id(name))}
    bad = {int(row): wrong[int(codes[row])] for row in np.flatnonzero(np.isin(codes, list(wrong)))} if wrong else {}
    return (codes, names), bad


def numbers(words: Sequence[str], comma: bool) -> tuple[NDArray[np.float64], Bad]:
    """Read numbers, (n,) texts; comma: it stands before the decimals in place of a point."""
    values, bad = np.zeros(len(words)), Bad()
    for place, word in enumerate(words):
        plain = word.replace(",", ".") if comma and "." not in word else _TRUTH.get(word.strip().lower(), word)
        value = float(plain) if NUMBER.fullmatch(plain) else np.nan
        if abs(value) <= LARGEST:
            values[place] = value
        elif not word.strip():
            bad[place] = "is empty"
        else:
            hint = ", not a number"
            if "," in word and NUMBER.fullmatch(word.replace(",", ".", 1)):
                hint = ", a number with a comma where the others have none"
            bad[place] = f"is {shown(word)}{hint}"
    return values, bad


def number_times(words: Sequence[str], comma: bool = False) -> tuple[Moments, Bad]:
    """Read numbers of any resolution down to a billionth, exactly."""
    whole, nanos, bad = np.zeros(len(words), np.int64), np.zeros(len(words), np.int64), Bad()
    for place, word in enumerate(words):
        plain = word.replace(",", ".") if comma else word
        try:
            whole[place], nanos[place] = _exact(plain)
        except (ValueError, OverflowError):
            bad[place] = "is empty" if not word.strip() else f"is {shown(word)}, not a number like the other times"
    return Moments(whole, nanos if nanos.any() else None), bad


def text_times(words: Any, layout: str) -> tuple[Moments, Bad]:
    """Read moments written as text; layout: `ISO`, or as strftime writes. Without a time zone they are UTC."""
    import pandas as pd

    texts = pd.Series(np.asarray(words, object)).str.strip()
    parsed = pd.to_datetime(texts, format=layout, utc=True, errors="coerce")
    missing = parsed.isna().to_numpy()
    moments = parsed.dt.tz_localize(None).to_numpy(copy=True)
    moments[missing] = np.datetime64(0, "s")
    whole = moments.astype("datetime64[s]")
    nanos = (moments - whole).astype("timedelta64[ns]").astype(np.int64)
    bad = {
        int(place): "is empty" if not texts[place] else f"is {shown(texts[place])}, not a {_example(layout)}"
        for place in np.flatnonzero(missing)
    }
    return Moments(whole.astype(np.int64), nanos if nanos.any() else None), bad


def text_format(words: Sequence[str], what: str) -> str | None:
    """Return how these times are written, None when they are numbers or nothing known; the first of them decides.

    Raises DataError where day and month could be either way round in all of them.
    """
    texts = [word.strip() for word in words if word.strip()]
    if not texts or NUMBER.fullmatch(texts[0].replace(",", ".", 1)):
        return None
    possible = [ISO] if _fits(texts[:1], ISO) else [layout for layout in TEXT_FORMATS if _is_written(texts[0], layout)]
    fitting = [layout for layout in possible if _fits(texts, layout)] or possible[:1]
    if len(fitting) > 1 and fitting[0] != ISO:
        first, second = (text_times(texts, layout)[0].whole for layout in fitting[:2])
        if np.any(first != second):
            raise DataError(
                f"{what} {shown(texts[0])} may be {fitting[0]} or {fitting[1]}. Say which (--time-format).",
                fixes=dict(_as_day(texts, int(np.argmax(first != second)), layout) for layout in fitting[:2]),
            )
    return fitting[0] if fitting else None


def _as_day(texts: Sequence[str], place: int, layout: str) -> tuple[str, dict[str, object]]:
    """A fix for a format: how it reads a text that the other one reads differently."""
    day = datetime.fromtimestamp(int(text_times(texts, layout)[0].whole[place]), UTC)
    return f"{texts[place]} is {day.day} {day:%B %Y}", {"time_format": layout}


def _fits(texts: Sequence[str], layout: str) -> bool:
    try:
        return not text_times(texts, layout)[1]
    except (ValueError, OverflowError):
        return False


def _is_written(text: str, layout: str) -> bool:
    """Whether one time is written so; faster than `_fits`."""
    try:
        datetime.strptime(text, layout)
    except ValueError:
        return False
    return True


def _wrong_id(name: str) -> str:
    if name.lower() in MISSING:
        return f"is {shown(name)}, a missing value" if name else "is empty"
    return f"is {shown(name)}, which runs over several lines" if len(name.splitlines()) > 1 else ""


def _exact(word: str) -> tuple[int, int]:
    """The whole part, rounded down, and the billionths of a number."""
    text = word.strip()
    if not NUMBER.fullmatch(text):
        raise ValueError(text)
    if text.isascii() and text.isdecimal():
        return int(text), 0
    if not abs(float(text)) < 2.0**63:  # before its digits are written out, which may be a billion
        raise OverflowError(text)
    scaled = int((Decimal(text) * 10**_DIGITS).to_integral_value("ROUND_FLOOR"))
    whole, nanos = divmod(scaled, 10**_DIGITS)
    return whole, nanos


def _example(layout: str) -> str:
    return "date such as 2026-11-20 or 2026-11-20T18:30:00Z" if layout == ISO else f"date like the others ({layout})"
