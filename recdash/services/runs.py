"""Existing runs: lists, single runs, events and logs; deletion, names and notes."""

from __future__ import annotations

import time
from collections.abc import Sequence

from recdash.errors import UsageError
from recdash.models import registry
from recdash.runs import queue, supervisor
from recdash.runs.record_rows import no_such_run, run_in_trash
from recdash.runs.run_folder import RunFolder
from recdash.runs.run_records import Event, RunRecord
from recdash.runs.states import State
from recdash.services import housekeeping, tie_warnings
from recdash.services.datasets import name_in_runs
from recdash.services.store_access import open_store, refuse_when_read_only
from recdash.settings import name_list

__all__ = [
    "Event",
    "RunRecord",
    "State",
    "annotate",
    "delete",
    "events",
    "find",
    "find_in_trash",
    "has_supervisor",
    "is_curve_import",
    "list_runs",
    "log",
    "remaining_s",
    "rename",
    "version",
]


def is_curve_import(run: RunRecord) -> bool:
    """Return whether a run holds only curves of another program: it has no settings, and cannot be trained again."""
    return run.model not in registry.names()


def list_runs(
    *,
    dataset: str | None = None,
    model: str | None = None,
    active: bool | None = None,
    ids: str | Sequence[str] | None = None,
    archived: bool | None = False,
    tags: str | Sequence[str] = (),
    trashed: bool = False,
) -> list[RunRecord]:
    """Return runs with their current states, newest first.

    Args:
        dataset: Name or path; by default all datasets.
        model: Name of a model; by default all models.
        active: Whether only queued and running runs (True) or only ended ones (False); by default both.
        ids: Only these runs, a list or separated by commas; deleted runs are left out, archived ones are not.
        archived: Whether only archived runs (True) or only the others (False); None for both.
        tags: Only runs with all of these tags, a list or separated by commas.
        trashed: Whether to return the runs in the trash instead of the others.

    Raises:
        UsageError: The dataset is unknown and has no runs.
    """
    states = None if active is None else [state for state in State if state.is_active() == active]
    matching = open_store().runs(
        dataset=name_in_runs(dataset),
        model=model,
        ids=None if ids is None else name_list(ids),
        states=states,
        trashed=trashed,
    )
    if archived is not None and ids is None:
        matching = [run for run in matching if (run.archived is not None) == archived]
    wanted = set(name_list(tags))
    return tie_warnings.add_tie_rules(run for run in matching if wanted <= set(run.tags))


def find(reference: str) -> RunRecord:
    """Return the run with an id, the start of an id, or an exact name.

    Raises:
        UsageError: No run or several runs fit, or the run is in the trash.
    """
    store = open_store()
    found = _match(reference, store.runs())
    if found is not None:
        return tie_warnings.add_tie_rules([found])[0]
    trashed = _match(reference, store.runs(trashed=True))
    raise no_such_run(reference) if trashed is None else run_in_trash(trashed.id)


def find_in_trash(reference: str) -> RunRecord:
    """Return a run that may be in the trash, as `find` does; of those that fit, one in the trash comes first."""
    found = _match(reference, open_store().runs(trashed=True))
    return find(reference) if found is None else found


def delete(*run_ids: str) -> None:
    """Delete runs, their epochs and folders for good; raises UsageError, and deletes none, while one is running."""
    refuse_when_read_only("deleted")
    queue.delete(open_store(), *run_ids)
    for run_id in run_ids:
        RunFolder(run_id).remove()


def rename(run_id: str, name: str) -> RunRecord:
    """Change the name of a run; its id and its folder stay the same."""
    refuse_when_read_only("renamed")
    return _with_folder(queue.rename(open_store(), run_id, name))


def annotate(run_id: str, note: str) -> RunRecord:
    """Replace the note of a run."""
    refuse_when_read_only("annotated")
    return _with_folder(queue.annotate(open_store(), run_id, note))


def events(run_id: str) -> list[Event]:
    """Return the events of a run, oldest first."""
    return open_store().events(run_id)


def log(run_id: str, last: int = 200) -> str:
    """Return the last lines of a run's log, with tracebacks; empty if there is no log."""
    return RunFolder(run_id).tail(last)


def version() -> str:
    """Return a cache key that changes with every change of any run, except for heartbeats."""
    return open_store().version_key()


def has_supervisor() -> bool:
    """Whether a supervisor is running on this machine."""
    return supervisor.running_supervisor(open_store()) is not None


def remaining_s(run: RunRecord) -> float | None:
    """Return the estimated seconds of training left; None if the run is not training or has no epoch yet.

    An upper bound, since early stopping may end the training sooner.
    """
    if run.state is not State.RUNNING or not run.epochs or not run.epoch or not run.elapsed_s:
        return None
    per_epoch = run.elapsed_s / run.epoch
    in_current_epoch = max(0.0, time.time() - (run.heartbeat or time.time()))
    return max(0.0, per_epoch * (run.epochs - run.epoch) - in_current_epoch)


def _match(reference: str, candidates: Sequence[RunRecord]) -> RunRecord | None:
    """Return the run that a reference means; raises UsageError if it means several."""
    for matches in (
        [run for run in candidates if run.id == reference],
        [run for run in candidates if run.name == reference],
        [run for run in candidates if reference and run.id.startswith(reference)],
    ):
        if len(matches) == 1:
            return matches[0]
        if matches:
            raise UsageError(
                f"{reference!r} matches several runs: {', '.join(run.id for run in matches[:5])}. Use one id."
            )
    return None


def _with_folder(run: RunRecord) -> RunRecord:
    housekeeping.update_folder(run)
    return run
