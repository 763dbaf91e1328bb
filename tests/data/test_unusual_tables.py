"""Tables from programs, databases and spreadsheets: roles are detected correctly, or an option is requested."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from recdash.data.dataset import Dataset
from recdash.data.readers import interactions
from recdash.data.readers.dataset_builder import Reading
from recdash.data.readers.read_options import ReadOptions
from recdash.errors import DataError

MANY = [(f"u{row % 9}", f"i{row % 13}") for row in range(60)]


def lines(form: str, rows: int = 60) -> str:
    """Rows in a form with places for the number of the row, of a user and of an item."""
    return "".join(form.format(row=row, user=row % 9, item=row % 13, stars=1 + row % 5) + "\n" for row in range(rows))


@pytest.fixture
def understood(tmp_path: Path):
    def read(content: str | bytes, **options: object) -> Reading:
        path = tmp_path / "odd.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return interactions.read_file(path, ReadOptions.of(**options))

    return read


def counted(data: Dataset) -> tuple[int, int]:
    return data.n_users, data.n_items


@pytest.mark.parametrize(
    ("content", "columns"),
    [
        (lines("user_{user}\t2009-05-03T23:08:{row:02d}Z\tartist{item}\tname"),
         {"user": "1", "item": "3", "time": "2"}),
        (lines("{user},22683{item:02d},25203{row:02d},pv,15115440{row:02d}"), {"user": "1", "item": "2", "time": "5"}),
        (lines("{user},Game {item},play,{stars}.5,0"), {"user": "1", "item": "2", "rating": "4"}),
        ("% bip weighted\n" + lines("{user} {item}\t{stars} 11124860{row:02d}"),
         {"user": "1", "item": "2", "rating": "3", "time": "4"}),
        ("Kunde;Artikel;Bewertung;Datum\n" + lines("K{user};A{item};{stars};15.08.2011"),
         {"user": "Kunde", "item": "Artikel", "rating": "Bewertung", "time": "Datum"}),
        ("user_id,book_id,my_rating,date_added\n" + lines("{user},{item},{stars},2011/08/15"),
         {"user": "user_id", "item": "book_id", "rating": "my_rating", "time": "date_added"}),
        ("user_id,book_id,num_ratings,average_rating\n" + lines("{user},{item},7,3.5"),
         {"user": "user_id", "item": "book_id"}),
        (lines("{user}||{item}||{stars}"), {"user": "1", "item": "2", "rating": "3"}),
        ("user, item, rating\n" + lines('u{user}, "a, {item}", {stars}'),
         {"user": "user", "item": "item", "rating": "rating"}),
    ],
)  # fmt: skip
def test_columns_are_what_they_are(content: str, columns: dict[str, str], understood) -> None:
    found = understood(content)
    assert dict(found.source.roles) == columns
    assert counted(found.dataset) == (9, 13)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("1\t10\t5\n1\t11\t\\N\n2\t10\t1\n2\t12\t3\n", 'line 2: the rating is "\\N", not a number'),
        (lines("{user},{item},{stars} stars"), 'column 3 has values such as "1 stars"'),
        (lines("{user}\t2010-10-11T23:55:27Z\t30.2359091167\t-97.79\t{item}"), "column 3 has fractions"),
        (lines("{row},{user},{item},{stars}"), "column 1 numbers the rows"),
        (",0,1,2\n" + lines("{row},{user},{item},{stars}"), "may be data or column numbers"),
        ("who,what\n" + lines("ann{user},soup{item}"), "may be a header or data"),
        ("user,item\n-----,-----\n" + lines("a{user},b{item}"), "line 2: a line of dashes"),
        ("Export of today\nuser,item\n" + lines("a{user},b{item}"), "line 2: other lines precede the column names"),
        ("user,item\na,b\n\ufeffuser,item\nc,d\n", "line 3: the header is repeated here"),
        ("user,item,plays\na,b,1.234\na,c,12\nb,c,5\n", 'the rating "1.234" may be 1234 or a fraction'),
        ("user;item;plays\na;b;1,234\na;c;12\nb;c;5\n", 'the rating "1,234" may be 1234 or a fraction'),
        ("user,item\n1E+15,1\n17,2\n", "truncated by a spreadsheet"),
        ("user,item\nann,1\n1.2E+15,2\n", "truncated by a spreadsheet"),
        (lines("{row} 1{item:02d} 2{item:02d} 3{item:02d}"), "looks like adjacency lists"),
        ("user,item,quantity\n1,2,3\n1,3,-1\n", "--ignore-rating -1"),
        ("user,item,rating\n1,2,0\n1,3,0\n", "all values in rating are 0"),
        ("user,item,rating\n", "the file contains no interactions. Add rows below the header."),
        ("user,item,rating\n1,2,good\n1,3,bad\n2,3,so so\n", "all other rows have the same problem. Select another"),
        ('"user"  "item"  "stars"\n"a"  "b"  4\n', "quotes with runs of spaces are not supported"),
        ("INSERT INTO ratings VALUES (1,2,3);\nINSERT INTO ratings VALUES (1,3,4);\n", "this is an SQL dump"),
        ("5 0:1 23:1\n3 1:1 24:1\n", "libsvm's sparse format"),
    ],
)  # fmt: skip
def test_what_may_be_several_things_is_asked_about(content: str, message: str, understood) -> None:
    with pytest.raises(DataError) as caught:
        understood(content)
    assert message in str(caught.value)


def test_rows_that_begin_like_a_comment_are_rows(understood) -> None:
    assert counted(understood("# hello\nuser,item\n#ann,5\nbob,6\n").dataset) == (2, 2)
    assert counted(understood("%x,5,3\n%y,6,4\nu1,7,5\n").dataset) == (3, 3)
    assert counted(understood("#ann,5\nbob,#6\ncy,7\n").dataset) == (3, 3)


def test_files_put_one_behind_the_other_keep_no_byte_order_mark(understood) -> None:
    assert counted(understood("\ufeffuser,item\na,b\n\ufeffa,c\n").dataset) == (1, 2)


def test_quotes_with_backslashes_are_quotes_inside_quotes(understood) -> None:
    data = understood('"user";"item";"rating"\n"1";"Say \\"Hi\\"; go";"5"\n"2";"Plain";"4"\n').dataset
    assert [item.id for item in data.catalogue.items] == ["Plain", 'Say "Hi"; go']


def test_decimal_commas_may_come_late(understood) -> None:
    data = understood("user;item;rating\n" + lines("{row};{item};{stars}", 300) + "999;1;4,5\n").dataset
    assert data.ratings is not None and data.ratings[-1] == 4.5


@pytest.mark.parametrize(
    "content",
    [
        '"user"        "item"        1\n' * 60 + '"u1"        "12"inch"      5\n',
        '"u"   , "i"   , 1\n' * 60 + '"u1"   , "12" LP"   , 4\n',
    ],
)
def test_no_quotes_take_long(content: str, understood) -> None:
    started = time.perf_counter()
    with pytest.raises(DataError):
        understood(content)
    assert time.perf_counter() - started < 2


@pytest.mark.parametrize(
    "sorted_ids",
    [
        ["i7", "i9", "i40", "i63", "i100", "i101"],  # by the numbers in them
        ["Alpha", "beta", "Delta", "gamma", "Lambda", "mu"],  # without regard to case
        ["adam", "émile", "eric", "ÿves", "zoe", "zzz"],  # without regard to accents
    ],
)
def test_files_sorted_by_item_inside_ties_show_no_order_however_they_sort(sorted_ids: list[str], understood) -> None:
    days = (("2011-08-20", sorted_ids[:3]), ("2011-08-21", sorted_ids[3:]))
    rows = [f"u{user},{item},{day}" for user in range(8) for day, items in days for item in items]
    assert understood("user,item,day\n" + "\n".join(rows) + "\n", time="day").dataset.tie_rule("file") == "random"
    turned = [f"u{user},{item},{day}" for user in range(8) for day, (a, b, c) in days for item in (b, c, a)]
    assert understood("user,item,day\n" + "\n".join(turned) + "\n", time="day").dataset.tie_rule("file") == "file"


def test_a_scale_below_zero_is_no_option(understood, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from recdash.cli.main import main

    path = tmp_path / "odd.csv"
    rng = np.random.default_rng(0)
    path.write_text("user,item,rating\n" + "".join(f"{u},{u % 7},{rng.integers(-1, 11)}\n" for u in range(60)))
    assert main(["data", "import", "x", "--csv", str(path), "--scale", "-1..10", "--dry-run"]) == 0
    assert "on a scale of -1 to 10" in capsys.readouterr().err


def test_a_matrix_with_items_in_its_rows_is_refused(understood) -> None:
    with pytest.raises(DataError, match=r"the first column names items \(movie_title\)"):
        understood("movie_title,ann,bob,cy,di\nHeat,5,,3,\nAlien,,4,,1\n", format="wide")


def test_files_sorted_by_rating_or_popularity_inside_ties_show_no_order(understood) -> None:
    rng = np.random.default_rng(1)
    rows = [(user, day, int(item), int(rng.integers(1, 6))) for user in range(40) for day in (20, 21)
            for item in 1 + rng.permutation(30)[:6] ** 2 // 40 + 40 * rng.permutation(6)]  # fmt: skip
    popularity = {item: sum(row[2] == item for row in rows) for _, _, item, _ in rows}
    for key in (lambda row: -row[3], lambda row: -popularity[row[2]]):
        listed = sorted(rows, key=lambda row: (row[0], row[1], key(row)))
        text = "".join(f"{user},{item},{stars},2011-08-{day}\n" for user, day, item, stars in listed)
        assert understood("user,item,rating,day\n" + text, time="day").dataset.tie_rule("file") == "random"
    text = "".join(f"{user},{item},{stars},2011-08-{day}\n" for user, day, item, stars in rows)
    assert understood("user,item,rating,day\n" + text, time="day").dataset.tie_rule("file") == "file"


def test_a_line_with_totals_is_noted(understood) -> None:
    notes = understood("user,item\n" + lines("{row},{item}") + "Total,60\n").dataset.notes
    assert 'all user ids are numbers except "Total", which may not be a user' in notes
