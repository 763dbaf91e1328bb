"""Background jobs, one server thread each: downloads of datasets, and EASE solved again with another penalty.

Threads never call Streamlit: they write progress to a `Job`, and pages read it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import streamlit as st

from recdash.errors import RecdashError

JobProgress = Callable[[int, int | None], None]


@dataclass
class Job:
    """Progress and outcome of one job. `done` and `total` are bytes; `total` is None while unknown."""

    title: str
    done: int = 0
    total: int | None = None
    error: str = ""
    finished: bool = False
    started: float = field(default_factory=time.time)

    def report(self, done: int, total: int | None) -> None:
        """Record the progress."""
        self.done, self.total = done, total

    @property
    def share(self) -> float:
        """Completed share, from 0 to 1; 0 while the total is unknown."""
        return min(1.0, self.done / self.total) if self.total else 0.0


def start(key: str, title: str, work: Callable[[JobProgress], Any]) -> bool:
    """Start a job unless one with this key is running; returns whether it was started."""
    with _lock():
        running = _jobs().get(key)
        if running is not None and not running.finished:
            return False
        job = _jobs()[key] = Job(title)
    threading.Thread(target=_run, args=(job, work), name=f"job-{key}", daemon=True).start()
    return True


def start_once(key: str, title: str, work: Callable[[JobProgress], Any]) -> None:
    """Start a job unless one with this key is running or has ended without an error."""
    job = _jobs().get(key)
    if job is None or job.error:
        start(key, title, work)


def any_running(prefix: str = "") -> bool:
    """Whether any job whose key has this prefix is running."""
    return any(not job.finished for job in jobs(prefix).values())


def is_running(key: str) -> bool:
    """Whether the job with this key is running."""
    job = _jobs().get(key)
    return job is not None and not job.finished


def jobs(prefix: str = "") -> dict[str, Job]:
    """Return all jobs that were not dismissed and whose key has this prefix, by key."""
    return {key: job for key, job in dict(_jobs()).items() if key.startswith(prefix)}


def dismiss(key: str) -> None:
    """Remove a finished job from the list."""
    with _lock():
        _jobs().pop(key, None)


def _run(job: Job, work: Callable[[JobProgress], Any]) -> None:
    try:
        work(job.report)
    except RecdashError as error:
        job.error = str(error)
    except Exception as error:  # the page shows it; an exception in a thread would be lost
        job.error = f"{type(error).__name__}: {error}"
    finally:
        job.finished = True


@st.cache_resource(show_spinner=False)
def _jobs() -> dict[str, Job]:
    return {}


@st.cache_resource(show_spinner=False)
def _lock() -> Any:
    return threading.Lock()
