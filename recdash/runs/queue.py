"""The queue: enqueue, claim, stop, resume, delete and edit runs. Every operation is one transaction."""

from __future__ import annotations

import math
import time
from collections.abc import Collection, Sequence

from sqlalchemy import Connection, RowMapping, func, insert, select, update
from sqlalchemy import delete as delete_from

from recdash.errors import UsageError
from recdash.runs.process_id import ProcessId
from recdash.runs.record_rows import columns_of, is_active, no_such_run, owner_is_alive, run_in_trash
from recdash.runs.run_ids import draw_id
from recdash.runs.run_records import Request, RunRecord
from recdash.runs.schema import epochs, events, runs
from recdash.runs.states import State
from recdash.runs.store import Store, add_event, next_seq, write_run

NAME_LENGTH, NOTE_LENGTH = 120, 4000
_RECENT_RUNS = 240  # a new run gets a colour that few of these have


def enqueue(store: Store, requests: Sequence[Request], key: str | None = None) -> list[RunRecord]:
    """Queue requests in one transaction. Equal requests never train twice at the same time.

    Args:
        store: Gets the runs.
        requests: What to train.
        key: Identifies this call. A repeated call with the same key returns the runs of the first one.

    Returns:
        One run per request, in order: a new one, or the queued or running run of an equal request.
    """
    with store.database.write() as connection:
        next_seq(connection)  # takes the write lock before the first read
        ids = [
            _enqueue_one(connection, request, f"{key}/{number}" if key else None)
            for number, request in enumerate(requests)
        ]
    by_id = {run.id: run for run in store.runs(ids=ids)}
    return [by_id[run_id] for run_id in ids]


def queued_runs(store: Store) -> list[RunRecord]:
    """Return the queued runs in the order in which they start: the longest-waiting first, unless some were moved."""
    with store.database.read() as connection:
        ids = [run_id for run_id, _ in _queue_order(connection)]
    position = {run_id: number for number, run_id in enumerate(ids)}
    return sorted(store.runs(ids=ids), key=lambda run: position[run.id])


def move(store: Store, run_id: str, before: str | None = None) -> list[RunRecord]:
    """Move a queued run within the queue.

    Args:
        store: Holds the queue.
        run_id: Id of a queued run.
        before: Id of the queued run that it is to precede; None moves it to the end.

    Returns:
        The queued runs in their new order.

    Raises:
        UsageError: if one of the runs is not queued.
    """
    with store.database.write() as connection:
        order = dict(_queue_order(connection))
        for wanted in (run_id, *([] if before is None else [before])):
            if wanted not in order:
                state = _row(connection, wanted)["state"]
                raise UsageError(f"Run {wanted} is {state}. Only queued runs can be moved.")
        ids = [other for other in order if other != run_id or run_id == before]
        if run_id != before:
            ids.insert(len(ids) if before is None else ids.index(before), run_id)
        position = -math.inf
        for moved, old in zip(ids, sorted(order.values()), strict=True):
            position = max(old, math.nextafter(position, math.inf))  # two runs of one request can have one position
            if order[moved] != position:
                write_run(connection, moved, queue_position=position)
    return queued_runs(store)


def claim(store: Store, run_id: str, owner: ProcessId, threads: int) -> RunRecord | None:
    """Assign a queued run to this process.

    Args:
        store: Holds the run.
        run_id: Its id.
        owner: This process.
        threads: Threads of its training. A resumed run keeps those of its first start.

    Returns:
        The run, or None when it is no longer queued.
    """
    now = time.time()
    with store.database.write() as connection:
        row = connection.execute(select(runs).where(runs.c.id == run_id)).mappings().first()
        still_queued = update(runs).where(runs.c.id == run_id, runs.c.state == State.QUEUED.value)
        claimed = connection.execute(
            still_queued.values(
                state=State.RUNNING.value,
                host=owner.host,
                pid=owner.pid,
                process_start=owner.process_start,
                heartbeat=now,
            )
        )
        if row is None or claimed.rowcount != 1:
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
        add_event(connection, seq, run_id, "started" if attempts == 1 else "resumed", f"process {owner.pid}")
    return store.run(run_id)


def stop(store: Store, run_id: str) -> RunRecord:
    """Request that a running run stops, or cancel a queued one. Other runs are left unchanged."""
    with store.database.write() as connection:
        row = _row(connection, run_id)
        if row["state"] == State.QUEUED:
            seq = write_run(connection, run_id, state=State.STOPPED, finished=time.time())
            add_event(connection, seq, run_id, "stopped", "before it started")
        elif row["state"] == State.RUNNING and not row["stop_requested"]:
            seq = write_run(connection, run_id, stop_requested=1, stop_requested_at=time.time())
            add_event(connection, seq, run_id, "stop requested")
    return store.run(run_id)


