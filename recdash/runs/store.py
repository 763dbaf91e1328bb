"""The run store: what is known about every run, kept in one database."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

from sqlalchemy import Connection, RowMapping, and_, insert, select, update

from recdash.atomic_files import reading_back
from recdash.errors import StoreError, UsageError
from recdash.runs.database import REBUILD, Database
from recdash.runs.process_id import ProcessId, is_alive
from recdash.runs.run_records import EpochRow, Event, RunRecord, present_details
from recdash.runs.schema import epochs, events, meta, runs
from recdash.runs.states import State

_JSON = ("settings", "metrics", "intervals", "validation", "config", "versions", "details", "options")


class Store:
    """Runs, their epochs and their events.

    Any number of processes may hold a store on the same URL, read and write. What it promises:
    - A method that writes does so whole or not at all, and other processes see it once the method has returned.
    - A reader is never blocked by a writer and never sees half of a write.
    - The state of a record is true when it is read: a run whose process died reads `interrupted`.
    - Only the process that claimed a run writes its progress; any other gets a StoreError. A finished run is never
      altered, except for its name and its note.
    - Writing an epoch again replaces it. Every write gets a `seq` above all earlier ones, so that a reader who
      remembers the last one asks for what is newer and misses nothing.
    - Numbers that are not finite come back as they went in.
    - What cannot be done is a StoreError (or UsageError, for a run that does not exist) of one line.
    """

    def __init__(self, url: str) -> None:
        self.database = Database(url)

    def run(self, run_id: str) -> RunRecord:
        """Return one run; raises UsageError when there is none of that id."""
        found = self.runs(ids=[run_id])
        if not found:
            raise no_such_run(run_id)
        return found[0]

    def runs(
        self,
        *,
        ids: Sequence[str] | None = None,
        dataset: str | None = None,
        model: str | None = None,
        request_hash: str | None = None,
        states: Iterable[State] | None = None,
    ) -> list[RunRecord]:
        """Return the runs that fit, newest first; states are those of this moment."""
        wanted = None if states is None else set(states)
        query = select(runs).order_by(runs.c.created.desc(), runs.c.id)
        query = query if ids is None else query.where(runs.c.id.in_(ids))
        for column, value in ((runs.c.dataset, dataset), (runs.c.model, model), (runs.c.request_hash, request_hash)):
            query = query if value is None else query.where(column == value)
        if wanted is not None:
            kept = wanted | ({State.RUNNING} if State.INTERRUPTED in wanted else set())
            query = query.where(runs.c.state.in_([state.value for state in kept]))
        with self.database.read() as connection:
            rows = connection.execute(query).mappings().all()
        with self._making_sense():
            found = [record_of(row) for row in rows]
        return found if wanted is None else [record for record in found if record.state in wanted]

    def epochs(self, run_ids: Sequence[str], after: int = 0) -> list[EpochRow]:
        """Return the epochs of these runs that were written after `after`, in the order of writing."""
        query = select(epochs).where(epochs.c.run.in_(run_ids), epochs.c.seq > after).order_by(epochs.c.seq)
        with self.database.read() as connection:
            rows = connection.execute(query).all()
        with self._making_sense():
            return [
                EpochRow(run, epoch, seq, number, seconds, json.loads(text))
                for run, epoch, seq, number, seconds, text in rows
            ]

    def events(self, run_id: str) -> list[Event]:
        """Return what happened to a run, oldest first."""
        query = select(events.c.run, events.c.seq, events.c.time, events.c.kind, events.c.text)
        with self.database.read() as connection:
            return [
                Event(*row) for row in connection.execute(query.where(events.c.run == run_id).order_by(events.c.seq))
            ]

    def version(self) -> int:
        """Return the last `seq`: it grows with every write except heartbeats."""
        with self.database.read() as connection:
            return int(connection.execute(select(meta.c.value).where(meta.c.name == "seq")).scalar() or 0)

    def describe(self, run_id: str, me: ProcessId, **fields: Any) -> None:
        """Record what its worker found out about a run, by field names of RunRecord; `details` are added to."""
        with self.database.write() as connection:
            row = self._owned(connection, run_id, me)
            if "details" in fields:
                fields["details"] = {**json.loads(row["details"]), **fields["details"]}
            write_run(connection, run_id, **fields)

    def add_epoch(
        self,
        run_id: str,
        me: ProcessId,
        *,
        epoch: int,
        update: int,
        seconds: float,
        values: Mapping[str, float],
        **fields: Any,
    ) -> int:
        """Keep one epoch, in place of an earlier one of that number, and move the run on to it; returns its `seq`."""
        with self.database.write() as connection:
            self._owned(connection, run_id, me)
            seq = write_run(connection, run_id, epoch=epoch, elapsed_s=seconds, heartbeat=time.time(), **fields)
            connection.execute(epochs.delete().where(epochs.c.run == run_id, epochs.c.epoch == epoch))
            row = {"run": run_id, "epoch": epoch, "seq": seq, "update_number": update, "seconds": seconds}
            connection.execute(insert(epochs), [{**row, "numbers": json.dumps(dict(values))}])
        return seq

    def beat(self, run_id: str, me: ProcessId) -> bool:
        """Say that the worker lives; returns whether it is asked to stop. A lost run counts as asked to stop."""
        query = select(runs.c.stop_requested).where(_owner(run_id, me))
        change = update(runs).where(_owner(run_id, me)).values(heartbeat=time.time(), process_start=me.process_start)
        with self.database.write() as connection:
            stop_requested = connection.execute(query).scalar()
            connection.execute(change)
        return stop_requested != 0

    def wants_stop(self, run_id: str) -> bool:
        """Return whether somebody asked the run to stop."""
        with self.database.read() as connection:
            return bool(connection.execute(select(runs.c.stop_requested).where(runs.c.id == run_id)).scalar())

    def settle(self, run_id: str, me: ProcessId, state: State, text: str = "", **fields: Any) -> None:
        """End a run: the last thing that its worker writes. `text` becomes the error of a failed run."""
        if state.is_active():
            raise ValueError(f"a run cannot settle as {state}")
        with self.database.write() as connection:
            row = self._owned(connection, run_id, me)
            if "details" in fields:
                fields["details"] = {**json.loads(row["details"]), **fields["details"]}
            error = text if state in (State.FAILED, State.INTERRUPTED) else ""
            seq = write_run(
                connection, run_id, state=state, error=error, finished=time.time(), stop_requested=0, **fields
            )
            add_event(connection, seq, run_id, state.value, text)

    def close(self) -> None:
        """Let go of the database."""
        self.database.close()

    def _making_sense(self) -> AbstractContextManager[None]:
        """Turn rows that make no sense, such as a failing disk leaves, into a StoreError that says how to rebuild."""
        return reading_back(self.database.place, StoreError, REBUILD, "the run store is damaged")

    def _owned(self, connection: Connection, run_id: str, me: ProcessId) -> RowMapping:
        row = connection.execute(select(runs).where(_owner(run_id, me))).mappings().first()
        if row is None:
            raise StoreError(f"Run {run_id} is not trained by this process any more. Nothing was written.")
        return row


def write_run(connection: Connection, run_id: str, **fields: Any) -> int:
    """Change fields of one run inside a write transaction; returns the new `seq`, which is also its version."""
    seq = next_seq(connection)
    connection.execute(update(runs).where(runs.c.id == run_id).values(version=seq, **columns_of(fields)))
    return seq


def next_seq(connection: Connection) -> int:
    """Count up; the counter's lock also puts all writers in a row, so seqs appear in the order in which they grow."""
    connection.execute(update(meta).where(meta.c.name == "seq").values(value=meta.c.value + 1))
    return int(connection.execute(select(meta.c.value).where(meta.c.name == "seq")).scalar_one())


