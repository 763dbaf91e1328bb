"""Catalogues from files: MovieLens movies in their three forms, anyone's titles, RecBole items."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from io import StringIO

from recdash.data.items import Item, parse_title
from recdash.data.readers.chunks import shown
from recdash.errors import DataError

ID_NAMES = (
    "movieid", "itemid", "filmid", "productid", "bookid", "songid", "trackid", "artistid", "articleid", "contentid",
    "businessid", "videoid", "gameid", "iid", "asin", "isbn",
)  # fmt: skip
ITEM_NAMES = ("item", "movie", "film", "product", "book", "song", "track", "artist", "article", "game", "title")
TITLE_NAMES = ("title", "movietitle", "itemtitle", "name", "itemname", "movie", "film", "product", "label")
_YEAR_NAMES = ("year", "releaseyear", "released", "releasedate", "publicationyear")
_GENRE_NAMES = ("genres", "genre", "class", "category", "categories")
_DATED = re.compile(r"\(\d{4}[^()]*\)\s*$")
_YEAR = re.compile(r"\b(1[5-9]|20)\d\d\b")

# The flags of u.item, in their order (MovieLens-100K README, u.genre).
_GENRES_100K = (
    "unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime", "Documentary", "Drama",
    "Fantasy", "Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi", "Thriller", "War", "Western",
)  # fmt: skip
_QUOTING = (",", ";")  # what stands between these may be quoted; a quote beside a tab or "::" is a letter
_LONGEST_TITLE = 400
_ABSENT = ("unknown", "(no genres listed)", "")


def plain(name: str) -> str:
    """Reduce a column name to what it says: "User_ID", "user id" and "user_id:token" are all "userid"."""
    return re.sub(r"[^a-z0-9]", "", name.partition(":")[0].lower())


def read_u_item(name: str, content: str) -> dict[str, Item]:
    """MovieLens-100K: id|title|date|video date|address|19 flags."""
    known = {}
    for where, fields in _rows(name, content, "|", 5 + len(_GENRES_100K)):
        genres = [genre for genre, flag in zip(_GENRES_100K, fields[5:], strict=True) if flag.strip() == "1"]
        known[_movie_id(fields[0], where)] = _film(fields[0], fields[1], genres)
    return known


def read_movies_dat(name: str, content: str) -> dict[str, Item]:
    """MovieLens-1M and 10M: id::title::genre|genre."""
    return {_movie_id(f[0], where): _film(f[0], f[1], f[2].split("|")) for where, f in _rows(name, content, "::", 3)}


def read_movies_csv(name: str, content: str) -> dict[str, Item]:
    """MovieLens from 20M on: movieId,title,genres with quoted titles, below a header."""
    rows = _rows(name, content, ",", 3)
    where, header = next(rows, (f"{name}, line 1", []))
    if [plain(column) for column in header[:2]] != ["movieid", "title"]:
        found = shown(",".join(header))
        raise DataError(
            f'{where}: expected the header "movieId,title,genres", found {found}. Download the archive again.'
        )
    return {_movie_id(f[0], where): _film(f[0], f[1], f[2].split("|")) for where, f in rows}


def read_titles(name: str, content: str) -> dict[str, Item]:
    """Anyone's titles: a table whose header names id, title and maybe year and genres, or MovieLens movies."""
    first = content.partition("\n")[0]
    if first.count("|") == 4 + len(_GENRES_100K):
        return read_u_item(name, content)
    if first.count("::") == 2:
        return read_movies_dat(name, content)
    return _table(name, content, max(",\t;|", key=first.count), lambda genres: re.split(r"[|;,/]", genres))


def read_item_file(name: str, content: str) -> dict[str, Item]:
    """RecBole: a table whose header names and types its columns, lists with spaces. Empty where it has no titles."""
    header = content.partition("\n")[0]
    mark = "\t" if "\t" in header else ","
    if _place([plain(column) for column in header.split(mark)], TITLE_NAMES) is None:
        return {}
    return _table(name, content, mark, str.split)


def _table(name: str, content: str, delimiter: str, split_genres: Callable[[str], list[str]]) -> dict[str, Item]:
    rows = _rows(name, content, delimiter, None)
    _, header = next(rows, ("", []))
    columns = [plain(column) for column in header]
    id_ = _place(columns, (*ID_NAMES, "id", *ITEM_NAMES))
    title = _place(columns, TITLE_NAMES, but=id_)
    year, genre = _place(columns, _YEAR_NAMES, but=id_), _place(columns, _GENRE_NAMES, but=id_)
    if id_ is None or title is None:
        found = ", ".join(shown(column) for column in header[:12]) or "nothing"
        raise DataError(
            f"{name}, line 1: expected columns for item id and title, found {found}. Name them id,title,year,genres."
        )
    known = {}
    for where, fields in rows:
        if len(fields) != len(header):
            raise DataError(f"{where}: expected {len(header)} fields, found {len(fields)}. Correct that line.")
        key = fields[id_].strip()
        if not key:
            raise DataError(f"{where}: the item id is empty. Correct that line.")
        genres = split_genres(fields[genre]) if genre is not None else ()
        released = _YEAR.search(fields[year]) if year is not None else None
        known[key] = _item(key, fields[title], int(released[0]) if released else None, genres)
    return known


def _place(columns: Sequence[str], names: Sequence[str], but: int | None = None) -> int | None:
    for name in names:
        for place, column in enumerate(columns):
            if column == name and place != but:
                return place
    return None


def _item(key: str, title: str, year: int | None, genres: Iterable[str]) -> Item:
    """Anyone's item: a title ending in "(1995)" is taken apart as in MovieLens, another one is left as it is."""
    if _DATED.search(title):
        film = _film(key, title, genres)
        return film._replace(year=year or film.year)
    return Item(key, title.strip() or key, year, _clean(genres))


def _film(id_: str, raw: str, genres: Iterable[str]) -> Item:
    title, year, others = parse_title(raw[:_LONGEST_TITLE])
    return Item(id_.strip(), title or id_.strip(), year, _clean(genres), others)


def _clean(genres: Iterable[str]) -> tuple[str, ...]:
    return tuple(genre.strip() for genre in genres if genre.strip() not in _ABSENT)


def _movie_id(field: str, where: str) -> str:
    if not field.strip().isdecimal():
        raise DataError(f"{where}: the movie id is {shown(field)}, not a whole number. Download the archive again.")
    return field.strip()


def _rows(name: str, content: str, delimiter: str, fields: int | None) -> Iterator[tuple[str, list[str]]]:
    """Yield ("file, line n", fields) for every line that is not blank; DataError for another number of fields."""
    for line, row in _lines(name, content, delimiter):
        where = f"{name}, line {line}"
        if fields is not None and len(row) != fields:
            expected = f'expected {fields} fields separated by "{delimiter}"'
            raise DataError(f"{where}: {expected}, found {len(row)}. Download the archive again.")
        yield where, row


def _lines(name: str, content: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    if delimiter not in _QUOTING:
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
        raise DataError(f"{name}, line {start}: a quoted field does not end ({error}). Correct that line.") from error
