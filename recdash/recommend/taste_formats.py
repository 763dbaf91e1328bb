"""Rating files of other sites as rows of title, year and rating; each column is found by its name, never by position.

Every function takes the bytes of one CSV file. Rows that cannot be read are reported and never stop the others.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from recdash.data.items import parse_title
from recdash.errors import DataError, quote
from recdash.recommend.taste import LIKE, Mark, parse_mark
from recdash.recommend.taste_csv import csv_records, parse_cells, parse_dates, split_lines, unescape_cell

MAX_ROWS = 50_000
_MAX_COLUMNS = 200  # each row is stored with all of them until it is read
STARS = (0.5, 5.0)  # scale of all sites, once IMDb's 1 to 10 is halved
LETTERBOXD, IMDB, MOVIELENS_ORG, MOVIELENS, RECDASH = "Letterboxd", "IMDb", "MovieLens.org", "MovieLens", "recdash"
_DELIMITERS = (",", ";", "\t")
_DATE_COLUMNS = ("watched date", "watcheddate", "date rated", "date added", "created", "date", "timestamp")
_HEADER_WITHIN = 5  # lines; a spreadsheet may put "sep=;" above the header
_YEAR = re.compile(r"(1[89]\d\d|20\d\d)(?!\d)")
_EPISODE, _SERIES = re.compile("pisod|folge", re.IGNORECASE), re.compile("s[eé]rie", re.IGNORECASE)
_OTHER_KIND = re.compile(r"game|spiel(?!film)|jeu|gioco|juego|jogo|podcast|music|musik|clip", re.IGNORECASE)
_TELEVISION = re.compile(r"\btv|t[eé]l[eé]|fernseh", re.IGNORECASE)
_STARS = re.compile(r"\d{1,3}([.,]\d{1,9})?", re.ASCII)


class TasteRow(NamedTuple):
    """One row of a file.

    Attributes:
        number: Line in the file; unique across the files of an archive.
        place: The line, for display: "line 12".
        title: Title, or the item id if the file has no titles.
        year: Year; None if unknown.
        mark: A like, or stars: on the scale 0.5 to 5, in files of recdash on that of the dataset.
        other_titles: Other titles of the same film.
        item_id: Id in the catalogue, if the file has one.
        identity: What distinguishes films with the same title and year, such as the id of the site.
        is_television: Whether the site calls it a television film.
        date: When it was rated, as any increasing number; None if unknown.
    """

    number: int
    place: str
    title: str
    year: int | None
    mark: Mark
    other_titles: tuple[str, ...] = ()
    item_id: str | None = None
    identity: str = ""
    is_television: bool = False
    date: float | None = None

    @property
    def label(self) -> str:
        """Title with its year, such as "Heat (1995)"."""
        return self.title if self.year is None else f"{self.title} ({self.year})"


class BadRow(NamedTuple):
    """A row that cannot be read, and what is wrong with it."""

    number: int
    place: str
    problem: str


class UnmatchedRow(NamedTuple):
    """A row without an item, and the reason."""

    row: TasteRow
    reason: str


@dataclass
class TasteFile:
    """The rows of one file: usable ones, ones that are no rating of a film, and unreadable ones."""

    source: str
    rows: list[TasteRow] = field(default_factory=list)
    not_films: list[UnmatchedRow] = field(default_factory=list)
    not_rated: list[UnmatchedRow] = field(default_factory=list)
    bad_rows: list[BadRow] = field(default_factory=list)


class _Format(NamedTuple):
    """A kind of file.

    Attributes:
        source: Its site.
        required: The columns by which it is recognised; of each group one is needed.
        example: The columns for the message about an unknown header.
        read: Adds one row to the file; raises ValueError with what is wrong with the row.
    """

    source: str
    required: tuple[tuple[str, ...], ...]
    example: str
    read: Callable[[TasteFile, _Cells], None]


class _Cells(NamedTuple):
    """The cells of a row by the lower-case names of the columns, and where the row is."""

    number: int
    place: str
    by_name: Mapping[str, str]
    is_likes: bool

    def __call__(self, *names: str) -> str:
        """Return the first cell under one of these names that is not empty."""
        return next((cell for name in names if (cell := self.by_name.get(name, "").strip())), "")


def read_rows(content: bytes, name: str, *, is_likes: bool = False, first_number: int = 0) -> TasteFile:
    """Read a CSV file of one of the sites.

    Args:
        content: The file.
        name: Its name, for messages.
        is_likes: Whether rows without a rating are liked films (Letterboxd's likes/films.csv).
        first_number: Number of the line before the first.

    Raises:
        DataError: It is no text, has no known header, too many rows or the ratings of several users.
    """
    lines = split_lines(content)
    position, delimiter, header, form = _header(lines, name)
    file = TasteFile(form.source)
    users: set[str] = set()
    dates: dict[int, str] = {}
    where = "line" if not first_number else f"{name}, line"
    records = csv_records(lines[position + 1 :], delimiter, len(header), position + 2)
    for n_rows, (line, cells) in enumerate(records):
        if n_rows >= MAX_ROWS:
            raise DataError(f"{quote(name)}: more than {MAX_ROWS:,} rows. Keep the ratings of one user.")
        number, place = first_number + line, f"{where} {line}"
        try:
            if isinstance(cells, str):
                raise ValueError(cells)
            row = _Cells(number, place, dict(zip(header, cells, strict=True)), is_likes)
            users.add(row("userid"))
            dates[number] = row(*_DATE_COLUMNS)
            form.read(file, row)
        except ValueError as error:
            file.bad_rows.append(BadRow(number, place, str(error)))
    users.discard("")
    if len(users) > 1:
        raise DataError(f"{quote(name)}: ratings of {len(users):,} users. Keep the rows of one userId.")
    seconds = dict(zip(dates, parse_dates(list(dates.values())), strict=True))
    file.rows = [row._replace(date=seconds.get(row.number)) for row in file.rows]
    return file


def _header(lines: Sequence[str], name: str) -> tuple[int, str, list[str], _Format]:
    """Return the position of the header, the delimiter, the names of the columns and the format."""
    first: list[str] = []
    for position, line in enumerate(lines[:_HEADER_WITHIN]):
        for delimiter in _DELIMITERS:
            cells = [" ".join(cell.split()) for cell in parse_cells(line, delimiter) or []]
            header = [cell.casefold() for cell in cells]
            first = first or (cells if any(cells) and not cells[0].startswith("sep=") else [])
            for form in _FORMATS:
                if all(any(option in header for option in group) for group in form.required):
                    if len(header) > _MAX_COLUMNS:
                        raise DataError(
                            f"{quote(name)}: {len(header):,} columns, at most {_MAX_COLUMNS} are read. "
                            "Choose the file as exported."
                        )
                    return position, delimiter, _unique(header), form
    found = ", ".join(map(quote, first[:8])) or "nothing"
    known = "; ".join(f"{form.source} ({form.example})" for form in _FORMATS[:-1])
    raise DataError(f"{quote(name)}: no known header: found {found}. Accepted: {known}. Choose the file as exported.")


def _unique(header: list[str]) -> list[str]:
    """Name repeated columns apart, so that the first one counts."""
    return [one if one not in header[:index] else f"{one} #{index}" for index, one in enumerate(header)]


def _read_letterboxd(file: TasteFile, cells: _Cells) -> None:
    title, year = _title(cells("name", "title")), _year(cells("year"))
    is_diary = bool(cells("watched date"))
    row = TasteRow(
        cells.number,
        cells.place,
        title,
        year,
        LIKE,
        identity="" if is_diary else cells("letterboxd uri", "letterboxduri", "imdbid", "tmdbid"),
    )
    if rating := cells("rating"):
        row = row._replace(mark=_stars(rating))
    elif rating := cells("rating10"):
        row = row._replace(mark=_stars(rating, 2))
    elif not cells.is_likes:
        file.not_rated.append(UnmatchedRow(row, "no rating"))
        return
    file.rows.append(row)


def _read_imdb(file: TasteFile, cells: _Cells) -> None:
    title, kind = _title(cells("title")), cells("title type")
    other, rating = cells("original title"), cells("your rating", "you rated")
    row = TasteRow(
        cells.number,
        cells.place,
        title,
        _year(cells("year")),
        _stars(rating, 2) if rating else LIKE,
        (other,) if other and other != title else (),
        identity=cells("const"),
        is_television=_TELEVISION.search(kind) is not None,
    )
    if reason := _not_a_film(kind):
        file.not_films.append(UnmatchedRow(row, reason))
    elif rating:
        file.rows.append(row)
    else:
        file.not_rated.append(UnmatchedRow(row, "no rating"))


def _not_a_film(kind: str) -> str:
    """Return why a title of this kind is not a film; "" for a film."""
    if _OTHER_KIND.search(kind):
        return f"not a film ({kind})"
    if _EPISODE.search(kind):
        return "television episode"
    return "television series" if _SERIES.search(kind) else ""


def _title(text: str) -> str:
    if not text:
        raise ValueError("no title")
    return text


def _year(text: str) -> int | None:
    match = _YEAR.match(text)
    return int(match[0]) if match else None


def _id(text: str) -> str:
    """Return an id; a spreadsheet may have made 12 into 12.0."""
    return text.removesuffix(".0")


def _stars(text: str, per_star: int = 1) -> float:
    """Parse a rating on the scale of 0.5 to 5 stars, or on one with several units per star."""
    if not text:
        raise ValueError("no rating")
    if not _STARS.fullmatch(text):
        raise ValueError(f"the rating {quote(text)} is not a number")
    stars = float(text.replace(",", ".")) / per_star
    if not STARS[0] <= stars <= STARS[1]:
        raise ValueError(f"the rating {text} is outside {STARS[0] * per_star:g} to {STARS[1] * per_star:g}")
    return stars


def _read_movielens_org(file: TasteFile, cells: _Cells) -> None:
    title, year, others = parse_title(_title(cells("title")))
    item_id = _id(cells("movie_id"))
    if rating := cells("rating"):
        stars = _stars(rating)
        file.rows.append(TasteRow(cells.number, cells.place, title, year, stars, others, item_id, f"movie {item_id}"))
    else:
        row = TasteRow(cells.number, cells.place, title, year, LIKE, others, item_id)
        file.not_rated.append(UnmatchedRow(row, "no rating"))


def _read_movielens(file: TasteFile, cells: _Cells) -> None:
    item_id = _id(cells("movieid"))
    if not item_id:
        raise ValueError("no movieId")
    file.rows.append(TasteRow(cells.number, cells.place, item_id, None, _stars(cells("rating")), (), item_id, item_id))


def _read_recdash(file: TasteFile, cells: _Cells) -> None:
    item_id, title, mark = (unescape_cell(cells.by_name.get(name, "")) for name in ("item_id", "title", "mark"))
    if not item_id and not title.strip():
        raise ValueError("neither item_id nor title")
    try:
        parsed = parse_mark(mark.strip().replace(",", "."))
    except ValueError:
        raise ValueError(f"the mark {quote(mark)} is neither like, dislike nor a number of stars") from None
    row = TasteRow(cells.number, cells.place, title or item_id, _year(cells("year")), parsed)
    file.rows.append(row._replace(item_id=item_id, identity=item_id))


_FORMATS = (
    _Format(RECDASH, (("item_id",), ("mark",)), "item_id, title, year, mark", _read_recdash),
    _Format(MOVIELENS, (("userid",), ("movieid",), ("rating",)), "userId, movieId, rating, timestamp", _read_movielens),
    _Format(MOVIELENS_ORG, (("movie_id",), ("rating",), ("title",)), "movie_id, rating, title", _read_movielens_org),
    _Format(IMDB, (("const",), ("your rating", "you rated"), ("title",)), "Const, Your Rating, Title", _read_imdb),
    _Format(LETTERBOXD, (("name",), ("year",), ("letterboxd uri", "rating")), "Name, Year, Rating", _read_letterboxd),
    _Format(
        LETTERBOXD,
        (("title",), ("year",), ("rating", "rating10"), ("letterboxduri", "imdbid", "tmdbid", "watcheddate")),
        "",
        _read_letterboxd,
    ),
)
