"""Delimited files: detection of columns and delimiters, exact ids, and errors with their line number."""

from __future__ import annotations

import csv as stdlib_csv
import gzip
import io
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recdash.data.dataset import Dataset
from recdash.data.readers import interactions, recbole
from recdash.data.readers.cells import MISSING
from recdash.errors import DataError, UsageError


@pytest.fixture
def written(tmp_path: Path):
    def write(content: str | bytes, name: str = "mine.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def rows(data: Dataset) -> list[tuple[object, ...]]:
    """All interactions as (user id, item id, rating, time)."""
    ratings = [None] * len(data) if data.ratings is None else data.ratings.tolist()
    times = [None] * len(data) if data.times is None else data.times.tolist()
    users = [data.user_ids[user] for user in data.users]
    items = [data.catalogue[item].id for item in data.items]
    return list(zip(users, items, ratings, times, strict=True))


@pytest.mark.parametrize(
    "header", ["userId,movieId,rating,timestamp", "USER_ID,Item ID,Score,Date", "uid,asin,stars,unixReviewTime"]
)
def test_common_column_names_are_recognised_in_any_spelling(header: str, written) -> None:
    assert rows(interactions.read(written(f"{header}\nana,heat,4.5,1000000000\n"))) == [
        ("ana", "heat", 4.5, 1000000000)
    ]


def test_columns_are_found_by_name_whatever_their_order_and_case(written) -> None:
    path = written("When,Who,Stars,What\n1000000000,ana,2,heat\n")
    assert rows(interactions.read(path, user="who", item="WHAT", rating="stars", time="when")) == [
        ("ana", "heat", 2, 1000000000)
    ]


def test_columns_are_found_by_number_from_one(written) -> None:
    path = written("5,x,ana,heat\n1,y,bob,ran\n")
    expected = [("ana", "heat", 5, None), ("bob", "ran", 1, None)]
    assert rows(interactions.read(path, user=3, item="4", rating=1, time="none", header=False)) == expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("ana,heat", ("ana", "heat", None, None)),
        ("1,2,4.5", ("1", "2", 4.5, None)),
        ("1,2,4.5,99", ("1", "2", 4.5, 99)),
        ("1,2,978300760", ("1", "2", None, 978300760)),
        ("1,2,1970-01-02,3", ("1", "2", 3, 86400)),
        ("1,2,comment,3", ("1", "2", 3, None)),
    ],
)
def test_without_a_header_the_columns_are_user_item_rating_time(
    line: str, expected: tuple[object, ...], written
) -> None:
    assert rows(interactions.read(written(line + "\n"), header=False)) == [expected]


@pytest.mark.parametrize(
    ("content", "header"),
    [("user,item\n1,2\n", True), ("1,2\n3,4\n", False), ("a,b,wert\nx,y,3\n", True), ("ana,heat\nbob,ran\n", False)],
)
def test_a_header_is_distinguished_from_data(content: str, header: bool, written) -> None:
    assert interactions.detect_format(written(content)).header is header


@pytest.mark.parametrize("mark", [",", "\t", ";", "|", "::"])
def test_the_delimiter_is_seen_from_the_lines(mark: str, written) -> None:
    content = "\n".join(mark.join(line) for line in (["user", "item", "rating"], ["a", "b", "1"], ["c", "d", "2"]))
    plan = interactions.detect_format(written(content))
    assert plan.delimiter == mark
    assert len(interactions.read(written(content))) == 2


def test_commas_inside_titles_do_not_outvote_the_semicolon(written) -> None:
    assert (
        interactions.detect_format(written("user;item;title\n1;2;Net, The, a film, again\n2;2;Heat\n")).delimiter == ";"
    )


def test_an_unusual_delimiter_can_be_named(written) -> None:
    assert rows(interactions.read(written("user^item\n1^2\n"), delimiter="^")) == [("1", "2", None, None)]
    with pytest.raises(UsageError, match="delimiter"):
        interactions.read(written("user^item\n1^2\n"), delimiter="^^")


def test_ids_are_kept_to_the_letter(written) -> None:
    data = interactions.read(written("user,item\n007,1.0\n7,01\n07,Nan Goldin\n7,nullsoft\n"))
    assert rows(data) == [
        ("007", "1.0", None, None),
        ("7", "01", None, None),
        ("07", "Nan Goldin", None, None),
        ("7", "nullsoft", None, None),
    ]
    assert data.n_users == 3


