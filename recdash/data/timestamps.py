"""What a column of times means: dates of some unit, or numbers that only say what came first. Nothing is rounded."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recdash.errors import Fixes

TimeKind = Literal["dates", "order"]

DATES_FROM = 10**8  # seconds since 1970, in 1973; smaller "times" are places in a row, not dates
EARLIEST, LATEST = -2_208_988_800, 4_102_444_800  # 1900 and 2100, in seconds since 1970
_NANO = 10**9
_UNITS = {1: "seconds", 10**3: "milliseconds", 10**6: "microseconds", _NANO: "nanoseconds"}
_EXCEL_1970, _EXCEL_2100 = 25_569, 73_051  # days since 30 December 1899
_DAY = 86_400
_FIRST = 1000  # values that are looked at before all others
_FEWEST_DAYS = 4  # that seconds spell by chance once in a thousand million files
_MOST = 0.9  # of the values; when so many spell dates, the others are errors
DAY_FIRST, MONTH_FIRST = "times are digits of dates, the day first", "times are digits of dates, the month first"
_DIGITS = {8: "%Y%m%d", 10: "%Y%m%d%H", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S", 17: "%Y%m%d%H%M%S%f"}


class Times(NamedTuple):
    """values: (n,) int64 in ticks.  ticks: how many of them make a second (or, of an order, one).  note: or ""."""

    values: NDArray[np.int64]
    ticks: int
    note: str = ""

    @property
    def kind(self) -> TimeKind:
        """What they mean."""
        return kind_of(self.values, self.ticks)


class Misfit(ValueError):
    """Values that do not belong in their column: the text says what is wrong with the first and what to do.

    wrong: (n,) which values; row: the first of them, from 0.  fixes: as of `DataError`.
    """

    def __init__(self, wrong: NDArray[np.bool_], text: str, fixes: Fixes | None = None) -> None:
        super().__init__(text)
        self.wrong, self.row = wrong, int(np.argmax(wrong))
        self.fixes: Fixes = fixes or {}


def kind_of(values: NDArray[np.int64], ticks: int) -> TimeKind:
    """Say whether times are dates, or too small for that and merely an order."""
    return "dates" if len(values) and int(values.max()) >= DATES_FROM * ticks else "order"


def from_numbers(
    whole: NDArray[np.int64], nanos: NDArray[np.int64] | None = None, *, named_date: bool = False
) -> Times:
    """Read numbers, each `whole` plus `nanos` billionths: seconds since 1970 or finer units, digits of dates, an order.

    The unit is found from all values together.  named_date: the column is called a date, so that whole numbers may be
    days of a spreadsheet.  Raises Misfit for the first value of another unit than most, or outside 1900 to 2100,
    and for digits that spell no date among those that do, or two dates.
    """
    if nanos is not None and not nanos.any():
        nanos = None
    low, high = int(whole.min(initial=0)), int(whole.max(initial=0))
    if nanos is None and (spelt := _spelt(whole) or _spelt_backwards(whole)) is not None:
        return spelt
    if (nanos is not None or named_date) and len(whole) and whole.min() >= _EXCEL_1970 and high < _EXCEL_2100:
        return _spreadsheet(whole, nanos)
    if nanos is None:
        _refuse_short_years(whole)
    if max(high, -low) < DATES_FROM:
        return _order(whole, nanos)
    unit = _unit(whole)
    _check_range(whole, unit)
    values, ticks = _coarsest(whole, unit) if nanos is None else _finer(whole, nanos, unit)
    early = int((np.abs(whole) < DATES_FROM).sum())
    notes = [f"times are {_UNITS[unit]}"] if unit > 1 else []
    if early:
        notes.append(
            f"{early:,} times are before 1973, the first {_shown(values, ticks)}; check that 0 is no missing time"
        )
    return Times(values, ticks, "; ".join(notes))


def from_datetimes(moments: NDArray[np.datetime64]) -> Times:
    """Read moments in UTC of any unit; raises Misfit for the first that is missing or outside 1900 to 2100."""
    unit = np.datetime_data(moments.dtype)[0]
    ticks = {"s": 1, "ms": 10**3, "us": 10**6, "ns": _NANO}.get(unit)
    if ticks is None:
        moments, ticks = moments.astype("datetime64[s]"), 1
    missing = np.isnat(moments)
    if missing.any():
        raise Misfit(missing, "the time is missing. Correct or remove that line.")
    values = moments.astype(np.int64)
    _check_range(values, ticks)
    return Times(*_coarsest(values, ticks))


def iso(value: int, ticks: int) -> str:
    """Say a moment as ISO 8601 in UTC, as exactly as the ticks are; a year that no calendar has as plain seconds."""
    whole, rest = divmod(int(value), ticks)
    try:
        said = datetime.fromtimestamp(whole, UTC).isoformat().removesuffix("+00:00")
    except (OverflowError, ValueError, OSError):
        return f"{value / ticks:.0f} seconds since 1970"
    digits = len(str(ticks)) - 1
    return f"{said}.{rest:0{digits}d}Z" if rest else f"{said}Z"


def _order(whole: NDArray[np.int64], nanos: NDArray[np.int64] | None) -> Times:
    values, ticks = (whole, 1) if nanos is None else _finer(whole, nanos, 1)
    return Times(values, ticks)


def _unit(whole: NDArray[np.int64]) -> int:
    """Ticks of a second of the unit that most values have.

    Raises Misfit for the first value that has another unit, or is no date in any.
    """
    size = np.abs(whole)
    small = size < DATES_FROM  # early dates among seconds; among finer units only 0, the beginning, can be one
    bands = {unit: (size >= DATES_FROM * unit) & (size <= LATEST * unit) for unit in _UNITS}
    unit = max(bands, key=lambda one: int(bands[one].sum()))
    fits = bands[unit] | (small if unit == 1 else whole == 0)
    if fits.all():
        return unit
    row = int(np.argmin(fits))
    other = next((name for one, name in _UNITS.items() if bands[one][row]), "seconds" if small[row] else None)
    if other is None or not bands[unit].any():
        raise Misfit(
            ~fits, f"the time {whole[row]} is outside 1900 to 2100 in any unit. Give seconds since 1970, or dates."
        )
    raise Misfit(
        ~fits, f"the time {whole[row]} reads as {other} where most are {_UNITS[unit]}. Give one unit throughout."
    )


def _check_range(values: NDArray[np.int64], ticks: int) -> None:
    outside = (values < EARLIEST * ticks) | (values >= LATEST * ticks)
    if outside.any():
        row = int(np.argmax(outside))
        said = iso(int(values[row]), ticks)
        raise Misfit(outside, f"the time {said} is outside 1900 to 2100. Correct it or remove that line.")


def _spelt(whole: NDArray[np.int64]) -> Times | None:
    """Digits that spell dates, such as 20110824 or 20110824093000, when nearly every value does so with as many.

    Raises Misfit for the values that do not.
    """
    digits = len(str(int(np.partition(whole, len(whole) // 2)[len(whole) // 2]))) if len(whole) else 0
    if digits not in _DIGITS:
        return None
    inside = (whole >= 1900 * 10 ** (digits - 4)) & (whole < 2100 * 10 ** (digits - 4))
    if inside.mean() < _MOST:
        return None
    year, rest = np.divmod(whole, 10 ** (digits - 4))
    parts: list[NDArray[np.int64]] = []
    left = digits - 4
    for _ in range(min(left // 2, 5)):
        left -= 2
        part, rest = np.divmod(rest, 10**left)
        parts.append(part)
    month, day, hour, minute, second = [*parts, *[np.zeros_like(whole)] * 3][:5]
    fits = inside & (hour < 24) & (minute < 60) & (second < 60)
    days, real = _days(year, month, day)
    fits &= real
    if fits.mean() < _MOST:
        return None
    _refuse_unspelt(whole, fits, int(days[fits][0]))
    moments = days * _DAY + hour * 3600 + minute * 60 + second
    ticks = 10**3 if digits == 17 else 1
    return Times(*_coarsest(moments * ticks + (rest if digits == 17 else 0), ticks), "times are digits of dates")


def _spelt_backwards(whole: NDArray[np.int64]) -> Times | None:
    """Digits of dates with the year last, such as 24082011, when nearly every value is one; a first zero may be lost.

    Raises Misfit for the values that are none, or two different ones.
    """
    shaped = (whole >= 1_01_1900) & (whole < 32_00_0000)
    if not len(whole) or shaped.mean() < _MOST:
        return None
    front, year = np.divmod(whole, 10_000)
    shaped &= (year >= 1900) & (year < 2100)
    first, second = np.divmod(front, 100)
    days, is_day_first = _days(year, second, first)
    months, is_month_first = _days(year, first, second)
    by_day, by_month = shaped & is_day_first, shaped & is_month_first
    if max(by_day.mean(), by_month.mean()) < _MOST:
        return None
    if by_day.sum() == by_month.sum() and np.any((days != months) & by_day & by_month):
        wrong = (days != months) & by_day & by_month
        row = int(np.argmax(wrong))
        raise Misfit(
            wrong,
            f"the time {whole[row]} may be {_date(int(days[row]))} or {_date(int(months[row]))}. Say which "
            "(--time-format).",
            {
                f"{whole[row]} is {_date(int(days[row]))}": {"time_format": "%d%m%Y"},
                f"{whole[row]} is {_date(int(months[row]))}": {"time_format": "%m%d%Y"},
            },
        )
    values, fits, note = (
        (days, by_day, DAY_FIRST) if by_day.sum() >= by_month.sum() else (months, by_month, MONTH_FIRST)
    )
    _refuse_unspelt(whole, fits, int(values[fits][0]))
    return Times(values * _DAY, 1, note)


def _refuse_short_years(whole: NDArray[np.int64]) -> None:
    """Raise Misfit for digits such as 1108240930 that all spell dates with short years, and are seconds as well."""
    if not len(whole) or whole.min() < 10**9 or whole.max() >= 10**10:
        return
    for values in (whole[:_FIRST], whole):
        year, month, day, hour, minute = (values // 10 ** (8 - 2 * place) % 100 for place in range(5))
        days, real = _days(2000 + year, month, day)
        if not (real & (hour < 24) & (minute < 60)).all():
            return
    if len(np.unique(days)) < _FEWEST_DAYS:
        return
    said = f"{_date(int(days[0]))} or a number of seconds ({iso(int(whole[0]), 1)})"
    raise Misfit(
        np.ones(len(whole), np.bool_),
        f"the time {whole[0]} may be {said}, and so may all others. Say which (--time-format '%y%m%d%H%M'), or write "
        "dates such as 2026-11-20.",
        {f"{whole[0]} is {_date(int(days[0]))}": {"time_format": "%y%m%d%H%M"}},
    )


def _days(
    year: NDArray[np.int64], month: NDArray[np.int64], day: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Days since 1970, and whether there is such a day; 31 February is none."""
    months = ((year - 1970) * 12 + month - 1).astype("datetime64[M]")
    days = months.astype("datetime64[D]") + (day - 1)
    real = (month >= 1) & (month <= 12) & (day >= 1) & (day <= 31) & (days.astype("datetime64[M]") == months)
    return days.astype(np.int64), real


