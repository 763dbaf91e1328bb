"""JSON records and Parquet are read exactly, or refused in one line with the fix."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recdash.data.dataset import Dataset
from recdash.data.readers import interactions
from recdash.data.readers.read_options import ReadOptions
from recdash.errors import DataError, UsageError

N = 30
USERS = [f"u{n % 9}" for n in range(N)]
ITEMS = [f"i{n}" for n in range(N)]
RATINGS = [n % 5 + 1 for n in range(N)]
Write = Callable[..., Path]


@pytest.fixture
def text(tmp_path: Path) -> Write:
    """Write a text, or records one per line."""

    def write(content: str | list[Any], name: str = "t.jsonl") -> Path:
        path = tmp_path / name
        made = content if isinstance(content, str) else "".join(json.dumps(one) + "\n" for one in content)
        path.write_text(made, encoding="utf-8")
        return path

    return write


@pytest.fixture
def parquet(tmp_path: Path) -> Write:
    """Write columns; user, item and rating are usual ones unless given."""

    def write(**columns: Any) -> Path:
        path = tmp_path / "t.parquet"
        usual = {"user": USERS, "item": ITEMS, "rating": RATINGS} | columns
        pq.write_table(pa.table({name: column for name, column in usual.items() if column is not None}), path)
        return path

    return write


def refused(path: Path, **options: Any) -> DataError:
    """The error of reading a file: one line."""
    with pytest.raises(DataError) as caught:
        interactions.read(path, **options)
    assert "\n" not in str(caught.value)
    return caught.value


def pairs(data: Dataset) -> list[tuple[str, str]]:
    """User and item of each row."""
    items = data.catalogue.items
    return [(data.user_ids[u], items[i].id) for u, i in zip(data.users, data.items, strict=True)]


def triples(data: Dataset) -> list[tuple[str, str, float]]:
    """User, item and rating of each row."""
    assert data.ratings is not None
    return [(*pair, float(rating)) for pair, rating in zip(pairs(data), data.ratings, strict=True)]


def times(data: Dataset) -> list[int]:
    """Times in ticks."""
    assert data.times is not None
    return [int(value) for value in data.times]


# Parquet: no digit is lost


def test_whole_numbers_keep_their_digits_where_one_is_missing(parquet: Write) -> None:
    path = parquet(item=pa.array([None if n == 5 else 2**53 + n for n in range(N)], pa.int64()))
    assert "row 6: the item is empty" in str(refused(path))
    expected = [str(2**53 + n) for n in range(N) if n != 5]
    assert [item for _, item in pairs(interactions.read(path, skip_bad="5%"))] == expected


def test_times_keep_their_nanoseconds_where_one_is_missing(parquet: Write) -> None:
    start = 1577836800123456789
    path = parquet(timestamp=pa.array([None if n == 5 else start + n for n in range(N)], pa.int64()))
    assert "row 6: the time is empty" in str(refused(path))
    data = interactions.read(path, skip_bad="5%")
    assert (times(data)[:3], data.ticks) == ([start, start + 1, start + 2], 10**9)


@pytest.mark.parametrize("first", [2**63, 2**64 - N - 1])
def test_ids_beyond_signed_numbers_do_not_turn_negative(parquet: Write, first: int) -> None:
    path = parquet(item=pa.array([first + n for n in range(N)], pa.uint64()))
    assert [item for _, item in pairs(interactions.read(path))] == [str(first + n) for n in range(N)]


def test_times_beyond_signed_numbers_are_refused(parquet: Write) -> None:
    path = parquet(timestamp=pa.array([2**63 + n for n in range(N)], pa.uint64()))
    assert "row 1: the time is 9223372036854775808, too large for a time" in str(refused(path))
    path = parquet(timestamp=pa.array([1300000000 + n for n in range(N)], pa.uint64()))
    assert times(interactions.read(path))[:2] == [1300000000, 1300000001]


def test_ids_that_floats_have_rounded_are_refused(parquet: Write) -> None:
    assert "too large to be exact" in str(refused(parquet(item=[float(2**53 + n) for n in range(N)])))
    assert [item for _, item in pairs(interactions.read(parquet(item=[float(n) for n in range(N)])))][:2] == ["0", "1"]


@pytest.mark.parametrize(
    ("column", "first", "ticks"),
    [
        (pa.array([1300000000123456789 + n for n in range(N)], pa.timestamp("ns")), 1300000000123456789, 10**9),
        (pa.array([1300000000123 + n for n in range(N)], pa.timestamp("ms", "Europe/Berlin")), 1300000000123, 1000),
        (pa.array([dt.date(2011, 1, n + 1) for n in range(N)], pa.date32()), 1293840000, 1),
        (pa.array([dt.date(2011, 1, n + 1) for n in range(N)], pa.date64()), 1293840000, 1),
        (pa.array([f"2011-01-{n + 1:02}" for n in range(N)]), 1293840000, 1),
        (pa.array([str(1300000000123 + n) for n in range(N)]), 1300000000123, 1000),
        (pa.array([1300000000.5 + n for n in range(N)]), 1300000000500, 1000),
    ],
)
def test_times_of_every_type(parquet: Write, column: Any, first: int, ticks: int) -> None:
    data = interactions.read(parquet(time=column))
    assert times(data)[0] * ticks == first * data.ticks


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (pa.array(range(N), pa.duration("s")), 'the time ("time") is a duration'),
        (pa.array(range(N), pa.time32("s")), 'the time ("time") is a time of day without a date'),
    ],
)
def test_times_that_are_no_dates(parquet: Write, column: Any, message: str) -> None:
    assert message in str(refused(parquet(time=column)))


# Parquet: types that no cell of a table has


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (pa.array([[1, 2]] * N), 'the item ("item") is a list. Flatten it'),
        (pa.array([{"id": n} for n in range(N)]), 'the item ("item") is an object. Flatten it'),
        (pa.array([[("a", 1)]] * N, pa.map_(pa.string(), pa.int64())), 'the item ("item") is an object. Flatten it'),
        (pa.array([b"\xff%d" % n for n in range(N)]), 'row 1: the item is the bytes "ff30", not text'),
        (pa.array([bytes(16)] * N, pa.binary(16)), "not text in UTF-8"),
    ],
)
def test_values_that_are_no_ids_are_refused(parquet: Write, column: Any, message: str) -> None:
    assert message in str(refused(parquet(item=column)))


@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary(), pa.binary(2), pa.large_string(), pa.string_view()])
def test_bytes_are_read_as_text(parquet: Write, kind: Any) -> None:
    data = interactions.read(parquet(user=pa.array([user.encode() for user in USERS]).cast(kind)))
    assert pairs(data)[:2] == [("u0", "i0"), ("u1", "i1")]


@pytest.mark.parametrize(
    "column",
    [
        pa.array([["a", "b"]] * N),
        pa.array([{"user": 1, "item": 2}] * N),
        pa.array([None, *range(N - 1)], pa.int64()),
        pa.array([None, True] * (N // 2)),
        pa.nulls(N),
        pa.array([10**12] * N, pa.timestamp("s")),
    ],
)
def test_columns_that_are_not_used_may_hold_anything(parquet: Write, column: Any) -> None:
    path = parquet(extra=column)
    assert triples(interactions.read(path))[:2] == [("u0", "i0", 1.0), ("u1", "i1", 2.0)]
    assert interactions.detect_format(path).columns == ("user", "item", "rating", "extra")


@pytest.mark.parametrize(
    ("column", "first"),
    [
        (pa.array([None if n == 3 else n % 5 + 1 for n in range(N)], pa.int64()), [1.0, 2.0, 3.0, 5.0]),
        (pa.array([None if n == 3 else bool(n % 2) for n in range(N)]), [0.0, 1.0, 0.0, 0.0]),
        (pa.array([None if n == 3 else float(n % 5 + 1) for n in range(N)]), [1.0, 2.0, 3.0, 5.0]),
        (pa.array([None if n == 3 else n % 5 + 1 for n in range(N)]).dictionary_encode(), [1.0, 2.0, 3.0, 5.0]),
    ],
)
def test_a_missing_rating_is_a_bad_row(parquet: Write, column: Any, first: list[float]) -> None:
    path = parquet(rating=column)
    assert "row 4: the rating is empty" in str(refused(path))
    assert [rating for *_, rating in triples(interactions.read(path, skip_bad="5%"))][:4] == first


@pytest.mark.parametrize(("kind", "value"), [("Int64", 4), ("boolean", True), ("Float64", 4.5), ("string", "x")])
def test_nullable_columns_of_pandas(tmp_path: Path, kind: Any, value: Any) -> None:
    import pandas as pd

    path = tmp_path / "t.parquet"
    column = pd.array([None if n == 3 else value for n in range(N)], dtype=kind)
    pd.DataFrame({"user": USERS, "item": ITEMS, "helpful": column}).to_parquet(path)
    assert pairs(interactions.read(path))[:4] == [("u0", "i0"), ("u1", "i1"), ("u2", "i2"), ("u3", "i3")]
    message = 'row 1: the rating is "x", not a number' if kind == "string" else "row 4: the rating is empty"
    assert message in str(refused(path, rating="helpful"))
    assert "row 4: the item is empty" in str(refused(path, item="helpful"))


def test_levels_of_an_index_are_columns(tmp_path: Path) -> None:
    import pandas as pd

    path = tmp_path / "t.parquet"
    frame = pd.DataFrame({"user": USERS, "item": ITEMS, "rating": RATINGS})
    for index in (["user", "item"], ["user"]):
        frame.set_index(index).to_parquet(path)
        assert triples(interactions.read(path))[:2] == [("u0", "i0", 1.0), ("u1", "i1", 2.0)]
        assert pairs(interactions.read(path, user="user", item="item")) == list(zip(USERS, ITEMS, strict=True))
    frame[frame.rating > 1].to_parquet(path)  # an index without a name
    assert triples(interactions.read(path))[0] == ("u1", "i1", 2.0)


def test_roles_of_numbered_columns_follow_from_their_cells(tmp_path: Path) -> None:
    import pandas as pd

    path = tmp_path / "t.parquet"
    frame = pd.DataFrame(list(zip(USERS, ITEMS, RATINGS, range(1300000000, 1300000000 + N), strict=True)))
    for names in (["0", "1", "2", "3"], ["1", "2", "3", "4"]):
        frame.set_axis(names, axis=1).to_parquet(path)
        reading = interactions.read_file(path, ReadOptions())
        assert reading.source.roles == {"user": "1", "item": "2", "rating": "3", "time": "4"}
        assert triples(reading.dataset)[:2] == [("u0", "i0", 1.0), ("u1", "i1", 2.0)]
        assert pairs(interactions.read(path, user="2", item="1", rating="none"))[0] == ("i0", "u0")


def test_two_columns_of_one_name_are_distinguished_by_number(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table([["a", "b"], ["c", "d"], ["x", "y"]], names=["user", "user", "item"]), path)
    assert pairs(interactions.read(path, user=1)) == [("a", "x"), ("b", "y")]
    assert pairs(interactions.read(path, user=2)) == [("c", "x"), ("d", "y")]


# A comma before the decimals


@pytest.mark.parametrize(
    ("texts", "first"),
    [(["4,5", "3,0"], [4.5, 3.0]), (["4,5", "3"], [4.5, 3.0]), (["2,125", "3,5"], [2.125, 3.5])],
)
def test_decimal_commas(parquet: Write, text: Write, texts: list[str], first: list[float]) -> None:
    column = texts * (N // 2)
    rows = [{"user": u, "item": i, "rating": r} for u, i, r in zip(USERS, ITEMS, column, strict=True)]
    for path in (parquet(rating=column), text(rows)):
        assert [rating for *_, rating in triples(interactions.read(path))][:2] == first


@pytest.mark.parametrize("texts", [["4,5", "3.5"], ["1,234", "12"]])
def test_mixed_fractions_and_thousands_are_refused(parquet: Write, texts: list[str]) -> None:
    assert f'row 1: the rating is "{texts[0]}"' in str(refused(parquet(rating=texts * (N // 2))))


# A column that is wrong in every row


def test_a_column_that_is_wrong_throughout_is_not_to_be_skipped(parquet: Write, text: Write) -> None:
    good = [{"user": "u", "item": str(n), "rating": n % 5 + 1} for n in range(N)]
    spoilt = [row | {"rating": f"{n} stars"} for n, row in enumerate(good[:20])]
    for path in (parquet(rating=[f"{n} stars" for n in range(20)] + ["3"] * 10), text([*spoilt, *good])):
        error = refused(path)
        assert 'the rating is "0 stars", not a number; no rating in the first 20 rows is valid.' in str(error)
        assert "--skip-bad" not in str(error)
        assert error.fixes == {"There is no rating": {"rating": "none"}}
    mixed = [row | {"rating": ["", "x"][n % 2]} for n, row in enumerate(spoilt)]
    assert "no rating in the first 20 rows" in str(refused(text([*mixed, *good])))
    assert "--skip-bad" in str(refused(text([*spoilt[:19], *good])))


def test_all_rows_are_bad_even_where_bad_ones_may_be_left_out(parquet: Write, text: Write) -> None:
    rows = [{"user": "", "item": str(n)} for n in range(N)]
    for path in (parquet(user=[""] * N), text(rows)):
        error = str(refused(path, skip_bad="90%"))
        assert "1: the user is empty; no user in the first 20 rows is valid. Fix the column" in error
        assert "(--user COLUMN)" in error


# JSON: objects and lists as values


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        ({"$oid": "5a0000000000000000000001"}, "5a0000000000000000000001"),
        ({"$numberLong": "9007199254740993"}, "9007199254740993"),
        ({"$numberInt": "7"}, "7"),
    ],
)
def test_ids_of_mongodb_are_unwrapped(text: Write, value: Any, plain: str) -> None:
    assert pairs(interactions.read(text([{"user": value, "item": "x"}, {"user": value, "item": "y"}])))[0] == (
        plain,
        "x",
    )


def test_numbers_and_dates_of_mongodb_are_unwrapped(text: Write) -> None:
    dates = ["2020-01-01T00:00:00.123Z", {"$numberLong": "1577836800124"}, 1577836800125, {"$numberLong": "-1000"}]
    data = interactions.read(
        text(
            [
                {"user": "a", "item": n, "rating": {"$numberDouble": f"{n + 1}.5"}, "time": {"$date": date}}
                for n, date in enumerate(dates)
            ]
        )
    )
    assert [rating for *_, rating in triples(data)] == [1.5, 2.5, 3.5, 4.5]
    assert (times(data), data.ticks) == ([1577836800123, 1577836800124, 1577836800125, -1000], 1000)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (["x", "y"], 'line 2: the item is a list, "["x", "y"]"'),
        ({"id": 3}, 'line 2: the item is an object, "{"id": "3"}"'),
        ({"$oid": {"x": "y"}}, "line 2: the item is an object"),
    ],
)
def test_other_values_inside_values_are_refused(text: Write, value: Any, message: str) -> None:
    error = str(refused(text([{"user": "a", "item": "x"}, {"user": "a", "item": value}])))
    assert message in error
    assert "select another field (--item FIELD)" in error


def test_values_inside_values_do_not_matter_in_other_fields(text: Write) -> None:
    assert pairs(interactions.read(text([{"user": "a", "item": "b", "tags": ["x"]}]))) == [("a", "b")]


def test_a_line_separator_inside_a_text_does_not_end_a_line(text: Write) -> None:
    path = text('{"user":"a","item":"b","title":"x\u2028y"}\n{"user":"c","item":"d"}\n')
    assert pairs(interactions.read(path)) == [("a", "b"), ("c", "d")]


# JSON: forms that are not one record after another

TABLE = [{"user": user, "item": item} for user, item in zip(USERS, ITEMS, strict=True)]
WRITE = 'df.to_json(path, orient="records", lines=True)'


@pytest.mark.parametrize("indent", [None, 1])
@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"user": {"0": "a", "1": "b"}, "item": {"0": "x", "1": "y"}}, ("a list or object per column", WRITE)),
        ({"user": ["a", "b"], "item": ["x", "y"]}, ("a list or object per column", WRITE)),
        ({"columns": ["user", "item"], "index": [0], "data": [["a", "x"]]}, ('orient="split"', WRITE)),
        ({"0": TABLE[0], "1": TABLE[1]}, ('orient="index"', WRITE)),
        ({"schema": {"fields": [{"name": "user"}]}, "data": TABLE}, ("jq -c '.data[]' FILE", WRITE)),
        ({"ratings": TABLE}, ("jq -c '.ratings[]' FILE", WRITE)),
        ({"took": 3, "hits": {"hits": [{"_source": TABLE[0]}]}}, ("jq -c '.hits.hits[]._source' FILE",)),
        ({"user": {str(n): "a" for n in range(9999)}, "item": {"0": "x"}}, ("longer than 64 KB", WRITE)),
        ({"page": 1, "data": TABLE * 99}, ("longer than 64 KB", WRITE)),
    ],
)
def test_a_table_in_one_object_is_refused_with_what_writes_records(
    text: Write, value: Any, message: tuple[str, ...], indent: int | None
) -> None:
    error = str(refused(text(json.dumps(value, indent=indent), "t.json")))
    assert all(part in error for part in message)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("".join(json.dumps(row, indent=1) + "\n" for row in TABLE), "each JSON object spans several lines"),
        (json.dumps(TABLE[0], indent=1), "a single JSON object over several lines"),
        ("".join(json.dumps(row) + ",\n" for row in TABLE), "line 1: a comma follows the object"),
        ("".join(f"{row}\n" for row in TABLE), "line 1: this is a Python dict, not JSON"),
        ("".join(json.dumps({"_id": 1, "_source": row}) + "\n" for row in TABLE), "jq -c '._source' FILE"),
    ],
)
def test_almost_json_lines_are_refused_by_name(text: Write, content: str, message: str) -> None:
    assert message in str(refused(text(content)))


# JSON: lists as records


@pytest.mark.parametrize(
    "content",
    [
        '[["a","x",5],["b","y",3]]',
        '[\n ["a", "x", 5],\n ["b", "y", 3]\n]\n',
        '["a","x",5]\n["b","y",3]\n',
        '[["user","item","rating"],["a","x",5],["b","y",3]]',
        '["user","item","rating"]\n["a","x",5]\n["b","y",3]\n',
        '[{"0":"a","1":"x","2":5},{"0":"b","1":"y","2":3}]',
    ],
)
@pytest.mark.parametrize("options", [{}, {"user": 1, "item": 2, "rating": 3}])
def test_lists_are_rows_of_a_table(text: Write, content: str, options: Mapping[str, Any]) -> None:
    assert triples(interactions.read(text(content), **options)) == [("a", "x", 5.0), ("b", "y", 3.0)]


def test_lists_without_a_header_lose_no_row(text: Write) -> None:
    path = text('["1","2"]\n["3","4"]\n')
    assert pairs(interactions.read(path)) == [("1", "2"), ("3", "4")]
    assert pairs(interactions.read(path, header=True, user=1, item=2)) == [("3", "4")]


@pytest.mark.parametrize("early", [["a", "x"], {"0": "a", "1": "x"}])
def test_a_value_more_than_the_first_records_have_is_refused(text: Write, early: Any) -> None:
    late = [*early, 5] if isinstance(early, list) else early | {"2": 5}
    assert "line 252: more values than the 2 of the first records" in str(refused(text([early] * 251 + [late])))


def test_lists_inside_a_zip(text: Write, tmp_path: Path) -> None:
    with ZipFile(tmp_path / "t.zip", "w") as archive:
        archive.write(text('["a","x",5]\n["b","y",3]\n'), "t.jsonl")
    assert triples(interactions.read(tmp_path / "t.zip")) == [("a", "x", 5.0), ("b", "y", 3.0)]


# JSON: fields that come late

EARLY = [{"user": "a", "item": str(n)} for n in range(251)]
LATE = [{"user": "b", "item": str(n), "rating": n % 5 + 1, "page": 1} for n in range(150)]


def test_a_rating_that_comes_late_is_noticed(text: Write) -> None:
    path = text([*EARLY, *LATE])
    error = refused(path)
    assert 'the field "rating" first appears in line 252. Use it as the rating (--rating rating)' in str(error)
    assert list(error.fixes.values()) == [{"rating": "rating"}, {"rating": "none"}]
    reading = interactions.read_file(path, ReadOptions.of(rating="none"))
    assert len(reading.dataset) == 401
    assert set(reading.source.ignored) == {"rating", "page"}
    assert "line 252" in str(refused(text([*EARLY, {"user": "b", "item": "7", "my_rating": 4}])))


def test_a_late_field_for_a_role_that_is_known_is_ignored(text: Write) -> None:
    reading = interactions.read_file(
        text([*EARLY, {"user": "b", "item": "7", "User": "c", "movie_id": 4}]), ReadOptions()
    )
    assert reading.source.ignored == ("User", "movie_id")
    assert pairs(reading.dataset)[-1] == ("b", "7")


def test_a_field_that_comes_late_can_be_named(text: Write) -> None:
    path = text([*EARLY, *LATE])
    assert "line 1: the rating is empty" in str(refused(path, rating="rating"))
    data = interactions.read(path, rating="rating", skip_bad="70%")
    assert triples(data)[:2] == [("b", "0", 1.0), ("b", "1", 2.0)]
    for word, hint in (("ratng", "Did you mean 'rating'"), ("stars", "Known: user, item")):
        with pytest.raises(UsageError, match=hint):
            interactions.read(path, rating=word)
