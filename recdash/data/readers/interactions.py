"""Anyone's interactions from a file; what is not said about it is found from the file, and what was found is told."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from recdash.data.dataset import Dataset
from recdash.data.items import Item
from recdash.data.readers import (
    cells,
    column_roles,
    dialect,
    json_records,
    parquet,
    row_stream,
    text_layouts,
)
from recdash.data.readers.chunks import (
    Chunk,
    ProgressCallback,
    chunks_of,
    shown,
    without_first_lines,
)
from recdash.data.readers.columns import BadRows, Layout, named
from recdash.data.readers.dataset_builder import FIRST_ROWS, SKIP_BAD, Reading, Source, assemble
from recdash.data.readers.delimited import line_of, read_columns
from recdash.data.readers.dialect import Dialect
from recdash.data.readers.line_parser import Escaped
from recdash.data.readers.read_options import ROLES, ReadOptions
from recdash.data.readers.text_streams import beginning, is_parquet, open_input, other_encoding, text
from recdash.data.readers.title_files import read_titles
from recdash.errors import DataError

_MEND = "Correct or remove that line, or leave such lines out (--skip-bad)."
_FORMAT_NAMES = {
    "wide": "a matrix of users and items, one row per user and one column per item",
    "lists": "adjacency lists, a user and its items in each line",
}


_SHORT_NAMES = {"wide": "a matrix", "lists": "lists"}


@dataclass(frozen=True)
class Plan:
    """How a file will be read, from its beginning alone, for choices before it is.

    columns: names from the header, or "1", "2", ... without one.  rows: the first lines, as they are.
    roles: the column (position from 0) of "user", "item", "rating" and "time"; None where there is none.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    roles: dict[str, int | None]
    dialect: Dialect | None = None
    encoding: str | None = None

    @property
    def header(self) -> bool:
        """Whether the first line names the columns."""
        return self.dialect is None or self.dialect.columns is not None

    @property
    def delimiter(self) -> str:
        """What stands between the columns; "" where the format has no delimiters."""
        return "" if self.dialect is None else self.dialect.delimiter


def read(path: Path, *, name: str | None = None, progress: ProgressCallback | None = None, **words: Any) -> Dataset:
    """Read interactions, see `read_file`; returns the data set, whose notes say what was taken for what."""
    return read_file(path, ReadOptions.of(**words), name=name, progress=progress).dataset


def read_file(
    path: Path,
    options: ReadOptions,
    *,
    name: str | None = None,
    known: Mapping[str, Item] | None = None,
    progress: ProgressCallback | None = None,
) -> Reading:
    """Read a table of interactions with a column per role: user, item and, if there are such, rating and time.

    Delimited text of any dialect and encoding, JSON lines and arrays, Parquet, Netflix's blocks, wide matrices and
    adjacency lists (the last two when they are named by `options.format`), plain or packed.  known: titles by item id,
    in place of `options.titles`.
    Raises DataError with file and line for what is wrong in the file or may be read in several ways, UsageError for a
    column that does not exist.
    """
    if options.titles is not None:
        with open_input(options.titles) as source:
            known = read_titles(source.name, text(source, options.encoding))
    return assemble(_source(path, options, progress), options, name=name or plain_stem(path), known=known)


def look(path: Path, options: ReadOptions | None = None, **words: Any) -> Plan:
    """Return how `read_file` would read the file, from its beginning alone; roles that are not clear are None."""
    options = ReadOptions.of(**words) if options is None else options
    if is_parquet(path):
        return Plan(*parquet.beginning(path, options))
    with open_input(path, options.encoding) as source:
        name, sample = source.name, beginning(source)
    encoding = options.encoding or source.encoding
    try:
        text_ = sample.decode("utf-8")
    except UnicodeDecodeError:
        encoding = other_encoding(sample, name)
        text_ = sample.decode(encoding)
    shape = options.format or _shape(text_, name, options)
    if shape == "json":
        return Plan(*json_records.beginning(text_, name, options), encoding=encoding)
    if shape in text_layouts.NAMES:
        names, rows = text_layouts.beginning(shape, text_, name, options)
        return Plan(names, rows, dict.fromkeys(ROLES) | text_layouts.ROLES[shape], encoding=encoding)
    found = dialect.find(text_, name, options)
    columns = found.columns or tuple(str(place + 1) for place in range(found.width))
    where = column_roles.find(columns, found.rows, options, named=found.columns is not None, name=name)
    return Plan(columns, found.rows, where, found, encoding)


def plain_stem(path: Path) -> str:
    """Return the file's name without its endings."""
    return path.name.split(".")[0] or path.name


def _shape(sample: str, name: str, options: ReadOptions) -> str:
    """Tell the form of a text; those that could be tables as well are read only when they are named."""
    if json_records.are_lists(sample):
        return "json"
    if any(getattr(options, role) is not None for role in ROLES) and not sample.lstrip().startswith(("{", "[")):
        return "table"
    shape = dialect.shape_of(sample, name)
    if shape in _FORMAT_NAMES and options.delimiter is None:
        raise DataError(
            f"{name}: this looks like {_FORMAT_NAMES[shape]}. Add --format {shape} to read it so, or --format table if "
            "each line is one interaction.",
            fixes={
                f"Read it as {_SHORT_NAMES[shape]}": {"format": shape},
                "Each line is one interaction": {"format": "table"},
            },
        )
    return "table" if shape in _FORMAT_NAMES else shape


