"""Rating files of four sites: what exists is matched, nothing wrongly, and one bad row never loses the file."""

from __future__ import annotations

import csv
import io
import time
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recdash.data.catalogue import Catalogue
from recdash.data.items import Item
from recdash.errors import DataError, RecdashError, UsageError
from recdash.recommend import taste_formats, taste_uploads
from recdash.recommend.taste import LIKE, Taste, TasteEntry
from recdash.recommend.taste_files import (
    TasteImport,
    read_saved_taste,
    read_taste_file,
    to_scale,
    write_taste_csv,
)
from tests.recommend.ml1m_titles import ml1m_matcher

FILES = Path(__file__).parent / "files"
SITES = {"letterboxd": "Letterboxd", "imdb": "IMDb", "movielens_org": "MovieLens.org", "movielens": "MovieLens"}
FILMS = Catalogue(
    (
        Item("1", "Heat", 1995),
        Item("2", "The Good, the Bad and the Ugly", 1966),
        Item("3", "Café Müller", 1985),
        Item("4", "=cmd()", 2000),
        Item("5", "Emma", 1996),
        Item("6", "Star\nWars", 1977),
    )
)
LETTERBOXD = "Date,Name,Year,Letterboxd URI,Rating\n"


def read(text: str | bytes, name: str = "ratings.csv", **options) -> TasteImport:
    content = text.encode() if isinstance(text, str) else text
    return read_taste_file(content, name, FILMS, **{"scale": (1.0, 5.0), **options})


def marks(taste: Taste) -> list[tuple[str, object]]:
    return [(entry.item.id, entry.mark) for entry in taste]


