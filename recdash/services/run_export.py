"""Export of runs to a folder of tables (`recdash.services.run_tables`), and to an archive for a download."""

from __future__ import annotations

import io
import json
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recdash.errors import CheckpointError
from recdash.paths import user_path
from recdash.runs.disk_usage import folder_bytes
from recdash.runs.resource_sampler import read_samples
from recdash.runs.run_folder import RunFolder
from recdash.runs.run_records import RunRecord
from recdash.runs.staged_folder import per_user_names
from recdash.runs.store import Store
from recdash.services import exchange_files, run_tables
from recdash.services.exchange_cells import Kind, clean_text
from recdash.services.export_folder import ExportReport, replaced_folder, selected_runs
from recdash.services.store_access import open_store

_WEIGHT_FILES = (".safetensors", ".json")


def export_runs(
    folder: Path | str,
    run_ids: str | Sequence[str] | None = None,
    file_format: str = "parquet",
    *,
    with_weights: bool = False,
) -> ExportReport:
    """Write runs with everything that was recorded into a folder.

    The folder appears complete or not at all. A former export is replaced.

    Args:
        folder: A new or empty folder, or that of a former export.
        run_ids: The runs, a list or separated by commas; by default all that are not in the trash.
        file_format: "parquet", "csv" or "json" (JSON Lines).
        with_weights: Whether to copy the best weights, too.

    Raises:
        UsageError: A run or the format is unknown, or the folder holds other files.
        DataError: The folder cannot be written.
    """
    exchange_files.check_format(file_format)
    target = user_path(folder).absolute()
    store = open_store()
    runs = selected_runs(store, run_ids)
    with replaced_folder(target, file_format) as temporary:
        writer = _Export(temporary, file_format, store)
        writer.write(runs, with_weights=with_weights)
    rows, ids = writer.rows, tuple(run.id for run in runs)
    return ExportReport(target, file_format, ids, rows["epochs"], rows, folder_bytes(target), tuple(writer.notes))


def export_archive(run_ids: str | Sequence[str] | None = None, file_format: str = "parquet") -> bytes:
    """Return an export as a zip archive, for a download; `recdash.services.run_import` reads it, too."""
    with tempfile.TemporaryDirectory(prefix="recdash-") as folder:
        export_runs(Path(folder) / "runs", run_ids, file_format)
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in sorted((Path(folder) / "runs").rglob("*")):
                archive.write(path, path.relative_to(folder))
        return buffer.getvalue()


