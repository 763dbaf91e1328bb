"""Each published form is read directly; each mistake is one line with file, line number and fix."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from recdash.data.readers import movielens
from recdash.errors import DataError

MORE_LINES = b"1::10::3::5\n" * 20


@pytest.mark.parametrize("form", ["100k", "1m", "10m", "csv"])
def test_a_folder_and_a_zip_of_the_same_release_are_the_same_data(
    form: str, folder_of: Callable[..., Path], zip_of: Callable[..., Path]
) -> None:
    from_folder, from_zip = movielens.read(folder_of(form)), movielens.read(zip_of(form))
    assert len(from_folder) == 3
    assert from_folder.n_users == from_folder.n_items == 2
    assert from_folder.fingerprint == from_zip.fingerprint
    assert from_folder.catalogue == from_zip.catalogue


def test_100k_keeps_users_items_stars_and_seconds(folder_of: Callable[..., Path]) -> None:
    data = movielens.read(folder_of("100k"), name="ml-100k")
    assert data.user_ids == ("186", "196")
    assert [item.id for item in data.catalogue.items] == ["242", "302"]
    assert data.users.tolist() == [1, 0, 1]
    assert data.items.tolist() == [0, 1, 1]
    assert data.ratings is not None and data.ratings.tolist() == [3, 3, 5]
    assert data.times is not None and data.times.tolist() == [881250949, 891717742, 881250950]
    assert (data.scale, data.time_kind, data.name) == ((1, 5), "dates", "ml-100k")


def test_genres_of_100k_come_from_the_flags_and_titles_from_latin_1(folder_of: Callable[..., Path]) -> None:
    film = movielens.read(folder_of("100k")).catalogue[1]
    assert (film.title, film.year, film.genres) == ("Les Misérables", 1995, ("Animation", "Children's", "Comedy"))


@pytest.mark.parametrize("form", ["1m", "10m"])
def test_titles_are_read_as_latin_1_in_1m_and_as_utf_8_in_10m(form: str, folder_of: Callable[..., Path]) -> None:
    titles = {item.title for item in movielens.read(folder_of(form)).catalogue.items}
    assert "The Café" in titles


def test_10m_has_half_stars_and_its_own_scale(folder_of: Callable[..., Path]) -> None:
    data = movielens.read(folder_of("10m"))
    assert data.scale == (0.5, 5)
    assert data.ratings is not None and data.ratings.tolist() == [5, 4.5, 0.5]


def test_quoted_titles_of_the_csv_form_keep_their_commas_and_their_other_titles(folder_of: Callable[..., Path]) -> None:
    film = movielens.read(folder_of("csv")).catalogue[1]
    assert film.title == "The City of Lost Children"
    assert film.alternatives == ("La Cité des enfants perdus",)
    assert film.genres == ()


def test_a_rated_movie_without_a_title_is_shown_by_its_id_and_counted(folder_of: Callable[..., Path]) -> None:
    data = movielens.read(folder_of("1m", {"movies.dat": b"661::Peach (1996)::Animation\n"}))
    assert data.catalogue[1].title == "1193"
    assert data.notes == ("1 rated movies are not in movies.dat; they are shown by their ids",)


def test_the_later_of_two_ratings_of_one_film_counts_and_the_other_is_reported(folder_of: Callable[..., Path]) -> None:
    data = movielens.read(folder_of("1m", {"ratings.dat": b"1::661::5::10\n1::661::2::11\n2::1193::4::1\n"}))
    assert data.ratings is not None and data.ratings.tolist() == [2, 4]
    assert data.notes == ("1 duplicate (user, item) rows; the latest in time of each pair counts",)


def test_small_times_are_an_order_and_no_dates(folder_of: Callable[..., Path]) -> None:
    assert movielens.read(folder_of("1m", {"ratings.dat": b"1::661::5::2\n1::1193::2::1\n"})).time_kind == "order"


def test_windows_line_ends_and_blank_last_lines_change_nothing(folder_of: Callable[..., Path]) -> None:
    plain = movielens.read(folder_of("1m"))
    windows = movielens.read(
        folder_of(
            "1m",
            {"ratings.dat": b"1::1193::5::978300760\r\n1::661::3::978302109\r\n2::1193::4::978298413\r\n\r\n"},
            "windows",
        )
    )
    assert windows.fingerprint == plain.fingerprint


@pytest.mark.parametrize(
    ("form", "file", "content", "expected"),
    [
        (
            "1m",
            "ratings.dat",
            MORE_LINES + b"1::2::3\n",
            'ratings.dat, line 21: expected 4 fields separated by "::", found 3.',
        ),
        (
            "1m",
            "ratings.dat",
            b"1::2::3::4::5\n" + MORE_LINES,
            'ratings.dat, line 1: expected 4 fields separated by "::", found 5.',
        ),
        ("1m", "ratings.dat", b"1::2::3::4::5\n1::2::3\n", "ratings.dat, line 1: expected 4 fields"),
        (
            "1m",
            "ratings.dat",
            MORE_LINES + b"x::2::3::4\n",
            'ratings.dat, line 21: the user id is "x", not a whole number.',
        ),
        (
            "1m",
            "ratings.dat",
            MORE_LINES + b"1::-2::3::4\n",
            'ratings.dat, line 21: the item id is "-2", not a whole number.',
        ),
        (
            "1m",
            "ratings.dat",
            MORE_LINES + b"1::2::six::4\n",
            'ratings.dat, line 21: the rating is "six", not a number.',
        ),
        (
            "1m",
            "ratings.dat",
            MORE_LINES + b"1::2::nan::4\n",
            'ratings.dat, line 21: the rating is "nan", not a number.',
        ),
        (
            "1m",
            "ratings.dat",
            MORE_LINES + b"1::2::6::4\n",
            'ratings.dat, line 21: the rating is "6", outside the scale 1 to 5.',
        ),
        (
            "1m",
            "ratings.dat",
            MORE_LINES + b"1::2::0.5::4\n",
            'line 21: the rating is "0.5", outside the scale 1 to 5.',
        ),
        ("10m", "ratings.dat", MORE_LINES + b"1::2::0::4\n", 'line 21: the rating is "0", outside the scale 0.5 to 5.'),
        ("1m", "ratings.dat", MORE_LINES + b"1::2::::4\n", "ratings.dat, line 21: the rating is empty."),
        (
            "1m",
            "ratings.dat",
            MORE_LINES + b"1::2::3::now\n",
            'line 21: the time is "now", not a number like the other times.',
        ),
        ("1m", "ratings.dat", b"", "ratings.dat: the file contains no interactions."),
        (
            "csv",
            "ratings.csv",
            b"userId,movieId,rating,timestamp\n",
            "ratings.csv: the file contains no interactions.",
        ),
        (
            "csv",
            "ratings.csv",
            b"user,movie\n1,2\n",
            'ratings.csv, line 1: expected the header "userId,movieId,rating,timestamp"',
        ),
        (
            "csv",
            "ratings.csv",
            b"userId,movieId,rating,timestamp\n1,2,3.5,1\n1,2,9,1\n",
            "ratings.csv, line 3: the rating",
        ),
        (
            "100k",
            "u.data",
            b"1\t2\t3\t4\n1\t2\t\0\t4\n",
            "u.data, line 2: not text in UTF-8 or a Western encoding",
        ),
        ("100k", "u.item", b"1|Toy Story (1995)|x\n", 'u.item, line 1: expected 24 fields separated by "|", found 3.'),
        (
            "1m",
            "movies.dat",
            b"1::Toy Story (1995)\n",
            'movies.dat, line 1: expected 3 fields separated by "::", found 2.',
        ),
        (
            "1m",
            "movies.dat",
            b"1::A (1995)::X\none::B::Y\n",
            'movies.dat, line 2: the movie id is "one", not a whole number.',
        ),
        ("csv", "movies.csv", b"movieId,title,genres\n1,Net, The (1995),X\n", "movies.csv, line 2: expected 3 fields"),
        ("csv", "movies.csv", b"1,Net (1995),X\n", 'movies.csv, line 1: expected the header "movieId,title,genres"'),
    ],
)
def test_a_bad_file_is_one_line_with_file_line_and_remedy(
    form: str, file: str, content: bytes, expected: str, folder_of: Callable[..., Path]
) -> None:
    with pytest.raises(DataError) as caught:
        movielens.read(folder_of(form, {file: content}), layout=form)
    message = str(caught.value)
    assert expected in message
    assert "\n" not in message
    assert message.endswith((".", ")"))
    assert any(remedy in message for remedy in ("Download", "Save it"))


@pytest.mark.parametrize(("form", "file"), [("100k", "u.item"), ("1m", "movies.dat"), ("csv", "ratings.csv")])
def test_a_missing_file_is_named_with_what_is_there(form: str, file: str, folder_of: Callable[..., Path]) -> None:
    with pytest.raises(DataError, match=rf"{file} is missing; found only"):
        movielens.read(folder_of(form, {file: None}))


def test_a_folder_without_any_of_the_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no folder contains the files of a dataset"):
        movielens.read(tmp_path)


def test_a_release_one_folder_further_down_is_found(folder_of: Callable[..., Path], tmp_path: Path) -> None:
    folder_of("1m", name="ml-1m")
    assert movielens.read(tmp_path).name == "ml-1m"


def test_the_slow_pass_reads_what_the_fast_one_reads(
    folder_of: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    from recdash.data.readers import delimited

    fast = [movielens.read(folder_of(form)).fingerprint for form in ("100k", "1m", "10m", "csv")]
    monkeypatch.setattr(delimited, "_parse_fast", lambda block, layout: None)
    slow = [movielens.read(folder_of(form, name=f"again-{form}")).fingerprint for form in ("100k", "1m", "10m", "csv")]
    assert fast == slow


@pytest.mark.parametrize("size", [40, 64, 100])
def test_the_size_of_the_blocks_changes_nothing(
    size: int, folder_of: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = movielens.read(folder_of("csv")).fingerprint
    monkeypatch.setattr("recdash.data.readers.chunks.CHUNK_BYTES", size)
    assert movielens.read(folder_of("csv", name="again")).fingerprint == whole


def test_progress_counts_bytes_up_to_all_of_them(folder_of: Callable[..., Path]) -> None:
    seen: list[tuple[int, int | None]] = []
    folder = folder_of("1m")
    movielens.read(folder, progress=lambda done, total: seen.append((done, total)))
    size = (folder / "ratings.dat").stat().st_size
    assert seen[-1] == (size, size)


def test_ml_100k_has_its_published_counts(test_data: Path) -> None:
    data = movielens.read(test_data / "ml-100k")
    assert (len(data), data.n_users, data.n_items) == (100_000, 943, 1_682)
    assert data.time_kind == "dates"
    assert data.catalogue[data.catalogue.index_of["1"]].label == "Toy Story (1995)"
    assert data.notes == ()


def test_ml_1m_has_its_published_counts_within_three_seconds(test_data: Path) -> None:
    start = time.process_time()
    data = movielens.read(test_data / "ml-1m")
    assert time.process_time() - start < 3
    assert (len(data), data.n_users, data.n_items) == (1_000_209, 6_040, 3_706)
    assert data.ratings is not None
    assert np.bincount(data.ratings.astype(int)).tolist() == [0, 56_174, 107_557, 261_197, 348_971, 226_310]
    assert data.catalogue[data.catalogue.index_of["1"]].genres == ("Animation", "Children's", "Comedy")
    assert data.notes == ()


def test_reading_needs_no_pyarrow(folder_of: Callable[..., Path]) -> None:
    code = f"""
import sys; sys.modules["pyarrow"] = None
from pathlib import Path
from recdash.data.readers import interactions, movielens
folder = Path({str(folder_of("csv"))!r})
assert movielens.read(folder).fingerprint == interactions.read(folder / "ratings.csv").fingerprint
"""
    subprocess.run(
        [sys.executable, "-c", code], check=True, env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    )
