"""The queue: what people ask for and take back, and who takes the next run. Every step is one transaction."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence

from sqlalchemy import Connection, RowMapping, insert, select, update
from sqlalchemy import delete as delete_from

from recdash.errors import UsageError
from recdash.runs.process_id import ProcessId
from recdash.runs.run_ids import draw_id
from recdash.runs.run_records import Request, RunRecord
from recdash.runs.schema import epochs, events, runs
from recdash.runs.states import State
from recdash.runs.store import Store, add_event, columns_of, next_seq, no_such_run, owner_lives, write_run

NAME_LENGTH, NOTE_LENGTH = 120, 4000
_IN_ONE_PICTURE = 240  # the latest runs, whose colours a new one keeps away from


def enqueue(store: Store, requests: Sequence[Request], key: str | None = None) -> list[RunRecord]:
    """Queue the requests together; returns one run per request, in order.

    A key that was used before gives the runs of that time. A request equal to one that is queued or running gives
    that run: however often and from wherever a button is pressed, nothing trains twice at the same time.
    """
    with store.database.write() as connection:
        next_seq(connection)  # from here on this is the only writer
        ids = [
            _enqueue_one(connection, request, f"{key}/{place}" if key else None)
            for place, request in enumerate(requests)
        ]
    by_id = {run.id: run for run in store.runs(ids=ids)}
    return [by_id[run_id] for run_id in ids]


def next_queued(store: Store) -> list[RunRecord]:
    """Return the queued runs, the longest waiting first."""
    with store.database.read() as connection:
        query = select(runs.c.id).where(runs.c.state == State.QUEUED.value).order_by(runs.c.queued, runs.c.version)
        ids = list(connection.execute(query).scalars())
    place = {run_id: number for number, run_id in enumerate(ids)}
    return sorted(store.runs(ids=ids), key=lambda run: place[run.id])


def claim(store: Store, run_id: str, me: ProcessId, threads: int) -> RunRecord | None:
    """Take a queued run for this process; None when somebody else was first or it is not queued any more.

    threads: for its training, kept from the first start on.
    """
    now = time.time()
    with store.database.write() as connection:
        row = connection.execute(select(runs).where(runs.c.id == run_id)).mappings().first()
        mine = update(runs).where(runs.c.id == run_id, runs.c.state == State.QUEUED.value)
        taken = connection.execute(
            mine.values(
                state=State.RUNNING.value, host=me.host, pid=me.pid, process_start=me.process_start, heartbeat=now
            )
        )
        if row is None or taken.rowcount != 1:
            return None
        attempts = row["attempts"] + 1
        seq = write_run(
            connection,
            run_id,
            stop_requested=0,
            error="",
            attempts=attempts,
            finished=None,
            started=row["started"] or now,
            threads=row["threads"] or threads,
        )
        add_event(connection, seq, run_id, "started" if attempts == 1 else "resumed", f"process {me.pid}")
    return store.run(run_id)


def stop(store: Store, run_id: str) -> RunRecord:
    """Ask a running run to stop, or take a queued one back; for any other nothing happens."""
    with store.database.write() as connection:
        row = _row(connection, run_id)
        if row["state"] == State.QUEUED:
            seq = write_run(connection, run_id, state=State.STOPPED, finished=time.time())
            add_event(connection, seq, run_id, "stopped", "before it began")
        elif row["state"] == State.RUNNING and not row["stop_requested"]:
            seq = write_run(connection, run_id, stop_requested=1, stop_requested_at=time.time())
            add_event(connection, seq, run_id, "stop requested")
    return store.run(run_id)


def resume(store: Store, run_id: str) -> RunRecord:
    """Queue a stopped, interrupted or failed run again; one that is queued or running stays as it is."""
    with store.database.write() as connection:
        row = _row(connection, run_id)
        if row["state"] == State.FINISHED:
            raise UsageError(
                f"Run {run_id} is finished; there is nothing to resume. `recdash train` starts another one."
            )
        if not _active(row):
            seq = write_run(
                connection, run_id, state=State.QUEUED, queued=time.time(), finished=None, error="", stop_requested=0
            )
            add_event(connection, seq, run_id, "queued", "to be resumed")
    return store.run(run_id)


def delete(store: Store, run_id: str) -> None:
    """Remove a run and its epochs; refused while it is running."""
    with store.database.write() as connection:
        row = _row(connection, run_id)
        if row["state"] == State.RUNNING and owner_lives(row):
            raise UsageError(f"Run {run_id} is running. Stop it first: recdash runs stop {run_id}")
        for table, column in ((epochs, epochs.c.run), (events, events.c.run), (runs, runs.c.id)):
            connection.execute(delete_from(table).where(column == run_id))
        next_seq(connection)


def rename(store: Store, run_id: str, name: str) -> RunRecord:
    """Give a run another name, at most 120 characters on one line."""
    return _edit(store, run_id, name=_one_line("name", name.strip(), NAME_LENGTH))


def annotate(store: Store, run_id: str, note: str) -> RunRecord:
    """Replace the note of a run, at most 4,000 characters."""
    if len(note) > NOTE_LENGTH:
        raise UsageError(f"The note has {len(note):,} characters, at most {NOTE_LENGTH:,} are kept. Shorten it.")
    return _edit(store, run_id, note=note.strip())


def sweep(store: Store, leave: Collection[str] = ()) -> list[RunRecord]:
    """Write down which running runs, those to leave aside, have lost their process; returns them."""
    with store.database.read() as connection:
        rows = connection.execute(select(runs).where(runs.c.state == State.RUNNING.value)).mappings().all()
    lost = [row["id"] for row in rows if row["id"] not in leave and not owner_lives(row)]
    for run in store.runs(ids=lost):
        give_up(store, run.id, run.pid or 0, State.INTERRUPTED, run.error)
    return store.runs(ids=lost)


def give_up(store: Store, run_id: str, pid: int, state: State, text: str) -> bool:
    """Settle a run whose process `pid` is dead, or never claimed it; returns whether there was anything to settle."""
    with store.database.write() as connection:
        row = _row(connection, run_id)
        unclaimed = row["state"] == State.QUEUED and state is State.FAILED
        if not unclaimed and not (row["state"] == State.RUNNING and row["pid"] == pid):
            return False
        error = "" if state is State.STOPPED else text
        seq = write_run(connection, run_id, state=state, error=error, finished=time.time(), stop_requested=0)
        add_event(connection, seq, run_id, state.value, text)
    return True


def _enqueue_one(connection: Connection, request: Request, key: str | None) -> str:
    if key is not None:
        known = connection.execute(select(runs.c.id).where(runs.c.request_key == key)).scalar()
        if known is not None:
            return str(known)
    alike = select(runs).where(
        runs.c.request_hash == request.request_hash, runs.c.state.in_([State.QUEUED.value, State.RUNNING.value])
    )
    for row in connection.execute(alike).mappings():
        if _active(row):
            return str(row["id"])
    now = time.time()
    latest = select(runs.c.id).order_by(runs.c.created.desc(), runs.c.id).limit(_IN_ONE_PICTURE)
    run_id = draw_id(request.model, connection.execute(latest).scalars().all())
    seq = next_seq(connection)
    fields = {
        "id": run_id,
        "version": seq,
        "request_key": key,
        "request_hash": request.request_hash,
        "name": request.name or request.model,
        "note": "",
        "model": request.model,
        "dataset": request.dataset,
        "dataset_fingerprint": request.dataset_fingerprint,
        "protocol": request.protocol,
        "split_seed": request.split_seed,
        "split_fingerprint": "",
        "preset": request.preset,
        "settings": dict(request.settings),
        "options": dict(request.options),
        "seed": request.seed,
        "device": request.device,
        "state": State.QUEUED,
        "stop_requested": 0,
        "attempts": 0,
        "host": "",
        "created": now,
        "queued": now,
        "epoch": 0,
        "epochs": request.epochs,
        "error": "",
        "metrics": {},
        "intervals": {},
        "validation": {},
        "config": {},
        "versions": {},
        "details": {},
    }
    connection.execute(insert(runs), [columns_of(fields)])
    add_event(connection, seq, run_id, "queued")
    return run_id


def _edit(store: Store, run_id: str, **fields: str) -> RunRecord:
    with store.database.write() as connection:
        _row(connection, run_id)
        write_run(connection, run_id, **fields)
    return store.run(run_id)


def _row(connection: Connection, run_id: str) -> RowMapping:
    row = connection.execute(select(runs).where(runs.c.id == run_id)).mappings().first()
    if row is None:
        raise no_such_run(run_id)
    return row


def _active(row: RowMapping) -> bool:
    return row["state"] == State.QUEUED or (row["state"] == State.RUNNING and owner_lives(row))


def _one_line(what: str, text: str, longest: int) -> str:
    if not text or len(text) > longest or not text.isprintable():
        raise UsageError(f"A {what} has 1 to {longest} characters on one line; this one has {len(text)}. Change it.")
    return text
