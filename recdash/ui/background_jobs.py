"""Long work that a page starts and any page may look at: fetching and importing data, each in a thread of the server.

Threads never call Streamlit; they write numbers into a job, and pages read them.
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
    """One piece of work. total: None when it is not known."""

    title: str
    done: int = 0
    total: int | None = None
    error: str = ""
    finished: bool = False
    started: float = field(default_factory=time.time)

    def note(self, done: int, total: int | None) -> None:
        """Take down how far the work is."""
        self.done, self.total = done, total

    @property
    def share(self) -> float:
        """How much is done, 0 when the whole is not known."""
        return min(1.0, self.done / self.total) if self.total else 0.0


def start(key: str, title: str, work: Callable[[JobProgress], Any]) -> bool:
    """Begin a piece of work unless it is going on already; returns whether it was begun."""
    with _lock():
        going = _all().get(key)
        if going is not None and not going.finished:
            return False
        job = _all()[key] = Job(title)
    threading.Thread(target=_run, args=(job, work), name=f"job-{key}", daemon=True).start()
    return True


def going_on() -> bool:
    """Whether any work is going on."""
    return any(not job.finished for job in _all().values())


def is_going_on(key: str) -> bool:
    """Whether this piece of work is going on."""
    job = _all().get(key)
    return job is not None and not job.finished


def listed() -> dict[str, Job]:
    """Return all jobs that nobody has dismissed."""
    return dict(_all())


def dismiss(key: str) -> None:
    """Forget a finished job."""
    with _lock():
        _all().pop(key, None)


def _run(job: Job, work: Callable[[JobProgress], Any]) -> None:
    try:
        work(job.note)
    except RecdashError as error:
        job.error = str(error)
    except Exception as error:  # a thread has nobody else to tell
        job.error = f"{type(error).__name__}: {error}"
    finally:
        job.finished = True


@st.cache_resource(show_spinner=False)
def _all() -> dict[str, Job]:
    return {}


@st.cache_resource(show_spinner=False)
def _lock() -> Any:
    return threading.Lock()