def _refuse_unspelt(whole: NDArray[np.int64], fits: NDArray[np.bool_], day: int) -> None:
    """Raise Misfit for values that spell no date; day: that of the first which does."""
    if not fits.all():
        good, row = int(whole[np.argmax(fits)]), int(np.argmin(fits))
        raise Misfit(
            ~fits,
            f"the time {whole[row]} spells no date, where others do ({good} is {_date(day)}). Correct it or remove "
            "that line.",
        )


def _date(day: int) -> str:
    moment = datetime.fromtimestamp(day * _DAY, UTC)
    return f"{moment.day} {moment:%B %Y}"


def _spreadsheet(whole: NDArray[np.int64], nanos: NDArray[np.int64] | None) -> Times:
    """Days of a spreadsheet, whose fractions mean milliseconds at best."""
    total = (whole - _EXCEL_1970) * (_DAY * 1000)
    if nanos is not None:
        total = total + np.round(nanos * (_DAY * 1000 / _NANO)).astype(np.int64)
    return Times(*_coarsest(total, 1000), "times are days of a spreadsheet")


def _finer(whole: NDArray[np.int64], nanos: NDArray[np.int64], unit: int) -> tuple[NDArray[np.int64], int]:
    """Whole numbers of a unit and their billionths, as the coarsest ticks that keep every digit an int64 can."""
    digits = next(digits for digits in range(10) if not np.any(nanos % 10 ** (9 - digits)))
    while unit * 10**digits > _NANO and digits:  # finer than nanoseconds
        digits -= 1
    scale = 10**digits
    return whole * scale + nanos // 10 ** (9 - digits), unit * scale


def _coarsest(values: NDArray[np.int64], ticks: int) -> tuple[NDArray[np.int64], int]:
    """Drop zeros that all values end in."""
    while ticks > 1 and not np.any(values % 1000):
        values, ticks = values // 1000, ticks // 1000
    return values, ticks


def _shown(values: NDArray[np.int64], ticks: int) -> str:
    return iso(int(values[np.argmin(values)]), ticks)