def resume(store: Store, run_id: str) -> RunRecord:
    """Queue a stopped, interrupted or failed run again. A queued or running run is left unchanged.

    Raises:
        UsageError: if the run is finished or does not exist.
    """
    with store.database.write() as connection:
        row = _row(connection, run_id)
        if row["state"] == State.FINISHED:
            raise nothing_to_resume(run_id)
        if not is_active(row):
            seq = write_run(
                connection, run_id, state=State.QUEUED, queued=time.time(), queue_position=None, finished=None,
                error="", stop_requested=0,
            )  # fmt: skip
            add_event(connection, seq, run_id, "queued", "to resume")
    return store.run(run_id)


def nothing_to_resume(run_id: str) -> UsageError:
    """Return the error for a finished run that is to be resumed."""
    return UsageError(f"Run {run_id} is finished, there is nothing to resume. Start a new run with `recdash train`.")


def delete(store: Store, *run_ids: str) -> None:
    """Delete runs, their epochs and their events; raises UsageError, and deletes none, while one of them is running."""
    with store.database.write() as connection:
        for run_id in run_ids:
            row = _row(connection, run_id, in_trash=True)
            if row["state"] == State.RUNNING and owner_is_alive(row):
                raise UsageError(f"Run {run_id} is running. Stop it first: recdash runs stop {run_id}")
        for run_id in run_ids:
            delete_rows(connection, run_id)


def delete_rows(connection: Connection, run_id: str) -> None:
    """Delete a run, its epochs and its events inside a write transaction."""
    for table, column in ((epochs, epochs.c.run), (events, events.c.run), (runs, runs.c.id)):
        connection.execute(delete_from(table).where(column == run_id))
    next_seq(connection)


def rename(store: Store, run_id: str, name: str) -> RunRecord:
    """Rename a run; raises UsageError unless the name has 1 to 120 characters on one line."""
    return _edit(store, run_id, name=_one_line("name", name.strip(), NAME_LENGTH))


def annotate(store: Store, run_id: str, note: str) -> RunRecord:
    """Replace the note of a run; raises UsageError above 4,000 characters."""
    if len(note) > NOTE_LENGTH:
        raise UsageError(f"The note has {len(note):,} characters, the limit is {NOTE_LENGTH:,}. Shorten it.")
    return _edit(store, run_id, note=note.strip())


def mark_interrupted(store: Store, skip: Collection[str] = ()) -> list[RunRecord]:
    """Record as interrupted every running run whose process died, except those in `skip`; return them."""
    with store.database.read() as connection:
        rows = connection.execute(select(runs).where(runs.c.state == State.RUNNING.value)).mappings().all()
    dead = [row["id"] for row in rows if row["id"] not in skip and not owner_is_alive(row)]
    for run in store.runs(ids=dead, trashed=None):
        end_dead_run(store, run.id, run.pid or 0, State.INTERRUPTED, run.error)
    return store.runs(ids=dead, trashed=None)


def end_dead_run(store: Store, run_id: str, pid: int, state: State, text: str) -> bool:
    """End a run whose worker died, or failed before it claimed the run.

    Args:
        store: Holds the run.
        run_id: Its id.
        pid: Process id of the worker. A run claimed by another process is left unchanged.
        state: The new state. FAILED also ends a run that is still queued.
        text: The error, and the text of the event.

    Returns:
        Whether the run was ended.
    """
    with store.database.write() as connection:
        row = _row(connection, run_id, in_trash=True)
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
    equal = select(runs).where(
        runs.c.request_hash == request.request_hash, runs.c.state.in_([State.QUEUED.value, State.RUNNING.value])
    )
    for row in connection.execute(equal).mappings():
        if is_active(row):
            return str(row["id"])
    now = time.time()
    latest = select(runs.c.id).order_by(runs.c.created.desc(), runs.c.id).limit(_RECENT_RUNS)
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
        "details": {"trial": dict(request.trial)} if request.trial else {},
        "tags": sorted(request.tags),
        "source": "",
    }
    connection.execute(insert(runs), [columns_of(fields)])
    add_event(connection, seq, run_id, "queued")
    return run_id


def _edit(store: Store, run_id: str, **fields: str) -> RunRecord:
    with store.database.write() as connection:
        _row(connection, run_id)
        write_run(connection, run_id, **fields)
    return store.run(run_id)


def _queue_order(connection: Connection) -> list[tuple[str, float]]:
    """Return the ids of the queued runs and their positions, the next one first."""
    position = func.coalesce(runs.c.queue_position, runs.c.queued)
    query = select(runs.c.id, position).where(runs.c.state == State.QUEUED.value).order_by(position, runs.c.version)
    return [(run_id, place) for run_id, place in connection.execute(query)]


def _row(connection: Connection, run_id: str, *, in_trash: bool = False) -> RowMapping:
    row = connection.execute(select(runs).where(runs.c.id == run_id)).mappings().first()
    if row is None:
        raise no_such_run(run_id)
    if row["trashed"] is not None and not in_trash:
        raise run_in_trash(run_id)
    return row


def _one_line(what: str, text: str, max_length: int) -> str:
    if not text or len(text) > max_length or not text.isprintable():
        raise UsageError(
            f"The {what} has {len(text)} characters. Use 1 to {max_length} printable characters on one line."
        )
    return text
