"""Files from public bug reports: each is read as intended, or refused in one line with the fix."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from recdash.data.dataset import Dataset
from recdash.data.readers import interactions, recbole
from recdash.data.readers.dataset_builder import Reading
from recdash.data.readers.read_options import ReadOptions
from recdash.errors import DataError, UsageError

Write = Callable[..., Path]


@pytest.fixture
def file(tmp_path: Path) -> Write:
    def write(content: str | bytes, name: str = "mine.csv", encoding: str = "utf-8") -> Path:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
        return path

    return write


@pytest.fixture
def case(test_data: Path) -> Callable[[str], Path]:
    """A file of the collection beside the real data."""

    def find(name: str) -> Path:
        path = test_data.parent / "cases" / name
        if not path.is_file():
            pytest.skip("the collection of reported files is not beside the real data")
        return path

    return find


def read(path: Path, **options: Any) -> Dataset:
    return understood(path, **options).dataset


def understood(path: Path, **options: Any) -> Reading:
    return interactions.read_file(path, ReadOptions.of(**options))


def refused(path: Path, **options: Any) -> str:
    with pytest.raises((DataError, UsageError)) as caught:
        read(path, **options)
    assert str(caught.value).isprintable()
    return str(caught.value)


def rows(data: Dataset) -> list[tuple[object, ...]]:
    """All interactions as (user, item, rating), in the order of the file."""
    ratings = [None] * len(data) if data.ratings is None else data.ratings.tolist()
    return [
        (data.user_ids[user], data.catalogue[item].id, rating)
        for user, item, rating in zip(data.users, data.items, ratings, strict=True)
    ]


def history(data: Dataset, row: int = 0) -> list[str]:
    return [data.catalogue[item].id for item in data.histories.row(row)]


# The collection, file by file


def test_fractional_seconds(case) -> None:
    data = recbole.read(case("fractional_seconds.inter"))
    assert history(data) == ["30", "20", "10"]
    assert data.times is not None and (data.times / data.ticks).tolist() == [0.1, 0.2, 0.9]


def test_iso_fraction(case) -> None:
    data = read(case("iso_fraction.csv"))
    assert history(data) == ["30", "20", "10"]
    assert data.format_time(int(data.times[0])) == "2011-08-24T10:00:00.100Z"


def test_days_only(case) -> None:
    found = understood(case("days_only.csv"))
    assert found.to_dict()["interactions"] == 27
    assert found.to_dict()["tied_share"] == 1
    assert all(history(found.dataset, user) != sorted(history(found.dataset, user)) for user in range(3))


def test_column_numbers(case) -> None:
    path = case("column_numbers.csv")
    data = read(path, user=2, item=3, rating=4)
    assert (data.user_ids, [item.id for item in data.catalogue.items]) == (("ann", "bob"), ["Alien", "Heat"])
    assert "columns are numbered from 1, found 0" in refused(path, user=0, item=2)
    assert "Columns are numbered from 1" in refused(path, user="0", item="2")


def test_like_0_1(case) -> None:
    data = read(case("like_0_1.csv"))
    assert (data.n_positives, len(data), data.feedback) == (2, 4, "labels")


def test_label_0_1(case) -> None:
    data = recbole.read(case("label_0_1.inter"))
    assert (data.n_positives, len(data)) == (2, 3)


def test_only_4_and_5(case) -> None:
    data = read(case("only_4_and_5.csv"))
    assert (data.scale, data.default_positive_from, data.n_positives) == ((1, 5), 4, 96)


def test_quote_inside(case) -> None:
    assert rows(read(case("quote_inside.tsv"))) == [("u1", '"Heroes', 5), ("u2", 'Bowie"', 3), ("u3", "Low", 2)]


def test_json_lines(case) -> None:
    assert rows(read(case("json_lines.csv"))) == [("u1", "i1", None), ("u2", "i1", None), ("u3", "i2", None)]


def test_blank_first_line(case) -> None:
    assert rows(read(case("blank_first_line.csv"))) == [("ann", "Heat", None), ("bob", "Alien", None)]


def test_newest_first_twice(case) -> None:
    found = understood(case("newest_first_twice.csv"))
    assert ("1", "30", 2) in rows(found.dataset)
    assert found.dropped == ("1 duplicate (user, item) rows; the latest in time of each pair counts",)


def test_no_header_numbered(case) -> None:
    assert len(read(case("no_header_numbered.tsv"), user=1, item=2, rating=3, time=4)) == 3
    assert len(read(case("no_header_numbered.tsv"), user="1", item="2", rating="3", time="4")) == 3
    assert len(read(case("no_header_numbered.tsv"))) == 3


def test_missing_ids(case) -> None:
    assert 'missing_ids.csv, line 2: the user is "NaN", a missing value' in refused(case("missing_ids.csv"))


def test_float_ids(case) -> None:
    found = understood(case("float_ids.csv"))
    assert rows(found.dataset) == [("1", "10", 5), ("2", "11", 3)]
    assert found.dropped == ("1 duplicate (user, item) rows; the last line of each pair counts",)


def test_date_as_digits(case) -> None:
    data = read(case("date_as_digits.csv"))
    found = [data.format_time(time) for time in data.times.tolist()]
    assert found == ["2011-08-24T09:30:00Z", "2011-08-24T09:31:00Z"]


def test_mixed_units(case) -> None:
    assert "mixed_units.csv, line 4: the time 978300750000 reads as milliseconds" in refused(case("mixed_units.csv"))


def test_wide_matrix(case) -> None:
    assert "looks like a user-item matrix" in refused(case("wide_matrix.csv"))


def test_genres_with_bars(case) -> None:
    assert rows(read(case("genres_with_bars.csv"))) == [("1", "10", 4), ("1", "11", 5), ("2", "10", 3)]


def test_cp1252(case) -> None:
    assert [row[1] for row in rows(read(case("cp1252.csv")))] == ["“Heat”", "café’s"]


def test_decimal_comma(case) -> None:
    assert [row[2] for row in rows(read(case("decimal_comma.csv")))] == [4.5, 3.5, 5.0]


def test_play_counts(case) -> None:
    found = understood(case("play_counts.csv"))
    assert (found.dataset.feedback, found.dataset.scale, found.dataset.n_positives) == ("counts", None, 1560)
    assert read(case("play_counts.csv"), positive_from=10).n_positives == sum(
        row[2] >= 10 for row in rows(found.dataset)
    )


# Times


@pytest.mark.parametrize(
    ("column", "times", "expected"),
    [
        ("time", ["978300760123", "978300760124"], ["2000-12-31T22:12:40.123Z", "2000-12-31T22:12:40.124Z"]),
        ("time", ["978300760123456", "978300760123457"],
         ["2000-12-31T22:12:40.123456Z", "2000-12-31T22:12:40.123457Z"]),
        ("time", ["978300760123456789", "978300760123456788"],
         ["2000-12-31T22:12:40.123456789Z", "2000-12-31T22:12:40.123456788Z"]),
        ("time", ["978300760.25", "978300760"], ["2000-12-31T22:12:40.25Z", "2000-12-31T22:12:40Z"]),
        ("time", ["9.7830076e8", "9.78300761e8"], ["2000-12-31T22:12:40Z", "2000-12-31T22:12:41Z"]),
        ("time", ["2011-08-24T10:00:00+02:00", "2011-08-24T10:00:00Z"],
         ["2011-08-24T08:00:00Z", "2011-08-24T10:00:00Z"]),
        ("time", ["20110824", "20110825"], ["2011-08-24T00:00:00Z", "2011-08-25T00:00:00Z"]),
        ("time", ["201108240930", "201108240931"], ["2011-08-24T09:30:00Z", "2011-08-24T09:31:00Z"]),
        ("time", ["20110824093000123", "20110824093000456"],
         ["2011-08-24T09:30:00.123Z", "2011-08-24T09:30:00.456Z"]),
        ("date", ["40779", "40780"], ["2011-08-24T00:00:00Z", "2011-08-25T00:00:00Z"]),
        ("time", ["40779.395833333336", "40779.5"], ["2011-08-24T09:30:00Z", "2011-08-24T12:00:00Z"]),
        ("time", ["2011/08/24", "2011/12/25"], ["2011-08-24T00:00:00Z", "2011-12-25T00:00:00Z"]),
        ("time", ["24.08.2011 09:30", "25.08.2011 09:30"], ["2011-08-24T09:30:00Z", "2011-08-25T09:30:00Z"]),
        ("time", ["08/24/2011", "01/02/2011"], ["2011-08-24T00:00:00Z", "2011-01-02T00:00:00Z"]),
        ("time", ["24/08/2011", "01/02/2011"], ["2011-08-24T00:00:00Z", "2011-02-01T00:00:00Z"]),
        ("time", ["Wed Aug 24 09:30:00 +0000 2011", "Thu Aug 25 09:30:00 +0000 2011"],
         ["2011-08-24T09:30:00Z", "2011-08-25T09:30:00Z"]),
    ],
)  # fmt: skip
def test_times_keep_their_resolution_in_any_writing(
    column: str, times: list[str], expected: list[str], file: Write
) -> None:
    data = read(file(f"user,item,{column}\n1,10,{times[0]}\n2,10,{times[1]}\n"))
    assert [data.format_time(time) for time in data.times.tolist()] == expected
    assert data.time_kind == "dates"


@pytest.mark.parametrize(
    ("times", "message"),
    [
        (["978300760", "978300761", "978300762000"], "line 4: the time 978300762000 reads as milliseconds"),
        (["978300760000", "978300761000", "978300762"], "line 4: the time 978300762 reads as seconds"),
        (["50000000000", "50000000001", "50000000002"], "line 2: the time 50000000000 is outside 1900 to 2100"),
        (["2011-08-24", "2011-08-25", "2150-01-01"], "line 4: the time 2150-01-01T00:00:00Z is outside 1900 to 2100"),
        (["2011-08-24", "1800-08-25", "2011-01-01"], "line 3: the time 1800-08-25T00:00:00Z is outside 1900 to 2100"),
        (["05/06/2011", "07/08/2011", "01/02/2011"], "may be %m/%d/%Y or %d/%m/%Y"),
        (["2011-08-24", "978300760", "2011-01-01"], 'line 3: the time is "978300760", not a date'),
        (["978300760", "", "978300762"], "line 3: the time is empty"),
    ],
)
def test_times_that_do_not_belong_are_refused_with_their_line(times: list[str], message: str, file: Write) -> None:
    lines = "".join(f"{place},10,{time}\n" for place, time in enumerate(times))
    assert message in refused(file(f"user,item,time\n{lines}"))


def test_the_order_of_day_and_month_can_be_given(file: Write) -> None:
    path = file("user,item,time\n1,10,05/06/2011\n2,10,07/08/2011\n")
    data = read(path, time_format="%d/%m/%Y")
    assert [data.format_time(time)[:10] for time in data.times.tolist()] == ["2011-06-05", "2011-08-07"]


def test_a_zero_among_dates_is_noted(file: Write) -> None:
    notes = read(file("user,item,time\n1,10,978300760\n2,10,0\n3,10,978300761\n")).notes
    assert any("1 times are before 1973, the first 1970-01-01T00:00:00Z" in note for note in notes)


# Columns and headers


@pytest.mark.parametrize("sign", ["idx,who,what,stars", "0,1,2,3"])
def test_numbers_of_columns_work_with_and_without_names(sign: str, file: Write) -> None:
    header = sign.startswith("idx")
    path = file((f"{sign}\n" if header else "") + "7,ann,Heat,4\n8,bob,Heat,3\n")
    assert [row[:2] for row in rows(read(path, user=2, item=3, rating=4))] == [("ann", "Heat"), ("bob", "Heat")]


def test_a_first_row_of_column_numbers_is_asked_about(file: Write) -> None:
    path = file("0,1,2\n5,10,4\n6,10,5\n")
    assert "may be data or column numbers" in refused(path)
    assert len(read(path, header=False)) == 3
    assert len(read(path, header=True, user=1, item=2, rating=3)) == 2


def test_a_column_that_was_not_used_is_named(file: Write) -> None:
    assert understood(file("user,item,rating,price\n1,2,3,9\n")).to_dict()["ignored_columns"] == ["price"]


def test_two_columns_of_one_name_are_asked_about(file: Write) -> None:
    path = file("user,item,rating,rating\n1,2,3,4\n")
    assert "2 columns are named" in refused(path)
    assert rows(read(path, rating=4))[0][2] == 4


def test_row_names_without_a_name_are_no_shift(file: Write) -> None:
    path = file('user,item,rating\n"1",ann,Heat,4\n"2",bob,Heat,3\n')
    assert rows(read(path)) == [("ann", "Heat", 4), ("bob", "Heat", 3)]


def test_a_header_that_comes_again_is_refused_with_its_line(file: Write) -> None:
    for header, row in (("user,item", "1,2"), ("user,item,rating", "1,2,3")):
        assert "line 3: the header is repeated here" in refused(file(f"{header}\n{row}\n{header}\n{row}\n"))


# What the values mean


@pytest.mark.parametrize(
    ("values", "scale", "least", "positives"),
    [
        ([1, 2, 3, 4, 5], (1, 5), 4, 2),
        ([4, 5], (1, 5), 4, 2),
        ([3, 3, 3], (1, 5), 4, 0),
        ([0.5, 3.5, 4, 5], (0.5, 5), 4, 2),
        ([4.5, 3.5], (0.5, 5), 4, 1),
        ([1, 7, 8, 10, 9], (1, 10), 8, 3),
        ([0, 5, 8, 10, 7], (0, 10), 8, 2),
        ([-9.5, 3.2, 8.1, -0.3], (-10, 10), 5, 1),
        ([20, 60, 75, 80, 100, 95], (0, 100), 75, 4),
    ],
)
def test_the_scale_is_a_usual_one_not_the_observed_range(values, scale, least, positives, file: Write) -> None:
    data = read(file("user,item,rating\n" + "".join(f"{place},1,{value}\n" for place, value in enumerate(values))))
    assert (data.scale, data.default_positive_from, data.n_positives) == (scale, least, positives)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([4, 5, 55, 3, 2, 1], "line 4: the rating is 55, outside the scale 1 to 5 of the others."),
        ([4, 5, 3, 2, 1, 0, 0], "--ignore-rating 0"),
        ([0, 0, 0, 0, 7, 8, 9, 5], "4 of 8 values in rating are 0"),
        ([99, 99, -3.5, 2.25, 9.1, 99], "--ignore-rating 99"),
        ([-1, -1, 7, 8, 9, 10, 3], "--ignore-rating -1"),
        ([0.2, 0.7, 0.9, 0.1], "not a standard rating scale. Give the scale (--scale 0.1..0.9)"),
    ],
)
def test_values_that_may_mean_not_rated_are_asked_about(values, message, file: Write) -> None:
    assert message in refused(
        file("user,item,rating\n" + "".join(f"{place},1,{value}\n" for place, value in enumerate(values)))
    )


def test_ignored_ratings_and_a_given_scale_are_followed(file: Write) -> None:
    path = file("user,item,rating\n1,1,0\n2,1,7\n3,1,9\n4,1,0\n5,1,0\n")
    found = understood(path, ignore_ratings=0)
    assert (found.dataset.n_users, found.dataset.scale) == (2, (1, 10))
    assert found.dropped == ("3 rows with a rating of 0 left out",)
    assert read(path, scale="0..10").scale == (0, 10)
    assert "line 4: the rating is 9, outside the scale 0 to 8" in refused(path, scale="0..8")


@pytest.mark.parametrize("column", ["like", "clicked", "is_read", "label", "purchased"])
@pytest.mark.parametrize(("yes", "no"), [("1", "0"), ("true", "false"), ("1.0", "0.0")])
def test_labels_say_what_is_liked(column: str, yes: str, no: str, file: Write) -> None:
    data = read(file(f"user,item,{column}\n1,10,{yes}\n1,11,{no}\n2,10,{yes}\n"))
    assert (data.feedback, data.n_positives) == ("labels", 2)


@pytest.mark.parametrize("column", ["plays", "play_count", "listen_count", "quantity", "rating"])
def test_counts_are_no_stars(column: str, file: Write) -> None:
    counts = [1, 1, 2, 1, 40, 1, 3, 250, 1, 2]
    data = read(file(f"user,item,{column}\n" + "".join(f"{place},1,{count}\n" for place, count in enumerate(counts))))
    assert (data.feedback, data.scale, data.n_positives) == ("counts", None, 10)


def test_no_plays_are_no_positive(file: Write) -> None:
    assert read(file("user,item,plays\n1,1,3\n2,1,0\n3,1,7\n")).n_positives == 2


# Ids


@pytest.mark.parametrize("word", ["NaN", "nan", "NULL", "None", "\\N", "", "<NA>"])
def test_missing_ids_are_refused_in_either_column(word: str, file: Write) -> None:
    assert "line 3: the item is" in refused(file(f"user,item\n1,2\n1,{word}\n"))
    assert "line 2: the user is" in refused(file(f"user,item\n{word},2\n1,3\n"))


def test_leading_zeros_make_text(file: Write) -> None:
    assert read(file("user,item\n007,1\n7,1\n7.0,1\n")).user_ids == ("007", "7", "7.0")
    assert read(file("user,item\n7,1\n7.0,2\n")).user_ids == ("7",)


def test_ids_that_a_spreadsheet_cut_short_are_refused(file: Write) -> None:
    assert "truncated by a spreadsheet" in refused(file("user,item\n1.23E+15,1\n17,2\n"))


def test_titles_that_match_no_item_say_why(file: Write) -> None:
    path, titles = file("user,item\n1,tt0012\n"), file("id,title\n12,Heat\n", "titles.csv")
    assert (
        "none of the 1 titles belongs to an item of mine.csv: item ids look like tt0012, ids of titles like 12"
        in refused(path, titles=titles)
    )


# Formats

TABLE = "user,item,rating\nann,Heat,4\nbob,Alien,5\n"
ROWS = [("ann", "Heat", 4), ("bob", "Alien", 5)]


@pytest.mark.parametrize(
    "content",
    [
        TABLE.replace("\n", "\r"),
        TABLE.replace("\n", "\r\n"),
        "sep=;\n" + TABLE.replace(",", ";"),
        "# made by hand\n# twice\n" + TABLE,
        "# user,item,rating\nann,Heat,4\nbob,Alien,5\n",
        "\n\n" + TABLE,
        TABLE.replace(",", " , "),
        TABLE.replace(",", "|"),
        TABLE.replace(",", "\t"),
        TABLE.replace(",", "::"),
        TABLE.replace(",", " "),
        TABLE.replace(",", "   "),
        TABLE.replace(",", ";").replace("4", "4,0"),
        'user,item,rating\n"ann","Heat","4"\n"bob","Alien","5"\n',
    ],
)
def test_dialects(content: str, file: Write) -> None:
    assert rows(read(file(content))) == ROWS


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
def test_encodings_of_unicode(encoding: str, file: Write) -> None:
    assert rows(read(file(TABLE.replace("ann", "Änn"), encoding=encoding)))[0][0] == "Änn"


def test_other_encodings_are_named_and_read_when_requested(file: Write) -> None:
    chinese = "user,item,rating\n小明,功夫,4\n小红,英雄,5\n"
    path = file(chinese, encoding="gbk")
    assert "looks like GBK; give --encoding gbk" in refused(path)
    assert rows(read(path, encoding="gbk"))[0][:2] == ("小明", "功夫")
    assert "Cyrillic" in refused(file("user,item,rating\nАнна,Солярис,4\nИван,Сталкер,5\n", encoding="cp1251"))
    assert "Unknown encoding" in refused(path, encoding="klingon")


@pytest.mark.parametrize(
    ("name", "pack"),
    [("t.csv.gz", gzip.compress), ("t.csv.bz2", bz2.compress), ("t.csv.xz", lzma.compress)],
)
def test_packed_files(name: str, pack: Callable[[bytes], bytes], file: Write) -> None:
    assert rows(read(file(pack(TABLE.encode()), name))) == ROWS
    assert "cut short or damaged" in refused(file(pack(TABLE.encode() * 50)[:-12], name))


def test_a_zip_holds_one_table(tmp_path: Path) -> None:
    path = tmp_path / "t.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("folder/table.csv", TABLE)
        archive.writestr("__MACOSX/._table.csv", "x")
    assert rows(read(path)) == ROWS
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("more.csv", TABLE)
    assert "expected one table inside, found folder/table.csv, more.csv" in refused(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("xl/workbook.xml", "x")
    assert "Excel workbook" in refused(path)


@pytest.mark.parametrize(
    "content",
    [
        '{"user": "ann", "item": "Heat", "rating": 4}\n\n{"item": "Alien", "user": "bob", "rating": 5.0, "x": [1]}\n',
        json.dumps([{"user": "ann", "item": "Heat", "rating": 4}, {"user": "bob", "item": "Alien", "rating": 5}]),
        json.dumps(
            [{"user": "ann", "item": "Heat", "rating": 4}, {"user": "bob", "item": "Alien", "rating": 5}], indent=2
        ),
    ],
)
def test_json(content: str, file: Write) -> None:
    assert rows(read(file(content, "t.json"))) == ROWS


def test_json_keeps_ids_and_says_the_line_of_a_mistake(file: Write) -> None:
    path = file('{"user": "007", "item": 12345678901234567890}\n{"user": "7", "item": 1}\n')
    assert [row[:2] for row in rows(read(path))] == [("007", "12345678901234567890"), ("7", "1")]
    assert "line 2: invalid JSON" in refused(file('{"user": 1, "item": 2}\n{"user": 1,\n'))
    assert "line 2: the item is empty" in refused(file('{"user": 1, "item": 2}\n{"user": 1}\n'))


def test_parquet(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    path = tmp_path / "t.parquet"
    when = pd.to_datetime(["2011-08-24 10:00:00.5", "2011-08-24 10:00:01"], format="ISO8601")
    pd.DataFrame({"user": ["ann", "bob"], "item": [7, 8], "rating": [4, 5], "time": when}).to_parquet(path)
    data = read(path)
    assert rows(data) == [("ann", "7", 4), ("bob", "8", 5)]
    assert data.format_time(int(data.times[0])) == "2011-08-24T10:00:00.500Z"
    pd.DataFrame({"user": ["ann", None], "item": [7, 8]}).to_parquet(path)
    assert "row 2: the user is empty" in refused(path)
    path.write_bytes(path.read_bytes()[:-30])
    assert "the Parquet file is damaged or incomplete" in refused(path)


def test_netflix_blocks(file: Write) -> None:
    data = read(file("1:\n1488844,3,2005-09-06\n822109,5,2005-05-13\n2:\n822109,4,2005-12-26\n", "combined_data_1.txt"))
    assert rows(data) == [("1488844", "1", 3), ("822109", "1", 5), ("822109", "2", 4)]
    assert data.format_time(int(data.times[0])) == "2005-09-06T00:00:00Z"


def test_adjacency_lists_are_refused_by_name_and_read_when_requested(file: Write) -> None:
    path = file("0 0 1 2 3\n1 4 5\n2 0 4 6 7 8\n", "train.txt")
    assert "looks like adjacency lists" in refused(path) and "--format lists" in refused(path)
    data = read(path, format="lists")
    assert (data.n_users, data.n_items, len(data)) == (3, 9, 11)


def test_wide_matrices_are_read_when_requested(file: Write) -> None:
    path = file("user,Heat,Alien,Brazil,Casino\nann,5,,3,\nbob,,4,,1\n")
    assert "--format wide" in refused(path)
    assert rows(read(path, format="wide")) == [
        ("ann", "Heat", 5),
        ("ann", "Brazil", 3),
        ("bob", "Alien", 4),
        ("bob", "Casino", 1),
    ]


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"\x89HDF\r\n\x1a\n" + b"x" * 50, "an HDF5 file"),
        (b"SQLite format 3\0" + b"x" * 50, "an SQLite database"),
        (b"%PDF-1.4\n", "a PDF"),
        (b"<!DOCTYPE html>\n<html></html>\n", "a web page"),
        (b"%%MatrixMarket matrix coordinate\n1 1 1\n", "a Matrix Market file"),
    ],
)
def test_other_formats_are_refused_by_name(content: bytes, what: str, file: Write) -> None:
    assert f"this is {what}" in refused(file(content))


def test_a_quote_that_swallows_rows_is_refused_and_can_be_a_letter(file: Write) -> None:
    path = file('user,item,rating\nu1,"Heroes,5\nu2,Bowie",3\nu3,Low,2\n')
    assert "--no-quotes" in refused(path)
    assert rows(read(path, quotes=False)) == [("u1", '"Heroes', 5), ("u2", 'Bowie"', 3), ("u3", "Low", 2)]


# Bad rows

MANY = "user,item,rating\n" + "".join(f"{row},{row % 7},{1 + row % 5}\n" for row in range(300))


def test_bad_rows_can_be_left_out_and_are_listed(file: Write) -> None:
    path = file(MANY + "x,y\n7,1,five\n")
    assert "line 302: expected 3 fields" in refused(path)
    found = understood(path, skip_bad=True)
    assert len(found.dataset) == 300
    assert "2 invalid rows left out (line 302: expected 3 fields" in found.dropped[0]
    assert 'line 303: the rating is "five", not a number' in found.dropped[0]


def test_skipping_more_than_one_percent_needs_a_limit(file: Write) -> None:
    path = file(MANY + "x,y\n" * 20)
    assert "20 of 320 rows are invalid. The first: line " in refused(path, skip_bad=True)
    assert len(read(path, skip_bad="10%")) == 300
    found = understood(path, skip_bad="10%")
    assert found.dropped[0].startswith("20 invalid rows left out") and found.dropped[0].endswith(", ...)")


def test_outliers_are_bad_rows_as_well_and_later_lines_keep_their_numbers(file: Write) -> None:
    path = file(MANY.replace("5,5,1\n", "oops\n", 1) + "1,1,55\n")
    found = understood(path, skip_bad=True)
    assert len(found.dataset) == 299
    assert "line 302: the rating is 55" in found.dropped[0]


def test_nothing_is_rounded_or_lost_at_the_borders_of_blocks(file: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    times = [978300760 + np.round(place / 8, 3) for place in range(200)]
    path = file("user,item,time\n" + "".join(f"{place},1,{time}\n" for place, time in enumerate(times)))
    monkeypatch.setattr("recdash.data.readers.chunks.CHUNK_BYTES", 64)
    data = read(path)
    assert (data.times / data.ticks).tolist() == times


# Titles


def test_recbole_items_without_titles_are_no_error(tmp_path: Path) -> None:
    (tmp_path / "x.inter").write_text("user_id:token\titem_id:token\n1\t2\n")
    (tmp_path / "x.item").write_text("item_id:token\tprice:float\n2\t3\n")
    assert recbole.read(tmp_path / "x.inter").catalogue[0].title == "2"
    (tmp_path / "x.item").write_text(
        "item_id:token,movie_title:token_seq,release_year:token,class:token_seq\n2,Heat,1995,Crime\n"
    )
    assert recbole.read(tmp_path / "x.inter").catalogue[0].label == "Heat (1995)"


def test_titles_may_be_in_the_given_encoding(file: Write) -> None:
    titles = file("id,title\n1,功夫\n", "titles.csv", "gbk")
    path = file("user,item\n小明,1\n", encoding="gbk")
    assert "GBK" in refused(path, titles=titles)
    assert read(path, titles=titles, encoding="gbk").catalogue[0].title == "功夫"
