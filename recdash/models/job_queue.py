"""`JobQueue`: jobs that other threads do while this one goes on."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Self

import torch

Job = Callable[[], object]


class JobQueue:
    """Jobs shared by as many threads as PyTorch has; within the block PyTorch computes each job with one thread.

    Jobs may run in any order and at the same time, so each writes to a place of its own. With one thread, `join` does
    them all. Jobs run without recording gradients.

    Args:
        most: Maximum number of threads, this one included.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._jobs: deque[Job] = deque()
        self._changed = threading.Condition()
        self._unfinished = 0
        self._closed = False
        self._error: BaseException | None = None
        self._workers: list[threading.Thread] = []
        self._n_threads = 1

    def __enter__(self) -> Self:
        self._n_threads = torch.get_num_threads()
        torch.set_num_threads(1)
        for _ in range(min(self._n_threads, self._most) - 1):
            worker = threading.Thread(target=self._work, daemon=True)
            worker.start()
            self._workers.append(worker)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with self._changed:
            self._closed = True
            if error is not None:
                self._jobs.clear()
            self._changed.notify_all()
        for worker in self._workers:
            worker.join()
        torch.set_num_threads(self._n_threads)

    def put(self, job: Job) -> None:
        """Add a job, which another thread may start at once."""
        with self._changed:
            self._jobs.append(job)
            self._unfinished += 1
            self._changed.notify()

    def join(self) -> None:
        """Help until all jobs are done; raises the first error of a job."""
        while True:
            with self._changed:
                while not self._jobs and self._unfinished:
                    self._changed.wait()
                if not self._jobs:
                    break
                job = self._jobs.popleft()
            self._run(job)
        if self._error is not None:
            raise self._error

    def _work(self) -> None:
        torch.set_num_threads(1)
        while True:
            with self._changed:
                while not self._jobs and not self._closed:
                    self._changed.wait()
                if not self._jobs:
                    return
                job = self._jobs.popleft()
            self._run(job)

    def _run(self, job: Job) -> None:
        try:
            if self._error is None:
                with torch.no_grad():
                    job()
        except BaseException as error:
            self._error = error  # raised again by `join`, in the thread that waits
        with self._changed:
            self._unfinished -= 1
            if not self._unfinished:
                self._changed.notify_all()
