"""Parquet: columns with the types that they have in the file, without a digit lost."""

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
from recdash.data.readers.cells import Bad, Moments
from recdash.data.readers.chunks import ProgressCallback, shown
from recdash.data.readers.column_roles import Roles
from recdash.data.readers.columns import BadRows, Columns
from recdash.data.readers.dataset_builder import FIRST_ROWS, SKIP_BAD, Source
from recdash.data.readers.json_records import Beginning, are_numbers
from recdash.data.readers.read_options import ROLES, ReadOptions
from recdash.data.readers.text_streams import reading
from recdash.errors import DataError

_LOOKED_AT = 200
_SHOWN = 40  # letters of a value that is only shown
_INDEX = re.compile(r"__index_level_\d+__")  # pandas' name for an index without a name
_UNITS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


class _Times(NamedTuple):
    """Times as read, and whether they count from 1970."""

    moments: Moments
    dates: bool


def beginning(path: Path, options: ReadOptions) -> Beginning:
    """Names of the columns, the first rows as texts, and the place of the column of each role.

    The levels of a pandas index are columns, too.  Columns that are merely numbered count from 1.
    """
    with _opened(path) as file:
        batch = next(file.iter_batches(batch_size=_LOOKED_AT), None)
        names = tuple(file.schema_arrow.names)
        texts = [_first_texts(column) for column in ([] if batch is None else batch.columns)]
    kept = len(names) - sum(1 for name in names if _INDEX.fullmatch(name))
    named = not are_numbers(names[:kept])
    if not named:
        names, texts = tuple(str(place + 1) for place in range(kept)), texts[:kept]
    found = tuple(zip(*texts, strict=True))
    return names, found, column_roles.find(names, found, options, named=named, name=path.name)


def read(
    path: Path, columns: tuple[str, ...], where: Roles, options: ReadOptions, progress: ProgressCallback | None
) -> Source:
    """Read the columns of the roles; what is missing or cannot be exact is a bad row.

    Raises DataError for a column of values that no role can have, such as lists.
    """
    name, named = path.name, not are_numbers(columns)
    column_roles.check(where, columns, named=named, name=name, said=True)
    names = column_roles.described(where, columns)
    found = _columns(path, {role: place for role, place in where.items() if place is not None})
    count = len(found["user"])
    if not count:
        raise DataError(f"{name}: the file is empty; no interactions were found.")
    if progress is not None:
        progress(path.stat().st_size, path.stat().st_size)
    for role, column in found.items():
        _refuse_type(column.type, role, names[role], name)
    made = {role: _READERS[role](column, options, f"{name}: the {role}") for role, column in found.items()}
    wrong, bad = _bad_rows({role: said for role, (_, said) in made.items()}, count, name, options)
    rest = np.flatnonzero(~wrong)
    times = made["time"][0] if "time" in made else None
    values = {role: one for role, (one, _) in made.items()} | {"time": times and times.moments}
    return Source(
        name=name,
        columns=Columns(*(values.get(role) for role in ROLES)).take(rest),
        roles=names,
        where=lambda row: f"{name}, row {int(rest[row]) + 1}",
        recognised=column_roles.recognised(where, options, named=named),
        ignored=tuple(column for place, column in enumerate(columns) if place not in where.values()),
        rows=tuple(zip(*(_first_texts(found[role], FIRST_ROWS) for role in names), strict=True)),
        text_times=times is not None and times.dates,
        about={"format": "Parquet"},
        bad=bad,
    )


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    try:
        import pyarrow.parquet as pq
        from pyarrow import ArrowException, ArrowNotImplementedError
    except ImportError:
        raise DataError(f"{path.name}: reading Parquet needs pyarrow. Install it, or give the table as CSV.") from None
    try:
        with reading(path.name), pq.ParquetFile(path) as file:
            yield file
    except ArrowNotImplementedError as error:
        said = str(error).splitlines()[0][:100]
        raise DataError(f"{path.name}: a kind of Parquet that is not read ({said}). Give the table as CSV.") from error
    except (ArrowException, OSError) as error:
        raise DataError(f"{path.name}: not a whole Parquet file. Copy it again.") from error


