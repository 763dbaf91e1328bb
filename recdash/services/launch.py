"""Start, wait for, stop, resume and retry training runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from recdash import environment
from recdash.runs import queue, supervisor
from recdash.runs.run_records import Request, RunRecord
from recdash.runs.states import State
from recdash.services.store_access import open_store, refuse_when_read_only
from recdash.services.training_requests import (
    checked_request,
    data_entry,
    request_of,
)
from recdash.settings import name_list


def train(requests: Sequence[Request], *, key: str | None = None) -> list[RunRecord]:
    """Queue requests and start a supervisor if none is running.

    A request equal to a queued or running run returns that run, so that two browser tabs never train the same model
    twice.

    Args:
        requests: What to train.
        key: Text that identifies one click on a button; a second call with the same key returns the same runs.

    Returns:
        One run per request, in order.
    """
    checked = [checked_request(request) for request in requests]
    store = open_store()
    queued = queue.enqueue(store, checked, key)
    supervisor.ensure_running(store)
    return queued


def wait(
    run_ids: str | Sequence[str],
    on_progress: Callable[[list[RunRecord]], None] | None = None,
    *,
    poll_seconds: float = 0.25,
    timeout: float | None = None,
) -> list[RunRecord]:
    """Wait until none of the runs is active.

    Args:
        run_ids: A list, or ids separated by commas.
        on_progress: Function that receives the current records at every check.
        poll_seconds: Seconds between two checks.
        timeout: Seconds after which the runs are returned in any state; by default there is no limit.

    Returns:
        The records, in the order of the ids.
    """
    store = open_store()
    positions = {run_id: position for position, run_id in enumerate(name_list(run_ids))}
    deadline = None if timeout is None else time.monotonic() + timeout
    while True:
        runs = sorted(store.runs(ids=list(positions)), key=lambda run: positions[run.id])
        if on_progress is not None:
            on_progress(runs)
        if not any(run.state.is_active() for run in runs) or (deadline is not None and time.monotonic() > deadline):
            return runs
        if any(run.state is State.QUEUED for run in runs):
            supervisor.ensure_running(store)
        time.sleep(poll_seconds)


def ensure_supervisor() -> None:
    """Start a supervisor if runs are queued and none is running; cheap otherwise, so pages call it at every rerun."""
    store = open_store()
    if not environment.read_only() and store.runs(states=[State.QUEUED]):
        supervisor.ensure_running(store)


def stop(run_id: str) -> RunRecord:
    """Ask a running run to save a checkpoint and stop; a queued run stops at once. No error if it has stopped."""
    refuse_when_read_only("stopped")
    return queue.stop(open_store(), run_id)


def resume(run_id: str) -> RunRecord:
    """Queue a stopped, interrupted or failed run to continue from its last checkpoint."""
    from recdash.splits.split_options import SplitOptions  # lazy: pandas

    refuse_when_read_only("trained")
    store = open_store()
    run = store.run(run_id)
    data_entry(run.dataset, SplitOptions.from_dict(run.options))  # raises if the data are gone
    record = queue.resume(store, run_id)
    supervisor.ensure_running(store)
    return record


def retry(run_id: str) -> RunRecord:
    """Queue the same request as a new run; the old run stays."""
    return train([request_of(open_store().run(run_id))])[0]
