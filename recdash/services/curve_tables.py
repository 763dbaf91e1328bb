"""Curves in tables: CSV, JSON and Parquet files that TensorBoard, W&B, Trackio or anything else wrote.

- TensorBoard's download of one scalar: `Wall time,Step,Value`; run and metric are in the name of the file.
- W&B's export of a chart: `"Step","RUN - METRIC","RUN - METRIC__MIN","RUN - METRIC__MAX"`, one group per run.
- Everything else: a column of steps or epochs, columns of numbers, and optionally columns of run and time. Of this form
  are W&B's history (`_step`, `_timestamp`, `_runtime`), Trackio's tables (`step`, `run_name`, `timestamp`) and our own.

One run in several files of one import, such as one file per metric, becomes one run.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from recdash.atomic_files import wrap_read_errors
from recdash.errors import DataError, quote
from recdash.services.curve_points import ExternalRun, PointCollector, step_of, time_of, value_of
from recdash.services.exchange_cells import CellError, unescape_csv

FIX = "Export the curves as CSV with a column `step` or `epoch`."
_EPOCHS = ("epoch", "epochs")
_STEPS = ("step", "_step", "global_step", "trainer/global_step", "iteration", "update")
_RUNS, _RUN_IDS = ("run_name", "run"), ("run_id", "series_key")
_TIMES = ("timestamp", "_timestamp", "wall time", "wall_time", "recorded", "time", "created_at")
_SECONDS = ("seconds", "_runtime", "relative time")
_NO_METRICS = {*_RUNS, *_RUN_IDS, "id", "log_id", "space_id", "data_type", ""}
_TENSORBOARD = ["wall time", "step", "value"]
_TENSORBOARD_FILE = re.compile(r"run-(?P<run>.*)-tag-(?P<tag>.*)")
_COPY = re.compile(r" \(\d+\)$")  # what browsers add to the name of a second download
_WANDB_COLUMN = re.compile(r"(?P<run>.+) - (?P<metric>.+?)(?P<bound>__MIN|__MAX|__STD)?")
_DECIMAL_COMMA = re.compile(r"\s*[-+]?\d+,\d+([eE][-+]?\d+)?\s*", re.ASCII)
_MAX_CELL, _MOST_CELLS = 1 << 20, 20_000_000
_LONGEST_SECONDS = 3e9  # about a century


@dataclass(frozen=True)
class Table:
    """A table as read: heading, and rows of text or values. `first_line` is the number of the first row in messages."""

    name: str
    heading: list[str]
    rows: Sequence[Sequence[Any]]
    source: str = "CSV"
    first_line: int = 2

    def where(self, number: int) -> str:
        """Return file and row for a message."""
        return f"{self.name}, row {self.first_line + number}"

    @property
    def stem(self) -> str:
        """Name of the file without its ending, for a run that has no name."""
        return _COPY.sub("", PurePath(self.name).stem)


def read_curves(name: str, content: bytes, collector: PointCollector) -> None:
    """Add the curves of a CSV, JSON or Parquet file; raises DataError for a file without curves."""
    if content.startswith(b"PAR1"):
        _add_table(_parquet_table(name, content), collector)
        return
    text = _text(name, content)
    if text.lstrip()[:1] in ("{", "["):
        _add_json(name, text, collector)
    else:
        _add_table(_csv_table(name, text), collector)


def _add_table(table: Table, collector: PointCollector) -> None:
    names = [name.strip().lower() for name in table.heading]
    heading = [name.strip() for name in table.heading]
    if twice := next((name for name in heading if heading.count(name) > 1), None):
        raise DataError(f"{table.name}: two columns are called {quote(twice)}. {FIX}")
    if names == _TENSORBOARD:
        _add_scalar(table, collector)
    elif {"name", "state"} <= set(names) and not set(names) & {*_EPOCHS, *_STEPS}:
        fix = "Export a chart, or the history of a run."
        raise DataError(f"{table.name}: a table of runs, which has last values but no curves. {fix}")
    elif any(column.endswith(("__MIN", "__MAX")) and _WANDB_COLUMN.fullmatch(column) for column in table.heading):
        _add_chart(table, collector)
    else:
        _add_columns(table, names, collector)


def _add_scalar(table: Table, collector: PointCollector) -> None:
    found = _TENSORBOARD_FILE.fullmatch(table.stem)
    name, metric = (found["run"], found["tag"]) if found else (table.stem, "value")
    run = collector.run(("tensorboard", name), name, "TensorBoard CSV")
    for number, (time, step, value) in enumerate(table.rows):
        at = step_of(step, table.where(number))
        if at is None:
            collector.skipped_cells += 1
            continue
        _add_value(collector, run, metric, at, value)
        _add_time(run, at, time_of(time))


def _add_chart(table: Table, collector: PointCollector) -> None:
    columns = [(number, _WANDB_COLUMN.fullmatch(name)) for number, name in enumerate(table.heading)]
    aggregated = False
    for number, row in enumerate(table.rows):
        step = step_of(row[0], table.where(number))
        for column, found in columns[1:]:
            if step is None or not found or found["metric"] == "_step":
                continue
            if found["bound"]:
                aggregated |= row[column] != row[table.heading.index(f"{found['run']} - {found['metric']}")]
                continue
            run = collector.run(("chart", found["run"]), found["run"], "W&B CSV")
            _add_value(collector, run, found["metric"], step, row[column])
    if aggregated:
        collector.notes.append(f"{table.name}: W&B drew means here, since minimum and maximum differ from the value.")


def _add_columns(table: Table, names: list[str], collector: PointCollector) -> None:
    epoch, step = _first(names, _EPOCHS), _first(names, _STEPS)
    runs, times, seconds = _first(names, _RUNS), _first(names, _TIMES), _first(names, _SECONDS)
    ids = _first(names, _RUN_IDS)
    labels = [_label(row, runs, ids) or table.stem for row in table.rows]
    keys = [_label(row, ids, runs) or label for row, label in zip(table.rows, labels, strict=True)]
    if epoch is not None and step is not None and not _are_epochs(table.rows, epoch, keys):
        epoch = None  # several rows per epoch: the steps distinguish them
    axis = step if epoch is None else epoch
    if axis is None:
        columns = ", ".join(quote(name) for name in table.heading[:6]) or "none"
        raise DataError(f"{table.name}: no column of steps or epochs among {columns}. {FIX}")
    kind = _first(names, ("data_type",))
    not_metrics = {axis, runs, times, seconds, kind} | ({step} if epoch is not None else set())
    metrics = [n for n, name in enumerate(names) if n not in not_metrics and name not in _NO_METRICS]
    metrics = [n for n in metrics if _is_numeric(table, n, collector)]
    for number, row in enumerate(table.rows):
        at = step_of(row[axis], table.where(number))
        if at is None or (kind is not None and row[kind] == "smoothed"):
            collector.skipped_cells += at is None and any(value not in (None, "") for value in row)
            continue
        run = collector.run(("table", keys[number]), labels[number], _source(table, names))
        for column in metrics:
            _add_value(collector, run, table.heading[column].strip(), at, row[column])
        _add_time(run, at, None if times is None else time_of(row[times]))
        if seconds is not None:
            _add_seconds(run, at, row[seconds])
        if epoch is not None and step is not None and (update := step_of(row[step], table.where(number))) is not None:
            run.updates[at] = update


def _add_json(name: str, text: str, collector: PointCollector) -> None:
    document = _json(name, text)
    if isinstance(document, dict) and isinstance(document.get("series"), dict):
        _add_series(name, document, collector)
        return
    metric = ""
    rows = document
    if isinstance(document, dict):
        metric, rows = str(document.get("metric") or ""), document.get("values")
        if rows is None:
            rows = document.get("metrics") or document.get("history")
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        raise DataError(f"{name}: JSON without a list of points. {FIX}")
    heading = list(dict.fromkeys(str(column) for row in rows for column in row))
    renamed = [metric if metric and column == "value" else column for column in heading]
    label = str(document.get("run") or "") if isinstance(document, dict) else ""
    source = "Trackio JSON" if isinstance(document, dict) and "project" in document else "JSON"
    cells = [[row.get(column) for column in heading] for row in rows]
    if label and "run" not in renamed:
        renamed, cells = [*renamed, "run"], [[*row, label] for row in cells]
    _add_table(Table(name, renamed, cells, source, 1), collector)


def _add_series(name: str, document: dict[str, Any], collector: PointCollector) -> None:
    """Add the document of `recdash curves --format json`."""
    label = str(document.get("run") or PurePath(name).stem)
    run = collector.run(("table", label), label, "recdash curves")
    for metric, points in document["series"].items():
        for number, point in enumerate(_pairs(name, points)):
            at = step_of(point[0], f"{name}, point {number + 1} of {quote(metric)}")
            if at is not None:
                _add_value(collector, run, metric, at, "nan" if point[1] is None else point[1])
    for epoch, second in _pairs(name, document.get("seconds") or []):
        if (at := step_of(epoch, name)) is not None:
            _add_seconds(run, at, second)


def _pairs(name: str, points: Any) -> list[list[Any]]:
    if not isinstance(points, list) or not all(isinstance(point, list) and len(point) == 2 for point in points):
        raise DataError(f"{name}: the points of a series are no pairs of epoch and value. {FIX}")
    return points


def _json(name: str, text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    try:
        return [json.loads(line) for line in text.splitlines() if line.strip()]
    except (ValueError, RecursionError):
        raise DataError(f"{name}: damaged or cut off, not JSON. {FIX}") from None


def _csv_table(name: str, text: str) -> Table:
    first = text.partition("\n")[0]
    delimiter = max(",;\t", key=first.count)
    limit = csv.field_size_limit(_MAX_CELL)
    try:
        rows = [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True) if row]
    except csv.Error as error:
        raise DataError(f"{name}: not CSV ({error}). {FIX}") from None
    finally:
        csv.field_size_limit(limit)
    if len(rows) < 2:
        raise DataError(f"{name}: {'no rows below the heading' if rows else 'empty'}. {FIX}")
    heading = [unescape_csv(cell).strip() for cell in rows[0]]
    for number, row in enumerate(rows[1:]):
        if len(row) != len(heading):
            where = f"{name}, row {number + 2}"
            raise DataError(f"{where}: {len(row)} cells, the heading has {len(heading)}. Is the file cut off? {FIX}")
    if delimiter == ";":  # spreadsheets write it where the decimal sign is a comma
        rows = [[cell.replace(",", ".") if _DECIMAL_COMMA.fullmatch(cell) else cell for cell in row] for row in rows]
    return Table(name, heading, rows[1:])


def _parquet_table(name: str, content: bytes) -> Table:
    try:
        import pyarrow as pa  # optional: pyarrow
        import pyarrow.parquet as pq  # optional: pyarrow
    except ImportError as error:
        raise DataError(f"{name}: reading Parquet needs pyarrow. Run pip install pyarrow, or export CSV.") from error
    with wrap_read_errors(name, DataError, FIX, "damaged Parquet file"):
        file = pq.ParquetFile(io.BytesIO(content))
        if file.metadata.num_rows * file.metadata.num_columns > _MOST_CELLS:  # a small file can hold billions
            raise DataError(f"{name}: more than {_MOST_CELLS:,} cells. Export fewer rows or columns.")
        read = file.read()
        read = read.cast(pa.schema([_without_decimals(field) for field in read.schema]))
        columns = [column.to_pylist() for column in read.columns]
    return Table(name, list(read.column_names), list(zip(*columns, strict=True)), "Parquet", 1)


def _without_decimals(field: Any) -> Any:
    """Return a field of Parquet with numbers of fixed precision, which databases write, as floats."""
    import pyarrow as pa  # optional: pyarrow

    return field.with_type(pa.float64()) if pa.types.is_decimal(field.type) else field


def _text(name: str, content: bytes) -> str:
    for encoding in ("utf-16",) if content[:2] in (b"\xff\xfe", b"\xfe\xff") else ("utf-8-sig",):
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError as error:
            raise DataError(f"{name}: not a text file (byte {error.start:,} is not UTF-8). {FIX}") from None
    if "\0" in text:
        raise DataError(f"{name}: not a text file. {FIX}")
    return text


def _source(table: Table, names: Sequence[str]) -> str:
    ending = table.source.removeprefix("Trackio ")
    if table.source.startswith("Trackio") or "series_key" in names or {"run_name", "log_id"} <= set(names):
        return f"Trackio {ending}"
    return f"W&B {ending}" if "_step" in names else ending


def _label(row: Sequence[Any], *columns: int | None) -> str:
    """Return the first cell of these columns that is not empty, as text."""
    cells = (row[column] for column in columns if column is not None)
    return next((str(cell) for cell in cells if cell not in (None, "")), "")


def _first(names: Sequence[str], wanted: Iterable[str]) -> int | None:
    return next((names.index(name) for name in wanted if name in names), None)


def _are_epochs(rows: Sequence[Sequence[Any]], column: int, labels: Sequence[str]) -> bool:
    """Whether a column has another whole number in every row of a run."""
    cells = [(label, row[column]) for label, row in zip(labels, rows, strict=True) if row[column] not in (None, "")]
    try:
        numbers = [(label, value_of(cell)) for label, cell in cells]
    except CellError:
        return False
    return len(set(numbers)) == len(numbers) > 0 and all(
        number is not None and number.is_integer() for _, number in numbers
    )


def _is_numeric(table: Table, column: int, collector: PointCollector) -> bool:
    """Whether a column has a number; one of text only is no metric, which a note says."""
    has_text = False
    for row in table.rows:
        try:
            if value_of(row[column]) is not None:
                return True
        except CellError:
            has_text = True
    if has_text:
        collector.notes.append(f"{table.name}: the column {quote(table.heading[column])} has no numbers.")
    return False


def _add_value(collector: PointCollector, run: ExternalRun, metric: str, step: int, cell: Any) -> None:
    try:
        value = value_of(cell)
    except CellError:
        collector.skipped_cells += 1
        return
    if value is not None:
        collector.add(run, metric, step, value)


def _add_time(run: ExternalRun, step: int, time: float | None) -> None:
    if time is not None:
        run.times[step] = time


def _add_seconds(run: ExternalRun, step: int, cell: Any) -> None:
    try:
        seconds = value_of(cell)
    except CellError:
        return
    if seconds is not None and 0 <= seconds < _LONGEST_SECONDS:
        run.seconds[step] = seconds
