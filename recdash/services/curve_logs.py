"""Curves in the files that trackers write themselves: TensorBoard's event files and Trackio's SQLite file."""

from __future__ import annotations

import json
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path, PurePath
from typing import Any

from recdash.atomic_files import wrap_read_errors
from recdash.errors import DataError, UsageError
from recdash.services.curve_points import PointCollector, step_of, time_of, value_of
from recdash.services.exchange_cells import CellError

EVENT_FILE = "tfevents"
SQLITE_HEADER = b"SQLite format 3\0"
_TRACKIO_FIX = "Name the file of a Trackio project (PROJECT.db)."
_EVENT_FIX = "Name a log folder of TensorBoard."


def is_log_folder(path: Path) -> bool:
    """Whether a folder or one below it has event files."""
    return path.is_dir() and any(path.rglob(f"*{EVENT_FILE}*"))


def read_log_folder(path: Path, collector: PointCollector) -> None:
    """Add the scalars of a TensorBoard log folder; each folder with event files is a run."""
    folders = sorted({file.parent for file in path.rglob(f"*{EVENT_FILE}*") if file.is_file()})
    for folder in folders:
        relative = folder.relative_to(path).as_posix()
        _read_events(folder, path.name if relative == "." else relative, collector)


def read_event_file(name: str, content: bytes, collector: PointCollector) -> None:
    """Add the scalars of one event file, for example an upload."""
    with tempfile.TemporaryDirectory(prefix="recdash-") as folder:
        (Path(folder) / f"events.out.{EVENT_FILE}.0").write_bytes(content)
        _read_events(Path(folder), PurePath(name).name, collector)


def read_trackio(name: str, file: Path, collector: PointCollector) -> None:
    """Add the curves of a Trackio project; each of its runs is a run."""
    for number, (run_id, run_name, step, time, metrics) in enumerate(_trackio_rows(name, file)):
        where = f"{name}, row {number + 1} of metrics"
        at = step_of(step, where)
        try:
            values = json.loads(metrics)
        except (ValueError, TypeError, RecursionError):
            values = None
        if at is None or not isinstance(values, dict):
            raise DataError(f"{where}: not a row that Trackio writes. {_TRACKIO_FIX}")
        run = collector.run((name, str(run_id)), str(run_name), "Trackio")
        for metric, cell in values.items():
            try:
                value = value_of(cell)
            except CellError:  # an image, a table or a text
                collector.skipped_cells += 1
                continue
            if value is not None:
                collector.add(run, metric, at, value)
        if (seconds := time_of(time)) is not None:
            run.times[at] = seconds


def read_trackio_content(name: str, content: bytes, collector: PointCollector) -> None:
    """Add the curves of a Trackio project, for example an upload."""
    with tempfile.TemporaryDirectory(prefix="recdash-") as folder:
        file = Path(folder) / "project.db"
        file.write_bytes(content)
        read_trackio(name, file, collector)


def _trackio_rows(name: str, file: Path) -> Iterator[tuple[Any, ...]]:
    """Yield (run id, run name, step, time, metrics) in the order in which they were logged."""
    with (
        wrap_read_errors(name, DataError, _TRACKIO_FIX, "not a Trackio file, or damaged"),
        closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as connection,
    ):
        columns = {row[1] for row in connection.execute("PRAGMA table_info(metrics)")}
        if not {"run_name", "step", "timestamp", "metrics"} <= columns:
            raise DataError(f"{name}: an SQLite file without Trackio's table of metrics. {_TRACKIO_FIX}")
        identity = "run_id" if "run_id" in columns else "run_name"  # versions up to 0.25 have names only
        query = f"SELECT {identity}, run_name, step, timestamp, metrics FROM metrics ORDER BY rowid"  # noqa: S608
        rows = connection.execute(query).fetchall()
    yield from rows


def _read_events(folder: Path, name: str, collector: PointCollector) -> None:
    try:
        from tensorboard.backend.event_processing import event_accumulator  # optional: tensorboard
        from tensorboard.util import tensor_util  # optional: tensorboard
    except ImportError as error:
        fix = "Run pip install tensorboard, or download the scalars as CSV from TensorBoard."
        raise UsageError(f"{name}: event files need TensorBoard's reader. {fix}") from error
    with wrap_read_errors(name, DataError, _EVENT_FIX, "damaged event file"):
        # 0 keeps all points: by default the reader samples. Orphaned points are those that a resumed run wrote again.
        sizes = {event_accumulator.SCALARS: 0, event_accumulator.TENSORS: 0}
        events = event_accumulator.EventAccumulator(str(folder), sizes, purge_orphaned_data=False).Reload()
        found = [
            (tag, event.step, event.value, event.wall_time)
            for tag in events.Tags()[event_accumulator.SCALARS]
            for event in events.Scalars(tag)
        ]
        for tag in events.Tags()[event_accumulator.TENSORS]:
            if events.SummaryMetadata(tag).plugin_data.plugin_name == "scalars":
                for event in events.Tensors(tag):
                    value = float(tensor_util.make_ndarray(event.tensor_proto).item())
                    found.append((tag, event.step, value, event.wall_time))
    if not found:
        return
    run = collector.run(("tensorboard", name), name, "TensorBoard")
    for tag, step, value, time in found:
        at = step_of(step, f"{name}, {tag}")
        if at is not None:
            collector.add(run, tag, at, float(value))
            if (seconds := time_of(time)) is not None:
                run.times[at] = seconds