def test_spaces_around_fields_do_not_make_another_user(written) -> None:
    data = interactions.read(written("user, item, rating\n7 , 1, 3\n7,1 ,4\n"))
    assert rows(data) == [("7", "1", 4, None)]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2020-01-01", 1577836800),
        ("2020-01-01 00:00:01", 1577836801),
        ("2020-01-01T01:00:00+01:00", 1577836800),
        ("2020-01-01T00:00:00.900Z", 1577836800.9),
        ("1577836800", 1577836800),
        ("1577836800.9", 1577836800.9),
        ("1577836800.123456", 1577836800.123456),
        ("1577836800123", 1577836800.123),
        ("1577836800000", 1577836800),
        ("1577836800000000", 1577836800),
        ("1577836800000000000", 1577836800),
    ],
)
def test_times_may_be_seconds_finer_or_iso_dates(text: str, seconds: float, written) -> None:
    data = interactions.read(written(f"user,item,time\n1,2,{text}\n"))
    assert data.times is not None and data.times[0] / data.ticks == seconds


def test_milliseconds_are_noted(written) -> None:
    assert "times are milliseconds" in interactions.read(written("user,item,time\n1,2,1577836800000\n")).notes


def test_the_columns_that_were_taken_are_noted(written) -> None:
    assert interactions.read(written("user,item,junk\n1,2,x\n")).notes == ("columns: user = user, item = item",)


def test_gzip_and_byte_order_mark_change_nothing(written) -> None:
    content = b"user,item,rating\n1,2,3\n"
    plain = interactions.read(written(content)).fingerprint
    assert interactions.read(written(b"\xef\xbb\xbf" + content)).fingerprint == plain
    assert interactions.read(written(gzip.compress(content), "mine.csv.gz")).fingerprint == plain


