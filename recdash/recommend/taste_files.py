"""Import of a visitor's ratings from other sites, and export and import of tastes as CSV.

Formats: `recdash.recommend.taste_formats`. How titles are matched: `recdash.recommend.title_matching`.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from numpy.typing import NDArray

from recdash.data.catalogue import Catalogue
from recdash.data.items import Item
from recdash.errors import DataError, UsageError, short_repr
from recdash.recommend.row_matching import finder, settle_conflicts
from recdash.recommend.taste import DEFAULT_SCALE, LIKE, Mark, Taste, TasteEntry
from recdash.recommend.taste_csv import escape_cell, parse_cells, split_lines, unescape_cell
from recdash.recommend.taste_formats import (
    MOVIELENS,
    RECDASH,
    STARS,
    BadRow,
    TasteFile,
    TasteRow,
    UnmatchedRow,
    read_rows,
)
from recdash.recommend.taste_uploads import files_in_upload
from recdash.recommend.title_matching import TitleMatch, TitleMatcher

__all__ = ["AmbiguousRow", "BadRow", "MatchedRow", "TasteImport", "TasteRow", "UnmatchedRow"]

HEADER = ("item_id", "title", "year", "mark")
_NEAR_ZERO = 0.25  # lowest to highest rating of a scale whose ratings are proportional to stars


class MatchedRow(NamedTuple):
    """A row with its item, its mark on the scale of the dataset, and what agrees."""

    row: TasteRow
    item: Item
    mark: Mark
    how: str


class AmbiguousRow(NamedTuple):
    """A row that fits several items, or one not well enough; candidates best first, for the visitor to choose from."""

    row: TasteRow
    candidates: tuple[Item, ...]
    mark: Mark
    reason: str


@dataclass(frozen=True, eq=False)
class TasteImport:
    """What a file of ratings contains. Every row is in exactly one of the lists.

    Attributes:
        source: Site of the file: "Letterboxd", "IMDb", "MovieLens.org", "MovieLens" or "recdash".
        catalogue: Items of the dataset.
        scale: Rating scale of the dataset.
        positive_from: Fewest stars of a positive.
        matched: Rows with an item.
        ambiguous: Rows to choose an item for.
        unmatched: Rows without an item in this dataset.
        skipped: Rows without a rating, such as films that were only watched; they are not likes.
        bad_rows: Rows that cannot be read.
        notes: Remarks for the reader.
    """

    source: str
    catalogue: Catalogue
    scale: tuple[float, float]
    positive_from: float
    matched: tuple[MatchedRow, ...] = ()
    ambiguous: tuple[AmbiguousRow, ...] = ()
    unmatched: tuple[UnmatchedRow, ...] = ()
    skipped: tuple[UnmatchedRow, ...] = ()
    bad_rows: tuple[BadRow, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def summary(self) -> str:
        """Counts for display: "412 matched, 6 to choose, 31 not in this dataset, 2 unreadable"."""
        counts = (
            (self.matched, "matched"),
            (self.ambiguous, "to choose"),
            (self.unmatched, "not in this dataset"),
            (self.skipped, "without a rating"),
            (self.bad_rows, "unreadable"),
        )
        return ", ".join(f"{len(rows):,} {what}" for rows, what in counts if rows or what == "matched")

    def taste(self, choices: Mapping[int, str] | None = None) -> Taste:
        """Return the matched and chosen items as a taste.

        Items are in the order in which they were rated, oldest first, where the file has dates, otherwise in the order
        of the file. Of several rows of one item the later one counts, except that a like does not replace stars.

        Args:
            choices: Item id by row number, for ambiguous or unmatched rows; other such rows are left out.

        Raises:
            UsageError: A choice is for another row, or names no item of the dataset.
        """
        marked = [(matched.row, matched.item, matched.mark) for matched in self.matched]
        open_rows = {one.row.number: (one.row, one.mark) for one in self.ambiguous}
        open_rows |= {one.row.number: (one.row, self._mark(one.row)) for one in self.unmatched}
        for number, item_id in (choices or {}).items():
            if number not in open_rows:
                raise UsageError(f"Row {short_repr(number)} needs no choice. Choose for ambiguous or unmatched rows.")
            if item_id not in self.catalogue.index_of:
                raise UsageError(f"Row {number}: no item has the id {short_repr(item_id)}. Choose one of the dataset.")
            row, mark = open_rows[number]
            marked.append((row, self.catalogue[self.catalogue.index_of[item_id]], mark))
        entries: dict[str, TasteEntry] = {}
        for _, item, mark in _in_order(marked):
            earlier = entries.pop(item.id, None)
            has_stars = earlier is not None and mark == LIKE and not isinstance(earlier.mark, str)
            entries[item.id] = earlier if earlier is not None and has_stars else TasteEntry(item, mark)
        return Taste(tuple(entries.values()), self.scale, self.positive_from)

    def _mark(self, row: TasteRow) -> Mark:
        return row.mark if self.source == RECDASH else to_scale(row.mark, self.scale)


def read_taste_file(
    content: bytes,
    name: str,
    catalogue: Catalogue,
    popularity: NDArray[Any] | None = None,
    *,
    scale: tuple[float, float] | None = None,
    positive_from: float = 4.0,
    matcher: TitleMatcher | None = None,
) -> TasteImport:
    """Read ratings exported by Letterboxd, IMDb, MovieLens.org or recdash, or one user's ratings of MovieLens.

    Ratings are converted to the scale of the dataset (`to_scale`); IMDb's 1 to 10 count half a star each. Liked films
    of Letterboxd (likes/films.csv) without a rating are likes; films that were only watched are skipped.

    Args:
        content: A CSV file, or a zip with ratings.csv or diary.csv, and likes/films.csv.
        name: Name of the file.
        catalogue: Items of the dataset.
        popularity: (items,) counts that order the candidates of ambiguous rows.
        scale: Rating scale of the dataset; None for 0.5 to 5.
        positive_from: Fewest stars of a positive.
        matcher: The matcher of this catalogue, to build it only once.

    Raises:
        DataError: The file is too large, damaged, of no known format, or has the ratings of several users.
    """
    matcher = matcher or TitleMatcher(catalogue, popularity)
    file = _read(content, name)
    found = TasteImport(file.source, catalogue, scale or DEFAULT_SCALE, positive_from)
    ambiguous: list[AmbiguousRow] = []
    unmatched = list(file.not_films)
    certain: list[tuple[TasteRow, int, TitleMatch]] = []
    find = finder(file.source, matcher)
    for row in file.rows:
        match = find(row)
        if match.rule is not None and not row.is_television:
            certain.append((row, match.items[0], match))
        elif match.items:
            reason = "television film" if row.is_television else "several items fit" if match.items[1:] else "unsure"
            ambiguous.append(AmbiguousRow(row, _items(catalogue, match.items), found._mark(row), reason))
        else:
            unmatched.append(UnmatchedRow(row, "not in this dataset"))
    settled, contested = settle_conflicts(certain)
    ambiguous += [
        AmbiguousRow(row, _items(catalogue, match.items), found._mark(row), "another row fits this item as well")
        for row, match in contested
    ]
    return TasteImport(
        source=file.source,
        catalogue=catalogue,
        scale=found.scale,
        positive_from=positive_from,
        matched=tuple(MatchedRow(row, catalogue[item], found._mark(row), match.how) for row, item, match in settled),
        ambiguous=tuple(sorted(ambiguous, key=lambda one: one.row.number)),
        unmatched=tuple(sorted(unmatched, key=lambda one: one.row.number)),
        skipped=tuple(file.not_rated),
        bad_rows=tuple(file.bad_rows),
        notes=_notes(file),
    )


def to_scale(mark: Mark, scale: tuple[float, float]) -> Mark:
    """Convert stars from 0.5 to 5 to another scale; likes stay likes.

    On scales that start near zero, ratings are proportional to stars: 4 stars are 4 on a scale of 1 to 5 and 8 on one
    of 1 to 10; what is lower than the scale counts as its lowest rating. Other scales are mapped end to end.
    """
    if isinstance(mark, str):
        return mark
    low, high = scale
    if 0 <= low <= _NEAR_ZERO * high:
        return max(low, mark * high / STARS[1])
    return low + (mark - STARS[0]) / (STARS[1] - STARS[0]) * (high - low)


def write_taste_csv(taste: Iterable[TasteEntry], name: str | None = None) -> str:
    """Return a taste as CSV that `read_taste_file` reads back: the entries in their order, with the same marks.

    Text that a spreadsheet would interpret as a formula gets an apostrophe in front, which reading removes.

    Args:
        taste: Entries.
        name: Name of the taste, for a line above the header.
    """
    rows: list[Iterable[object]] = [] if name is None else [("name", escape_cell(name))]
    rows.append(HEADER)
    for item, mark in taste:
        title = escape_cell(" ".join(item.title.split()))
        rows.append((escape_cell(item.id), title, "" if item.year is None else item.year, _exact_mark(mark)))
    return "".join(map(_csv_line, rows))


def _csv_line(cells: Iterable[object]) -> str:
    """Return a line of CSV; with "\r\n" as its line break, csv also quotes cells that contain only one of the two."""
    line = io.StringIO(newline="")
    csv.writer(line, lineterminator="\r\n").writerow(cells)
    return line.getvalue().removesuffix("\r\n") + "\n"


def read_saved_taste(content: bytes) -> tuple[str, list[TasteEntry]]:
    """Return the name and the entries of a CSV file written by `write_taste_csv` with a name.

    Items have only what is in the file: id, title and year. Raises DataError if the file is damaged.
    """
    first, *others = split_lines(content)
    file = read_rows("".join(["\n", *others]).encode(), "taste")  # without the name, which may look like a header
    cells = parse_cells(first, ",") or []
    if file.source != RECDASH or len(cells) != 2 or cells[0] != "name":
        raise DataError("no name above the header")
    if file.bad_rows:
        raise DataError(f"{file.bad_rows[0].place}: {file.bad_rows[0].problem}")
    entries = {
        row.item_id: TasteEntry(Item(row.item_id, row.title, row.year), row.mark) for row in file.rows if row.item_id
    }
    return unescape_cell(cells[1]), list(entries.values())


def _exact_mark(mark: Mark) -> str:
    if isinstance(mark, str):
        return mark
    return short if float(short := f"{mark:g}") == mark else repr(float(mark))


def _read(content: bytes, name: str) -> TasteFile:
    files: list[TasteFile] = []
    n_lines = 0  # of the files read so far, which keeps row numbers unique
    for upload in files_in_upload(content, name):
        files.append(read_rows(upload.content, upload.name, is_likes=upload.is_likes, first_number=n_lines))
        n_lines += upload.content.count(b"\n") + upload.content.count(b"\r") + 1
    return TasteFile(
        files[0].source,
        [row for file in files for row in file.rows],
        [row for file in files for row in file.not_films],
        [row for file in files for row in file.not_rated],
        [row for file in files for row in file.bad_rows],
    )


def _in_order(marked: list[tuple[TasteRow, Item, Mark]]) -> list[tuple[TasteRow, Item, Mark]]:
    """Return rows in the order in which they were rated.

    A row without a date follows the row before it in the file. Rows of one date keep the direction of the file, which
    may start with the newest.
    """
    marked = sorted(marked, key=lambda one: one[0].number)
    dates: list[float] = []
    for row, _, _ in marked:
        dates.append(row.date if row.date is not None else dates[-1] if dates else float("-inf"))
    is_newest_first = bool(dates) and dates[0] > dates[-1]
    positions = range(len(marked))
    order = sorted(positions, key=lambda index: (dates[index], -index if is_newest_first else index))
    return [marked[index] for index in order]


def _items(catalogue: Catalogue, indices: Iterable[int]) -> tuple[Item, ...]:
    return tuple(catalogue[index] for index in indices)


def _notes(file: TasteFile) -> tuple[str, ...]:
    if file.source == MOVIELENS:
        return ("Matched by the item ids of MovieLens; the file has no titles to confirm them.",)
    return ()
