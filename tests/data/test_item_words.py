"""The word for the items of a dataset comes from its item column, else from its name."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import recdash
from recdash.data import dataset_file
from recdash.data.dataset import Dataset
from recdash.data.dataset_registry import import_csv
from recdash.data.item_words import ItemWords, item_words, word_of_column, word_of_name


@pytest.mark.parametrize(
    ("column", "word"),
    [
        ("book_id", "book"),
        ("BookID", "book"),
        ("bookid", "book"),
        ("ISBN", "book"),
        ("ISBN-13", "book"),
        ("Book-Title", "book"),
        ("books", "book"),
        ("track", "track"),
        ("song_id", "song"),
        ("artistID", "artist"),
        ("album_artist_id", "artist"),
        ("artist_name:token", "artist"),
        ("product", "product"),
        ("ProductId", "product"),
        ("parent_asin", "product"),
        ("article_id", "article"),
        ("newsId", "article"),
        ("game", "game"),
        ("movieId", "movie"),
        ("film", "film"),
        ("recipe_id", "recipe"),
        ("business_id", "business"),
        ("place", "place"),
        ("properties", "property"),
        ("pelicula", "movie"),
        ("series_id", "series"),
        ("item_id:token", None),
        ("itemId", None),
        ("iid", None),
        ("title", None),
        ("2", None),
        ("", None),
        ("user_id", None),
        ("<b>x</b>", None),
    ],
)
def test_the_name_of_the_column_tells_the_word(column: str, word: str | None) -> None:
    assert word_of_column(column) == word


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("goodbooks-10k", "book"),
        ("Book-Crossing", "book"),
        ("my_books.csv", "book"),
        ("mybooks", "book"),
        ("lastfm-360k", "artist"),
        ("Last.fm", "artist"),
        ("amazon-books", "book"),
        ("amazon_beauty", "product"),
        ("steam", "game"),
        ("ml-20m", "movie"),
        ("MovieLens", "movie"),
        ("netflix", "movie"),
        ("yelp2018", None),
        ("demographics", None),
        ("steamboats", None),
        ("ratings.csv", None),
        ("events", None),
        ("", None),
    ],
)
def test_the_name_of_a_dataset_tells_the_word(name: str, word: str | None) -> None:
    assert word_of_name(name) == word


@pytest.fixture
def read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Dataset]:
    monkeypatch.setenv("RECDASH_DATA_DIR", str(tmp_path / "data"))

    def read_table(header: str, name: str = "mine", separator: str = ",") -> Dataset:
        path = tmp_path / f"{name}.csv"
        rows = (["u1", "a", "5"], ["u2", "b", "3"], ["u2", "a", "1"])
        path.write_text("\n".join([header, *map(separator.join, rows)]) + "\n")
        return import_csv(name, path)

    return read_table


@pytest.mark.parametrize(
    ("header", "name", "words"),
    [
        ("user_id,book_id,rating", "mine", ItemWords("book", "books")),
        ("user,business_id,stars", "mine", ItemWords("business", "businesses")),
        ("user,item,rating", "lastfm", ItemWords("artist", "artists")),
        ("user,item,rating", "mine", ItemWords("item", "items")),
        ("user,book,rating", "lastfm", ItemWords("book", "books")),
    ],
)
def test_an_import_keeps_the_word(read: Callable[..., Dataset], header: str, name: str, words: ItemWords) -> None:
    imported = read(header, name)
    assert item_words(imported) == item_words(recdash.load_dataset(name)) == words
    assert imported.fingerprint == replace(imported, item_word=None).fingerprint


def test_data_of_an_earlier_version_are_opened_and_named_by_their_name(
    read: Callable[..., Dataset], tmp_path: Path
) -> None:
    for name, word in (("lastfm", "artist"), ("mine", "item")):
        kept = read("user,book,rating", name)
        folder = tmp_path / "data" / "sets" / name
        with np.load(folder / "dataset.npz") as members:
            arrays = {key: members[key] for key in members}
        facts = json.loads(dataset_file.member_text(arrays.pop("facts")))
        del facts["item_word"]
        np.savez(folder / "dataset.npz", facts=np.frombuffer(json.dumps(facts).encode(), np.uint8), **arrays)
        old = recdash.load_dataset(name)
        assert old.item_word is None and old.fingerprint == kept.fingerprint
        assert item_words(old).singular == word


def test_movielens_has_movies(folder_of: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("RECDASH_DATA_DIR", str(tmp_path / "data"))
    for form in ("100k", "1m", "10m", "csv"):
        assert item_words(recdash.load_dataset(folder_of(form, name=f"mine-{form}"))) == ItemWords("movie", "movies")


def test_the_demo_has_movies(demo_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECDASH_DATA_DIR", str(demo_cache.parent))
    assert item_words(recdash.load_dataset("demo")) == ItemWords("movie", "movies")


def test_the_file_of_the_titles_tells_the_word_where_the_column_does_not(tmp_path: Path) -> None:
    (tmp_path / "books.csv").write_text("id,title\na,Emma\nb,Ulysses\n")
    path = tmp_path / "mine.csv"
    path.write_text("user,item,rating\nu1,a,5\nu2,b,3\n")
    assert recdash.load_dataset(path, titles=tmp_path / "books.csv").item_word == "book"


def test_a_word_that_is_not_known_is_not_shown(read: Callable[..., Dataset]) -> None:
    assert item_words(replace(read("user,item,rating"), item_word="<script>")) == ItemWords("item", "items")
