"""Times are read exactly as written, or refused in one line with the fix."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from recdash.data.readers import interactions
from recdash.data.readers.cells import detect_time_format, parse_text_times
from recdash.data.readers.read_options import ReadOptions
from recdash.data.readers.time_formats import AmbiguousFormat
from recdash.data.timestamps import (
    DAY_FIRST,
    MONTH_FIRST,
    ColumnError,
    format_time,
    from_numbers,
)
from recdash.errors import DataError, RecdashError, UsageError

Write = Callable[[Sequence[object]], Path]


@pytest.fixture
def file(tmp_path: Path) -> Write:
    """Write a file with a row for each time; a tab stands between its columns."""

    def write(times: Sequence[object]) -> Path:
        path = tmp_path / "mine.tsv"
        rows = [f"u{place % 7}\t{place}\t{place % 5 + 1}\t{time}" for place, time in enumerate(times)]
        path.write_text("\n".join(["user\titem\trating\tdate", *rows]) + "\n", encoding="utf-8")
        return path

    return write


def read(path: Path, **options: Any) -> list[str]:
    """The times of a file in ISO 8601, in the order of its rows."""
    data = interactions.read(path, **options)
    assert data.times is not None
    rows = np.argsort([int(data.catalogue[item].id) for item in data.items])
    return [format_time(value, data.ticks) for value in data.times[rows].tolist()]


def refused(path: Path, **options: Any) -> RecdashError:
    """The one-line error of reading a file."""
    with pytest.raises(RecdashError) as caught:
        interactions.read_file(path, ReadOptions.of(**options))
    assert len(str(caught.value).splitlines()) == 1
    return caught.value


class TestWritings:
    @pytest.mark.parametrize(
        ("time", "expected"),
        [
            ("2011-08-24 09:05:01,123", "2011-08-24T09:05:01.123Z"),
            ("2011-08-24 01:00:00 PM", "2011-08-24T13:00:00Z"),
            ("2011-08-24 12:30 am", "2011-08-24T00:30:00Z"),
            ("2011-08-24 10:00:00 UTC", "2011-08-24T10:00:00Z"),
            ("24.08.2011 10:00 GMT", "2011-08-24T10:00:00Z"),
            ("Wed Aug 24 2011 10:11:12 GMT+0200 (CEST)", "2011-08-24T08:11:12Z"),
            ("2011-08-24T10:00:00+02", "2011-08-24T08:00:00Z"),
        ],
    )
    def test_clear_ones_are_read(self, time: str, expected: str, file: Write) -> None:
        assert read(file([time] * 3)) == [expected] * 3

    def test_fractions_with_a_comma_and_with_a_point_are_kept_beside_whole_seconds(self, file: Write) -> None:
        times = ["2011-08-24 09:05:01", "2011-08-24 09:05:01,000001", "2011-08-24 09:05:01.000000002"]
        assert read(file(times)) == [
            "2011-08-24T09:05:01Z",
            "2011-08-24T09:05:01.000001000Z",
            "2011-08-24T09:05:01.000000002Z",
        ]

    @pytest.mark.parametrize(
        ("times", "layouts", "day"),
        [
            (["01.08.11", "24.08.11"], ["%d.%m.%y"], "1 August 2011"),
            (["8/1/11", "8/24/11"], ["%m/%d/%y"], "1 August 2011"),
            (["1-Aug-11", "24-Aug-11"], ["%d-%b-%y"], "1 August 2011"),
            (["01.08.11 10:30"], ["%d.%m.%y %H:%M"], "1 August 2011"),
            (["8/1/11", "9/2/11"], ["%m/%d/%y", "%d/%m/%y"], "1 August 2011"),
        ],
    )
    def test_a_year_of_two_digits_asks_for_the_format(
        self, times: list[str], layouts: list[str], day: str, file: Write
    ) -> None:
        path = file(times * 5)
        error = refused(path)
        assert isinstance(error, DataError) and "has a two-digit year" in str(error)
        assert [fix["time_format"] for fix in error.fixes.values()] == layouts
        assert all(f"'{layout}'" in str(error) for layout in layouts)
        assert next(iter(error.fixes)) == f"{times[0]} is {day}"
        assert read(path, time_format=layouts[0])[0].startswith("2011-08-01")

    @pytest.mark.parametrize("zone", ["CEST", "EST", "PST"])
    def test_the_name_of_a_time_zone_is_no_offset(self, zone: str, file: Write) -> None:
        path = file([f"2011-08-24 10:00:00 {zone}"] * 3)
        assert f"names the time zone {zone}, whose offset is unknown" in str(refused(path))
        assert "not a date like the others" in str(refused(path, time_format="%Y-%m-%d %H:%M:%S %Z"))

    @pytest.mark.parametrize(
        ("time", "expected"),
        [
            ("1 août 2011", "not a known time format; give the format (--time-format '%d.%m.%Y')"),
            ("2011-08-01 24:00:00", "a time with hour 24; write 00:00 of the next day"),
            ("10:00:00", "a time of day without a date; give a column of dates (--time COLUMN), or none (--time none)"),
            ("1,31000E+09", "a number truncated by a spreadsheet"),
        ],
    )
    def test_unreadable_times_are_explained(self, time: str, expected: str, file: Write) -> None:
        message = str(refused(file([time] * 3)))
        assert f'mine.tsv, line 2: the time is "{time}", {expected}' in message
        assert "like the other times" not in message

    def test_one_text_among_numbers_is_no_number(self, file: Write) -> None:
        assert 'line 3: the time is "now", not a number like the other times' in str(
            refused(file([978300760, "now", 978300761]))
        )

    def test_a_missing_time_does_not_decide_how_the_others_are_written(self, file: Write) -> None:
        path = file(["NULL", *["24.08.2011"] * 9])
        assert 'line 2: the time is "NULL"' in str(refused(path))
        assert interactions.read(path, skip_bad=0.2).format_time(0).startswith("1970")


class TestFormats:
    @pytest.mark.parametrize(
        ("layout", "expected"), [("%", "stray %"), ("%Q", "bad directive"), ("mixed", "no year"), ("%H:%M", "no year")]
    )
    def test_one_that_cannot_be_used_is_a_usage_error(self, layout: str, expected: str, file: Write) -> None:
        error = refused(file(["24.08.2011"] * 3), time_format=layout)
        assert isinstance(error, UsageError) and expected in str(error)

    def test_digits_get_back_the_zero_that_they_lost(self) -> None:
        moments, bad = parse_text_times(["3042010", "24082010", "342010"], "%d%m%Y")
        assert format_time(int(moments.whole[0]), 1) == "2010-04-03T00:00:00Z"
        assert list(bad) == [2]


class TestDayAndMonth:
    def test_the_first_time_after_the_sample_that_differs_is_refused(self, file: Write) -> None:
        path = file([*["05/05/2011"] * 230, "06/05/2011"])
        error = refused(path)
        assert isinstance(error, DataError)
        assert 'the time "06/05/2011" may be %m/%d/%Y or %d/%m/%Y' in str(error)
        assert list(error.fixes) == ["06/05/2011 is 5 June 2011", "06/05/2011 is 6 May 2011"]
        assert read(path, time_format="%d/%m/%Y")[-1] == "2011-05-06T00:00:00Z"

    @pytest.mark.parametrize(("late", "expected"), [("25/06/2011", "06-05"), ("06/25/2011", "05-06")])
    @pytest.mark.parametrize("block", [1 << 24, 4096])
    def test_a_late_time_that_only_one_fits_decides_for_all(
        self, late: str, expected: str, block: int, file: Write, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("recdash.data.readers.chunks.CHUNK_BYTES", block)
        path = file([*["05/05/2011"] * 400, late, "06/05/2011"] if block > 4096 else [*["05/05/2011"] * 400, late])
        found = read(path)
        assert found[:400] == ["2011-05-05T00:00:00Z"] * 400 and found[400] == "2011-06-25T00:00:00Z"
        if block > 4096:
            assert found[401] == {"06-05": "2011-05-06T00:00:00Z", "05-06": "2011-06-05T00:00:00Z"}[expected]

    def test_what_was_decided_in_one_block_holds_in_the_next(self) -> None:
        layout = detect_time_format(["05/05/2011"] * 3, "the time")
        assert isinstance(layout, AmbiguousFormat) and layout.candidates == ["%m/%d/%Y", "%d/%m/%Y"]
        assert not parse_text_times(["05/05/2011", "25/06/2011"], layout)[1]
        moments, bad = parse_text_times(["03/04/2011", "03/25/2011"], layout)
        assert format_time(int(moments.whole[0]), 1) == "2011-04-03T00:00:00Z" and list(bad) == [1]

    def test_a_bad_row_in_the_sample_does_not_decide(self, file: Write) -> None:
        path = file(["01/02/2011", "25/12/2011", "n/a", *["26/12/2011"] * 40])
        assert read(path, skip_bad=0.05)[0] == "2011-02-01T00:00:00Z"

    def test_parquet_is_read_alike(self, tmp_path: Path) -> None:
        path = tmp_path / "mine.parquet"
        times = [*["05/05/2011"] * 230, "06/05/2011"]
        pd.DataFrame({"user": "u", "item": range(231), "date": times}).to_parquet(path)
        assert 'the time "06/05/2011" may be' in str(refused(path))


class TestDigits:
    @pytest.mark.parametrize(
        ("values", "expected", "note"),
        [
            ([31012010, 15122009, 10052011], "2010-01-31", DAY_FIRST),
            ([10102010, 11112011, 1012010, 13012010], "2010-10-10", DAY_FIRST),
            ([1012010, 2022011, 4132013], "2010-01-01", MONTH_FIRST),
            ([10102010, 11112011], "2010-10-10", DAY_FIRST),
        ],
    )
    def test_the_year_may_come_last(self, values: list[int], expected: str, note: str) -> None:
        found = from_numbers(np.array(values, np.int64))
        assert format_time(int(found.values[0]), found.ticks) == f"{expected}T00:00:00Z" and found.note == note

    def test_two_readings_are_refused_with_both(self) -> None:
        with pytest.raises(ColumnError, match="the time 3042010 may be 3 April 2010 or 4 March 2010") as caught:
            from_numbers(np.array([10102010, 3042010, 5062011], np.int64))
        assert caught.value.row == 1
        assert caught.value.fixes == {
            "3042010 is 3 April 2010": {"time_format": "%d%m%Y"},
            "3042010 is 4 March 2010": {"time_format": "%m%d%Y"},
        }

    def test_both_readings_can_be_chosen_for_a_file(self, file: Write) -> None:
        path = file(["10102010", "03042010", "05062011"] * 4)
        error = refused(path)
        assert isinstance(error, DataError)
        read_as = {label: read(path, **fix)[1] for label, fix in error.fixes.items() if "time_format" in fix}
        assert read_as == {
            "3042010 is 3 April 2010": "2010-04-03T00:00:00Z",
            "3042010 is 4 March 2010": "2010-03-04T00:00:00Z",
        }
        assert "may be 3 April 2010" in str(refused(path, skip_bad=0.1)) or "are bad" in str(
            refused(path, skip_bad=0.1)
        )

    @pytest.mark.parametrize(
        ("good", "wrong"),
        [
            (20110801, 20110931),
            (20110801, 0),
            (2011080110, 2011080125),
            (201108011030, 201108011061),
            (20110801101112, 20110824240000),
            (20110801101112123, 20111301101112123),
            (24082011, 31022011),
        ],
    )
    def test_one_value_that_spells_no_date_is_named_with_its_line(self, good: int, wrong: int, file: Write) -> None:
        path = file([*[good] * 30, wrong, good])
        assert f"mine.tsv, line 32: the time {wrong} is not a date, while others are ({good} is" in str(refused(path))
        assert len(interactions.read(path, skip_bad=0.05)) == 31

    @pytest.mark.parametrize("values", [[12, 7, 3], [20110824, 30, 12], [31012010, 7, 5], range(1, 300), [0, 0, 1]])
    def test_other_numbers_stay_an_order(self, values: Sequence[int]) -> None:
        assert from_numbers(np.array(values, np.int64)).kind == "order"

    def test_short_years_that_are_seconds_as_well_are_refused(self, file: Write) -> None:
        path = file([1108011000 + 10_000 * day for day in range(20)])
        error = refused(path)
        assert "may be 1 August 2011 or a number of seconds (2005-02-10T04:50:00Z)" in str(error)
        assert read(path, time_format="%y%m%d%H%M")[0] == "2011-08-01T10:00:00Z"
        assert isinstance(refused(path, skip_bad=0.5), DataError)

    def test_seconds_within_a_day_are_seconds(self) -> None:
        assert from_numbers(1_111_111_111 + np.arange(40)).note == ""
