"""Runs from files: what an import did, and how runs enter the store, all together or not at all."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, insert, select, update

from recdash.errors import DataError
from recdash.reporting.formatting import plural
from recdash.runs.record_rows import columns_of
from recdash.runs.run_folder import RunFolder
from recdash.runs.run_records import RunRecord
from recdash.runs.schema import epochs, events, meta, runs
from recdash.runs.staged_folder import StagedFolder, placing, staging_folder
from recdash.runs.store import Store

EPOCH_LIMIT = 2**31  # the column of the store has 32 bits


@dataclass(frozen=True, kw_only=True)
class EpochValues:
    """One epoch of a run that is being imported; see `EpochRow`."""

    epoch: int
    update: int
    seconds: float
    recorded: float | None
    values: Mapping[str, float]


@dataclass(kw_only=True)
class NewRun:
    """A validated run that is to enter the store.

    Attributes:
        record: Its record.
        epochs: Its epochs by number.
        events: (time, kind, text), oldest first.
    """

    record: RunRecord
    epochs: dict[int, EpochValues] = field(default_factory=dict)
    events: list[tuple[float, str, str]] = field(default_factory=list)

    def write_folder(self, folder: StagedFolder) -> None:
        """Write the files of the run into its staged folder."""
        folder.make()
        folder.write_record(self.record.to_dict())
        folder.write_epochs({**vars(self.epochs[epoch])} for epoch in sorted(self.epochs))

    @property
    def n_points(self) -> int:
        """Number of values of all epochs."""
        return sum(len(epoch.values) for epoch in self.epochs.values())


@dataclass(frozen=True, kw_only=True)
class ImportReport:
    """What an import read.

    Attributes:
        source: What was read, for example "recdash export" or "TensorBoard CSV".
        runs: (id, name) of the runs that are now in the store, or would be after a dry run.
        points: Number of their values, of all epochs.
        already_here: Ids of runs that the store had, which stay as they are.
        skipped_cells: Cells that hold no number where one was expected.
        notes: Sentences on what was left out or changed.
        dry_run: Whether nothing was stored.
    """

    source: str
    runs: tuple[tuple[str, str], ...]
    points: int
    already_here: tuple[str, ...] = ()
    skipped_cells: int = 0
    notes: tuple[str, ...] = ()
    dry_run: bool = False

    @property
    def run_ids(self) -> list[str]:
        """Ids of the runs in the order of the file, those that were here already included."""
        return [*(run_id for run_id, _ in self.runs), *self.already_here]

    def summary(self) -> str:
        """Return one sentence, for example "TensorBoard CSV: 2 runs with 1,234 points imported."."""
        done = "can be imported" if self.dry_run else "imported"
        parts = [f"{plural(len(self.runs), 'run')} with {plural(self.points, 'point')} {done}"]
        if self.already_here:
            parts.append(f"{plural(len(self.already_here), 'run')} already here")
        if self.skipped_cells:
            parts.append(f"{plural(self.skipped_cells, 'cell')} without a number skipped")
        return f"{self.source}: {', '.join(parts)}."

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON values."""
        return {
            "source": self.source,
            "runs": [{"id": run_id, "name": name} for run_id, name in self.runs],
            "points": self.points,
            "already_here": list(self.already_here),
            "skipped_cells": self.skipped_cells,
            "notes": list(self.notes),
            "dry_run": self.dry_run,
        }


def split_known(store: Store, found: Sequence[RunRecord], where: Mapping[str, str]) -> tuple[list[str], list[str]]:
    """Return the ids of runs that the store has already, and sentences about those among them in the trash.

    Args:
        store: The store.
        found: The runs of a file.
        where: File and row of each run, by id.

    Raises:
        DataError: The store has a different run of the same id, or there is a folder of that name without a run.
    """
    stored = {run.id: run for run in store.runs(ids=[run.id for run in found], trashed=None)}
    notes = []
    for run in found:
        other = stored.get(run.id)
        if other is None:
            if (folder := RunFolder(run.id).path).exists():
                fix = "Run `recdash doctor --fix` to restore that run, or delete the folder."
                raise DataError(f"{where[run.id]}: {folder} exists, but the store has no run of this id. {fix}")
        elif not is_same(run, other):
            fix = "Import into another store (RECDASH_STORE, RECDASH_CHECKPOINT_DIR)."
            raise DataError(f"{where[run.id]}: the store has a different run with the id {run.id}. {fix}")
        elif other.trashed is not None:
            notes.append(f"Run {run.id} is in the trash. Restore it: recdash runs restore {run.id}")
    return list(stored), notes


