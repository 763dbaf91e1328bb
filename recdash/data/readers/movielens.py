"""MovieLens as published, from a folder or zip: 100K, 1M, 10M, and the CSV files of 20M, 25M, 32M and latest-small."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

from recdash.data.dataset import Dataset
from recdash.data.item_words import MOVIE
from recdash.data.items import Item
from recdash.data.readers import title_files
from recdash.data.readers.chunks import (
    ProgressCallback,
    read_chunks,
    split_header,
)
from recdash.data.readers.columns import Columns
from recdash.data.readers.delimited import read_columns
from recdash.data.readers.release_files import Members, open_members
from recdash.data.readers.row_format import RowFormat
from recdash.data.readers.text_streams import (
    Input,
    as_utf8,
    file_errors,
    read_text,
)
from recdash.data.timestamps import (
    ColumnError,
    Times,
    from_numbers,
)
from recdash.errors import DataError, quote

_FIX = "Download the archive again."


@dataclass(frozen=True)
class ReleaseLayout:
    """Files and columns of a published MovieLens release.

    Attributes:
        ratings: Name of the ratings file.
        movies: Name of the movies file.
        row_format: Format of the ratings.
        header: The first line of the ratings; "" for none.
        read_movies: Reads the movies, given the file's name and content.
    """

    ratings: str
    movies: str
    row_format: RowFormat
    header: str
    read_movies: Callable[[str, str], dict[str, Item]]


def _row_format(delimiter: str, scale: tuple[float, float]) -> RowFormat:
    return RowFormat(
        fields=4, delimiter=delimiter, user=0, item=1, rating=2, time=3, integer_ids=True, scale=scale, advice=_FIX
    )


LAYOUTS: Mapping[str, ReleaseLayout] = {
    "100k": ReleaseLayout("u.data", "u.item", _row_format("\t", (1, 5)), "", title_files.read_u_item),
    "1m": ReleaseLayout("ratings.dat", "movies.dat", _row_format("::", (1, 5)), "", title_files.read_movies_dat),
    "10m": ReleaseLayout("ratings.dat", "movies.dat", _row_format("::", (0.5, 5)), "", title_files.read_movies_dat),
    "csv": ReleaseLayout(
        "ratings.csv",
        "movies.csv",
        _row_format(",", (0.5, 5)),
        "userId,movieId,rating,timestamp",
        title_files.read_movies_csv,
    ),
}
_ONLY_IN_1M = "users.dat"  # tells 1M from 10M; never read
KNOWN = frozenset({name for layout in LAYOUTS.values() for name in (layout.ratings, layout.movies)} | {_ONLY_IN_1M})


def read(
    path: Path, *, name: str | None = None, layout: str | None = None, progress: ProgressCallback | None = None
) -> Dataset:
    """Read a MovieLens dataset from a folder or zip.

    Args:
        path: The folder or zip.
        name: Name of the dataset; defaults to that of the folder or zip.
        layout: One of `FORMS`; detected by default.
        progress: Called with the bytes of the ratings read and their total.

    Raises:
        DataError: A file is missing, damaged or not of that layout.
    """
    with open_members(path, KNOWN) as members:
        chosen = LAYOUTS[layout or _detect_layout(members)]
        for required in (chosen.ratings, chosen.movies):
            if required not in members.names:
                found = ", ".join(sorted(members.names))
                raise DataError(
                    f"{members.label}: {required} is missing; found only {found}. Unpack or download the archive again."
                )
        with members.open(chosen.movies) as source:
            movies = chosen.read_movies(source.name, read_text(source))
        with members.open(chosen.ratings) as source:
            columns = _read_ratings(source, chosen, progress)
            times = _read_times(columns, chosen, source.name)
        label = members.label
    dataset = Dataset.build(
        name or label.removesuffix(".zip"),
        users=columns.users,
        items=columns.items,
        ratings=columns.ratings,
        times=times,
        items_by_id=movies,
        scale=chosen.row_format.scale,
        source=label,
        item_word=MOVIE,
    )
    untitled = sum(item.id not in movies for item in dataset.catalogue.items)
    if not untitled:
        return dataset
    return replace(
        dataset,
        notes=(*dataset.notes, f"{untitled:,} rated movies are not in {chosen.movies}; they are shown by their ids"),
    )


def _read_times(columns: Columns, layout: ReleaseLayout, name: str) -> Times | None:
    if columns.times is None:
        return None
    try:
        return from_numbers(*columns.times)
    except ColumnError as error:
        raise DataError(f"{name}, line {error.row + (2 if layout.header else 1)}: {error}") from error


def checksum(path: Path, layout: str) -> str:
    """Describe the SHA-256 of the ratings in a folder, for comparison with another copy."""
    digest = sha256()
    with (
        open_members(path, KNOWN) as members,
        members.open(LAYOUTS[layout].ratings) as source,
        file_errors(source.name),
    ):
        while chunk := source.stream.read(1 << 20):
            digest.update(chunk)
    return f"the SHA-256 of {LAYOUTS[layout].ratings} is {digest.hexdigest()}"


def _detect_layout(members: Members) -> str:
    """Detect the layout from the names of the files."""
    for layout in ("100k", "csv"):
        if members.names & {LAYOUTS[layout].ratings, LAYOUTS[layout].movies}:
            return layout
    return "1m" if _ONLY_IN_1M in members.names else "10m"


def _read_ratings(source: Input, layout: ReleaseLayout, progress: ProgressCallback | None) -> Columns:
    # Ratings are ASCII digits, so decode as Latin-1, which never fails: other bytes become errors of their line.
    chunks = read_chunks(as_utf8(source, "latin-1"), progress=progress)
    if layout.header:
        header, chunks = split_header(chunks)
        if header and header.replace('"', "") != layout.header:
            raise DataError(
                f'{source.name}, line 1: expected the header "{layout.header}", found {quote(header)}. {_FIX}'
            )
    return read_columns(chunks, layout.row_format, source.name)
