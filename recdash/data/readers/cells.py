"""The texts of cells as ids, numbers and times; what is none of these is told by its place, and never guessed at."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recdash.data.readers import time_formats
from recdash.data.readers.chunks import shown
from recdash.data.readers.time_formats import ISO, Undecided
from recdash.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

NUMBER = re.compile(r"\s*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?\s*", re.ASCII)
MISSING = frozenset(("", "nan", "null", "none", "\\n", "na", "n/a", "#n/a", "<na>", "nat", "(null)"))
_TRUTH = {"true": "1", "false": "0", "yes": "1", "no": "0"}
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
    whole, nanos, wrong = np.zeros(len(words), np.int64), np.zeros(len(words), np.int64), list[int]()
    for place, word in enumerate(words):
        plain = word.replace(",", ".") if comma else word
        try:
            whole[place], nanos[place] = _exact(plain)
        except (ValueError, OverflowError):
            wrong.append(place)
    are_numbers = len(wrong) <= len(words) / 2
    return Moments(whole, nanos if nanos.any() else None), {
        place: _no_time(words[place].strip(), are_numbers) for place in wrong
    }


def text_times(words: Any, layout: str) -> tuple[Moments, Bad]:
    """Read moments written as text; layout: `ISO`, or as strftime writes. Without a time zone they are UTC.

    Raises UsageError for a layout that cannot be used; DataError where an undecided one stays so, for a time that the
    possible ones read differently.
    """
    import pandas as pd

    texts = pd.Series(np.asarray(words, object)).str.strip()
    if isinstance(layout, Undecided):
        layout = _decided(texts, layout)
    parsed = _parsed(texts, layout)
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

    Where they fit several layouts alike, what comes after them decides (see `time_text.Undecided`).
    Raises DataError where day and month could be either way round, and for years of two digits and names of time zones.
    """
    texts = [time_formats.plain(word) for word in words if word.strip().lower() not in MISSING]
    if not texts or NUMBER.fullmatch(texts[0].replace(",", ".", 1)):
        return None
    if not _parsed(texts[:1], ISO).isna()[0]:
        return ISO
    layouts = time_formats.possible(texts[0])
    if not layouts:
        _refuse_unread(texts, what)
        return None
    undecided = Undecided(layouts, what)
    first = _decided(texts, undecided)
    return first if len(undecided.left) == 1 else undecided


def _parsed(texts: Any, layout: str) -> pd.Series[Any]:
    """Times in UTC, missing where a text is written otherwise."""
    import pandas as pd

    time_formats.check(layout)
    if not isinstance(texts, pd.Series):
        texts = pd.Series(np.asarray(texts, object))
    if time_formats.digits_of(layout):
        texts = texts.map(lambda text: time_formats.with_zeros(text, layout))
    parsed = pd.to_datetime(texts, format=layout, utc=True, errors="coerce")
    again = parsed.isna()
    if (
        again.any() and (again := again & (texts != "")).any()
    ):  # all of them, for the resolution that is found holds for all
        texts = texts.where(~again, texts[again].map(time_formats.plain))
        parsed = pd.to_datetime(texts, format=layout, utc=True, errors="coerce")
    if "%Z" in layout:  # names that depend on where the program runs
        parsed = parsed.where(texts.str.contains(r"\b(?:UTC|GMT|Z)\b", regex=True))
    found: pd.Series[Any] = parsed
    return found


def _decided(texts: Any, undecided: Undecided) -> str:
    """Leave the layouts that most of these times fit; raises DataError where two of them read a time differently."""
    readings = {layout: _parsed(texts, layout) for layout in undecided.left}
    missing = {layout: int(times.isna().sum()) for layout, times in readings.items()}
    undecided.left = [layout for layout in undecided.left if missing[layout] == min(missing.values())]
    first, *others = undecided.left
    for other in others:
        differs = (readings[first] != readings[other]) & readings[first].notna() & readings[other].notna()
        if differs.any():
            place = int(np.argmax(differs))
            text = np.asarray(texts, object)[place]
            raise DataError(
                f"{undecided.what} {shown(text)} may be {first} or {other}. Say which (--time-format).",
                fixes=dict(_as_day(text, layout) for layout in (first, other)),
            )
    return first


def _refuse_unread(texts: Sequence[str], what: str) -> None:
    """Raise DataError for times that are known as such, but leave open when they are."""
    if zone := time_formats.unknown_zone(texts[0]):
        raise DataError(
            f"{what} {shown(texts[0])} names the time zone {zone}, whose offset is not known. Write offsets such as "
            "+02:00, or times in UTC.",
            fixes={"Leave the times out": {"time": "none"}},
        )
    layouts = [one for one in time_formats.with_short_year(texts[0]) if not _parsed(texts, one).isna().any()]
    if layouts:
        readings = [_parsed(texts, layout) for layout in layouts[:2]]
        text = texts[int(np.argmax(readings[0] != readings[-1]))]
        said = " or ".join(f"'{layout}'" for layout in layouts)
        raise DataError(
            f"{what} {shown(text)} has a year of two digits. Say how it is written (--time-format {said}).",
            fixes=dict(_as_day(text, layout) for layout in layouts),
        )


def _as_day(text: str, layout: str) -> tuple[str, dict[str, object]]:
    """A fix for a layout: how it reads a text that another one reads differently."""
    day = _parsed([text], layout)[0]
    return f"{text} is {day.day} {day:%B %Y}", {"time_format": layout}


def _no_time(text: str, are_numbers: bool) -> str:
    """What is wrong with a time that is no number; are_numbers: most of the others are."""
    if not text:
        return "is empty"
    like_numbers = are_numbers or NUMBER.fullmatch(text)
    return f"is {shown(text)}, {'not a number like the other times' if like_numbers else time_formats.unread(text)}"


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
