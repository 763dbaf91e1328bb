"""Deletion of many runs by stated rules: a list of what would go and what it frees, then the deletion."""

from __future__ import annotations

import math
import shutil
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from recdash import paths
from recdash.analysis.groups import comparability_key
from recdash.errors import UsageError
from recdash.evaluation.selection_metric import selection_metric_of
from recdash.runs import run_marks
from recdash.runs.disk_usage import folder_bytes
from recdash.runs.run_folder import RunFolder
from recdash.runs.run_records import RunRecord
from recdash.runs.staged_folder import STAGING_PREFIX
from recdash.runs.states import State
from recdash.services import tie_warnings
from recdash.services.store_access import open_store, refuse_when_read_only
from recdash.settings import known_name, name_list, real_number, whole_number

_LONGEST_IMPORT = 86400.0  # seconds; an older folder of an import is a leftover
ENDED_STATES = tuple(state.value for state in State if not state.is_active())
_NO_RULE = (
    "Name at least one rule, such as --state failed,interrupted or --older-than 30d. See `recdash runs prune --help`."
)


@dataclass(frozen=True)
class Prunable:
    """Something that the rules select.

    Attributes:
        what: "run", "run in the trash", "training states", "leftover of a deletion" or "leftover of an import".
        run: Id of the run.
        name: Its name; "" for a leftover.
        state: Its state; "" for a leftover.
        reason: Why it was selected, for example "failed 34 days ago".
        bytes: What deleting it frees.
    """

    what: str
    run: str
    name: str
    state: str
    reason: str
    bytes: int


@dataclass(frozen=True)
class Pruned:
    """What the rules selected, and whether it was deleted."""

    items: tuple[Prunable, ...]
    deleted: bool

    @property
    def bytes(self) -> int:
        """Sum of what is freed, in bytes."""
        return sum(item.bytes for item in self.items)


def prune(
    *,
    states: str | Sequence[str] = (),
    older_than_s: float | None = None,
    retain_best: int | None = None,
    archived: bool = False,
    trash: bool = False,
    training_states: bool = False,
    dry_run: bool = True,
) -> Pruned:
    """Select runs by rules, and delete them for good unless it is a dry run.

    A run has to meet all rules. Queued and running runs are never selected; runs in the trash only with `trash`.
    What an interrupted deletion or import left behind is always selected.

    Args:
        states: Ended states, a list or separated by commas; by default all, and with `retain_best` "finished".
        older_than_s: Seconds since the run ended, or for the trash since it was moved there.
        retain_best: How many runs to keep of each model in each group of comparable runs, the best on validation.
        archived: Only archived runs.
        trash: Runs in the trash; the other rules, if there are any, select further runs.
        training_states: Delete only the training states, so that the runs stay but can no longer be resumed where
            they ended. By default of all runs that did not finish.
        dry_run: Whether to delete nothing.

    Raises:
        UsageError: No rule is given, or a rule is not valid.
    """
    chosen = {State(known_name("state of an ended run", name, ENDED_STATES)) for name in name_list(states)}
    if older_than_s is not None and real_number("older_than_s", older_than_s) < 0:
        raise UsageError(f"older_than_s = {older_than_s} is negative. Give seconds, for example 86400.")
    if retain_best is not None:
        whole_number("retain_best", retain_best, 0)
    selects_runs = bool(chosen) or retain_best is not None or archived or training_states
    if not selects_runs and not trash and older_than_s is None:
        raise UsageError(_NO_RULE)
    if not dry_run:
        refuse_when_read_only("deleted")
    now = time.time()
    items = _leftovers()
    if selects_runs or not trash:
        if not chosen and training_states:
            chosen = {state for state in State if state.can_resume()}
        elif not chosen and retain_best is not None:
            chosen = {State.FINISHED}
        found = _matching(chosen, older_than_s, retain_best, archived, now)
        items += [_run_item(run, now, training_states) for run in found]
    if trash:
        in_trash = open_store().runs(trashed=True)
        old = [run for run in in_trash if run.trashed is not None and now - run.trashed >= (older_than_s or 0)]
        items += [_trash_item(run, now) for run in old]
    if training_states:
        items = [item for item in items if item.what != "training states" or item.bytes]
    return Pruned(tuple(items), False) if dry_run else Pruned(tuple(filter(_delete, items)), True)


