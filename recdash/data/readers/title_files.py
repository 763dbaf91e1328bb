"""Item titles from files: the three MovieLens forms, tables with a header, and RecBole items."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from io import StringIO

from recdash.data.items import Item, parse_title
from recdash.data.readers.column_names import ID_NAMES, ITEM_NAMES, TITLE_NAMES, normalise_name
from recdash.errors import DataError, quote

_YEAR_NAMES = ("year", "releaseyear", "released", "releasedate", "publicationyear")
_GENRE_NAMES = ("genres", "genre", "class", "category", "categories")
_ENDS_WITH_YEAR = re.compile(r"\(\d{4}[^()]*\)\s*$")
_YEAR = re.compile(r"\b(1[5-9]|20)\d\d\b")

# The flags of u.item, in their order (MovieLens-100K README, u.genre).
_GENRES_100K = (
    "unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime", "Documentary", "Drama",
    "Fantasy", "Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi", "Thriller", "War", "Western",
)  # fmt: skip
_QUOTED_DELIMITERS = (",", ";")  # delimiters of quoted fields; with a tab or "::" quotes are ordinary characters
_LONGEST_TITLE = 400
_NO_GENRE = ("unknown", "(no genres listed)", "")


def read_u_item(name: str, content: str) -> dict[str, Item]:
    """Read MovieLens-100K's movies: id|title|date|video date|address|19 flags."""
    items_by_id = {}
    for location, fields in _rows(name, content, "|", 5 + len(_GENRES_100K)):
        genres = [genre for genre, flag in zip(_GENRES_100K, fields[5:], strict=True) if flag.strip() == "1"]
        items_by_id[_movie_id(fields[0], location)] = _movie(fields[0], fields[1], genres)
    return items_by_id


def read_movies_dat(name: str, content: str) -> dict[str, Item]:
    """Read the movies of MovieLens-1M and 10M: id::title::genre|genre."""
    return {
        _movie_id(fields[0], location): _movie(fields[0], fields[1], fields[2].split("|"))
        for location, fields in _rows(name, content, "::", 3)
    }


def read_movies_csv(name: str, content: str) -> dict[str, Item]:
    """Read the movies of MovieLens from 20M on: a header, then movieId,title,genres with quoted titles."""
    rows = _rows(name, content, ",", 3)
    location, header = next(rows, (f"{name}, line 1", []))
    if [normalise_name(column) for column in header[:2]] != ["movieid", "title"]:
        found = quote(",".join(header))
        raise DataError(
            f'{location}: expected the header "movieId,title,genres", found {found}. Download the archive again.'
        )
    return {
        _movie_id(fields[0], location): _movie(fields[0], fields[1], fields[2].split("|")) for location, fields in rows
    }


def read_titles(name: str, content: str) -> dict[str, Item]:
    """Read titles from a table whose header names id, title and optionally year and genres, or from MovieLens movies.

    Args:
        name: The file's name in messages.
        content: The file's text.

    Returns:
        Items by id.

    Raises:
        DataError: The header lacks id or title, or a line is invalid.
    """
    first = content.partition("\n")[0]
    if first.count("|") == 4 + len(_GENRES_100K):
        return read_u_item(name, content)
    if first.count("::") == 2:
        return read_movies_dat(name, content)
    return _table(name, content, max(",\t;|", key=first.count), lambda genres: re.split(r"[|;,/]", genres))


def read_item_file(name: str, content: str) -> dict[str, Item]:
    """Read RecBole's `.item` file, whose header has types and whose lists have spaces; empty without titles."""
    header = content.partition("\n")[0]
    mark = "\t" if "\t" in header else ","
    if _find_column([normalise_name(column) for column in header.split(mark)], TITLE_NAMES) is None:
        return {}
    return _table(name, content, mark, str.split)


def _table(name: str, content: str, delimiter: str, split_genres: Callable[[str], list[str]]) -> dict[str, Item]:
    rows = _rows(name, content, delimiter, None)
    _, header = next(rows, ("", []))
    columns = [normalise_name(column) for column in header]
    id_column = _find_column(columns, (*ID_NAMES, "id", *ITEM_NAMES))
    title_column = _find_column(columns, TITLE_NAMES, exclude=id_column)
    year_column, genre_column = (
        _find_column(columns, _YEAR_NAMES, exclude=id_column),
        _find_column(columns, _GENRE_NAMES, exclude=id_column),
    )
    if id_column is None or title_column is None:
        found = ", ".join(quote(column) for column in header[:12]) or "nothing"
        raise DataError(
            f"{name}, line 1: expected columns for item id and title, found {found}. Name them id,title,year,genres."
        )
    items_by_id = {}
    for location, fields in rows:
        if len(fields) != len(header):
            raise DataError(f"{location}: expected {len(header)} fields, found {len(fields)}. Fix this line.")
        item_id = fields[id_column].strip()
        if not item_id:
            raise DataError(f"{location}: the item id is empty. Fix this line.")
        genres = split_genres(fields[genre_column]) if genre_column is not None else ()
        year_match = _YEAR.search(fields[year_column]) if year_column is not None else None
        items_by_id[item_id] = _item(item_id, fields[title_column], int(year_match[0]) if year_match else None, genres)
    return items_by_id


def _find_column(columns: Sequence[str], names: Sequence[str], exclude: int | None = None) -> int | None:
    for wanted in names:
        for index, column in enumerate(columns):
            if column == wanted and index != exclude:
                return index
    return None


def _item(item_id: str, title: str, year: int | None, genres: Iterable[str]) -> Item:
    """Return an item; a title that ends in "(1995)" is split as in MovieLens, other titles stay unchanged."""
    if _ENDS_WITH_YEAR.search(title):
        film = _movie(item_id, title, genres)
        return film._replace(year=year or film.year)
    return Item(item_id, title.strip() or item_id, year, _clean_genres(genres))


def _movie(id_: str, text: str, genres: Iterable[str]) -> Item:
    title, year, others = parse_title(text[:_LONGEST_TITLE])
    return Item(id_.strip(), title or id_.strip(), year, _clean_genres(genres), others)


def _clean_genres(genres: Iterable[str]) -> tuple[str, ...]:
    return tuple(genre.strip() for genre in genres if genre.strip() not in _NO_GENRE)


def _movie_id(field: str, location: str) -> str:
    if not field.strip().isdecimal():
        raise DataError(f"{location}: the movie id is {quote(field)}, not a whole number. Download the archive again.")
    return field.strip()


def _rows(name: str, content: str, delimiter: str, fields: int | None) -> Iterator[tuple[str, list[str]]]:
    """Yield ("file, line n", fields) for every non-blank line; raises DataError for a wrong number of fields."""
    for line, row in _lines(name, content, delimiter):
        location = f"{name}, line {line}"
        if fields is not None and len(row) != fields:
            expected = f'expected {fields} fields separated by "{delimiter}"'
            raise DataError(f"{location}: {expected}, found {len(row)}. Download the archive again.")
        yield location, row


def _lines(name: str, content: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    if delimiter not in _QUOTED_DELIMITERS:
        yield from (
            (number, line.split(delimiter)) for number, line in enumerate(re.split("\r?\n", content), 1) if line.strip()
        )
        return
    reader = csv.reader(StringIO(content, newline=""), delimiter=delimiter, skipinitialspace=True)
    start = 1
    try:
        for row in reader:
            if any(field.strip() for field in row):
                yield start, row
            start = reader.line_num + 1
    except csv.Error as error:
        raise DataError(f"{name}, line {start}: a quoted field is not closed ({error}). Fix this line.") from error