class _Export:
    """Writes the tables of one export, one run at a time."""

    def __init__(self, folder: Path, file_format: str, store: Store) -> None:
        self.notes: list[str] = []
        self._folder, self._format, self._store = folder, file_format, store
        self.rows: dict[str, int] = {}

    def write(self, runs: Sequence[RunRecord], *, with_weights: bool) -> None:
        """Write all tables."""
        schema, columns = run_tables.run_columns(runs)
        self._table("runs", schema, [columns])
        self._write_epochs(runs)
        self._table("events", run_tables.EVENTS, map(self._events, runs))
        self._write_user_tables([run for run in runs if RunFolder(run.id).path.is_dir()])
        if with_weights:
            for run in runs:
                self._copy_weights(run.id)

    def _table(self, name: str, schema: Mapping[str, Kind], batches: Any, *, optional: bool = False) -> None:
        """Write a table from batches of columns; an optional one only if it has rows."""
        writer, total = None, 0
        for columns in batches:
            n_rows = len(next(iter(columns.values()), []))
            if n_rows or not optional:
                writer = writer or exchange_files.open_writer(self._folder / name, self._format, schema)
                writer.add(columns)
                total += n_rows
        if writer is None and not optional:
            writer = exchange_files.open_writer(self._folder / name, self._format, schema)
        if writer is not None:
            writer.close()
            self.rows[name] = total

    def _write_epochs(self, runs: Sequence[RunRecord]) -> None:
        # The heading needs the names of all values, but memory must not grow with the number of epochs, and a run that
        # trains meanwhile must be read once: the epochs go through a temporary file.
        names: dict[str, None] = {}
        with tempfile.TemporaryFile("w+", encoding="utf-8") as spool:
            for run in runs:
                columns = _epoch_columns(run.id, self._store)
                names |= dict.fromkeys(columns["values"])
                spool.write(json.dumps(columns) + "\n")
            spool.seek(0)
            by_name = run_tables.value_columns(names, run_tables.EPOCHS)
            schema: dict[str, Kind] = {**run_tables.EPOCHS, **dict.fromkeys(by_name.values(), "number")}
            self._table("epochs", schema, _spooled(spool, by_name))

    def _events(self, run: RunRecord) -> dict[str, list[Any]]:
        events = self._store.events(run.id)
        return {
            "run": [run.id] * len(events),
            "time": [event.time for event in events],
            "kind": [clean_text(event.kind) for event in events],
            "text": [clean_text(event.text) for event in events],
        }

    def _write_user_tables(self, runs: Sequence[RunRecord]) -> None:
        names = dict.fromkeys(name for run in runs for name in self._names_per_user(run))
        by_name = run_tables.value_columns((name for name in names if name != "top"), run_tables.PER_USER)
        schema: dict[str, Kind] = {**run_tables.PER_USER, **dict.fromkeys(by_name.values(), "number")}
        self._table("per_user", schema, (self._metrics_by_user(run, by_name) for run in runs), optional=True)
        self._table("top_lists", run_tables.TOP_LISTS, map(self._top_lists, runs), optional=True)
        self._table("arrays", run_tables.ARRAYS, map(self._arrays, runs), optional=True)
        self._table("resources", run_tables.RESOURCES, map(_resources, runs), optional=True)

    def _names_per_user(self, run: RunRecord) -> dict[str, Any]:
        return self._readable(lambda: dict.fromkeys(per_user_names(RunFolder(run.id))))

    def _per_user(self, run: RunRecord) -> dict[str, Any]:
        return self._readable(RunFolder(run.id).read_per_user) if self._names_per_user(run) else {}

    def _readable(self, read: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Return what was read; a damaged file becomes a note, since the rest of the run is worth exporting."""
        try:
            return read()
        except CheckpointError as error:
            if str(error) not in self.notes:
                self.notes.append(str(error))
            return {}

    def _metrics_by_user(self, run: RunRecord, by_name: Mapping[str, str]) -> dict[str, list[Any]]:
        arrays = self._per_user(run)
        by_column = {by_name[name]: array for name, array in arrays.items() if name in by_name}
        values = {name: _shortest(array) for name, array in by_column.items()}
        n_users = len(next(iter(values.values()), []))
        return {"run": [run.id] * n_users, "user": list(range(n_users)), **values}

    def _top_lists(self, run: RunRecord) -> dict[str, list[Any]]:
        lists = self._per_user(run).get("top", ())
        return {"run": [run.id] * len(lists), "user": list(range(len(lists))), "items": [row.tolist() for row in lists]}

    def _arrays(self, run: RunRecord) -> dict[str, list[Any]]:
        folder = RunFolder(run.id)
        found = [("facts", name, None, array) for name, array in self._readable(folder.read_facts).items()]
        for epoch, arrays in folder.arrays_by_epoch().items():
            found += [("epochs", name, epoch, array) for name, array in arrays.items()]  # type: ignore[misc]  # the epoch
        return {
            "run": [run.id] * len(found),
            "part": [part for part, *_ in found],
            "name": [name for _, name, *_ in found],
            "epoch": [epoch for _, _, epoch, _ in found],
            "type": [str(array.dtype) for *_, array in found],
            "shape": [list(array.shape) for *_, array in found],
            "values": [_shortest(array.ravel()) for *_, array in found],
        }

    def _copy_weights(self, run_id: str) -> None:
        folder = RunFolder(run_id)
        if not folder.has_model():
            self.notes.append(f"Run {run_id} has no weights.")
            return
        target = self._folder / run_tables.WEIGHTS / run_id
        target.mkdir(parents=True)
        for path in sorted(folder.best.iterdir()):
            if path.suffix in _WEIGHT_FILES and path.is_file() and not path.is_symlink():
                shutil.copyfile(path, target / path.name)


def _shortest(array: NDArray[Any]) -> list[Any]:
    """Return values as a list; float32 in its shortest decimal form, from which the same float32 is read."""
    values: list[Any] = (array.astype(str).astype(float) if array.dtype == np.float32 else array).tolist()
    return values


def _epoch_columns(run_id: str, store: Store) -> dict[str, Any]:
    rows = sorted(store.epochs([run_id]), key=lambda row: row.epoch)
    names = dict.fromkeys(name for row in rows for name in row.values)
    return {
        "run": [run_id] * len(rows),
        "epoch": [row.epoch for row in rows],
        "update": [row.update for row in rows],
        "seconds": [row.seconds for row in rows],
        "recorded": [row.recorded for row in rows],
        "values": {name: [row.values.get(name) for row in rows] for name in names},
    }


def _spooled(lines: Any, by_name: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    for line in lines:
        columns = json.loads(line)
        values = columns.pop("values")
        yield {**columns, **{by_name[name]: column for name, column in values.items()}}


def _resources(run: RunRecord) -> dict[str, list[Any]]:
    rows = [{"run": run.id, **vars(sample)} for sample in read_samples(RunFolder(run.id).resources)]
    return {name: [row[name] for row in rows] for name in run_tables.RESOURCES}
