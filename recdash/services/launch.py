"""Start, wait for, stop, resume, retry and clone training runs, and order the queue."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from recdash import environment
from recdash.errors import RecdashError
from recdash.runs import queue, run_marks, supervisor
from recdash.runs.run_records import Request, RunRecord
from recdash.runs.states import State
from recdash.runs.store import Store
from recdash.services.cloned_requests import changed_request
from recdash.services.store_access import open_store, refuse_when_read_only
from recdash.services.training_requests import (
    checked_request,
    data_entry,
    request_of,
)
from recdash.settings import name_list

_PURGE_SECONDS = 3600.0  # between two looks at the trash
_purged: dict[str, float] = {}  # when the trash of each store was last looked at, on the monotonic clock


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
    if environment.read_only():
        return
    if store.runs(states=[State.QUEUED]):
        supervisor.ensure_running(store)
    _purge_trash_now_and_then(store)


def prepare() -> None:
    """Start a supervisor for runs that are about to be queued, which then start at once; it ends when none come."""
    if not environment.read_only():
        supervisor.ensure_running(open_store())


def stop(run_id: str) -> RunRecord:
    """Ask a running run to save a checkpoint and stop; a queued run stops at once. No error if it has stopped."""
    refuse_when_read_only("stopped")
    return queue.stop(open_store(), run_id)


def resume(run_id: str) -> RunRecord:
    """Queue a stopped, interrupted or failed run to continue from its last checkpoint."""
    return resume_all([run_id])[0]


def resume_all(run_ids: str | Sequence[str]) -> list[RunRecord]:
    """Queue runs to continue from their last checkpoints, or none of them.

    Raises:
        UsageError: One is unknown or finished, or its dataset is gone.
        DataError: A dataset cannot be read.
    """
    from recdash.splits.split_options import SplitOptions  # lazy: pandas

    refuse_when_read_only("trained")
    store, ids = open_store(), name_list(run_ids)
    for run in map(store.run, ids):
        if run.state.is_finished():
            raise queue.nothing_to_resume(run.id)
        data_entry(run.dataset, SplitOptions.from_dict(run.options))  # raises if the data are gone
    records = [queue.resume(store, run_id) for run_id in ids]
    supervisor.ensure_running(store)
    return records


def retry(run_id: str) -> RunRecord:
    """Queue the same request as a new run; the old run stays."""
    return retry_all([run_id])[0]


def retry_all(run_ids: str | Sequence[str]) -> list[RunRecord]:
    """Queue the requests of runs as new runs, or none of them; the old runs stay.

    Raises:
        UsageError: One is unknown, or has no settings since another program recorded its curves.
        SplitError, DataError: see `training_requests.checked_request`.
    """
    store = open_store()
    return train([request_of(store.run(run_id)) for run_id in name_list(run_ids)])


def clone(
    run_id: str,
    *,
    settings: Mapping[str, Any] | None = None,
    reset: str | Sequence[str] = (),
    epochs: int | None = None,
    preset: str | None = None,
    protocol: str | None = None,
    seed: int | None = None,
    split_seed: int | None = None,
    device: str | None = None,
    name: str = "",
    key: str | None = None,
) -> RunRecord:
    """Queue a new run with the request of an existing one and these changes, on the current content of its dataset.

    Args:
        run_id: The existing run, in any state; it is left unchanged.
        settings: Settings to change, by name; text is parsed.
        reset: Settings that go back to the preset's values, a list or names separated by commas.
        epochs: Largest number of epochs.
        preset: Another preset; settings given by name stay.
        protocol: Another protocol; it takes the split options that it supports.
        seed: Training seed.
        split_seed: Seed of the split.
        device: Device to train on.
        name: Name of the new run; by default made from the old one and what differs.
        key: Text that identifies one click on a button, see `train`.

    Returns:
        The new run, or the queued or running run of an equal request.

    Raises:
        UsageError: The run is unknown, or `training_requests.checked_request` refuses the request.
        SplitError: The data do not suit the model or the protocol.
        DataError: The dataset cannot be read.
    """
    request = changed_request(
        open_store().run(run_id),
        settings={**(settings or {}), **({} if epochs is None else {"epochs": epochs})},
        reset=name_list(reset),
        preset=preset,
        protocol=protocol,
        seed=seed,
        split_seed=split_seed,
        device=device,
        name=name,
    )
    return train([request], key=key)[0]


def queued() -> list[RunRecord]:
    """Return the queued runs in the order in which they start."""
    return queue.queued_runs(open_store())


def move(run_id: str, before: str | None = None) -> list[RunRecord]:
    """Move a queued run within the queue.

    Args:
        run_id: Id of a queued run.
        before: Id of the queued run that it is to precede; None moves it to the end.

    Returns:
        The queued runs in their new order.

    Raises:
        UsageError: One of the runs is unknown or not queued.
    """
    refuse_when_read_only("moved")
    return queue.move(open_store(), run_id, before)


def _purge_trash_now_and_then(store: Store) -> None:
    """Delete what has been in the trash for a day; once an hour at most, and never the reason for an error."""
    location, now = store.database.location, time.monotonic()
    if now - _purged.get(location, -_PURGE_SECONDS) >= _PURGE_SECONDS:
        _purged[location] = now
        with suppress(RecdashError):
            run_marks.purge(store)