def zip_of(files: dict[str, bytes | str]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return stream.getvalue()


def truth_of(site: str) -> dict[int, str]:
    with (FILES / f"{site}_truth.csv").open(newline="") as file:
        return {int(row["line"]): row["item_id"] for row in csv.DictReader(file)}


@pytest.mark.parametrize("site", SITES)
def test_what_exists_is_matched_and_nothing_wrongly(test_data: Path, site: str) -> None:
    matcher = ml1m_matcher(test_data)
    content = (FILES / f"{site}.csv").read_bytes()
    found = read_taste_file(content, f"{site}.csv", matcher.catalogue, scale=(1, 5), matcher=matcher)
    truth = truth_of(site)
    existing = {line for line, item_id in truth.items() if item_id}
    assert len(truth) >= 40
    assert len(existing) <= 0.75 * len(truth)
    assert found.source == SITES[site]
    assert {
        one.row.number: (one.row.label, one.item.id) for one in found.matched if truth[one.row.number] != one.item.id
    } == {}
    assert len(found.matched) >= 0.97 * len(existing)
    assert found.bad_rows == ()
    parts = (found.matched, found.ambiguous, found.unmatched, found.skipped)
    assert sorted(one.row.number for rows in parts for one in rows) == sorted(truth)


def test_an_export_of_letterboxd_is_read_with_its_likes(test_data: Path) -> None:
    matcher = ml1m_matcher(test_data)
    likes = "Date,Name,Year,Letterboxd URI\n2015-01-02,Fargo,1996,https://boxd.it/2aZu\n2020-02-02,Psycho,1998,\n"
    content = zip_of(
        {
            "profile.csv": "Date Joined,Username\n2015-01-01,a\n",
            "ratings.csv": (FILES / "letterboxd.csv").read_bytes(),
            "likes/films.csv": likes,
            "likes/lists.csv": "Date,Name\n",
        }
    )
    found = read_taste_file(content, "letterboxd-a-2024.zip", matcher.catalogue, scale=(1, 5), matcher=matcher)
    taste = {entry.item.label: entry.mark for entry in found.taste()}
    assert taste["Fargo (1996)"] == LIKE
    assert taste["Psycho (1998)"] == 1.0  # rated and liked: the stars stay
    assert [one.row.place for one in found.matched if one.row.label == "Fargo (1996)"] == ["likes/films.csv, line 2"]
    assert len({one.row.number for one in found.matched}) == len(found.matched)


def test_television_is_reported_and_never_matched(test_data: Path) -> None:
    matcher = ml1m_matcher(test_data)
    found = read_taste_file((FILES / "imdb.csv").read_bytes(), "a.csv", matcher.catalogue, matcher=matcher)
    reasons = {one.row.label: one.reason for one in found.unmatched}
    assert reasons["Pine Barrens (2001)"] == "television episode"
    assert reasons["Twelve Angry Men (1954)"] == "television episode"
    assert reasons["Psycho (1998)"] == "television series"
    assert reasons["Akira (1988)"] == "not a film (Video Game)"
    assert {one.row.label: one.reason for one in found.ambiguous}["Emma (1996)"] == "television film"


def test_one_bad_row_keeps_the_others() -> None:
    found = read(
        LETTERBOXD
        + "2020-01-01,Heat,1995,u1,4.5\n"
        + "2020-01-02,Heat,1995,u1,nine\n"
        + "2020-01-03,Heat,1995,u1,7\n"
        + "2020-01-04,,1995,u1,3\n"
        + "2020-01-05,A, B,1995,u1,3\n"
        + '2020-01-06,"Open quote,1995,u1,3\n'
        + "2020-01-07,Emma,1996,u2,2\n"
    )
    assert marks(found.taste()) == [("1", 4.5), ("5", 2.0)]
    assert [(bad.place, bad.problem) for bad in found.bad_rows] == [
        ("line 3", 'the rating "nine" is not a number'),
        ("line 4", "the rating 7 is outside 0.5 to 5"),
        ("line 5", "no title"),
        ("line 6", "expected 5 cells, found 6"),
        ("line 7", "a quotation mark is not closed, or a cell is too long"),
    ]
    assert found.summary == "2 matched, 5 unreadable"


def test_quoted_titles_may_have_commas_quotes_and_line_breaks() -> None:
    found = read(
        LETTERBOXD + '2020-01-01,"The Good, the\nBad and ""the"" Ugly",1966,u,5\n2020-01-02,12" Heat,1995,u,1\n'
        "2020-01-03,Heat,1995,v,4\n"
    )
    assert marks(found.taste()) == [("2", 5.0), ("1", 4.0)]
    assert [one.row.number for one in found.matched] == [2, 5]
    assert [one.row.title for one in found.unmatched] == ['12" Heat']


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
def test_encodings(encoding: str) -> None:
    assert marks(read((LETTERBOXD + "2020-01-01,Café Müller,1985,u,4\n").encode(encoding)).taste()) == [("3", 4.0)]


def test_a_line_in_another_encoding_spoils_only_itself() -> None:
    lines = ["2020-01-01,Café Müller,1985,u,4\n".encode(), "2020-01-02,Café Müller,1985,u,5\n".encode("cp1252")]
    assert len(read(LETTERBOXD.encode() + b"".join(lines)).matched) == 2


def test_files_saved_by_a_spreadsheet_are_read() -> None:
    rows = (
        "sep=;",
        "DATE;name;YEAR;Letterboxd Uri;rating;;",
        "13.01.2020;Heat;1995;u;4,5;;",
        "02.01.2020;Emma;1996;v;3;;",
    )
    found = read("\r\n".join(rows))
    assert marks(found.taste()) == [("5", 3.0), ("1", 4.5)]  # oldest first


def test_columns_are_found_by_name_in_any_order() -> None:
    text = "Title,Year,your rating,Const,Title Type\nHeat,1995,9,tt0113277,Film\nEmma,1996,1,tt1,movie\n"
    assert marks(read(text).taste()) == [("1", 4.5), ("5", 1.0)]  # IMDb's 1 of 10 is half a star, ml-1m's lowest is 1
    older = "position,const,created,You rated,Title,Title type,Year\n"
    older += "1,tt0113277,Sat Jan 11 00:00:00 2014,8,Heat,Feature Film,1995\n"
    assert marks(read(older).taste()) == [("1", 4.0)]


def test_an_unknown_header_is_one_clear_error() -> None:
    with pytest.raises(DataError) as caught:
        read("foo,bar\n1,2\n", "C:\\my\\stuff.csv")
    message = str(caught.value)
    assert message.startswith('"stuff.csv": no known header: found "foo", "bar". Accepted: ')
    assert "Letterboxd (Name, Year, Rating)" in message
    assert "\n" not in message


def test_order_is_that_of_the_dates_and_the_last_rating_counts() -> None:
    text = "Date,Name,Year,Letterboxd URI,Rating,Rewatch,Tags,Watched Date\n"
    text += "2021-01-01,Heat,1995,https://boxd.it/a,5,Yes,,2020-12-31\n"
    text += "2021-01-02,Emma,1996,https://boxd.it/b,3,,,2019-06-01\n"
    text += "2020-01-03,Heat,1995,https://boxd.it/c,2,,,2018-01-01\n"
    assert marks(read(text).taste()) == [("5", 3.0), ("1", 5.0)]


def test_rows_of_one_day_keep_the_direction_of_the_file() -> None:
    rows = ["2021-01-02,Heat,1995,a,5\n", "2020-01-01,Emma,1996,b,3\n", "2020-01-01,Café Müller,1985,c,4\n"]
    assert [one for one, _ in marks(read(LETTERBOXD + "".join(rows)).taste())] == ["3", "5", "1"]
    assert [one for one, _ in marks(read(LETTERBOXD + "".join(rows[1:] + rows[:1])).taste())] == ["5", "3", "1"]


def test_watched_films_are_skipped_and_liked_ones_are_likes() -> None:
    text = "Date,Name,Year,Letterboxd URI\n2020-01-01,Heat,1995,u\n"
    watched, liked = read(text, "watched.csv"), read(text, "films.csv")
    assert (marks(watched.taste()), [one.reason for one in watched.skipped]) == ([], ["no rating"])
    assert marks(liked.taste()) == [("1", LIKE)]


def test_movielens_ids_match_only_with_the_title() -> None:
    text = "movie_id,imdb_id,tmdb_id,rating,average_rating,title\n"
    text += "5,0113277,949,4.5,3.8,Heat (1995)\n1,1,1,3,3,Emma (1996)\n"
    found = read(text + "3,1,1,2,3,Unknown (1985)\n")  # id 3 is another film here
    assert marks(found.taste()) == [("1", 4.5), ("5", 3.0)]
    assert [one.row.title for one in found.unmatched] == ["Unknown"]


def test_ratings_of_several_users_are_refused() -> None:
    text = "userId,movieId,rating,timestamp\n1,5,3,20\n1,1,4,10\n1,77,4,10\n"
    found = read(text)
    assert marks(found.taste()) == [("1", 4.0), ("5", 3.0)]
    assert len(found.unmatched) == 1
    with pytest.raises(DataError, match="ratings of 2 users"):
        read(text + "2,5,3,20\n")


def test_two_films_never_share_an_item() -> None:
    found = read(LETTERBOXD + "2020-01-01,Emma,1997,u1,2\n2020-01-02,Emma,1996,u2,5\n")
    assert [(one.row.year, one.mark) for one in found.matched] == [(1996, 5.0)]
    assert [one.row.year for one in found.ambiguous] == [1997]
    equal = read("Const,Your Rating,Title,Year\ntt1,9,Emma,1996\ntt2,3,Emma,1996\n")
    assert (equal.matched, len(equal.ambiguous)) == ((), 2)


def test_choices_complete_the_taste_in_the_order_of_the_file() -> None:
    text = LETTERBOXD + "2020-01-01,Emma,,u1,2\n2020-01-02,Heat,1995,u2,5\n2020-01-03,Nothing,1990,u3,4\n"
    found = read(text)
    (ambiguous,) = found.ambiguous
    assert [item.id for item in ambiguous.candidates] == ["5"]
    assert marks(found.taste()) == [("1", 5.0)]
    assert marks(found.taste({2: "5", 4: "3"})) == [("5", 2.0), ("1", 5.0), ("3", 4.0)]
    with pytest.raises(UsageError, match="Row 3 needs no choice"):
        found.taste({3: "1"})
    with pytest.raises(UsageError, match="no item has the id '99'"):
        found.taste({2: "99"})


@pytest.mark.parametrize(
    ("stars", "scale", "expected"),
    [(4, (1, 5), 4), (0.5, (1, 5), 1), (3.5, (0.5, 5), 3.5), (4, (1, 10), 8), (4, (0, 100), 80), (5, (-10, 10), 10)],
)
def test_stars_on_other_scales(stars: float, scale: tuple[float, float], expected: float) -> None:
    assert to_scale(stars, scale) == expected
    assert to_scale(LIKE, scale) == LIKE


def test_uploads_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(taste_uploads, "MAX_BYTES", 2000)
    monkeypatch.setattr(taste_formats, "MAX_ROWS", 3)
    with pytest.raises(DataError, match="larger than"):
        read(b"x" * 2001)
    with pytest.raises(DataError, match="more than 3 rows"):
        read(LETTERBOXD + "2020-01-01,Heat,1995,u1,2\n" * 4)
    with pytest.raises(DataError, match="too large when unpacked"):
        read(zip_of({"ratings.csv": LETTERBOXD + "2020-01-01,Heat,1995,u1,2\n" * 100}), "a.zip")


def test_columns_are_bounded() -> None:
    many = ",".join(f"c{number}" for number in range(300))
    with pytest.raises(DataError, match=r"302 columns, at most 200 are read"):
        read(f"item_id,mark,{many}\n1,like\n")


def test_an_export_that_was_packed_again_in_a_folder_is_read() -> None:
    again = {"letterboxd-a/ratings.csv": LETTERBOXD + "2020-01-01,Heat,1995,u1,2\n", "__MACOSX/letterboxd-a/._x": b"x"}
    assert len(read(zip_of(again), "a.zip").matched) == 1
    for hidden in ({"deleted/ratings.csv": LETTERBOXD}, {"../ratings.csv": LETTERBOXD}, {"/ratings.csv": LETTERBOXD}):
        with pytest.raises(DataError, match="expected one of"):
            read(zip_of(hidden), "a.zip")


def test_a_zip_bomb_is_refused_before_it_is_unpacked() -> None:
    with pytest.raises(DataError, match="too large when unpacked"):
        read(zip_of({"ratings.csv": b"0" * 5_000_000}), "bomb.zip")  # a thousandth of its size, below the limit


def test_a_zip_that_declares_a_wrong_size_is_refused() -> None:
    size = len(LETTERBOXD) * 40
    content = zip_of({"ratings.csv": LETTERBOXD * 40})
    forged = content.replace(size.to_bytes(4, "little"), (10).to_bytes(4, "little"))
    assert forged != content
    with pytest.raises(DataError, match="damaged"):
        read(forged, "a.zip")


def test_only_known_members_are_read() -> None:
    for name in ("../ratings.csv", "other/folder/ratings.csv", "RATINGS.CSV", "/etc/passwd"):
        with pytest.raises(DataError, match="expected one of"):
            read(zip_of({name: LETTERBOXD}), "a.zip")


TITLES = st.text(st.characters(codec="utf-8", exclude_categories=()), min_size=1, max_size=20)
MARKS = st.sampled_from(["like", "dislike"]) | st.floats(-10, 1000, allow_nan=False)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(TITLES, st.tuples(TITLES, st.none() | st.integers(1, 3000), MARKS), min_size=1, max_size=8))
def test_a_taste_written_as_csv_is_read_back_exactly(items: dict[str, tuple[str, int | None, object]]) -> None:
    entries = [TasteEntry(Item(id_, title, year), mark) for id_, (title, year, mark) in items.items()]
    catalogue = Catalogue(tuple(entry.item for entry in reversed(entries)))
    text = write_taste_csv(Taste(tuple(entries), (1, 5)))
    found = read_taste_file(text.encode(), "taste.csv", catalogue, scale=(1, 5))
    assert found.source == "recdash"
    assert found.taste() == Taste(tuple(entries), (1, 5))