def _source(path: Path, options: ReadOptions, progress: ProgressCallback | None) -> Source:
    """Read the rows of a file; from the start again in another encoding when it turns out not to be UTF-8."""
    try:
        plan = look(path, options)
        if plan.dialect is not None:
            return _table(path, plan, options, progress)
        if is_parquet(path):
            return parquet.read(path, plan.columns, plan.roles, options, progress)
        return _other(path, plan, options, progress)
    except UnicodeDecodeError as error:
        near = bytes(error.object[max(0, error.start - 4096) : error.start + 4096])
        encoding = other_encoding(near, path.name)
        found = _source(path, replace(options, encoding=encoding), progress)
        return replace(found, notes=(f"the file is not UTF-8 and was read as {encoding}", *found.notes))


def _other(path: Path, plan: Plan, options: ReadOptions, progress: ProgressCallback | None) -> Source:
    with open_input(path, plan.encoding) as source:
        sample = beginning(source).decode("utf-8", "replace")
        shape = options.format or _shape(sample, source.name, options)
    reader = json_records.read if shape == "json" else text_layouts.read
    with open_input(path, plan.encoding) as source:
        found = reader(source, shape, plan.columns, plan.roles, options, progress)
    return (
        found if plan.encoding in (None, "utf-8") else replace(found, about={**found.about, "encoding": plan.encoding})
    )


def _table(path: Path, plan: Plan, options: ReadOptions, progress: ProgressCallback | None) -> Source:
    made = plan.dialect
    assert made is not None  # noqa: S101  (of this shape)
    name, layout = path.name, _layout(path.name, plan, options)
    bad = BadRows()

    def lines(note: ProgressCallback | None = None) -> Iterator[Chunk]:
        with open_input(path, plan.encoding) as source:
            quoted = layout.delimiter if layout.quoted else None
            found = chunks_of(source, quoted=quoted, returns=made.returns, progress=note)
            yield from without_first_lines(found, made.skip)

    def where(row: int) -> str:
        for record in bad.records:
            row += record <= row
        return f"{name}, line {line_of(lines(), layout, name, row)}"

    try:
        columns = read_columns(lines(progress), layout, name, bad if options.skip_bad else None)
    except Escaped:
        layout, bad = replace(layout, escaped=True), BadRows()
        columns = read_columns(lines(progress), layout, name, bad if options.skip_bad else None)
    notes = []
    if plan.encoding not in (None, "utf-8", options.encoding):
        notes.append(f"the file is not UTF-8 and was read as {plan.encoding}")
    if made.comment:
        notes.append(f'lines that begin with "{made.comment}" and a blank are taken for comments')
    return Source(
        name=name,
        columns=columns,
        roles=column_roles.described(plan.roles, plan.columns),
        where=where,
        recognised=column_roles.recognised(plan.roles, options, named=plan.header),
        ignored=tuple(column for place, column in enumerate(plan.columns) if place not in layout.columns),
        rows=_first_rows(plan),
        text_times=layout.time_format is not None,
        about={
            "format": "delimited text",
            "encoding": plan.encoding or "utf-8",
            "delimiter": named(made.delimiter),
            "header": "yes" if plan.header else "no",
        },
        notes=tuple(notes),
        bad=bad,
    )


def _layout(name: str, plan: Plan, options: ReadOptions) -> Layout:
    column_roles.check(plan.roles, plan.columns, named=plan.header, name=name, said=options.header)
    made = plan.dialect
    user, item, rating, time = (plan.roles[role] for role in ROLES)
    assert made is not None and user is not None and item is not None  # noqa: S101  (`check` has seen to it)
    _refuse_thousands(plan, rating, name)
    return Layout(
        fields=made.width,
        delimiter=made.delimiter,
        user=user,
        item=item,
        rating=rating,
        time=time,
        time_format=None if time is None else options.time_format or _time_format(plan, time, name),
        quoted=made.quoted,
        commas=frozenset(place for place in (rating, time) if made.delimiter != "," and _has_commas(plan, place)),
        comment=made.comment,
        header=plan.columns if plan.header else (),
        long_fields=options.quotes is True,
        mend=_MEND,
        fixes=SKIP_BAD,
    )


def _time_format(plan: Plan, time: int, name: str) -> str | None:
    texts = [row[time] for row in plan.rows if len(row) > time]
    return cells.text_format(texts, f"{name}: the time")


def _has_commas(plan: Plan, place: int | None) -> bool:
    """Whether the numbers in a column have a comma before their decimals."""
    return place is not None and row_stream.has_commas(row[place] for row in plan.rows if len(row) > place)


def _refuse_thousands(plan: Plan, place: int | None, name: str) -> None:
    """Refuse numbers such as 1.234 among whole ones, whose mark may separate thousands or decimals."""
    texts = [row[place].strip() for row in plan.rows if len(row) > place] if place is not None else []
    marked = [text for text in texts if re.search("[.,]", text)]
    if marked and len(marked) < len(texts) and all(re.fullmatch(r"[1-9]\d{0,2}[.,]\d{3}", text) for text in marked):
        raise DataError(
            f"{name}: the rating {shown(marked[0])} may be {re.sub('[.,]', '', marked[0])} or a fraction. Write whole "
            "numbers without a mark between thousands."
        )


def _first_rows(plan: Plan) -> tuple[tuple[str, ...], ...]:
    places = [place for place in plan.roles.values() if place is not None]
    return tuple(
        tuple(row[place].strip() for place in places) for row in plan.rows[:FIRST_ROWS] if len(row) > max(places)
    )
