"""A store, a small dataset that workers can load by name, and the end of every process that a test starts."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import psutil
import pytest

from recdash import paths
from recdash.runs import process_env, supervisor
from recdash.runs.process_id import kill_tree
from recdash.runs.run_records import Request, RunRecord
from recdash.runs.store import Store
from tests.toy_data import toy_dataset


@pytest.fixture
def store() -> Iterator[Store]:
    opened = Store(process_env.absolute_url(paths.store_url()))
    yield opened
    end_processes(opened)
    opened.close()


@pytest.fixture
def toy() -> str:
    """Name of a dataset with 240 users and 45 items."""
    toy_dataset().save(paths.data_dir() / "sets" / "toy")
    return "toy"


@pytest.fixture
def request_of() -> Callable[..., Request]:
    def make(model: str = "popularity", **words) -> Request:
        return Request(**{"model": model, "dataset": "toy", "name": f"{model} on toy", **words})

    return make


@pytest.fixture
def supervise(store: Store) -> Callable[..., subprocess.Popen]:
    """Start a supervisor process for the store, with the given environment on top."""
    started = []

    def start(idle: float = 2.0, **env: str) -> subprocess.Popen:
        command = [sys.executable, "-m", "recdash.runs.supervisor", "--idle", str(idle)]
        process = subprocess.Popen(command, env=process_env.for_process() | env, stderr=subprocess.PIPE, text=True)
        started.append(process)
        return process

    yield start
    for process in started:
        kill_tree(process.pid)
        process.wait()
        process.stderr.close()


def end_processes(store: Store) -> None:
    """Kill the supervisor of a store and the workers of its runs, by their ids."""
    who = supervisor.running_supervisor(store)
    if who is not None:
        kill_tree(who.pid)
    for run in store.runs():
        if run.state.is_active() and run.pid is not None and run.pid != os.getpid() and psutil.pid_exists(run.pid):
            kill_tree(run.pid)


def wait_until(condition: Callable[[], object], seconds: float = 30.0) -> float:
    """Wait for something to become true; returns how long it took, or fails."""
    started = time.monotonic()
    while not condition():
        assert time.monotonic() - started < seconds, "it did not happen in time"
        time.sleep(0.02)
    return time.monotonic() - started


@pytest.fixture
def until() -> Callable[..., float]:
    return wait_until


@pytest.fixture
def read(store: Store) -> Callable[[str], RunRecord]:
    return store.run