def _columns(path: Path, places: Mapping[str, int]) -> dict[str, Any]:
    """The column of each role, by its place; several columns may have one name."""
    with _opened(path) as file:
        names = file.schema_arrow.names
        table = file.read(columns=list(dict.fromkeys(names[place] for place in places.values())))
    found = {}
    for role, place in places.items():
        same = [at for at, name in enumerate(table.schema.names) if name == names[place]]
        column = table.column(same[names[:place].count(names[place])])
        found[role] = column.cast(column.type.storage_type) if hasattr(column.type, "storage_type") else column
    return found


def _refuse_type(kind: Any, role: str, column: str, name: str) -> None:
    from pyarrow import types

    if types.is_dictionary(kind):
        kind = kind.value_type
    what = ""
    if types.is_nested(kind):
        what = "a list" if types.is_list(kind) or types.is_large_list(kind) else "an object"
        advice = "Flatten it into a column of plain values"
    elif role == "time" and (types.is_duration(kind) or types.is_time(kind)):
        what = "a duration" if types.is_duration(kind) else "a time of day without a date"
        advice = "Write dates or seconds since 1970 in its place"
    if what:
        raise DataError(
            f"{name}: the {role} ({shown(column)}) is {what}. {advice}, or name another one (--{role} COLUMN)."
        )


def _bad_rows(
    said: Mapping[str, Bad], count: int, name: str, options: ReadOptions
) -> tuple[NDArray[np.bool_], BadRows]:
    """Return which rows are wrong, and all of them for the record; raises DataError for the first unless skipped.

    said: what is wrong with the values of each role.
    """
    texts: dict[int, str] = {}
    for role, found in said.items():
        for row, text in found.items():
            texts.setdefault(row, f"row {row + 1}: the {role} {text}")
    places = sorted(texts)
    wrong, bad = np.zeros(count, np.bool_), BadRows([row + 1 for row in places], [texts[row] for row in places])
    if not places:
        return wrong, bad
    wrong[places] = True
    head = min(count, row_stream.FIRST_BAD)
    if len(bad) == count or (not options.skip_bad and wrong[:head].all() and row_stream.are_alike(bad.texts[:head])):
        raise row_stream.whole_column(name, bad.texts[:head], named=True)
    if not options.skip_bad:
        raise DataError(f"{name}, {bad.texts[0]}. Correct or remove that row (or --skip-bad).", fixes=SKIP_BAD)
    return wrong, bad


def _first_texts(column: Any, most: int = _LOOKED_AT) -> list[str]:
    """The first values as short texts, whatever they are."""
    try:
        values = column.slice(0, most).to_pylist()
    except (ValueError, OverflowError, NotImplementedError):  # such as a date after the year 9999
        values = [""] * len(column.slice(0, most))
    return [_text(value)[:_SHOWN] for value in values]


def _text(value: Any) -> str:
    """A value as text; what is missing is empty."""
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
    """All values as texts, (n,); each distinct one is made once."""
    parts = []
    for chunk in column.dictionary_encode().chunks:
        words = np.array([*map(_text, chunk.dictionary.to_pylist()), ""], object)
        codes = chunk.indices.fill_null(len(words) - 1) if chunk.indices.null_count else chunk.indices
        parts.append(words[codes.to_numpy(zero_copy_only=False)])
    return np.concatenate(parts)


def _whole(column: Any) -> tuple[NDArray[np.int64], Bad] | None:
    """Whole numbers, 0 where one is missing; None for values that are none, or too large."""
    from pyarrow import compute, int64, types

    if not types.is_integer(column.type):
        return None
    if types.is_uint64(column.type) and (compute.max(column).as_py() or 0) >= 2**63:
        return None
    return column.cast(int64()).fill_null(0).to_numpy(), _missing(column)


