"""Interpretation of a time column: dates of some unit, or numbers that give only an order. Nothing is rounded."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recdash.errors import Fixes

TimeKind = Literal["dates", "order"]

DATES_FROM = 10**8  # seconds since 1970, in March 1973; smaller "times" are positions in a sequence, not dates
EARLIEST, LATEST = -2_208_988_800, 4_102_444_800  # 1900 and 2100, in seconds since 1970
_NANO = 10**9
_UNITS = {1: "seconds", 10**3: "milliseconds", 10**6: "microseconds", _NANO: "nanoseconds"}
_EXCEL_1970, _EXCEL_2100 = 25_569, 73_051  # days since 30 December 1899
_DAY = 86_400
_SAMPLE_SIZE = 1000  # values that are checked before all others, to return early
_MIN_DAYS = 4  # distinct days; seconds since 1970 look like so many dates once in 10^9 files
_MIN_DATE_SHARE = 0.9  # of the values; if so many are digits of dates, the others are errors
DAY_FIRST, MONTH_FIRST = "times are digits of dates, day first", "times are digits of dates, month first"
_DATE_FORMATS = {8: "%Y%m%d", 10: "%Y%m%d%H", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S", 17: "%Y%m%d%H%M%S%f"}


class Times(NamedTuple):
    """A parsed time column.

    Attributes:
        values: (n,) int64, in ticks since 1970, or any numbers for an order.
        ticks: Ticks per second; for an order, per unit.
        note: Remark for the dataset, or "".
    """

    values: NDArray[np.int64]
    ticks: int
    note: str = ""

    @property
    def kind(self) -> TimeKind:
        """Meaning of the values: "dates" or "order"."""
        return kind_of(self.values, self.ticks)


class ColumnError(ValueError):
    """Invalid values in a column. The message describes the first one and how to fix it.

    Attributes:
        wrong: (n,) bool, marks the invalid values.
        row: Index of the first of them.
        fixes: Reading options that resolve the problem, as in `DataError`.
    """

    def __init__(self, wrong: NDArray[np.bool_], text: str, fixes: Fixes | None = None) -> None:
        super().__init__(text)
        self.wrong, self.row = wrong, int(np.argmax(wrong))
        self.fixes: Fixes = fixes or {}


def kind_of(values: NDArray[np.int64], ticks: int) -> TimeKind:
    """Return "dates", or "order" for values too small to be dates."""
    return "dates" if len(values) and int(values.max()) >= DATES_FROM * ticks else "order"


def from_numbers(
    whole: NDArray[np.int64], nanos: NDArray[np.int64] | None = None, *, named_date: bool = False
) -> Times:
    """Parse numbers: seconds since 1970 or finer units, digits of dates, spreadsheet days, or an order.

    The unit is detected from all values together.

    Args:
        whole: (n,) whole parts.
        nanos: (n,) fractions in billionths; None if there are none.
        named_date: Whether the column name says "date", so that whole numbers may be spreadsheet days.

    Raises:
        ColumnError: A value has another unit than most, is outside 1900 to 2100, is not a date where the others are, or
            can be read as two dates.
    """
    if nanos is not None and not nanos.any():
        nanos = None
    low, high = int(whole.min(initial=0)), int(whole.max(initial=0))
    if nanos is None and (dates := _digits_year_first(whole) or _digits_year_last(whole)) is not None:
        return dates
    if (nanos is not None or named_date) and len(whole) and whole.min() >= _EXCEL_1970 and high < _EXCEL_2100:
        return _from_spreadsheet_days(whole, nanos)
    if nanos is None:
        _refuse_ambiguous_digits(whole)
    if max(high, -low) < DATES_FROM:
        return _as_order(whole, nanos)
    unit = _unit(whole)
    _check_range(whole, unit)
    values, ticks = _coarsest_ticks(whole, unit) if nanos is None else _with_fractions(whole, nanos, unit)
    early = int((np.abs(whole) < DATES_FROM).sum())
    notes = [f"times are {_UNITS[unit]}"] if unit > 1 else []
    if early:
        notes.append(
            f"{early:,} times are before 1973, the first {_format_earliest(values, ticks)}; check that 0 does not mean "
            "a missing time"
        )
    return Times(values, ticks, "; ".join(notes))


def from_datetimes(moments: NDArray[np.datetime64]) -> Times:
    """Parse UTC datetimes of any unit. Raises ColumnError for a missing one or one outside 1900 to 2100."""
    unit = np.datetime_data(moments.dtype)[0]
    ticks = {"s": 1, "ms": 10**3, "us": 10**6, "ns": _NANO}.get(unit)
    if ticks is None:
        moments, ticks = moments.astype("datetime64[s]"), 1
    missing = np.isnat(moments)
    if missing.any():
        raise ColumnError(missing, "the time is missing. Fix or remove this line.")
    values = moments.astype(np.int64)
    _check_range(values, ticks)
    return Times(*_coarsest_ticks(values, ticks))


def format_time(value: int, ticks: int) -> str:
    """Format a time as ISO 8601 in UTC with the precision of its ticks; out of calendar range, as seconds."""
    whole, rest = divmod(int(value), ticks)
    try:
        text = datetime.fromtimestamp(whole, UTC).isoformat().removesuffix("+00:00")
    except (OverflowError, ValueError, OSError):
        return f"{value / ticks:.0f} seconds since 1970"
    digits = len(str(ticks)) - 1
    return f"{text}.{rest:0{digits}d}Z" if rest else f"{text}Z"


def _as_order(whole: NDArray[np.int64], nanos: NDArray[np.int64] | None) -> Times:
    values, ticks = (whole, 1) if nanos is None else _with_fractions(whole, nanos, 1)
    return Times(values, ticks)


def _unit(whole: NDArray[np.int64]) -> int:
    """Return the ticks per second of the unit of most values.

    Raises ColumnError for the first value with another unit, or that is not a date in any unit.
    """
    size = np.abs(whole)
    small = size < DATES_FROM  # early dates in seconds; in finer units only 0 (1970) can be a date
    bands = {unit: (size >= DATES_FROM * unit) & (size <= LATEST * unit) for unit in _UNITS}
    unit = max(bands, key=lambda candidate: int(bands[candidate].sum()))
    fits = bands[unit] | (small if unit == 1 else whole == 0)
    if fits.all():
        return unit
    row = int(np.argmin(fits))
    other = next(
        (name for candidate, name in _UNITS.items() if bands[candidate][row]), "seconds" if small[row] else None
    )
    if other is None or not bands[unit].any():
        raise ColumnError(
            ~fits, f"the time {whole[row]} is outside 1900 to 2100 in any unit. Give seconds since 1970, or dates."
        )
    raise ColumnError(
        ~fits, f"the time {whole[row]} reads as {other} where most are {_UNITS[unit]}. Give one unit throughout."
    )


def _check_range(values: NDArray[np.int64], ticks: int) -> None:
    outside = (values < EARLIEST * ticks) | (values >= LATEST * ticks)
    if outside.any():
        row = int(np.argmax(outside))
        text = format_time(int(values[row]), ticks)
        raise ColumnError(outside, f"the time {text} is outside 1900 to 2100. Fix or remove this line.")


def _digits_year_first(whole: NDArray[np.int64]) -> Times | None:
    """Parse digits of dates such as 20110824 or 20110824093000, if nearly all values have this form and length.

    Raises ColumnError for the values that have not.
    """
    digits = len(str(int(np.partition(whole, len(whole) // 2)[len(whole) // 2]))) if len(whole) else 0
    if digits not in _DATE_FORMATS:
        return None
    inside = (whole >= 1900 * 10 ** (digits - 4)) & (whole < 2100 * 10 ** (digits - 4))
    if inside.mean() < _MIN_DATE_SHARE:
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
    if fits.mean() < _MIN_DATE_SHARE:
        return None
    _refuse_invalid_digits(whole, fits, int(days[fits][0]))
    moments = days * _DAY + hour * 3600 + minute * 60 + second
    ticks = 10**3 if digits == 17 else 1
    return Times(*_coarsest_ticks(moments * ticks + (rest if digits == 17 else 0), ticks), "times are digits of dates")


def _digits_year_last(whole: NDArray[np.int64]) -> Times | None:
    """Parse digits of dates with the year last, such as 24082011, if nearly all values are dates.

    A leading zero may be missing. Raises ColumnError for values that are not dates or are ambiguous.
    """
    shaped = (whole >= 1_01_1900) & (whole < 32_00_0000)
    if not len(whole) or shaped.mean() < _MIN_DATE_SHARE:
        return None
    front, year = np.divmod(whole, 10_000)
    shaped &= (year >= 1900) & (year < 2100)
    first, second = np.divmod(front, 100)
    days, is_day_first = _days(year, second, first)
    months, is_month_first = _days(year, first, second)
    by_day, by_month = shaped & is_day_first, shaped & is_month_first
    if max(by_day.mean(), by_month.mean()) < _MIN_DATE_SHARE:
        return None
    if by_day.sum() == by_month.sum() and np.any((days != months) & by_day & by_month):
        wrong = (days != months) & by_day & by_month
        row = int(np.argmax(wrong))
        raise ColumnError(
            wrong,
            f"the time {whole[row]} may be {_date(int(days[row]))} or {_date(int(months[row]))}. Choose one with "
            "--time-format.",
            {
                f"{whole[row]} is {_date(int(days[row]))}": {"time_format": "%d%m%Y"},
                f"{whole[row]} is {_date(int(months[row]))}": {"time_format": "%m%d%Y"},
            },
        )
    values, fits, note = (
        (days, by_day, DAY_FIRST) if by_day.sum() >= by_month.sum() else (months, by_month, MONTH_FIRST)
    )
    _refuse_invalid_digits(whole, fits, int(values[fits][0]))
    return Times(values * _DAY, 1, note)


def _refuse_ambiguous_digits(whole: NDArray[np.int64]) -> None:
    """Raise ColumnError if all values, such as 1108240930, are both dates with two-digit years and seconds."""
    if not len(whole) or whole.min() < 10**9 or whole.max() >= 10**10:
        return
    for values in (whole[:_SAMPLE_SIZE], whole):
        year, month, day, hour, minute = (values // 10 ** (8 - 2 * place) % 100 for place in range(5))
        days, real = _days(2000 + year, month, day)
        if not (real & (hour < 24) & (minute < 60)).all():
            return
    if len(np.unique(days)) < _MIN_DAYS:
        return
    readings = f"{_date(int(days[0]))} or a number of seconds ({format_time(int(whole[0]), 1)})"
    raise ColumnError(
        np.ones(len(whole), np.bool_),
        f"the time {whole[0]} may be {readings}, like all others. For dates give --time-format '%y%m%d%H%M', or write "
        "them like 2026-11-20.",
        {f"{whole[0]} is {_date(int(days[0]))}": {"time_format": "%y%m%d%H%M"}},
    )


def _days(
    year: NDArray[np.int64], month: NDArray[np.int64], day: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return days since 1970, and whether the day exists (31 February does not)."""
    months = ((year - 1970) * 12 + month - 1).astype("datetime64[M]")
    days = months.astype("datetime64[D]") + (day - 1)
    real = (month >= 1) & (month <= 12) & (day >= 1) & (day <= 31) & (days.astype("datetime64[M]") == months)
    return days.astype(np.int64), real


