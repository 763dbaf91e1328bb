"""Interaction files in any supported format; whatever the options leave open is detected from the file."""

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
    read_chunks,
    skip_lines,
)
from recdash.data.readers.columns import BadRows
from recdash.data.readers.dataset_builder import PREVIEW_ROWS, SKIP_BAD, Reading, Source, build_dataset
from recdash.data.readers.delimited import line_number, read_columns
from recdash.data.readers.dialect import Dialect
from recdash.data.readers.line_parser import BackslashQuotes
from recdash.data.readers.read_options import ROLES, ReadOptions
from recdash.data.readers.row_format import RowFormat, delimiter_name
from recdash.data.readers.text_streams import detect_encoding, is_parquet, open_input, read_sample, read_text
from recdash.data.readers.title_files import read_titles
from recdash.errors import DataError, quote

_FIX = "Fix or remove this line, or skip invalid rows (--skip-bad)."
_AMBIGUOUS_LAYOUTS = {  # a table can look the same, so these need --format
    "wide": "a user-item matrix with one row per user and one column per item",
    "lists": "adjacency lists, each line a user and its items",
}
_SHORT_NAMES = {"wide": "a matrix", "lists": "lists"}


@dataclass(frozen=True)
class DetectedFormat:
    """How a file will be read, as detected from its first rows.

    Attributes:
        columns: Names from the header, or "1", "2", ... without one.
        rows: The first rows, as text.
        roles: Column index, from 0, of "user", "item", "rating" and "time"; None for a missing column.
        dialect: The dialect of delimited text; None for other formats.
        encoding: The encoding of the text; None for UTF-8 and for Parquet.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    roles: dict[str, int | None]
    dialect: Dialect | None = None
    encoding: str | None = None

    @property
    def header(self) -> bool:
        """Whether the first row names the columns."""
        return self.dialect is None or self.dialect.columns is not None

    @property
    def delimiter(self) -> str:
        """The separator between columns; "" for formats without one."""
        return "" if self.dialect is None else self.dialect.delimiter


def read(path: Path, *, name: str | None = None, progress: ProgressCallback | None = None, **options: Any) -> Dataset:
    """Read a file of interactions as a dataset; its notes describe how the file was read.

    Args:
        path: The file.
        name: Name of the dataset; defaults to the file's name without extensions.
        progress: Called with the bytes read and the file's size.
        **options: See `ReadOptions.of`.

    Raises:
        DataError: As `read_file`.
        UsageError: As `read_file`, and for an invalid option.
    """
    return read_file(path, ReadOptions.of(**options), name=name, progress=progress).dataset


def read_file(
    path: Path,
    options: ReadOptions,
    *,
    name: str | None = None,
    items_by_id: Mapping[str, Item] | None = None,
    progress: ProgressCallback | None = None,
) -> Reading:
    """Read a file of interactions with columns for user, item and, optionally, rating and time.

    Supports delimited text, JSON lines and arrays, Parquet, Netflix's blocks, user-item matrices and adjacency lists
    (the last two only with `options.format`), each plain or compressed.

    Args:
        path: The file.
        options: How to read it; unset options are detected.
        name: Name of the dataset; defaults to the file's name without extensions.
        items_by_id: Titles by item id, used without `options.titles`.
        progress: Called with the bytes read and the file's size.

    Raises:
        DataError: The file is invalid or ambiguous; the message names the file and line.
        UsageError: A requested column does not exist.
    """
    if options.titles is not None:
        with open_input(options.titles) as source:
            items_by_id = read_titles(source.name, read_text(source, options.encoding))
    return build_dataset(
        _read_source(path, options, progress), options, name=name or plain_stem(path), items_by_id=items_by_id
    )


def detect_format(path: Path, options: ReadOptions | None = None, **keywords: Any) -> DetectedFormat:
    """Detect from the first rows how `read_file` would read a file.

    Args:
        path: The file.
        options: Options that override detection; alternatively pass them as keyword arguments.
        **keywords: See `ReadOptions.of`.

    Raises:
        DataError: The file is invalid or ambiguous. Missing user and item columns are no error here.
        UsageError: A requested column does not exist.
    """
    options = ReadOptions.of(**keywords) if options is None else options
    if is_parquet(path):
        return DetectedFormat(*parquet.detect_columns(path, options))
    with open_input(path, options.encoding) as source:
        name, sample = source.name, read_sample(source)
    encoding = options.encoding or source.encoding
    try:
        text = sample.decode("utf-8")
    except UnicodeDecodeError:
        encoding = detect_encoding(sample, name)
        text = sample.decode(encoding)
    layout = options.format or _detect_layout(text, name, options)
    if layout == "json":
        return DetectedFormat(*json_records.detect_columns(text, name, options), encoding=encoding)
    if layout in text_layouts.NAMES:
        names, rows = text_layouts.sample_rows(layout, text, name, options)
        return DetectedFormat(names, rows, dict.fromkeys(ROLES) | text_layouts.ROLES[layout], encoding=encoding)
    found = dialect.detect_dialect(text, name, options)
    columns = found.columns or tuple(str(index + 1) for index in range(found.width))
    roles = column_roles.assign_roles(columns, found.rows, options, named=found.columns is not None, name=name)
    return DetectedFormat(columns, found.rows, roles, found, encoding)


def plain_stem(path: Path) -> str:
    """Return the file's name without its extensions."""
    return path.name.split(".")[0] or path.name


