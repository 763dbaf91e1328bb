"""What a column of times means is found from all of it, and nothing of it is rounded."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recdash.data.timestamps import (
    ColumnError,
    Times,
    format_time,
    from_datetimes,
    from_numbers,
    kind_of,
)

MOMENT = 1_314_178_200  # 2011-08-24 09:30:00 UTC
UNITS = {"seconds": 1, "milliseconds": 10**3, "microseconds": 10**6, "nanoseconds": 10**9}


def numbers(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def moments(found: Times) -> list[str]:
    return [format_time(value, found.ticks) for value in found.values.tolist()]


@pytest.mark.parametrize("unit", UNITS)
def test_the_unit_is_found_and_whole_seconds_are_kept_as_seconds(unit: str) -> None:
    found = from_numbers(numbers(MOMENT, MOMENT + 1) * UNITS[unit])
    assert (found.values.tolist(), found.ticks, found.kind) == ([MOMENT, MOMENT + 1], 1, "dates")
    assert found.note == ("" if unit == "seconds" else f"times are {unit}")


def test_milliseconds_that_differ_within_a_second_are_kept() -> None:
    found = from_numbers(numbers(MOMENT * 1000 + 7, MOMENT * 1000 + 9))
    assert found.ticks == 1000
    assert moments(found) == ["2011-08-24T09:30:00.007Z", "2011-08-24T09:30:00.009Z"]


@given(st.lists(st.integers(0, 999_999_999), min_size=1, max_size=8), st.sampled_from([10**3, 10**6, 10**9]))
def test_no_two_times_become_one(parts: list[int], unit: int) -> None:
    values = numbers(*(MOMENT * unit + part * unit // 10**9 for part in parts))
    found = from_numbers(values)
    exact = values * (10**9 // unit)
    assert (found.values * (10**9 // found.ticks)).tolist() == exact.tolist()


def test_fractions_of_seconds_are_kept_as_far_as_they_go() -> None:
    found = from_numbers(numbers(MOMENT, MOMENT), numbers(500_000_000, 250_000_000))
    assert (found.ticks, found.values.tolist()) == (100, [MOMENT * 100 + 50, MOMENT * 100 + 25])
    assert (found.values / found.ticks).tolist() == [MOMENT + 0.5, MOMENT + 0.25]
    assert from_numbers(numbers(MOMENT), numbers(0)).ticks == 1, "fractions that are all zero are none"


def test_small_numbers_are_an_order_and_no_dates() -> None:
    found = from_numbers(numbers(3, 1, 2))
    assert (found.values.tolist(), found.kind, found.note) == ([3, 1, 2], "order", "")
    halves = from_numbers(numbers(3, 1), numbers(500_000_000, 0))
    assert (halves.values.tolist(), halves.ticks, halves.kind) == ([35, 10], 10, "order")


def test_what_dates_are_depends_on_the_ticks() -> None:
    assert kind_of(numbers(10**8), 1) == "dates"
    assert kind_of(numbers(10**8), 1000) == "order"
    assert kind_of(numbers(), 1) == "order"


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (20110824, "2011-08-24T00:00:00Z"),
        (2011082409, "2011-08-24T09:00:00Z"),
        (201108240930, "2011-08-24T09:30:00Z"),
        (20110824093005, "2011-08-24T09:30:05Z"),
        (20110824093005250, "2011-08-24T09:30:05.250Z"),
    ],
)
def test_digits_that_spell_dates_are_dates(value: int, said: str) -> None:
    found = from_numbers(numbers(value))
    assert moments(found) == [said] and found.note == "times are digits of dates"


@pytest.mark.parametrize("values", [(20110824, 20110231), (20110824, 20111301), (20110824, 18991231)])
def test_digits_that_spell_no_date_are_an_order(values: tuple[int, int]) -> None:
    assert from_numbers(numbers(*values))[:2] == (pytest.approx(values), 1)


def test_days_of_a_spreadsheet_are_dates_where_the_column_says_so_or_has_fractions() -> None:
    named = from_numbers(numbers(40779), named_date=True)
    assert moments(named) == ["2011-08-24T00:00:00Z"]
    assert moments(from_numbers(numbers(40779), numbers(395_833_333))) == ["2011-08-24T09:30:00Z"]
    assert from_numbers(numbers(40779)).kind == "order"


def test_one_value_of_another_unit_is_named_with_its_row() -> None:
    with pytest.raises(ColumnError, match=r"reads as milliseconds where most are seconds\. Give one unit") as caught:
        from_numbers(numbers(MOMENT, MOMENT, MOMENT * 1000))
    assert caught.value.row == 2


@pytest.mark.parametrize("value", [4_102_444_800, 10**11 // 2])
def test_a_time_that_is_a_date_in_no_unit_is_refused(value: int) -> None:
    with pytest.raises(ColumnError, match="outside 1900 to 2100"):
        from_numbers(numbers(MOMENT, value))


def test_times_before_1973_among_dates_are_kept_and_said() -> None:
    found = from_numbers(numbers(0, MOMENT))
    assert found.values.tolist() == [0, MOMENT]
    assert (
        found.note
        == "1 times are before 1973, the first 1970-01-01T00:00:00Z; check that 0 does not mean a missing time"
    )


@pytest.mark.parametrize("unit", ["D", "s", "ms", "us", "ns"])
def test_moments_of_any_unit_are_read(unit: str) -> None:
    found = from_datetimes(np.array(["2011-08-24", "2011-08-25"], f"datetime64[{unit}]"))
    assert (moments(found)[0], found.ticks) == ("2011-08-24T00:00:00Z", 1)
    fine = from_datetimes(np.array(["2011-08-24T09:30:00.25"], "datetime64[ms]"))
    assert moments(fine) == ["2011-08-24T09:30:00.250Z"]


def test_a_missing_or_impossible_moment_is_refused_with_its_row() -> None:
    with pytest.raises(ColumnError, match="the time is missing") as caught:
        from_datetimes(np.array(["2011-08-24", "NaT"], "datetime64[s]"))
    assert caught.value.row == 1
    with pytest.raises(ColumnError, match="outside 1900 to 2100"):
        from_datetimes(np.array(["1850-01-01"], "datetime64[s]"))


@given(st.integers(-(10**9), 4 * 10**9))
def test_a_moment_is_said_as_python_says_it(value: int) -> None:
    expected = datetime.fromtimestamp(value, UTC).isoformat().replace("+00:00", "Z")
    assert format_time(value, 1) == expected
    assert format_time(value * 1000 + 5, 1000) == expected.replace("Z", ".005Z")


def test_a_year_that_no_calendar_has_is_said_as_seconds() -> None:
    assert format_time(10**15, 1) == "1000000000000000 seconds since 1970"