def _refuse_invalid_digits(whole: NDArray[np.int64], fits: NDArray[np.bool_], day: int) -> None:
    """Raise ColumnError for values that are not dates. day: days since 1970 of the first valid value."""
    if not fits.all():
        good, row = int(whole[np.argmax(fits)]), int(np.argmin(fits))
        raise ColumnError(
            ~fits,
            f"the time {whole[row]} is not a date, while others are ({good} is {_date(day)}). Fix or remove this line.",
        )


def _date(day: int) -> str:
    moment = datetime.fromtimestamp(day * _DAY, UTC)
    return f"{moment.day} {moment:%B %Y}"


def _from_spreadsheet_days(whole: NDArray[np.int64], nanos: NDArray[np.int64] | None) -> Times:
    """Parse days of a spreadsheet, whose fractions are exact to milliseconds at most."""
    total = (whole - _EXCEL_1970) * (_DAY * 1000)
    if nanos is not None:
        total = total + np.round(nanos * (_DAY * 1000 / _NANO)).astype(np.int64)
    return Times(*_coarsest_ticks(total, 1000), "times are days of a spreadsheet")


def _with_fractions(whole: NDArray[np.int64], nanos: NDArray[np.int64], unit: int) -> tuple[NDArray[np.int64], int]:
    """Combine whole numbers of a unit and billionths into the coarsest ticks that preserve all digits."""
    digits = next(digits for digits in range(10) if not np.any(nanos % 10 ** (9 - digits)))
    while unit * 10**digits > _NANO and digits:  # finer than nanoseconds
        digits -= 1
    scale = 10**digits
    return whole * scale + nanos // 10 ** (9 - digits), unit * scale


def _coarsest_ticks(values: NDArray[np.int64], ticks: int) -> tuple[NDArray[np.int64], int]:
    """Divide by 1000 while all values allow it."""
    while ticks > 1 and not np.any(values % 1000):
        values, ticks = values // 1000, ticks // 1000
    return values, ticks


def _format_earliest(values: NDArray[np.int64], ticks: int) -> str:
    return format_time(int(values[np.argmin(values)]), ticks)