def test_utf_8_is_tried_first_then_western_text_for_the_whole_file(written, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("recdash.data.readers.chunks.CHUNK_BYTES", 32)
    lines = ["user,item", *(f"Zoë,film{number}" for number in range(20))]
    text = "\n".join(lines) + "\n"
    assert interactions.read(written(text)).user_ids == ("Zoë",)
    western = "\n".join(["user,item", *(f"ana,film{number}" for number in range(20)), "Zo\xeb,“Heat”\n"]).encode(
        "cp1252"
    )
    data = interactions.read(written(western))
    assert data.user_ids == ("Zo\xeb", "ana")
    assert "the file is not UTF-8 and was read as cp1252" in data.notes
    with pytest.raises(DataError, match="mostly UTF-8, with invalid bytes"):
        interactions.read(written(text.encode() + "Zo\xeb,film20\n".encode("latin-1")))


def test_quoted_fields_may_hold_delimiters_quotes_and_line_ends(written) -> None:
    data = interactions.read(written('user,item,review,rating\n"a,b","say ""hi""",fine,3\nc,x,"so\nso",4\n'))
    assert rows(data) == [("a,b", 'say "hi"', 3, None), ("c", "x", 4, None)]
    with pytest.raises(DataError, match='line 3: the user is "c\\\\nd", which spans several lines'):
        interactions.read(written('user,item,rating\na,y,3\n"c\nd",x,4\n'))


def test_quoted_line_ends_survive_the_borders_of_blocks(written, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written("user,item,review,rating\n" + 'a b,"1, 2","so\n,so",3\nplain,5" disk,,4\n' * 30)
    whole = interactions.read(path)
    for size in (40, 64, 100):
        monkeypatch.setattr("recdash.data.readers.chunks.CHUNK_BYTES", size)
        assert interactions.read(path).fingerprint == whole.fingerprint
    assert whole.n_users == 2


def test_titles_come_from_a_csv_with_year_and_genres(written) -> None:
    titles = written("id,title,year,genres\n007,Heat,1995,Crime|Drama\n7,Net,,\n", "titles.csv")
    data = interactions.read(written("user,item\n1,007\n1,7\n1,8\n"), titles=titles)
    found = {item.id: item for item in data.catalogue.items}
    assert (found["007"].label, found["007"].genres) == ("Heat (1995)", ("Crime", "Drama"))
    assert found["7"].label == "Net"
    assert found["8"].title == "8"
    assert "1 items have no title and are shown by their ids" in data.notes


@pytest.mark.parametrize("form", ["movies.csv", "movies.dat", "u.item"])
def test_titles_come_from_a_movielens_file_as_well(form: str, written) -> None:
    content = {
        "movies.csv": 'movieId,title,genres\n1,"Net, The (1995)",Action|Crime\n',
        "movies.dat": "1::Net, The (1995)::Action|Crime\n",
        "u.item": "1|Net, The (1995)|x|||0|1|0|0|0|0|1|0|0|0|0|0|0|0|0|0|0|0|0\n",
    }[form]
    item = interactions.read(written("user,item\n1,1\n"), titles=written(content, form)).catalogue[0]
    assert (item.title, item.year, item.genres) == ("The Net", 1995, ("Action", "Crime"))


def test_titles_that_are_no_films_stay_unchanged(written) -> None:
    titles = written("id,name\n1,Chair (red)\n2,Chair (blue)\n", "titles.csv")
    data = interactions.read(written("user,item\n1,1\n1,2\n"), titles=titles)
    assert [item.title for item in data.catalogue.items] == ["Chair (red)", "Chair (blue)"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("user,item,rating\n1,2,3\n1,2\n", 'mine.csv, line 3: expected 3 fields separated by ",", found 2.'),
        ("user,item,rating\n1,2,3\n1,2,3,4\n", 'mine.csv, line 3: expected 3 fields separated by ",", found 4.'),
        ("user,item,rating,x\n1,2,3,x,y\n1,2,3\n", "mine.csv, line 2: expected 4 fields"),
        ('user,item,rating\n"1",2,3\n1,2,3,4\n', "mine.csv, line 3: expected 3 fields"),
        ('user,item,rating\n"9","1",2,3\n"8","1",2,3\n', "mine.csv, line 2: expected 3 fields"),
        ("user,item,rating\n1,2,3\n\n1,2,bad\n", 'mine.csv, line 4: the rating is "bad", not a number.'),
        ("user,item,rating\n1,2,3\n1,2,\n", "mine.csv, line 3: the rating is empty."),
        ("user,item,rating\n1,2,nan\n", 'mine.csv, line 2: the rating is "nan", not a number.'),
        ("user,item,rating\n1,2,-inf\n", 'mine.csv, line 2: the rating is "-inf", not a number.'),
        ("user,item,rating\n1,2,1e39\n", 'mine.csv, line 2: the rating is "1e39", not a number.'),
        ('user,item,rating\n1,2,"3,5"\n', 'line 2: the rating is "3,5", a number with a comma unlike'),
        ("user,item,rating\n1, ,3\n", "mine.csv, line 2: the item is empty."),
        ("user,item,rating\n,2,3\n", "mine.csv, line 2: the user is empty."),
        ("user,item,time\n1,2,2020-01-01\n1,2,01.02.2020\n", 'line 3: the time is "01.02.2020", not a date'),
        ("user,item,time\n1,2,5\n1,2,2020-01-01\n", 'line 3: the time is "2020-01-01", not a number'),
        ("user,item,time\n1,2,1e30\n", 'mine.csv, line 2: the time is "1e30", not a number like'),
        ('user,item,rating\n1,2,3\n"1,2,3\n', "line 3: a quoted field is not closed."),
        ("user,item\n" + "1,2\n" * 5 + "1,\x01\x1b[31m,3\n", "mine.csv, line 7: expected 2 fields"),
        ("user,item\n1,a\0b\n", "mine.csv, line 2: not text in UTF-8 or a Western encoding"),
        ("user,item\n", "mine.csv: the file contains no interactions."),
        ("", "mine.csv: the file is empty."),
        ("user\n1\n", "mine.csv, line 1: found one column, expected at least user and item."),
        ("a,b\n1,2\n", 'line 1: no user column recognised among "a", "b". Give its name (--user COLUMN).'),
        ("user,b\n1,2\n", 'no item column recognised among "user", "b". Give its name (--item COLUMN).'),
        ("196,242,3\n1,2,3\n", "The line looks like data; if so, add --no-header."),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line_with_file_line_and_remedy(content: str, message: str, written) -> None:
    with pytest.raises(DataError) as caught:
        interactions.read(written(content), header=True)
    assert message in str(caught.value)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 400


def test_a_mistake_in_a_later_block_has_the_line_number_of_the_file(written, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("recdash.data.readers.chunks.CHUNK_BYTES", 64)
    with pytest.raises(DataError, match="line 902: the rating"):
        interactions.read(written("user,item,rating\n" + "1,2,3\n" * 900 + "1,2,x\n"))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"user": "usr"}, "Unknown column: 'usr'. Did you mean 'user'? Known: user, item, rating."),
        ({"user": 9}, "Unknown column: '9'."),
        ({"user": "item", "item": "item"}, "one column has two roles"),
    ],
)
def test_a_column_that_does_not_exist_is_a_usage_error(words: dict[str, str], message: str, written) -> None:
    with pytest.raises(UsageError) as caught:
        interactions.read(written("user,item,rating\n1,2,3\n"), **words)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("titles", "message"),
    [
        ("a,b\n1,2\n", "titles.csv, line 1: expected columns for item id and title"),
        ("", "titles.csv, line 1: expected columns for item id and title, found nothing."),
        ("id,title\n1\n", "titles.csv, line 2: expected 2 fields, found 1."),
        ("id,title\n,x\n", "titles.csv, line 2: the item id is empty."),
    ],
)
def test_a_bad_titles_file_is_one_line(titles: str, message: str, written) -> None:
    with pytest.raises(DataError) as caught:
        interactions.read(written("user,item\n1,2\n"), titles=written(titles, "titles.csv"))
    assert message in str(caught.value)


