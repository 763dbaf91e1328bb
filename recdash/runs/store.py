"""The run store: the records of all runs in one database."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

from sqlalchemy import Connection, RowMapping, and_, insert, select, update

from recdash.atomic_files import wrap_read_errors
from recdash.errors import StoreError
from recdash.runs.database import REBUILD, Database
from recdash.runs.process_id import ProcessId
from recdash.runs.record_cache import RecordCache
from recdash.runs.record_rows import columns_of, no_such_run, owner_is_alive, record_of, run_in_trash
from recdash.runs.run_records import EpochRow, Event, RunRecord
from recdash.runs.schema import epochs, events, meta, runs
from recdash.runs.states import State

_FEW_RUNS = 20  # requested by id: these are always read anew


class Store:
    """Runs, their epochs and their events.

    Any number of processes may open the same URL for reading and writing. Guarantees:
    - A write is complete or has no effect. Other processes see it once the method has returned.
    - A reader is never blocked by a writer and never sees a partial write.
    - The state of a record is the state at the time of reading: a run whose process died reads `interrupted`.
    - Only the process that claimed a run writes its progress; any other gets a StoreError. A finished run is never
      altered, except for its name, note and tags, and for being archived or in the trash. The best trial of a search
      gets its test results once, and the number of trials (`record_winner`).
    - Writing an epoch again replaces it. Every write gets a `seq` above all earlier ones, so a reader that remembers
      the last `seq` can request everything newer.
    - NaN and infinite numbers are preserved.
    - Every failure is a one-line StoreError, or a UsageError for a run that does not exist.
    """

    def __init__(self, url: str) -> None:
        self.database = Database(url)
        self._records = RecordCache()

    def run(self, run_id: str) -> RunRecord:
        """Return one run; raises UsageError if it does not exist or is in the trash."""
        found = self.runs(ids=[run_id], trashed=None)
        if not found:
            raise no_such_run(run_id)
        if found[0].trashed is not None:
            raise run_in_trash(run_id)
        return found[0]

    def runs(
        self,
        *,
        ids: Sequence[str] | None = None,
        dataset: str | None = None,
        model: str | None = None,
        request_hashes: Sequence[str] | None = None,
        states: Iterable[State] | None = None,
        trashed: bool | None = False,
    ) -> list[RunRecord]:
        """Return the runs that match all given filters, newest first.

        Args:
            ids: Only these runs.
            dataset: Only runs on this dataset.
            model: Only runs of this model.
            request_hashes: Only runs of these requests.
            states: Only runs in one of these states.
            trashed: Whether to return the runs in the trash instead of the others; None returns both.
        """
        wanted = None if states is None else set(states)
        query = select(runs).order_by(runs.c.created.desc(), runs.c.id)
        query = query if ids is None else query.where(runs.c.id.in_(ids))
        query = query if request_hashes is None else query.where(runs.c.request_hash.in_(request_hashes))
        for column, value in ((runs.c.dataset, dataset), (runs.c.model, model)):
            query = query if value is None else query.where(column == value)
        if trashed is not None:
            query = query.where(runs.c.trashed.is_not(None) if trashed else runs.c.trashed.is_(None))
        if wanted is not None:
            # A run whose process died is stored as running until `queue.mark_interrupted` records it.
            stored = wanted | ({State.RUNNING} if State.INTERRUPTED in wanted else set())
            query = query.where(runs.c.state.in_([state.value for state in stored]))
        with self._damage_as_error(), self.database.read() as connection:
            if ids is not None and len(ids) <= _FEW_RUNS:
                found = [record_of(row) for row in connection.execute(query).mappings()]
            else:
                found = self._records.read(connection, query, self.database.n_opened)
        return found if wanted is None else [record for record in found if record.state in wanted]

    def epochs(self, run_ids: Sequence[str], after: int = 0) -> list[EpochRow]:
        """Return the epochs of these runs whose `seq` is above `after`, in the order of writing."""
        query = select(epochs).where(epochs.c.run.in_(run_ids), epochs.c.seq > after).order_by(epochs.c.seq)
        with self.database.read() as connection:
            rows = connection.execute(query).all()
        with self._damage_as_error():
            return [
                EpochRow(run, epoch, seq, number, seconds, json.loads(text), recorded)
                for run, epoch, seq, number, seconds, text, recorded in rows
            ]

    def events(self, run_id: str) -> list[Event]:
        """Return the events of a run, oldest first."""
        query = select(events.c.run, events.c.seq, events.c.time, events.c.kind, events.c.text)
        with self.database.read() as connection:
            return [
                Event(*row) for row in connection.execute(query.where(events.c.run == run_id).order_by(events.c.seq))
            ]

    def version(self) -> int:
        """Return the last `seq`: it grows with every write except heartbeats."""
        with self.database.read() as connection:
            return int(connection.execute(select(meta.c.value).where(meta.c.name == "seq")).scalar() or 0)

    def version_key(self) -> str:
        """Return a text that changes with every write except heartbeats, and when the process of a run dies."""
        columns = (runs.c.host, runs.c.pid, runs.c.process_start, runs.c.heartbeat)
        with self.database.read() as connection:
            seq = connection.execute(select(meta.c.value).where(meta.c.name == "seq")).scalar() or 0
            running = connection.execute(select(*columns).where(runs.c.state == State.RUNNING.value)).mappings().all()
        return f"{seq}-{sum(not owner_is_alive(row) for row in running)}"

    def update_run(self, run_id: str, owner: ProcessId, **fields: Any) -> None:
        """Update fields of RunRecord, as the worker of the run. `details` are merged into the stored ones."""
        with self.database.write() as connection:
            row = self._owned(connection, run_id, owner)
            if "details" in fields:
                fields["details"] = {**json.loads(row["details"]), **fields["details"]}
            write_run(connection, run_id, **fields)

    def add_epoch(
        self,
        run_id: str,
        owner: ProcessId,
        *,
        epoch: int,
        update: int,
        seconds: float,
        values: Mapping[str, float],
        recorded: float | None = None,
        **fields: Any,
    ) -> int:
        """Store one epoch, replacing an earlier one with the same number.

        Args:
            run_id: Id of the run.
            owner: The process that claimed it.
            epoch: Number of the epoch, from 1.
            update: Number of updates so far.
            seconds: Wall time so far.
            values: Losses and validation metrics by name.
            recorded: When the epoch ended, in seconds since 1970; by default now.
            **fields: Fields of RunRecord to update in the same transaction.

        Returns:
            The `seq` of this write.
        """
        with self.database.write() as connection:
            self._owned(connection, run_id, owner)
            seq = write_run(connection, run_id, epoch=epoch, elapsed_s=seconds, heartbeat=time.time(), **fields)
            connection.execute(epochs.delete().where(epochs.c.run == run_id, epochs.c.epoch == epoch))
            row = {"run": run_id, "epoch": epoch, "seq": seq, "update_number": update, "seconds": seconds}
            row |= {"numbers": json.dumps(dict(values)), "recorded": time.time() if recorded is None else recorded}
            connection.execute(insert(epochs), [row])
        return seq

    def record_heartbeat(self, run_id: str, owner: ProcessId) -> bool:
        """Record that the worker is alive.

        Returns:
            Whether it has to stop: on request, or because the run no longer belongs to this process.
        """
        query = select(runs.c.stop_requested).where(_owner(run_id, owner))
        change = (
            update(runs).where(_owner(run_id, owner)).values(heartbeat=time.time(), process_start=owner.process_start)
        )
        with self.database.write() as connection:
            stop_requested = connection.execute(query).scalar()
            connection.execute(change)
        return stop_requested != 0

    def is_stop_requested(self, run_id: str) -> bool:
        """Return whether a stop of the run was requested."""
        with self.database.read() as connection:
            return bool(connection.execute(select(runs.c.stop_requested).where(runs.c.id == run_id)).scalar())

    def end_run(self, run_id: str, owner: ProcessId, state: State, text: str = "", **fields: Any) -> None:
        """End a run: the last write of its worker.

        Args:
            run_id: Id of the run.
            owner: The process that claimed it.
            state: The final state.
            text: Text of the event; also the error of a failed or interrupted run.
            **fields: Fields of RunRecord to update in the same transaction.
        """
        if state.is_active():
            raise ValueError(f"{state} is not a final state")
        with self.database.write() as connection:
            row = self._owned(connection, run_id, owner)
            if "details" in fields:
                fields["details"] = {**json.loads(row["details"]), **fields["details"]}
            error = text if state in (State.FAILED, State.INTERRUPTED) else ""
            seq = write_run(
                connection, run_id, state=state, error=error, finished=time.time(), stop_requested=0, **fields
            )
            add_event(connection, seq, run_id, state.value, text)

    def record_winner(self, run_id: str, *, trials: int, **fields: Any) -> RunRecord:
        """Record of how many trials a finished trial is the best, and its test results unless it has some.

        Args:
            run_id: Id of the run.
            trials: Number of trials.
            **fields: `metrics`, `intervals` and `details` of the test part.

        Raises:
            StoreError: The run is no finished trial.
        """
        with self.database.write() as connection:
            row = connection.execute(select(runs).where(runs.c.id == run_id)).mappings().first()
            details = {} if row is None else json.loads(row["details"])
            if row is None or row["state"] != State.FINISHED.value or not details.get("trial"):
                raise StoreError(f"Run {run_id} is no finished trial of a search. Nothing was written.")
            is_new = bool(fields) and not json.loads(row["metrics"])
            changes = fields if is_new else {}
            changes["details"] = {**details, **changes.get("details", {}), "trials": trials}
            seq = write_run(connection, run_id, **changes)
            add_event(connection, seq, run_id, "evaluated" if is_new else "counted", f"best of {trials} trials")
        return self.run(run_id)

    def close(self) -> None:
        """Close the database."""
        self.database.close()

    def _damage_as_error(self) -> AbstractContextManager[None]:
        """Turn rows that cannot be parsed, for example after a disk failure, into a StoreError."""
        return wrap_read_errors(self.database.location, StoreError, REBUILD, "the run store is damaged")

    def _owned(self, connection: Connection, run_id: str, owner: ProcessId) -> RowMapping:
        row = connection.execute(select(runs).where(_owner(run_id, owner))).mappings().first()
        if row is None:
            raise StoreError(f"Run {run_id} no longer belongs to this process. Nothing was written.")
        return row


def write_run(connection: Connection, run_id: str, **fields: Any) -> int:
    """Update fields of a run inside a write transaction; return the new `seq`, which becomes its version."""
    seq = next_seq(connection)
    connection.execute(update(runs).where(runs.c.id == run_id).values(version=seq, **columns_of(fields)))
    return seq


def next_seq(connection: Connection) -> int:
    """Return the next `seq`. The update locks the counter, so that writers commit in the order of their `seq`."""
    connection.execute(update(meta).where(meta.c.name == "seq").values(value=meta.c.value + 1))
    return int(connection.execute(select(meta.c.value).where(meta.c.name == "seq")).scalar_one())


def add_event(connection: Connection, seq: int, run_id: str, kind: str, text: str = "") -> None:
    """Add an event under a `seq` that no other event has."""
    connection.execute(insert(events), [{"seq": seq, "run": run_id, "time": time.time(), "kind": kind, "text": text}])


def _owner(run_id: str, owner: ProcessId) -> Any:
    return and_(
        runs.c.id == run_id, runs.c.state == State.RUNNING.value, runs.c.host == owner.host, runs.c.pid == owner.pid
    )
