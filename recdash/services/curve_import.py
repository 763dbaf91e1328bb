"""Import of curves that other programs recorded, to draw them next to ours; and the entrance for any file to import.

An imported curve is a run of the model "external" without results: it is drawn on Curves, and never part of a table.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from hashlib import blake2b
from itertools import count
from pathlib import Path

from recdash import __version__
from recdash.errors import DataError
from recdash.paths import user_path
from recdash.runs.run_records import RunRecord
from recdash.runs.states import State
from recdash.runs.store import Store
from recdash.services import curve_logs, curve_tables, run_import
from recdash.services.curve_points import ExternalRun, PointCollector
from recdash.services.imported_runs import EpochValues, ImportReport, NewRun, store_runs
from recdash.services.store_access import open_store, refuse_when_read_only

EXTERNAL = "external"  # model, dataset and protocol of these runs
FILE_TYPES = ("csv", "tsv", "json", "jsonl", "parquet", "db", "zip")  # for an uploader; event files have other endings
_LARGEST_FILE = 512 << 20  # bytes


def import_paths(paths: Sequence[Path | str], *, dry_run: bool = False) -> list[ImportReport]:
    """Import files and folders: exports of runs (`recdash.services.run_import`), and curves in any known form.

    All curves are read before any is stored, and stored in one transaction; each export is one transaction.

    Args:
        paths: Exports of runs, TensorBoard log folders, Trackio files, CSV, JSON and Parquet files.
        dry_run: Whether to check everything and store nothing.

    Returns:
        A report per export, and one for all curves.

    Raises:
        DataError: A path is not one of these, or is damaged.
    """
    refuse_when_read_only("imported")
    collector, exports = PointCollector(), []
    for given in paths:
        path = user_path(given)
        if not path.exists():
            raise DataError(f"{path}: no such file or folder. Check the path.")
        if run_import.is_export(path):
            exports.append(path)
        elif path.is_dir():
            if not curve_logs.is_log_folder(path):
                raise DataError(f"{path}: neither an export of runs nor a TensorBoard log folder. Name a file in it.")
            _read(str(path), lambda path=path: curve_logs.read_log_folder(path, collector), collector)  # type: ignore[misc]
        elif path.is_file() and run_import.is_export_archive(path):
            exports.append(path)
        else:
            content = _content(path)
            if content.startswith(curve_logs.SQLITE_HEADER):  # read in place, since newer rows may be in its log
                _read(path.name, lambda path=path: curve_logs.read_trackio(path.name, path, collector), collector)  # type: ignore[misc]
            else:
                _read_content(path.name, content, collector)
    reports = [run_import.import_runs(path, dry_run=dry_run) for path in exports]
    return [*reports, *_store_curves(collector, dry_run=dry_run)]


def import_uploads(files: Sequence[tuple[str, bytes]], *, dry_run: bool = False) -> list[ImportReport]:
    """Import uploaded files, given as name and content; see `import_paths`."""
    refuse_when_read_only("imported")
    collector = PointCollector()
    exports = [(name, content) for name, content in files if run_import.is_export_archive(content)]
    for name, content in files:
        if (name, content) not in exports:
            _read_content(name, content, collector)
    reports = [run_import.import_archive(name, content, dry_run=dry_run) for name, content in exports]
    return [*reports, *_store_curves(collector, dry_run=dry_run)]


def _read_content(name: str, content: bytes, collector: PointCollector) -> None:
    if len(content) > _LARGEST_FILE:
        raise DataError(f"{name}: larger than {_LARGEST_FILE >> 20} MiB. Split the file.")
    read: Callable[[str, bytes, PointCollector], None] = curve_tables.read_curves
    if curve_logs.EVENT_FILE in name:
        read = curve_logs.read_event_file
    elif content.startswith(curve_logs.SQLITE_HEADER):
        read = curve_logs.read_trackio_content
    _read(name, lambda: read(name, content, collector), collector)


def _read(name: str, read: Callable[[], None], collector: PointCollector) -> None:
    """Read a file; raises DataError if it adds no point."""
    before = collector.n_added
    read()
    if collector.n_added == before:
        raise DataError(f"{name}: no point of a curve. {curve_tables.FIX}")


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_LARGEST_FILE + 1)  # a device such as /dev/zero has no end
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}). Check the path and its permissions.") from error


def _store_curves(collector: PointCollector, *, dry_run: bool) -> list[ImportReport]:
    found = collector.finish()
    if not found:
        return []
    store = open_store()
    new_runs: list[NewRun] = []
    known: list[str] = []
    for external in found:
        run_id, digest, is_known = _identity(external, store)
        if is_known:
            known.append(run_id)
        elif run_id not in {run.record.id for run in new_runs}:
            new_runs.append(_new_run(external, run_id, digest))
    added = {run.record.id for run in new_runs} if dry_run else store_runs(store, new_runs)
    known += [run.record.id for run in new_runs if run.record.id not in added]
    new_runs = [run for run in new_runs if run.record.id in added]
    return [
        ImportReport(
            source=", ".join(dict.fromkeys(run.source for run in found)),
            runs=tuple((run.record.id, run.record.name) for run in new_runs),
            points=sum(run.n_points for run in new_runs),
            already_here=tuple(known),
            skipped_cells=collector.skipped_cells,
            notes=tuple(collector.notes),
            dry_run=dry_run,
        )
    ]


def _identity(external: ExternalRun, store: Store) -> tuple[str, str, bool]:
    """Return id and hash of an external run, and whether the store has it: the same content gets the same id."""
    content = [external.name, {name: sorted(curve.items()) for name, curve in external.points.items()}]
    digest = blake2b(json.dumps(content, sort_keys=True).encode(), digest_size=12).hexdigest()
    for attempt in count():
        run_id = f"{EXTERNAL}-{blake2b(f'{digest} {attempt}'.encode(), digest_size=4).hexdigest()}"
        stored = store.runs(ids=[run_id], trashed=None)
        if not stored or stored[0].request_hash == digest:
            return run_id, digest, bool(stored)
    raise AssertionError("unreachable")


def _new_run(external: ExternalRun, run_id: str, digest: str) -> NewRun:
    steps = sorted({step for curve in external.points.values() for step in curve})
    start = min(external.times.values(), default=None)
    now = time.time()
    epochs = {}
    seconds = 0.0
    for step in steps:
        recorded = external.times.get(step)
        since_start = None if recorded is None or start is None else recorded - start
        seconds = external.seconds.get(step, seconds if since_start is None else since_start)
        epochs[step] = EpochValues(
            epoch=step,
            update=external.updates.get(step, step),
            seconds=seconds,
            recorded=recorded,
            values={name: curve[step] for name, curve in external.points.items() if step in curve},
        )
    record = RunRecord(
        id=run_id,
        name=external.name,
        model=EXTERNAL,
        dataset=EXTERNAL,
        protocol=EXTERNAL,
        state=State.FINISHED,
        preset="",
        settings={},
        seed=0,
        split_seed=0,
        device="",
        epoch=steps[-1],
        epochs=steps[-1],
        created=now if start is None else start,
        started=start,
        finished=max(external.times.values(), default=now),
        elapsed_s=seconds or None,
        versions={"recdash": __version__},
        details={"title": external.name},
        request_hash=digest,
        source=external.source,
    )
    return NewRun(record=record, epochs=epochs, events=[(now, "imported", external.source)])