def _missing(column: Any) -> Bad:
    missing = column.is_null().to_numpy() if column.null_count else np.zeros(0, np.bool_)
    return {int(row): "is empty" for row in np.flatnonzero(missing)}


def _ids(column: Any, options: ReadOptions, what: str) -> tuple[Any, Bad]:
    import pandas as pd

    found = _whole(column)
    if found is not None:
        return found
    (codes, words), bad = cells.ids(_texts(column))
    again, unique = pd.factorize(np.array(words, object))
    made = pd.Series(pd.Categorical.from_codes(again[codes], categories=pd.Index(unique)))
    return made, _inexact(column) | bad | _undecoded(column)


def _inexact(column: Any) -> Bad:
    """Whole numbers that stand in floats too short for them, which makes one of several."""
    from pyarrow import types

    if not types.is_floating(column.type):
        return {}
    values = column.to_numpy()
    largest = 2.0 ** (np.finfo(values.dtype).nmant + 1) if values.dtype.kind == "f" else np.inf
    return {
        int(row): f"is {float(values[row]):.17g}, a floating-point number too large to be exact"
        for row in np.flatnonzero(np.abs(values) >= largest)
    }


def _undecoded(column: Any) -> Bad:
    """Bytes that are no text in UTF-8."""
    from pyarrow import types

    kind = column.type.value_type if types.is_dictionary(column.type) else column.type
    if not (types.is_binary(kind) or types.is_large_binary(kind) or types.is_fixed_size_binary(kind)):
        return {}
    bad = {}
    for row, value in enumerate(column.to_pylist()):
        if value is not None and not value.decode("utf-8", "surrogateescape").isprintable():
            bad[row] = f"is the bytes {shown(value.hex())}, not text in UTF-8"
    return bad


def _numbers(column: Any, options: ReadOptions, what: str) -> tuple[NDArray[np.float32], Bad]:
    from pyarrow import compute, float64, types

    if types.is_integer(column.type) or types.is_floating(column.type) or types.is_boolean(column.type):
        plain = compute.cast(column, float64(), safe=False).fill_null(np.nan).to_numpy()
        fine = np.abs(plain) <= cells.LARGEST
        bad = {
            int(row): "is empty" if np.isnan(plain[row]) else f"is {plain[row]:g}, too large for a rating"
            for row in np.flatnonzero(~fine)
        }
        return np.where(fine, plain, 0).astype(np.float32), bad
    texts = _texts(column).tolist()
    values, bad = cells.numbers(texts, comma=row_stream.has_commas(texts))
    return values.astype(np.float32), bad


def _times(column: Any, options: ReadOptions, what: str) -> tuple[_Times, Bad]:
    from pyarrow import timestamp, types

    found = _whole(column)
    if found is not None:
        return _Times(Moments(found[0], None), False), found[1]
    if types.is_date(column.type):
        column = column.cast(timestamp("s" if types.is_date32(column.type) else "ms"))
    if types.is_timestamp(column.type):
        return _Times(_moments(column), True), _missing(column)
    texts = _texts(column).tolist()
    layout = None
    if not types.is_floating(column.type):
        layout = options.time_format or cells.text_format(texts[:_LOOKED_AT], what)
    moments, bad = cells.number_times(texts) if layout is None else cells.text_times(texts, layout)
    if types.is_integer(column.type):
        bad = {row: said if not texts[row] else f"is {texts[row]}, too large for a time" for row, said in bad.items()}
    return _Times(moments, layout is not None), bad


def _moments(column: Any) -> Moments:
    """Timestamps of any unit; those without a time zone are UTC, as Parquet keeps the others."""
    from pyarrow import int64

    ticks = _UNITS[column.type.unit]
    whole, rest = np.divmod(column.cast(int64()).fill_null(0).to_numpy(), ticks)
    nanos = rest * (10**9 // ticks)
    return Moments(whole, nanos if nanos.any() else None)


_READERS: dict[str, Any] = {"user": _ids, "item": _ids, "rating": _numbers, "time": _times}