def _detect_layout(sample: str, name: str, options: ReadOptions) -> str:
    """Detect the text layout; raises DataError for layouts that may also be tables, unless options decide."""
    if json_records.is_list_record(sample):
        return "json"
    if any(getattr(options, role) is not None for role in ROLES) and not sample.lstrip().startswith(("{", "[")):
        return "table"
    layout = dialect.detect_text_layout(sample, name)
    if layout in _AMBIGUOUS_LAYOUTS and options.delimiter is None:
        raise DataError(
            f"{name}: looks like {_AMBIGUOUS_LAYOUTS[layout]}. Confirm with --format {layout}, or use "
            "--format table if each line is one interaction.",
            fixes={
                f"Read it as {_SHORT_NAMES[layout]}": {"format": layout},
                "Each line is one interaction": {"format": "table"},
            },
        )
    return "table" if layout in _AMBIGUOUS_LAYOUTS else layout


def _read_source(path: Path, options: ReadOptions, progress: ProgressCallback | None) -> Source:
    """Read all rows; restart with another encoding when bytes after the sample are not UTF-8."""
    try:
        detected = detect_format(path, options)
        if detected.dialect is not None:
            return _read_delimited(path, detected, detected.dialect, options, progress)
        if is_parquet(path):
            return parquet.read(path, detected.columns, detected.roles, options, progress)
        return _read_other_layout(path, detected, options, progress)
    except UnicodeDecodeError as error:
        excerpt = bytes(error.object[max(0, error.start - 4096) : error.start + 4096])
        encoding = detect_encoding(excerpt, path.name)
        source = _read_source(path, replace(options, encoding=encoding), progress)
        return replace(source, notes=(_encoding_note(encoding), *source.notes))


def _encoding_note(encoding: str) -> str:
    return f"the file is not UTF-8 and was read as {encoding}"


def _read_other_layout(
    path: Path, detected: DetectedFormat, options: ReadOptions, progress: ProgressCallback | None
) -> Source:
    """Read JSON, blocks, a matrix or adjacency lists."""
    with open_input(path, detected.encoding) as stream:
        sample = read_sample(stream).decode("utf-8", "replace")
        layout = options.format or _detect_layout(sample, stream.name, options)
    read_layout = json_records.read if layout == "json" else text_layouts.read
    with open_input(path, detected.encoding) as stream:
        source = read_layout(stream, layout, detected.columns, detected.roles, options, progress)
    if detected.encoding in (None, "utf-8"):
        return source
    return replace(source, format_facts={**source.format_facts, "encoding": detected.encoding})


