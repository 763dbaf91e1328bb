"""Tags, the archive and the trash: marks on runs that change no result. Each function is one transaction."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Sequence

from sqlalchemy import Connection, RowMapping, select

from recdash.errors import UsageError
from recdash.runs import queue
from recdash.runs.record_rows import is_active, no_such_run, run_in_trash
from recdash.runs.run_folder import RunFolder
from recdash.runs.run_records import RunRecord
from recdash.runs.schema import runs
from recdash.runs.store import Store, add_event, write_run

TAG_LENGTH, MAX_TAGS = 40, 20
TRASH_SECONDS = 24 * 3600.0  # a run in the trash is deleted after this time


def edit_tags(store: Store, run_ids: Sequence[str], add: Iterable[str], remove: Iterable[str]) -> list[RunRecord]:
    """Add and remove tags of runs; raises UsageError for a tag that is not one, and above 20 tags."""
    added, removed = {checked_tag(tag) for tag in add}, {tag.strip() for tag in remove}

    def edit(connection: Connection, row: RowMapping) -> None:
        before = set(json.loads(row["tags"]))
        after = (before | added) - removed
        if len(after) > max(MAX_TAGS, len(before)):
            raise UsageError(f"Run {row['id']} would have {len(after)} tags, the limit is {MAX_TAGS}. Remove some.")
        if after != before:
            write_run(connection, row["id"], tags=sorted(after))

    return _for_each(store, run_ids, edit)


def checked_tag(text: str) -> str:
    """Return a tag without surrounding spaces; raises UsageError if it cannot be one."""
    tag = text.strip()
    if not 1 <= len(tag) <= TAG_LENGTH or not tag.isprintable() or "," in tag:
        raise UsageError(
            f"{tag[:TAG_LENGTH]!r} is not a tag. Use 1 to {TAG_LENGTH} printable characters without a comma."
        )
    return tag


def set_archived(store: Store, run_ids: Sequence[str], *, archived: bool) -> list[RunRecord]:
    """Archive runs, or list them again; raises UsageError if one to archive is queued or running."""

    def edit(connection: Connection, row: RowMapping) -> None:
        if archived:
            _refuse_active(row, "archived")
        if archived != (row["archived"] is not None):
            seq = write_run(connection, row["id"], archived=time.time() if archived else None)
            add_event(connection, seq, row["id"], "archived" if archived else "unarchived")

    return _for_each(store, run_ids, edit)


def move_to_trash(store: Store, run_ids: Sequence[str]) -> list[RunRecord]:
    """Move runs to the trash; raises UsageError if one is queued or running."""

    def edit(connection: Connection, row: RowMapping) -> None:
        _refuse_active(row, "deleted")
        if row["trashed"] is None:
            seq = write_run(connection, row["id"], trashed=time.time())
            add_event(connection, seq, row["id"], "moved to the trash")

    return _for_each(store, run_ids, edit, in_trash=True)


def restore(store: Store, run_ids: Sequence[str]) -> list[RunRecord]:
    """Take runs out of the trash; runs that are not in it are left unchanged."""

    def edit(connection: Connection, row: RowMapping) -> None:
        if row["trashed"] is not None:
            seq = write_run(connection, row["id"], trashed=None)
            add_event(connection, seq, row["id"], "restored", "from the trash")

    return _for_each(store, run_ids, edit, in_trash=True)


def purge(store: Store, older_than_s: float = TRASH_SECONDS) -> list[str]:
    """Delete what has been in the trash for some time, with its files.

    Args:
        store: Holds the runs.
        older_than_s: Seconds in the trash; 0 empties it.

    Returns:
        The ids of the deleted runs.
    """
    before = time.time() - older_than_s
    old = [run.id for run in store.runs(trashed=True) if run.trashed is not None and run.trashed <= before]
    return [run_id for run_id in old if delete_ended(store, run_id, in_trash=True)]


def delete_ended(store: Store, run_id: str, *, in_trash: bool = False) -> bool:
    """Delete a run and its files for good, unless something has happened to it.

    Args:
        store: Holds the run.
        run_id: Its id.
        in_trash: Whether the run is expected in the trash, or outside.

    Returns:
        Whether it was deleted; False for a run that is active, was deleted by another process, or was moved to the
        trash or out of it meanwhile.
    """
    with store.database.write() as connection:
        row = connection.execute(select(runs).where(runs.c.id == run_id)).mappings().first()
        if row is None or is_active(row) or in_trash != (row["trashed"] is not None):
            return False
        RunFolder(run_id).remove()  # before the rows: a folder without rows would be taken for a lost run
        queue.delete_rows(connection, run_id)
    return True


def delete_training_states(store: Store, run_id: str) -> bool:
    """Delete what a run would be resumed from; return False for a run that is active or was deleted meanwhile."""
    with store.database.write() as connection:  # no worker can claim the run now
        row = connection.execute(select(runs).where(runs.c.id == run_id)).mappings().first()
        if row is None or is_active(row):
            return False
        RunFolder(run_id).delete_states()
    return True


def _for_each(
    store: Store, run_ids: Sequence[str], edit: Callable[[Connection, RowMapping], None], *, in_trash: bool = False
) -> list[RunRecord]:
    """Edit all runs, or none if one of them is unknown or refused; return them in the given order."""
    ids = list(dict.fromkeys(run_ids))
    if not ids:
        return []
    with store.database.write() as connection:
        rows = {row["id"]: row for row in connection.execute(select(runs).where(runs.c.id.in_(ids))).mappings()}
        for run_id in ids:
            if run_id not in rows:
                raise no_such_run(run_id)
            if rows[run_id]["trashed"] is not None and not in_trash:
                raise run_in_trash(run_id)
            edit(connection, rows[run_id])
    by_id = {run.id: run for run in store.runs(ids=ids, trashed=None)}
    return [by_id[run_id] for run_id in ids]


def _refuse_active(row: RowMapping, participle: str) -> None:
    if is_active(row):
        run_id = row["id"]
        raise UsageError(
            f"Run {run_id} is {row['state']} and cannot be {participle}. Stop it first: recdash runs stop {run_id}"
        )