def _matching(
    states: set[State], older_than_s: float | None, retain_best: int | None, archived: bool, now: float
) -> list[RunRecord]:
    ended = [run for run in tie_warnings.add_tie_rules(open_store().runs()) if not run.state.is_active()]
    best = set() if retain_best is None else _best(ended, retain_best)
    return [
        run
        for run in ended
        if (not states or run.state in states)
        and (older_than_s is None or now - _ended(run) >= older_than_s)
        and (not archived or run.archived is not None)
        and run.id not in best
    ]


def _best(ended: Iterable[RunRecord], n: int) -> set[str]:
    """Return the ids of the n best finished runs of each model in each group, the newest of equal ones."""
    by_group: dict[object, list[tuple[float, float, str]]] = {}
    for run in ended:
        if run.state.is_finished():
            metric, value = selection_metric_of(run.validation), -math.inf
            if metric is not None and run.best_value is not None and not math.isnan(run.best_value):
                value = metric.sign * run.best_value
            by_group.setdefault((run.model, comparability_key(run)), []).append((value, run.created, run.id))
    return {run_id for group in by_group.values() for _, _, run_id in sorted(group, reverse=True)[:n]}


def _ended(run: RunRecord) -> float:
    """Return when a run ended, in seconds since 1970."""
    return run.finished or run.heartbeat or run.created


def _run_item(run: RunRecord, now: float, only_states: bool) -> Prunable:
    folder, reason = RunFolder(run.id), f"{run.state.value} {_age(now - _ended(run))} ago"
    if only_states:
        size = folder_bytes(folder.last) + folder_bytes(folder.previous)
        return Prunable("training states", run.id, run.name, run.state.value, reason, size)
    return Prunable("run", run.id, run.name, run.state.value, reason, folder_bytes(folder.path))


def _trash_item(run: RunRecord, now: float) -> Prunable:
    reason = f"in the trash for {_age(now - (run.trashed or now))}"
    return Prunable("run in the trash", run.id, run.name, run.state.value, reason, folder_bytes(RunFolder(run.id).path))


def _leftovers() -> list[Prunable]:
    """Return folders of deletions and imports whose process died before it could remove them."""
    root = paths.checkpoint_dir()
    found = [("leftover of a deletion", path, "deleted incompletely") for path in sorted(root.glob(".*.deleted"))]
    found += [
        ("leftover of an import", path, "imported incompletely")
        for path in sorted(root.glob(f"{STAGING_PREFIX}*"))
        if path.lstat().st_mtime < time.time() - _LONGEST_IMPORT
    ]
    return [
        Prunable(what, _run_of(path), "", "", reason, folder_bytes(path))
        for what, path, reason in found
        if path.is_dir() and not path.is_symlink()
    ]


def _run_of(path: Path) -> str:
    return path.name.removeprefix(".").removesuffix(".deleted")


def _delete(item: Prunable) -> bool:
    """Delete an item; return False for a run that was resumed, restored or deleted meanwhile."""
    store = open_store()
    if item.what == "run":
        return run_marks.delete_ended(store, item.run)
    if item.what == "run in the trash":
        return run_marks.delete_ended(store, item.run, in_trash=True)
    if item.what == "training states":
        return run_marks.delete_training_states(store, item.run)
    ending = ".deleted" if item.what == "leftover of a deletion" else ""
    shutil.rmtree(paths.checkpoint_dir() / f".{item.run}{ending}", ignore_errors=True)
    return True


def _age(seconds: float) -> str:
    """Return an age in its largest unit: "5 minutes", "1 day"."""
    for unit, length in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds >= length:
            number = int(seconds // length)
            return f"{number} {unit}" if number == 1 else f"{number} {unit}s"
    return "less than a minute"