def test_a_file_that_is_not_there_and_a_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none.csv: no such file"):
        interactions.read(tmp_path / "none.csv")
    with pytest.raises(DataError, match="this is a folder"):
        interactions.read(tmp_path)


def test_a_cut_gzip_and_a_gzip_bomb_are_refused(written, monkeypatch: pytest.MonkeyPatch) -> None:
    packed = gzip.compress(
        b"user,item\n" + b"".join(b"%d,%d\n" % (number, number * 7919 % 1000) for number in range(5000))
    )
    with pytest.raises(DataError, match="cut short or damaged"):
        interactions.read(written(packed[: len(packed) // 2], "mine.csv.gz"))
    monkeypatch.setattr("recdash.data.readers.chunks._RATIO_FREE_BYTES", 1000)
    with pytest.raises(DataError, match="unpacks to more than 100 times"):
        interactions.read(written(gzip.compress(b"user,item\n" + b"1,2\n" * 200_000), "mine.csv.gz"))


WORD = st.text(
    st.characters(codec="utf-8", exclude_characters="\0\n\r\x0b\x0c\x1c\x1d\x1e\x1f\x85\u2028\u2029"),
    min_size=1,
    max_size=8,
).filter(lambda word: word.strip().lower() not in MISSING)
ROW = st.tuples(WORD, WORD, st.integers(-40, 40).map(lambda half: half / 2), st.integers(0, 4 * 10**9))


@given(
    table=st.lists(ROW, min_size=1, max_size=12), mark=st.sampled_from(",;|\t"), ends=st.sampled_from(["\n", "\r\n"])
)
@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_the_csv_writer_wrote_is_read_back(
    table: list[tuple[str, str, float, int]], mark: str, ends: str, tmp_path: Path
) -> None:
    table = [row for row in table if row[0].strip() and row[1].strip()]
    if not table:
        return
    text = io.StringIO()
    writer = stdlib_csv.writer(text, delimiter=mark, lineterminator=ends, quoting=stdlib_csv.QUOTE_NONNUMERIC)
    writer.writerow(["user", "item", "rating", "time"])
    writer.writerows(table)
    path = tmp_path / "any.csv"
    path.write_bytes(text.getvalue().encode())
    in_time = sorted(table, key=lambda row: row[3])  # of a pair that comes twice, the latest counts
    users, items = (meant([row[place].strip() for row in in_time]) for place in (0, 1))
    last = {(user, item): row[2:] for user, item, row in zip(users, items, in_time, strict=True)}
    data = interactions.read(path, delimiter=mark, scale=(-20, 20))
    assert data.ticks == 1
    assert {(user, item): (rating, time) for user, item, rating, time in rows(data)} == last


def meant(ids: list[str]) -> list[str]:
    """Ids as people mean them: "1.0" is 1 where all are numbers without leading zeros."""
    if all(re.fullmatch(r"(0|[1-9][0-9]*)(\.0*)?", one) for one in ids):
        return [one.partition(".")[0] for one in ids]
    return ids


def test_recbole_files_are_read_directly(tmp_path: Path) -> None:
    (tmp_path / "tiny.inter").write_text(
        "user_id:token\titem_id:token\trating:float\ttimestamp:float\n196\t242\t3\t881250949\n186\t302\t3.5\t891717742\n"
    )
    (tmp_path / "tiny.item").write_text(
        "item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq\n"
        '242\tKolya\t1996\tComedy\n302\tL.A. "Confidential"\t1997\tCrime Film-Noir Mystery Thriller\n'
    )
    for path in (tmp_path / "tiny.inter", tmp_path):
        data = recbole.read(path)
        assert rows(data) == [("196", "242", 3, 881250949), ("186", "302", 3.5, 891717742)]
        assert data.name == "tiny"
        assert data.catalogue[1].title == 'L.A. "Confidential"'
        assert data.catalogue[1].genres == ("Crime", "Film-Noir", "Mystery", "Thriller")
        assert data.catalogue[0].label == "Kolya (1996)"


def test_recbole_interactions_alone_need_neither_ratings_nor_items(tmp_path: Path) -> None:
    (tmp_path / "clicks.inter").write_text("session_id:token\titem_id:token\tuser_id:token\n9\ta\tu\n")
    assert rows(recbole.read(tmp_path / "clicks.inter")) == [("u", "a", None, None)]


def test_a_recbole_file_without_types_or_with_commas_is_read_as_well(tmp_path: Path) -> None:
    for text in ("user_id\titem_id\n1\t2\n", "user_id:token,item_id:token\n1,2\n"):
        (tmp_path / "x.inter").write_text(text)
        assert rows(recbole.read(tmp_path / "x.inter")) == [("1", "2", None, None)]