def test_no_cell_of_an_export_is_a_formula() -> None:
    entries = [TasteEntry(Item(f"{sign}1", f"{sign}cmd()", 2000), -2.0) for sign in "=+-@\t\r"]
    rows = list(csv.reader(io.StringIO(write_taste_csv(entries, "=HYPERLINK(1)"), newline="")))
    assert [row[-1] for row in rows[2:]] == ["-2"] * 6  # numbers stay numbers
    assert not [cell for row in rows for cell in row[:3] if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]
    assert read_saved_taste(write_taste_csv(entries, "=HYPERLINK(1)").encode())[0] == "=HYPERLINK(1)"


def test_a_taste_of_another_dataset_is_matched_by_title() -> None:
    text = write_taste_csv([TasteEntry(Item("5", "Heat", 1995), 4.0), TasteEntry(Item("x", "Emma", 1996), "dislike")])
    found = read(text)
    assert marks(found.taste()) == [("1", 4.0), ("5", "dislike")]


@settings(max_examples=300, deadline=None)
@given(
    st.binary(max_size=200)
    | st.builds(lambda head, rest: head.encode() + rest, st.sampled_from(
        [LETTERBOXD, "Const,Your Rating,Title\n", "userId,movieId,rating\n", "item_id,mark\n", "PK\x03\x04"]
    ), st.binary(max_size=200))
    | st.builds(lambda data: zip_of({"ratings.csv": data}), st.binary(max_size=100))
    | st.builds(
        lambda data, at, byte: data[:at] + bytes([byte]) + data[at + 1 :],
        st.just(zip_of({"ratings.csv": LETTERBOXD + "2020-01-01,Heat,1995,u1,2\n"})),
        st.integers(0, 200),
        st.integers(0, 255),
    )
)  # fmt: skip
def test_any_bytes_give_an_import_or_an_error_of_one_line(content: bytes) -> None:
    try:
        found = read(content)
    except RecdashError as error:
        assert "\n" not in str(error)
    else:
        assert isinstance(found.taste(), Taste)


@pytest.mark.slow
def test_50_000_rows_take_seconds(test_data: Path) -> None:
    matcher = ml1m_matcher(test_data)
    films = [item for item in matcher.catalogue.items if item.year and not set(item.title) & set(',"')]
    rows = [f"2020-01-01,{film.title},{film.year},u{number},4\n" for number, film in enumerate(films)]
    rows += [
        f"2020-01-01,Unknown film {number},{1980 + number % 40},v{number},3\n" for number in range(50_000 - len(rows))
    ]
    start = time.perf_counter()
    found = read_taste_file((LETTERBOXD + "".join(rows)).encode(), "a.csv", matcher.catalogue, matcher=matcher)
    assert time.perf_counter() - start < 20  # 6 s on an idle core
    assert len(found.unmatched) + len(found.matched) + len(found.ambiguous) == 50_000
