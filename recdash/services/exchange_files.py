"""The files of an export: tables as Parquet, CSV or JSON Lines, written and read in batches of columns."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from recdash.errors import DataError, UsageError, quote, short_repr, unknown_name
from recdash.services import exchange_cells
from recdash.services.exchange_cells import NAMES_OF_KINDS, CellError, Kind

FORMATS = {"parquet": ".parquet", "csv": ".csv", "json": ".jsonl"}
FIX = "Export the runs again."
_ROWS = 20_000  # in a row group of Parquet, and read at once
_LARGEST_CELL = 64 << 20  # characters; lists of all items can be long
Columns = Mapping[str, Sequence[Any]]


class TableWriter(Protocol):
    """Writes one table; `add` takes columns of equal length, and a column left out is empty."""

    def add(self, columns: Columns) -> None:
        """Append rows, given as columns."""

    def close(self) -> None:
        """Complete the file."""


@dataclass
class Batch:
    """Some rows of a table that was read.

    Attributes:
        file: Name of the file, for messages.
        first_row: Number of the first row; the first row after a heading is 1.
        columns: Cells as read, by column.
    """

    file: str
    first_row: int
    columns: dict[str, list[Any]] = field(default_factory=dict)

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return len(next(iter(self.columns.values()), []))

    def values(self, name: str, kind: Kind, *, required: bool = False) -> list[Any]:
        """Return a column as values, None where a cell is empty.

        Args:
            name: Name of the column.
            kind: Its kind.
            required: Whether every row must have a value.

        Raises:
            DataError: A required value is missing, or a cell is of another kind.
        """
        if name not in self.columns:
            if required and self.n_rows:
                raise DataError(f'{self.file}: the column "{name}" is missing. {FIX}')
            return [None] * self.n_rows
        found: list[Any] = []
        for number, cell in enumerate(self.columns[name]):
            try:
                found.append(exchange_cells.parse(kind, cell))
            except CellError as error:
                text = f"{quote(name)} is {error}, expected {NAMES_OF_KINDS[kind]}"
                raise self.error(number, text) from None
            if required and found[-1] is None:
                raise self.error(number, f"{quote(name)} is missing")
        return found

    def error(self, number: int, problem: str) -> DataError:
        """Return the error for a row of this batch, counted from 0."""
        return DataError(f"{self.file}, row {self.first_row + number}: {problem}. {FIX}")


def check_format(file_format: str) -> None:
    """Raise UsageError for an unknown format, or for Parquet where pyarrow is not installed."""
    if file_format not in FORMATS:
        raise unknown_name("format", file_format, FORMATS)
    if file_format == "parquet":
        try:
            import pyarrow as pa  # noqa: F401  # optional: pyarrow
        except ImportError as error:
            raise UsageError("Parquet needs pyarrow. Run pip install pyarrow, or choose --format csv.") from error


def open_writer(path: Path, file_format: str, schema: Mapping[str, Kind]) -> TableWriter:
    """Create the file of a table.

    Args:
        path: The file, without the ending of its format.
        file_format: One of `FORMATS`.
        schema: Kind of each column.
    """
    writers: dict[str, type[_ParquetWriter | _CsvWriter | _JsonWriter]] = {
        "parquet": _ParquetWriter,
        "csv": _CsvWriter,
        "json": _JsonWriter,
    }
    return writers[file_format](path.with_name(path.name + FORMATS[file_format]), schema)


def read_batches(path: Path) -> Iterator[Batch]:
    """Read a table of any of the formats, by the ending of its name; raises DataError for a damaged file."""
    readers = {".parquet": _read_parquet, ".csv": _read_csv, ".jsonl": _read_json}
    with _one_line_errors(path):
        yield from readers[path.suffix](path)


class _CsvWriter:
    def __init__(self, path: Path, schema: Mapping[str, Kind]) -> None:
        self._schema = schema
        self._file = path.open("x", encoding="utf-8", errors="backslashreplace", newline="")
        self._writer = csv.writer(self._file, lineterminator="\n")
        self._writer.writerow([exchange_cells.escape_csv(name) for name in schema])

    def add(self, columns: Columns) -> None:
        """Append rows."""
        empty = [""] * _n_rows(columns)
        cells = (
            exchange_cells.csv_cells(kind, columns[name]) if name in columns else empty
            for name, kind in self._schema.items()
        )
        self._writer.writerows(zip(*cells, strict=True))

    def close(self) -> None:
        """Complete the file."""
        self._file.close()


class _JsonWriter:
    def __init__(self, path: Path, schema: Mapping[str, Kind]) -> None:
        self._schema = schema
        self._file = path.open("x", encoding="utf-8", errors="backslashreplace", newline="")

    def add(self, columns: Columns) -> None:
        """Append rows."""
        names = [name for name in self._schema if name in columns]
        cells = [exchange_cells.json_cells(self._schema[name], columns[name]) for name in names]
        for row in zip(*cells, strict=True):
            plain = {name: value for name, value in zip(names, row, strict=True) if value is not None}
            self._file.write(json.dumps(plain, ensure_ascii=False, allow_nan=False) + "\n")

    def close(self) -> None:
        """Complete the file."""
        self._file.close()


class _ParquetWriter:
    """Rows are collected into groups of `_ROWS`, since small groups make a large file that is slow to read."""

    def __init__(self, path: Path, schema: Mapping[str, Kind]) -> None:
        import pyarrow as pa  # optional: pyarrow
        import pyarrow.parquet as pq  # optional: pyarrow

        self._types: dict[str, Any] = {
            "text": pa.string(), "json": pa.string(), "any": pa.string(), "count": pa.int64(),
            "number": pa.float64(), "numbers": pa.list_(pa.float64()),
        }  # fmt: skip
        self._pa, self._kinds = pa, schema
        self._schema = pa.schema([(name, self._types[kind]) for name, kind in schema.items()])
        self._writer = pq.ParquetWriter(path, self._schema, compression="zstd")
        self._waiting: list[Any] = []

    def add(self, columns: Columns) -> None:
        """Append rows."""
        n_rows = _n_rows(columns)
        arrays = [self._array(name, kind, columns.get(name), n_rows) for name, kind in self._kinds.items()]
        self._waiting.append(self._pa.RecordBatch.from_arrays(arrays, schema=self._schema))
        if sum(batch.num_rows for batch in self._waiting) >= _ROWS:
            self._flush()

    def close(self) -> None:
        """Complete the file."""
        self._flush()
        self._writer.close()

    def _array(self, name: str, kind: Kind, values: Sequence[Any] | None, n_rows: int) -> Any:
        if values is None:
            return self._pa.nulls(n_rows, self._types[kind])
        if kind in ("json", "any"):
            values = [None if value is None else _as_text(value) for value in values]
        return self._pa.array(values, self._types[kind], from_pandas=False)

    def _flush(self) -> None:
        if self._waiting:
            self._writer.write_table(self._pa.Table.from_batches(self._waiting).combine_chunks())
            self._waiting = []


def _read_csv(path: Path) -> Iterator[Batch]:
    limit = csv.field_size_limit(_LARGEST_CELL)
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.reader(file, strict=True)
            heading = [exchange_cells.unescape_csv(name) for name in next(reader, [])]
            _check_heading(path.name, heading)
            rows: list[list[str]] = []
            first = 1
            for row in reader:
                if len(row) != len(heading):
                    number, found = first + len(rows), f"{len(row)} cells, expected {len(heading)}"
                    raise DataError(f"{path.name}, row {number}: {found}. {FIX}")
                rows.append(row)
                if len(rows) == _ROWS:
                    yield _csv_batch(path.name, first, heading, rows)
                    first, rows = first + len(rows), []
            yield _csv_batch(path.name, first, heading, rows)
    finally:
        csv.field_size_limit(limit)


def _csv_batch(file: str, first: int, heading: Sequence[str], rows: Sequence[Sequence[str]]) -> Batch:
    columns = zip(*rows, strict=True) if rows else ([] for _ in heading)
    unescaped = ([exchange_cells.unescape_csv(cell) for cell in column] for column in columns)
    return Batch(file, first, dict(zip(heading, unescaped, strict=True)))


def _read_json(path: Path) -> Iterator[Batch]:
    rows: list[dict[str, Any]] = []
    first = 1
    with path.open("rb") as file:
        for line in file:
            where = f"{path.name}, row {first + len(rows)}"
            try:
                row = json.loads(line)
            except (ValueError, RecursionError):
                raise DataError(f"{where}: not a JSON object, or cut off. {FIX}") from None
            if not isinstance(row, dict):
                raise DataError(f"{where}: {short_repr(row)} instead of a JSON object. {FIX}")
            rows.append(row)
            if len(rows) == _ROWS:
                yield _json_batch(path.name, first, rows)
                first, rows = first + len(rows), []
    yield _json_batch(path.name, first, rows)


def _json_batch(file: str, first: int, rows: Sequence[Mapping[str, Any]]) -> Batch:
    names = dict.fromkeys(name for row in rows for name in row)
    return Batch(file, first, {name: [row.get(name) for row in rows] for name in names})


def _read_parquet(path: Path) -> Iterator[Batch]:
    import pyarrow.parquet as pq  # optional: pyarrow

    first = 1
    with pq.ParquetFile(path) as file:
        _check_heading(path.name, file.schema_arrow.names)
        for batch in file.iter_batches(batch_size=_ROWS):
            columns = {name: column.to_pylist() for name, column in zip(batch.schema.names, batch.columns, strict=True)}
            yield Batch(path.name, first, columns)
            first += batch.num_rows


def _check_heading(file: str, names: Sequence[str]) -> None:
    twice = next((name for name in names if list(names).count(name) > 1), None)
    if twice is not None:
        raise DataError(f"{file}: two columns are called {quote(twice)}. {FIX}")


@contextmanager
def _one_line_errors(path: Path) -> Iterator[None]:
    """Turn what the libraries raise for damaged files into one line."""
    try:
        yield
    except (DataError, UsageError, MemoryError):
        raise
    except UnicodeDecodeError as error:
        raise DataError(f"{path.name}: not UTF-8 at byte {error.start:,}. {FIX}") from error
    except ImportError as error:
        raise UsageError(f"{path.name}: reading Parquet needs pyarrow. Run pip install pyarrow.") from error
    except OSError as error:
        raise DataError(f"{path.name}: cannot be read ({error.strerror or 'damaged'}). {FIX}") from error
    except Exception as error:  # pyarrow and csv raise many kinds
        reason = str(error).strip().splitlines()[0][:120] if str(error).strip() else type(error).__name__
        raise DataError(f"{path.name}: damaged or incomplete ({reason}). {FIX}") from error


def _n_rows(columns: Columns) -> int:
    return len(next(iter(columns.values()), []))


def _as_text(value: Any) -> str:
    return exchange_cells.clean_text(value) if isinstance(value, str) else json.dumps(value)
