"""What the runs sidebar does with all shown runs at once: tag, archive, delete; each can be undone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from recdash.errors import RecdashError, UsageError
from recdash.reporting.formatting import byte_size, listed, plural

if TYPE_CHECKING:
    from recdash.ui.widgets.run_rows import ListState

ACTIONS = ("tag", "untag", "archive", "unarchive", "trash")


def apply(kind: str, ids: list[str], action: dict[str, Any], state: ListState) -> None:
    """Apply an action to runs, from a callback, and keep what takes it back; an error becomes the message.

    Args:
        kind: One of `ACTIONS`, or "undo".
        ids: Ids of the runs.
        action: The action; `tags` is a text with commas.
        state: Gets the message and the undo.
    """
    try:
        if kind == "undo":
            _undo(state)
        elif not ids:
            raise UsageError("No run is shown. Show the runs to change by their eyes.")
        elif kind in ("tag", "untag"):
            _tag(ids, str(action.get("tags", "")), kind == "tag", state)
        else:
            _move(kind, ids, state)
    except RecdashError as error:
        state.message, state.undo = str(error), []


def _tag(ids: list[str], text: str, add: bool, state: ListState) -> None:
    from recdash.services import housekeeping, runs  # lazy: import lock

    tags = [tag for part in text.split(",") if (tag := part.strip())]
    if not tags:
        raise UsageError("No tag was given. Type one or several, separated by commas.")
    before = {run.id: run.tags for run in runs.list_runs(ids=ids)}
    housekeeping.tag(ids, **{"add" if add else "remove": tags})
    changed = {tag: [run_id for run_id, had in before.items() if (tag not in had) == add] for tag in tags}
    back = "remove" if add else "add"
    state.undo = [("tag", {"ids": members, back: [tag]}) for tag, members in changed.items() if members]
    verb = "Tagged" if add else "Removed from"
    state.message = f"{verb} {plural(len(ids), 'run')}: {listed(tags)}"


def _move(kind: str, ids: list[str], state: ListState) -> None:
    from recdash.services import housekeeping  # lazy: import lock

    if kind == "trash":
        freed = housekeeping.trash(ids)
        state.undo = [("restore", {"ids": list(freed.runs)})]
        state.message = f"Deleted {plural(len(freed.runs), 'run')}, {byte_size(freed.bytes)}"
        return
    (housekeeping.archive if kind == "archive" else housekeeping.unarchive)(ids)
    state.undo = [("unarchive" if kind == "archive" else "archive", {"ids": ids})]
    state.message = f"{'Archived' if kind == 'archive' else 'Unarchived'} {plural(len(ids), 'run')}"


def _undo(state: ListState) -> None:
    from recdash.services import housekeeping  # lazy: import lock

    steps, state.undo = state.undo, []
    for name, arguments in steps:
        getattr(housekeeping, name)(**arguments)
    state.message = "Undone" if steps else ""
