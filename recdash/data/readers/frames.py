"""Records with named fields: JSON lines, JSON arrays and Parquet."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from recdash.data.readers import cells, roles, rows
from recdash.data.readers.blocks import Progress, blocks
from recdash.data.readers.cells import Bad, Moments
from recdash.data.readers.inputs import Input, reading
from recdash.data.readers.options import ROLES, ReadOptions
from recdash.data.readers.roles import Roles
from recdash.data.readers.rows import Row
from recdash.data.readers.source import FIRST_ROWS, SKIP_BAD, Source
from recdash.data.readers.table import BadRows, Columns
from recdash.errors import DataError

_LOOKED_AT = 200
_MOST_JSON = 1 << 30  # bytes of an array, which is read whole
Beginning = tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]


def json_beginning(sample: str, name: str) -> Beginning:
    """Names of the fields, and the first records."""
    records = [record for _, record in _first_records(sample, name)]
    if not records:
        raise DataError(f"{name}: no records were found. Give one JSON object per line, or an array of them.")
    names = tuple(dict.fromkeys(key for record in records for key in record))
    return names, tuple(tuple(record.get(key, "") for key in names) for record in records)


def read_json(
    source: Input, shape: str, columns: tuple[str, ...], where: Roles, options: ReadOptions, progress: Progress | None
) -> Source:
    """Read JSON lines or a JSON array; values keep their digits."""
    roles.check(where, columns, named=True, name=source.name)
    names = roles.described(where, columns)
    start = source.stream.peek(64).lstrip()[:1] if hasattr(source.stream, "peek") else b""
    records = _array(source) if start == b"[" else _lines(source, progress)
    found: Iterator[Row] = ((line, [record.get(column, "") for column in names.values()]) for line, record in records)
    ignored = tuple(column for column in columns if column not in names.values())
    unit = "record" if start == b"[" else "line"
    about = {"format": "JSON array" if start == b"[" else "JSON lines", "encoding": "utf-8"}
    read = rows.read(found, names, source.name, options, unit=unit, about=about, ignored=ignored)
    return replace(read, recognised=roles.recognised(where, options, named=True))


def parquet_beginning(path: Path) -> Beginning:
    """Names of the columns, and the first rows as texts."""
    frame = _parquet(path, None, most=_LOOKED_AT)
    texts = [[_text(value) for value in row] for row in frame.itertuples(index=False)]
    return tuple(map(str, frame.columns)), tuple(map(tuple, texts))


def read_parquet(
    path: Path, columns: tuple[str, ...], where: Roles, options: ReadOptions, progress: Progress | None
) -> Source:
    """Read the columns of the roles, with the types that they have in the file."""
    name = path.name
    roles.check(where, columns, named=True, name=name)
    names = roles.described(where, columns)
    frame = _parquet(path, list(dict.fromkeys(names.values())))
    if not len(frame):
        raise DataError(f"{name}: the file is empty; no interactions were found.")
    if progress is not None:
        progress(path.stat().st_size, path.stat().st_size)
    first = tuple(
        tuple(map(_text, row)) for row in frame[list(names.values())].head(FIRST_ROWS).itertuples(index=False)
    )
    read = {role: _READERS[role](frame[column], options, f"{name}: the {role}") for role, column in names.items()}
    wrong = np.zeros(len(frame), np.bool_)
    bad = BadRows()
    for role, (_, found) in read.items():
        for row, said in found.items():
            if not options.skip_bad:
                raise DataError(
                    f"{name}, row {row + 1}: the {role} {said}. Correct or remove that row (or --skip-bad).",
                    fixes=SKIP_BAD,
                )
            if not wrong[row]:
                bad.lines.append(row + 1)
                bad.texts.append(f"row {row + 1}: the {role} {said}")
            wrong[row] = True
    rest = np.flatnonzero(~wrong)
    return Source(
        name=name,
        columns=Columns(*(read[role][0] if role in read else None for role in ROLES)).take(rest),
        roles=names,
        where=lambda row: f"{name}, row {int(rest[row]) + 1}",
        recognised=roles.recognised(where, options, named=True),
        ignored=tuple(column for column in columns if column not in names.values()),
        rows=first,
        text_times="time" in names and frame[names["time"]].dtype.kind not in "iuf",
        about={"format": "Parquet"},
        bad=bad,
    )


def _parquet(path: Path, columns: list[str] | None, most: int | None = None) -> Any:
    try:
        import pyarrow.parquet as pq
        from pyarrow import ArrowException
    except ImportError:
        raise DataError(f"{path.name}: reading Parquet needs pyarrow. Install it, or give the table as CSV.") from None
    try:
        with reading(path.name), pq.ParquetFile(path) as file:
            if most is not None:
                batch = next(file.iter_batches(batch_size=most), None)
                return (file.schema_arrow.empty_table() if batch is None else batch).to_pandas()
            return file.read(columns=columns).to_pandas()
    except (ArrowException, ValueError, OSError) as error:
        raise DataError(f"{path.name}: not a whole Parquet file. Copy it again.") from error


def _text(value: Any) -> str:
    """A value of a frame as text; what is missing is empty."""
    if value is None or value != value or str(value) in ("<NA>", "NaT"):
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def _ids(column: Any, options: ReadOptions, what: str) -> tuple[Any, Bad]:
    import pandas as pd

    if column.dtype.kind in "iu" and isinstance(column.dtype, np.dtype):
        return column.to_numpy().astype(np.int64), {}
    (codes, words), bad = cells.ids([_text(value) for value in column])
    again, unique = pd.factorize(np.array(words, object))
    return pd.Series(pd.Categorical.from_codes(again[codes], categories=pd.Index(unique))), bad


def _numbers(column: Any, options: ReadOptions, what: str) -> tuple[Any, Bad]:
    if column.dtype.kind in "iufb":
        values = column.to_numpy().astype(np.float32)
        fine = np.abs(values) <= cells.LARGEST
        return np.where(fine, values, 0), {int(row): "is missing" for row in np.flatnonzero(~fine)}
    values, bad = cells.numbers([_text(value) for value in column], comma=False)
    return values.astype(np.float32), bad


def _times(column: Any, options: ReadOptions, what: str) -> tuple[Moments, Bad]:
    if column.dtype.kind in "iu":
        return Moments(column.to_numpy().astype(np.int64), None), {}
    if column.dtype.kind == "f":
        return cells.number_times([repr(value) if value == value else "" for value in column.tolist()])
    texts = [_text(value) for value in column]
    layout = options.time_format or cells.text_format(texts[:_LOOKED_AT], what)
    return cells.number_times(texts) if layout is None else cells.text_times(texts, layout)


_READERS: dict[str, Any] = {"user": _ids, "item": _ids, "rating": _numbers, "time": _times}


def _first_records(sample: str, name: str) -> list[tuple[int, dict[str, str]]]:
    text = sample.lstrip()
    if text.startswith("["):  # the beginning of an array: the whole records in it
        decoder = json.JSONDecoder(parse_float=str, parse_int=str, parse_constant=str)
        found: list[tuple[int, dict[str, str]]] = []
        place = 1
        while len(found) < _LOOKED_AT:
            rest = re.compile(r"[\s,]*").match(text, place)
            assert rest is not None  # noqa: S101  (it matches nothing, too)
            try:
                value, place = decoder.raw_decode(text, rest.end())
            except ValueError:
                break
            found.append((len(found) + 1, _record(value, f"{name}, record {len(found) + 1}")))
        return found
    lines = [line for line in text.splitlines() if line.strip()][:_LOOKED_AT]
    return [(place, _parsed(line, f"{name}, line {place}")) for place, line in enumerate(lines, 1)]


def _lines(source: Input, progress: Progress | None) -> Iterator[tuple[int, dict[str, str]]]:
    for block in blocks(source, progress=progress):
        for line, text in enumerate(block.data.decode().split("\n"), block.line):
            if text.strip():
                yield line, _parsed(text, f"{source.name}, line {line}")


def _array(source: Input) -> Iterator[tuple[int, dict[str, str]]]:
    with reading(source.name):
        data = source.stream.read(_MOST_JSON)
        if source.stream.read(1):
            raise DataError(f"{source.name}: a JSON array of more than 1 GB. Give one JSON object per line.")
    try:
        values = json.loads(data, parse_float=str, parse_int=str, parse_constant=str)
    except (ValueError, RecursionError) as error:
        line = getattr(error, "lineno", 1)
        raise DataError(
            f"{source.name}, line {line}: not JSON ({getattr(error, 'msg', error)}). Correct it."
        ) from error
    for place, value in enumerate(values, 1):
        yield place, _record(value, f"{source.name}, record {place}")


def _parsed(line: str, where: str) -> dict[str, str]:
    try:
        return _record(json.loads(line, parse_float=str, parse_int=str, parse_constant=str), where)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where}: not JSON ({getattr(error, 'msg', error)}). Correct or remove that line.") from error


def _record(value: Any, where: str) -> dict[str, str]:
    """The fields of a record as texts; those of a list are called by their numbers from 1."""
    if isinstance(value, Sequence) and not isinstance(value, str):
        value = {str(place): one for place, one in enumerate(value, 1)}
    if not isinstance(value, dict):
        raise DataError(f"{where}: expected an object with a user and an item, found {str(value)[:40]!r}.")
    return {str(key): _plain(one) for key, one in value.items()}


def _plain(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