def is_same(run: RunRecord, other: RunRecord) -> bool:
    """Whether two records are of one training: the same request at the same time, and the same results if both ended.

    Names, notes and tags may differ, and one may be further than the other.
    """
    if _identity(run) != _identity(other):
        return False
    both = run.state.is_finished() and other.state.is_finished()
    return not both or _equal_numbers(run.metrics, other.metrics)


def add_to_store(store: Store, new_runs: Sequence[NewRun], folders: Mapping[str, StagedFolder]) -> set[str]:
    """Insert runs with epochs and events in one transaction, and put their folders in place.

    Args:
        store: Gets the runs.
        new_runs: The runs. One that another process imported since they were looked up is left out.
        folders: Their staged folders by id.

    Returns:
        The ids of the runs that were inserted.
    """
    if not new_runs:
        return set()
    ids = [run.record.id for run in new_runs]
    with placing() as place, store.database.write() as connection:
        here = set(connection.execute(select(runs.c.id).where(runs.c.id.in_(ids))).scalars())
        added = [run for run in new_runs if run.record.id not in here]
        n_writes = sum(1 + len(run.epochs) + len(run.events) for run in added)
        last = _last_seq(connection, n_writes)
        numbers = iter(range(last - n_writes + 1, last + 1))
        for run in added:
            connection.execute(insert(runs), [_run_columns(run.record, next(numbers))])
            rows = [_epoch_columns(run.record.id, run.epochs[epoch], next(numbers)) for epoch in sorted(run.epochs)]
            if rows:
                connection.execute(insert(epochs), rows)
            happened = [
                {"seq": next(numbers), "run": run.record.id, "time": when, "kind": kind, "text": text}
                for when, kind, text in run.events
            ]
            if happened:
                connection.execute(insert(events), happened)
        place(folders[run.record.id] for run in added)  # before the commit: a run in the store has its folder
    return {run.record.id for run in added}


def store_runs(store: Store, new_runs: Sequence[NewRun]) -> set[str]:
    """Write the folders of runs that have no files of their own, and insert the runs; see `add_to_store`."""
    with staging_folder() as staging:
        folders = {run.record.id: StagedFolder(run.record.id, staging) for run in new_runs}
        for run in new_runs:
            run.write_folder(folders[run.record.id])
        return add_to_store(store, new_runs, folders)


def _last_seq(connection: Connection, n_writes: int) -> int:
    """Reserve `seq` numbers; return the last one."""
    connection.execute(update(meta).where(meta.c.name == "seq").values(value=meta.c.value + n_writes))
    return int(connection.execute(select(meta.c.value).where(meta.c.name == "seq")).scalar_one())


def _run_columns(record: RunRecord, seq: int) -> dict[str, Any]:
    names = set(runs.c.keys())
    fields = {name: getattr(record, name) for name in record.__dataclass_fields__ if name in names}
    fields |= {"version": seq, "stop_requested": 0, "queued": record.created, "trashed": None}
    return columns_of(fields)


def _epoch_columns(run_id: str, row: EpochValues, seq: int) -> dict[str, Any]:
    return {
        "run": run_id,
        "epoch": row.epoch,
        "seq": seq,
        "update_number": row.update,
        "seconds": row.seconds,
        "numbers": json.dumps(dict(row.values)),
        "recorded": row.recorded,
    }


def _identity(run: RunRecord) -> tuple[Any, ...]:
    data = run.dataset_fingerprint, run.split_fingerprint
    return run.model, run.protocol, run.seed, run.split_seed, run.request_hash, round(run.created, 3), *data


def _equal_numbers(first: Mapping[str, float], second: Mapping[str, float]) -> bool:
    def equal(a: float, b: float) -> bool:
        return a == b or (math.isnan(a) and math.isnan(b))

    return first.keys() == second.keys() and all(equal(first[name], second[name]) for name in first)
