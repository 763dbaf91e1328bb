"""MovieLens as published, from a folder or a zip: 100K, 1M, 10M, and the CSV form of 20M, 25M, 32M and latest-small."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

from recdash.data.dataset import Dataset
from recdash.data.items import Item
from recdash.data.readers import title_files
from recdash.data.readers.archive import Members, open_members
from recdash.data.readers.chunks import (
    ProgressCallback,
    chunks_of,
    shown,
    split_header,
)
from recdash.data.readers.columns import Columns, Layout
from recdash.data.readers.delimited import read_columns
from recdash.data.readers.text_streams import Input, reading, recoded, text
from recdash.data.timestamps import Misfit, Times, from_numbers
from recdash.errors import DataError

_MEND = "Download the archive again."


@dataclass(frozen=True)
class Form:
    """One published form: which files it has, how their lines are made, and how its movies are read."""

    ratings: str
    movies: str
    layout: Layout
    header: str
    read_movies: Callable[[str, str], dict[str, Item]]


def _layout(delimiter: str, scale: tuple[float, float]) -> Layout:
    return Layout(
        fields=4, delimiter=delimiter, user=0, item=1, rating=2, time=3, whole_ids=True, scale=scale, mend=_MEND
    )


FORMS: Mapping[str, Form] = {
    "100k": Form("u.data", "u.item", _layout("\t", (1, 5)), "", title_files.read_u_item),
    "1m": Form("ratings.dat", "movies.dat", _layout("::", (1, 5)), "", title_files.read_movies_dat),
    "10m": Form("ratings.dat", "movies.dat", _layout("::", (0.5, 5)), "", title_files.read_movies_dat),
    "csv": Form(
        "ratings.csv",
        "movies.csv",
        _layout(",", (0.5, 5)),
        "userId,movieId,rating,timestamp",
        title_files.read_movies_csv,
    ),
}
_ONLY_1M = "users.dat"  # 1M has it, 10M has not; it is not read
KNOWN = frozenset({name for form in FORMS.values() for name in (form.ratings, form.movies)} | {_ONLY_1M})


def read(
    path: Path, *, name: str | None = None, form: str | None = None, progress: ProgressCallback | None = None
) -> Dataset:
    """Read a folder or a zip.

    form: one of `FORMS`; by default what the files say.  progress: bytes of the ratings read, and how many there are.
    Raises DataError in one line for whatever is missing, damaged or not of that form.
    """
    with open_members(path, KNOWN) as members:
        chosen = FORMS[form or _recognise(members)]
        for needed in (chosen.ratings, chosen.movies):
            if needed not in members.names:
                found = ", ".join(sorted(members.names))
                raise DataError(
                    f"{members.label}: {needed} is missing; found only {found}. Unpack or download the archive again."
                )
        with members.open(chosen.movies) as source:
            movies = chosen.read_movies(source.name, text(source))
        with members.open(chosen.ratings) as source:
            columns = _ratings(source, chosen, progress)
            times = _times(columns, chosen, source.name)
        label = members.label
    dataset = Dataset.build(
        name or label.removesuffix(".zip"),
        users=columns.users,
        items=columns.items,
        ratings=columns.ratings,
        times=times,
        known=movies,
        scale=chosen.layout.scale,
        source=label,
    )
    bare = sum(item.id not in movies for item in dataset.catalogue.items)
    if not bare:
        return dataset
    return replace(
        dataset,
        notes=(*dataset.notes, f"{bare:,} rated movies are not in {chosen.movies}; they are shown by their ids"),
    )


def _times(columns: Columns, form: Form, name: str) -> Times | None:
    if columns.times is None:
        return None
    try:
        return from_numbers(*columns.times)
    except Misfit as error:
        raise DataError(f"{name}, line {error.row + (2 if form.header else 1)}: {error}") from error


def checksum(path: Path, form: str) -> str:
    """Say the SHA-256 of the ratings in a folder, which anybody can compare with their own copy."""
    digest = sha256()
    with open_members(path, KNOWN) as members, members.open(FORMS[form].ratings) as source, reading(source.name):
        while piece := source.stream.read(1 << 20):
            digest.update(piece)
    return f"the SHA-256 of {FORMS[form].ratings} is {digest.hexdigest()}"


def _recognise(members: Members) -> str:
    """Tell the form from the names of the files."""
    for form in ("100k", "csv"):
        if members.names & {FORMS[form].ratings, FORMS[form].movies}:
            return form
    return "1m" if _ONLY_1M in members.names else "10m"


def _ratings(source: Input, form: Form, progress: ProgressCallback | None) -> Columns:
    # Ratings are digits, for which Latin-1 and UTF-8 agree; other letters are errors of a line, not of an encoding.
    lines = chunks_of(recoded(source, "latin-1"), progress=progress)
    if form.header:
        header, lines = split_header(lines)
        if header and header.replace('"', "") != form.header:
            raise DataError(
                f'{source.name}, line 1: expected the header "{form.header}", found {shown(header)}. {_MEND}'
            )
    return read_columns(lines, form.layout, source.name)
