"""Parquet files; columns keep their types, so no digits are lost."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recdash.data.readers import cells, column_roles, row_stream
from recdash.data.readers.cells import Problems, RawTimes
from recdash.data.readers.chunks import ProgressCallback
from recdash.data.readers.column_roles import Roles
from recdash.data.readers.columns import BadRows, Columns
from recdash.data.readers.dataset_builder import (
    PREVIEW_ROWS,
    SKIP_BAD,
    Source,
)
from recdash.data.readers.json_records import DetectedColumns, are_numbered
from recdash.data.readers.read_options import ROLES, ReadOptions
from recdash.data.readers.text_streams import file_errors
from recdash.errors import DataError, quote

_SAMPLE_ROWS = 200
_MAX_PREVIEW = 40  # characters of a previewed value
_UNNAMED_INDEX = re.compile(r"__index_level_\d+__")  # pandas' name for an unnamed index
_TICKS_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


class _Times(NamedTuple):
    """Times as read, and whether they are seconds since 1970."""

    times: RawTimes
    are_dates: bool


def detect_columns(path: Path, options: ReadOptions) -> DetectedColumns:
    """Detect the columns and their roles from the first rows.

    Named levels of a pandas index are columns, too. Columns without names are numbered from 1.

    Returns:
        The names of the columns, the first rows as texts, and the column index of each role.

    Raises:
        DataError: The file is damaged or its columns are ambiguous.
        UsageError: A given column does not exist.
    """
    with _open(path) as file:
        batch = next(file.iter_batches(batch_size=_SAMPLE_ROWS), None)
        names = tuple(file.schema_arrow.names)
        texts = [_preview_texts(column) for column in ([] if batch is None else batch.columns)]
    n_columns = len(names) - sum(1 for name in names if _UNNAMED_INDEX.fullmatch(name))
    named = not are_numbered(names[:n_columns])
    if not named:
        names, texts = tuple(str(index + 1) for index in range(n_columns)), texts[:n_columns]
    rows = tuple(zip(*texts, strict=True))
    return names, rows, column_roles.assign_roles(names, rows, options, named=named, name=path.name)


def read(
    path: Path, columns: tuple[str, ...], roles: Roles, options: ReadOptions, progress: ProgressCallback | None
) -> Source:
    """Read the columns of the roles; missing and inexact values are bad rows.

    Raises:
        DataError: A column has an unsupported type, such as lists, or a row is bad and bad rows are not skipped.
    """
    name, named = path.name, not are_numbered(columns)
    column_roles.require_user_and_item(roles, columns, named=named, name=name, header_given=True)
    names = column_roles.role_columns(roles, columns)
    columns_by_role = _read_columns(path, {role: index for role, index in roles.items() if index is not None})
    count = len(columns_by_role["user"])
    if not count:
        raise DataError(f"{name}: the file contains no interactions. Export it again, with its rows.")
    if progress is not None:
        progress(path.stat().st_size, path.stat().st_size)
    for role, column in columns_by_role.items():
        _refuse_type(column.type, role, names[role], name)
    parsed = {role: _READERS[role](column, options, f"{name}: the {role}") for role, column in columns_by_role.items()}
    is_bad, bad = _find_bad_rows({role: problems for role, (_, problems) in parsed.items()}, count, name, options)
    good = np.flatnonzero(~is_bad)
    times = parsed["time"][0] if "time" in parsed else None
    values = {role: values for role, (values, _) in parsed.items()} | {"time": times and times.times}
    return Source(
        name=name,
        columns=Columns(*(values.get(role) for role in ROLES)).take(good),
        roles=names,
        locate_row=lambda row: f"{name}, row {int(good[row]) + 1}",
        recognised=column_roles.detection_methods(roles, options, named=named),
        ignored=tuple(column for index, column in enumerate(columns) if index not in roles.values()),
        rows=tuple(zip(*(_preview_texts(columns_by_role[role], PREVIEW_ROWS) for role in names), strict=True)),
        text_times=times is not None and times.are_dates,
        format_facts={"format": "Parquet"},
        bad=bad,
    )


@contextmanager
def _open(path: Path) -> Iterator[Any]:
    try:
        import pyarrow.parquet as pq  # optional: pyarrow
        from pyarrow import ArrowException, ArrowNotImplementedError  # optional: pyarrow
    except ImportError:
        raise DataError(
            f"{path.name}: reading Parquet needs pyarrow. Run pip install pyarrow, or give the table as CSV."
        ) from None
    try:
        with file_errors(path.name), pq.ParquetFile(path) as file:
            yield file
    except ArrowNotImplementedError as error:
        reason = str(error).splitlines()[0][:100]
        raise DataError(
            f"{path.name}: this kind of Parquet is not supported ({reason}). Give the table as CSV."
        ) from error
    except (ArrowException, OSError) as error:
        raise DataError(f"{path.name}: the Parquet file is damaged or incomplete. Copy it again.") from error


def _read_columns(path: Path, indices: Mapping[str, int]) -> dict[str, Any]:
    """Read the column of each role by index, as names may repeat."""
    with _open(path) as file:
        names = file.schema_arrow.names
        table = file.read(columns=list(dict.fromkeys(names[index] for index in indices.values())))
    found = {}
    for role, index in indices.items():
        same = [at for at, name in enumerate(table.schema.names) if name == names[index]]
        column = table.column(same[names[:index].count(names[index])])
        found[role] = column.cast(column.type.storage_type) if hasattr(column.type, "storage_type") else column
    return found


def _refuse_type(kind: Any, role: str, column: str, name: str) -> None:
    from pyarrow import types  # optional: pyarrow

    if types.is_dictionary(kind):
        kind = kind.value_type
    kind_name = ""
    if types.is_nested(kind):
        kind_name = "a list" if types.is_list(kind) or types.is_large_list(kind) else "an object"
        advice = "Flatten it into a column of plain values"
    elif role == "time" and (types.is_duration(kind) or types.is_time(kind)):
        kind_name = "a duration" if types.is_duration(kind) else "a time of day without a date"
        advice = "Write dates or seconds since 1970 instead"
    if kind_name:
        raise DataError(
            f"{name}: the {role} ({quote(column)}) is {kind_name}. {advice}, or select another (--{role} COLUMN)."
        )


def _find_bad_rows(
    problems: Mapping[str, Problems], count: int, name: str, options: ReadOptions
) -> tuple[NDArray[np.bool_], BadRows]:
    """Return a mask of the bad rows, (rows,), and their list; raises DataError unless bad rows are skipped.

    problems: what is wrong with the values of each role.
    """
    texts: dict[int, str] = {}
    for role, column in problems.items():
        for row, text in column.items():
            texts.setdefault(row, f"row {row + 1}: the {role} {text}")
    indices = sorted(texts)
    is_bad, bad = np.zeros(count, np.bool_), BadRows([row + 1 for row in indices], [texts[row] for row in indices])
    if not indices:
        return is_bad, bad
    is_bad[indices] = True
    head = min(count, row_stream.COLUMN_CHECK_ROWS)
    if len(bad) == count or (
        not options.skip_bad and is_bad[:head].all() and row_stream.have_same_problem(bad.texts[:head])
    ):
        raise row_stream.column_error(name, bad.texts[:head], named=True)
    if not options.skip_bad:
        raise DataError(
            f"{name}, {bad.texts[0]}. Fix or remove this row, or skip invalid rows (--skip-bad).", fixes=SKIP_BAD
        )
    return is_bad, bad


def _preview_texts(column: Any, max_rows: int = _SAMPLE_ROWS) -> list[str]:
    """Return the first values as short texts, whatever their type."""
    try:
        values = column.slice(0, max_rows).to_pylist()
    except (ValueError, OverflowError, NotImplementedError):  # such as a date after the year 9999
        values = [""] * len(column.slice(0, max_rows))
    return [_text(value)[:_MAX_PREVIEW] for value in values]


def _text(value: Any) -> str:
    """Return a value as text; "" for a missing value."""
    if isinstance(value, (list, dict, tuple)):
        return str(value)
    if value is None or value != value:
        return ""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, Decimal):
        return f"{value:f}"
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def _texts(column: Any) -> NDArray[np.object_]:
    """Return all values as texts, (n,); each distinct value is converted once."""
    parts = []
    for chunk in column.dictionary_encode().chunks:
        texts = np.array([*map(_text, chunk.dictionary.to_pylist()), ""], object)
        codes = chunk.indices.fill_null(len(texts) - 1) if chunk.indices.null_count else chunk.indices
        parts.append(texts[codes.to_numpy(zero_copy_only=False)])
    return np.concatenate(parts)


def _integers(column: Any) -> tuple[NDArray[np.int64], Problems] | None:
    """Return integers, 0 for missing values; None for other types and values beyond int64."""
    from pyarrow import compute, int64, types  # optional: pyarrow

    if not types.is_integer(column.type):
        return None
    if types.is_uint64(column.type) and (compute.max(column).as_py() or 0) >= 2**63:
        return None
    return column.cast(int64()).fill_null(0).to_numpy(), _missing_values(column)


def _missing_values(column: Any) -> Problems:
    missing = column.is_null().to_numpy() if column.null_count else np.zeros(0, np.bool_)
    return {int(row): "is empty" for row in np.flatnonzero(missing)}


def _read_ids(column: Any, options: ReadOptions, subject: str) -> tuple[Any, Problems]:
    import pandas as pd  # lazy: pandas

    found = _integers(column)
    if found is not None:
        return found
    (codes, texts), bad = cells.parse_ids(_texts(column))
    new_codes, unique = pd.factorize(np.array(texts, object))
    result = pd.Series(pd.Categorical.from_codes(new_codes[codes], categories=pd.Index(unique)))
    return result, _inexact_ids(column) | bad | _undecodable_ids(column)


def _inexact_ids(column: Any) -> Problems:
    """Find ids stored as floats too large to be exact, which merges different ids."""
    from pyarrow import types  # optional: pyarrow

    if not types.is_floating(column.type):
        return {}
    values = column.to_numpy()
    largest = 2.0 ** (np.finfo(values.dtype).nmant + 1) if values.dtype.kind == "f" else np.inf
    return {
        int(row): f"is {float(values[row]):.17g}, a floating-point number too large to be exact"
        for row in np.flatnonzero(np.abs(values) >= largest)
    }


def _undecodable_ids(column: Any) -> Problems:
    """Find ids stored as bytes that are not UTF-8 text."""
    from pyarrow import types  # optional: pyarrow

    kind = column.type.value_type if types.is_dictionary(column.type) else column.type
    if not (types.is_binary(kind) or types.is_large_binary(kind) or types.is_fixed_size_binary(kind)):
        return {}
    bad = {}
    for row, value in enumerate(column.to_pylist()):
        if value is not None and not value.decode("utf-8", "surrogateescape").isprintable():
            bad[row] = f"is the bytes {quote(value.hex())}, not text in UTF-8"
    return bad


def _read_numbers(column: Any, options: ReadOptions, subject: str) -> tuple[NDArray[np.float32], Problems]:
    from pyarrow import compute, float64, types  # optional: pyarrow

    if types.is_integer(column.type) or types.is_floating(column.type) or types.is_boolean(column.type):
        plain = compute.cast(column, float64(), safe=False).fill_null(np.nan).to_numpy()
        fine = np.abs(plain) <= cells.LARGEST
        bad = {
            int(row): "is empty" if np.isnan(plain[row]) else f"is {plain[row]:g}, too large for a rating"
            for row in np.flatnonzero(~fine)
        }
        return np.where(fine, plain, 0).astype(np.float32), bad
    texts = _texts(column).tolist()
    values, bad = cells.parse_numbers(texts, comma=row_stream.has_decimal_commas(texts))
    return values.astype(np.float32), bad


def _read_times(column: Any, options: ReadOptions, subject: str) -> tuple[_Times, Problems]:
    from pyarrow import timestamp, types  # optional: pyarrow

    found = _integers(column)
    if found is not None:
        return _Times(RawTimes(found[0], None), False), found[1]
    if types.is_date(column.type):
        column = column.cast(timestamp("s" if types.is_date32(column.type) else "ms"))
    if types.is_timestamp(column.type):
        return _Times(_from_timestamps(column), True), _missing_values(column)
    texts = _texts(column).tolist()
    time_format = None
    if not types.is_floating(column.type):
        time_format = options.time_format or cells.detect_time_format(texts[:_SAMPLE_ROWS], subject)
    times, bad = cells.parse_numeric_times(texts) if time_format is None else cells.parse_text_times(texts, time_format)
    if types.is_integer(column.type):
        bad = {
            row: problem if not texts[row] else f"is {texts[row]}, too large for a time" for row, problem in bad.items()
        }
    return _Times(times, time_format is not None), bad


def _from_timestamps(column: Any) -> RawTimes:
    """Convert timestamps of any unit; Parquet stores them in UTC, and those without a zone count as UTC."""
    from pyarrow import int64  # optional: pyarrow

    ticks = _TICKS_PER_SECOND[column.type.unit]
    whole, rest = np.divmod(column.cast(int64()).fill_null(0).to_numpy(), ticks)
    nanos = rest * (10**9 // ticks)
    return RawTimes(whole, nanos if nanos.any() else None)


_READERS: dict[str, Any] = {"user": _read_ids, "item": _read_ids, "rating": _read_numbers, "time": _read_times}