def add_event(connection: Connection, seq: int, run_id: str, kind: str, text: str = "") -> None:
    """Note what happened, under a `seq` that no other event has."""
    connection.execute(insert(events), [{"seq": seq, "run": run_id, "time": time.time(), "kind": kind, "text": text}])


def columns_of(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Turn values of record fields into those of columns."""
    plain = {name: json.dumps(value) if name in _JSON else value for name, value in fields.items()}
    return {name: value.value if isinstance(value, State) else value for name, value in plain.items()}


def record_of(row: RowMapping) -> RunRecord:
    """Turn a row into a record, finding out whether its process lives."""
    values = {name: row[name] for name in RunRecord.__dataclass_fields__ if name in row}
    values.update({name: json.loads(row[name]) for name in _JSON})
    values["intervals"] = {name: (low, high) for name, (low, high) in values["intervals"].items()}
    values["details"] = present_details(values["details"])
    state = State(row["state"])
    if state is State.RUNNING and not owner_lives(row):
        state = State.INTERRUPTED
        values["error"] = (
            row["error"] or "The process that trained this run ended unexpectedly. Resume it from its last checkpoint."
        )
        values["finished"] = row["heartbeat"]
    return RunRecord(**{**values, "state": state, "stopping": state is State.RUNNING and row["stop_requested"] != 0})


def owner_lives(row: RowMapping) -> bool:
    """Whether the process that claimed this run is alive."""
    if row["pid"] is None:
        return False
    return is_alive(ProcessId(row["host"], row["pid"], row["process_start"]), row["heartbeat"])


def no_such_run(run_id: str) -> UsageError:
    """Return the error for an id that names nothing."""
    return UsageError(f"There is no run {run_id!r}. See `recdash runs list`.")


def _owner(run_id: str, me: ProcessId) -> Any:
    return and_(runs.c.id == run_id, runs.c.state == State.RUNNING.value, runs.c.host == me.host, runs.c.pid == me.pid)
