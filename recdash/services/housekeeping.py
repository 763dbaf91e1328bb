"""Keeping runs in order: tags, archive, trash with undo, and what each run needs on disk. All take many ids."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from recdash.errors import CheckpointError
from recdash.runs import run_marks
from recdash.runs.disk_usage import folder_bytes
from recdash.runs.run_folder import RunFolder
from recdash.runs.run_marks import TRASH_SECONDS
from recdash.runs.run_records import RunRecord
from recdash.runs.store import Store
from recdash.services.pruning import Prunable, Pruned, prune
from recdash.services.store_access import open_store, refuse_when_read_only
from recdash.settings import name_list

__all__ = [
    "TRASH_SECONDS",
    "Freed",
    "Prunable",
    "Pruned",
    "archive",
    "disk_bytes",
    "in_trash",
    "prune",
    "purge_trash",
    "restore",
    "tag",
    "trash",
    "unarchive",
    "update_folder",
]

Ids = str | Sequence[str]  # a list, or ids separated by commas


@dataclass(frozen=True)
class Freed:
    """Runs that were moved to the trash or deleted.

    Attributes:
        runs: Their ids.
        bytes: Size of their files on disk; a run in the trash frees it when the trash is emptied.
    """

    runs: tuple[str, ...]
    bytes: int


def tag(ids: Ids, add: str | Iterable[str] = (), remove: str | Iterable[str] = ()) -> list[RunRecord]:
    """Add and remove tags.

    Args:
        ids: Runs in any state.
        add: Tags, a list or separated by commas: 1 to 40 printable characters each.
        remove: Tags to remove; one that a run does not have is no error.

    Returns:
        The runs, in the order of the ids.

    Raises:
        UsageError: A run is unknown, a tag is not valid, or a run would have more than 20. Then nothing is changed.
    """
    return _edit("tagged", ids, lambda store, runs: run_marks.edit_tags(store, runs, name_list(add), name_list(remove)))


def archive(ids: Ids) -> list[RunRecord]:
    """Take runs out of the lists; they stay complete. Raises UsageError if one is unknown, queued or running."""
    return _edit("archived", ids, lambda store, runs: run_marks.set_archived(store, runs, archived=True))


def unarchive(ids: Ids) -> list[RunRecord]:
    """Show archived runs in the lists again; raises UsageError if one is unknown."""
    return _edit("archived", ids, lambda store, runs: run_marks.set_archived(store, runs, archived=False))


def trash(ids: Ids) -> Freed:
    """Move runs to the trash, from which `restore` brings them back for 24 hours.

    Returns:
        The runs, and the bytes that emptying the trash will free.

    Raises:
        UsageError: A run is unknown, queued or running. Then nothing is changed.
    """
    moved = [run.id for run in _edit("deleted", ids, run_marks.move_to_trash)]
    return Freed(tuple(moved), sum(disk_bytes(moved).values()))


def restore(ids: Ids) -> list[RunRecord]:
    """Take runs out of the trash, as they were; raises UsageError if one is unknown or was deleted for good."""
    return _edit("restored", ids, run_marks.restore)


def in_trash() -> list[RunRecord]:
    """Return the runs in the trash, newest first."""
    return open_store().runs(trashed=True)


def purge_trash(*, older_than_s: float = TRASH_SECONDS) -> Freed:
    """Delete for good what has been in the trash for some time; 0 empties it."""
    refuse_when_read_only("deleted")
    store = open_store()
    sizes = disk_bytes([run.id for run in store.runs(trashed=True)])
    deleted = run_marks.purge(store, older_than_s)
    return Freed(tuple(deleted), sum(sizes.get(run_id, 0) for run_id in deleted))


def disk_bytes(ids: Ids) -> dict[str, int]:
    """Return the size of each run's files on disk, in bytes; 0 for a run without files."""
    return {run_id: folder_bytes(RunFolder(run_id).path) for run_id in name_list(ids)}


def _edit(participle: str, ids: Ids, edit: Callable[[Store, Sequence[str]], list[RunRecord]]) -> list[RunRecord]:
    refuse_when_read_only(participle)
    changed = edit(open_store(), name_list(ids))
    for run in changed:
        update_folder(run)
    return changed


def update_folder(run: RunRecord) -> None:
    """Write a changed record into the run's folder, from which a lost store is rebuilt.

    The worker of an active run writes it itself at the end.
    """
    folder = RunFolder(run.id)
    if not run.state.is_active() and folder.path.is_dir():
        with suppress(CheckpointError):  # a full disk; the store has it
            folder.write_record(run.to_dict())
