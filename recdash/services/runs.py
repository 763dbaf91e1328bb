"""Looking at runs: lists, one run, its events and its log."""

from __future__ import annotations

import time
from collections.abc import Sequence

from recdash.errors import UsageError
from recdash.runs import supervisor
from recdash.runs.run_folder import RunFolder
from recdash.runs.run_records import Event, RunRecord
from recdash.runs.states import State
from recdash.runs.store import no_such_run
from recdash.services import tie_warnings
from recdash.services.datasets import name_in_runs
from recdash.services.store_access import open_store
from recdash.settings import as_names

__all__ = ["Event", "RunRecord", "State", "events", "find", "listing", "log", "remaining_s", "supervised", "version"]


def listing(
    *,
    dataset: str | None = None,
    model: str | None = None,
    active: bool | None = None,
    ids: str | Sequence[str] | None = None,
) -> list[RunRecord]:
    """Return runs, newest first; states are true at this moment.

    dataset: by name or path.  ids: only these, those that are gone left out.
    Raises UsageError when no data set is called like that.
    """
    states = None if active is None else [state for state in State if state.is_active() == active]
    found = open_store().runs(
        dataset=name_in_runs(dataset), model=model, ids=None if ids is None else as_names(ids), states=states
    )
    return tie_warnings.with_rule(found)


def find(reference: str) -> RunRecord:
    """Return the run that an id, the beginning of one, or an exact name means; raises UsageError otherwise."""
    everything = open_store().runs()
    for fits in (
        [run for run in everything if run.id == reference],
        [run for run in everything if run.name == reference],
        [run for run in everything if reference and run.id.startswith(reference)],
    ):
        if len(fits) == 1:
            return tie_warnings.with_rule(fits)[0]
        if fits:
            raise UsageError(f"{reference!r} means several runs: {', '.join(run.id for run in fits[:5])}. Give one id.")
    raise no_such_run(reference)


def events(run_id: str) -> list[Event]:
    """Return what happened to a run, oldest first."""
    return open_store().events(run_id)


def log(run_id: str, last: int = 200) -> str:
    """Return the last lines of a run's log, tracebacks included; empty when there is none."""
    return RunFolder(run_id).tail(last)


def version() -> str:
    """Return a text that changes whenever any run reads differently, heartbeats aside: a key for caches."""
    store = open_store()
    lost = sum(run.state is State.INTERRUPTED for run in store.runs(states=[State.RUNNING, State.INTERRUPTED]))
    return f"{store.version()}-{lost}"


def supervised() -> bool:
    """Whether a supervisor is at work on this machine."""
    return supervisor.holder(open_store()) is not None


def remaining_s(run: RunRecord) -> float | None:
    """Return about how many seconds of training remain at most; None when nothing is known yet or nothing trains.

    Early stopping may end it sooner. The epoch that is going on is counted by the clock.
    """
    if run.state is not State.RUNNING or not run.epochs or not run.epoch or not run.elapsed_s:
        return None
    per_epoch = run.elapsed_s / run.epoch
    since = max(0.0, time.time() - (run.heartbeat or time.time()))
    return max(0.0, per_epoch * (run.epochs - run.epoch) - since)