def _read_delimited(
    path: Path, detected: DetectedFormat, dialect: Dialect, options: ReadOptions, progress: ProgressCallback | None
) -> Source:
    name, row_format = path.name, _row_format(path.name, detected, dialect, options)
    bad = BadRows()

    def chunks(report: ProgressCallback | None = None) -> Iterator[Chunk]:
        with open_input(path, detected.encoding) as source:
            quoted = row_format.delimiter if row_format.quoted else None
            yield from skip_lines(
                read_chunks(source, quoted=quoted, carriage_returns=dialect.carriage_returns, progress=report),
                dialect.skip,
            )

    def locate_row(row: int) -> str:
        for record in bad.records:  # ascending; skipped rows shift the ones below them
            row += record <= row
        return f"{name}, line {line_number(chunks(), row_format, name, row)}"

    try:
        columns = read_columns(chunks(progress), row_format, name, bad if options.skip_bad else None)
    except BackslashQuotes:
        row_format, bad = replace(row_format, backslash_quotes=True), BadRows()
        columns = read_columns(chunks(progress), row_format, name, bad if options.skip_bad else None)
    notes = []
    if detected.encoding not in (None, "utf-8", options.encoding):
        notes.append(_encoding_note(str(detected.encoding)))
    if dialect.comment:
        notes.append(f'lines starting with "{dialect.comment}" and a space are treated as comments')
    return Source(
        name=name,
        columns=columns,
        roles=column_roles.role_columns(detected.roles, detected.columns),
        locate_row=locate_row,
        recognised=column_roles.detection_methods(detected.roles, options, named=detected.header),
        ignored=tuple(column for index, column in enumerate(detected.columns) if index not in row_format.columns),
        rows=_preview_rows(detected),
        text_times=row_format.time_format is not None,
        format_facts={
            "format": "delimited text",
            "encoding": detected.encoding or "utf-8",
            "delimiter": delimiter_name(dialect.delimiter),
            "header": "yes" if detected.header else "no",
        },
        notes=tuple(notes),
        bad=bad,
    )


def _row_format(name: str, detected: DetectedFormat, dialect: Dialect, options: ReadOptions) -> RowFormat:
    column_roles.require_user_and_item(
        detected.roles, detected.columns, named=detected.header, name=name, header_given=options.header
    )
    user, item, rating, time = (detected.roles[role] for role in ROLES)
    assert user is not None and item is not None  # noqa: S101  (ensured by `require_user_and_item`)
    _refuse_thousands(detected, rating, name)
    return RowFormat(
        fields=dialect.width,
        delimiter=dialect.delimiter,
        user=user,
        item=item,
        rating=rating,
        time=time,
        time_format=None if time is None else options.time_format or _detect_time_format(detected, time, name),
        quoted=dialect.quoted,
        decimal_commas=frozenset(
            index for index in (rating, time) if dialect.delimiter != "," and _has_decimal_commas(detected, index)
        ),
        comment=dialect.comment,
        header=detected.columns if detected.header else (),
        multiline_fields=options.quotes is True,
        advice=_FIX,
        fixes=SKIP_BAD,
    )


def _detect_time_format(detected: DetectedFormat, time: int, name: str) -> str | None:
    texts = [row[time] for row in detected.rows if len(row) > time]
    return cells.detect_time_format(texts, f"{name}: the time")


def _has_decimal_commas(detected: DetectedFormat, index: int | None) -> bool:
    return index is not None and row_stream.has_decimal_commas(row[index] for row in detected.rows if len(row) > index)


def _refuse_thousands(detected: DetectedFormat, index: int | None, name: str) -> None:
    """Refuse numbers such as 1.234 among integers: the separator may mark thousands or decimals."""
    texts = [row[index].strip() for row in detected.rows if len(row) > index] if index is not None else []
    separated = [text for text in texts if re.search("[.,]", text)]
    if (
        separated
        and len(separated) < len(texts)
        and all(re.fullmatch(r"[1-9]\d{0,2}[.,]\d{3}", text) for text in separated)
    ):
        raise DataError(
            f"{name}: the rating {quote(separated[0])} may be {re.sub('[.,]', '', separated[0])} or a fraction. Remove "
            "thousands separators from the file."
        )


def _preview_rows(detected: DetectedFormat) -> tuple[tuple[str, ...], ...]:
    indices = [index for index in detected.roles.values() if index is not None]
    return tuple(
        tuple(row[index].strip() for index in indices)
        for row in detected.rows[:PREVIEW_ROWS]
        if len(row) > max(indices)
    )
