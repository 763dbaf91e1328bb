"""The fork server: a process that has imported everything and forks one worker per run, so that runs start at once.

Importing takes two seconds of a core, as long as many a training. The fork server pays that once. A forked worker has
its own session, log and exit status. Linux only; when the fork server fails, the supervisor starts new processes.
"""

# Why not the standard library's `multiprocessing.get_context("forkserver")`. Measured on 2026-11-27 on two cores, from
# queueing a run to its first epoch in the store, toy data, median of five, this / the standard library:
#   first run after the supervisor's start, Mult-VAE      3.4 s / 3.5 s
#   first run after the supervisor's start, popularity    2.0 s / 3.2 s
#   further runs, Mult-VAE                                0.33 s / 0.17 s
# The standard library forks nothing before its last import, and `torch._dynamo` alone takes over a second; here the
# first worker is forked before that import. It also blocks the supervisor until the imports are done, and when only
# the fork server died, it reports workers as ended (status 255) although they are still training.

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import traceback
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from recdash.runs import process_env

UNKNOWN_STATUS = -1000  # of a worker whose exit status was lost because the fork server died first
_POLL_SECONDS = 0.05
_OPTIMIZER_IMPORT = "torch._dynamo"  # imported by the first optimizer of a process; takes over a second
_PRELOADED = ("pandas", "recdash.data.dataset_registry", "recdash.splits", "recdash.training", "recdash.evaluation")


class WorkerProcess(Protocol):
    """A worker process, forked or started; `pid` is None until it is known."""

    @property
    def pid(self) -> int | None:
        """Process id."""

    def poll(self) -> int | None:
        """Return the exit status (negative for a signal), or None while the worker is alive."""


class ForkedWorker:
    """A forked worker, as seen by its supervisor."""

    def __init__(self, server: ForkServer) -> None:
        self.pid: int | None = None
        self.status: int | None = None
        self._server = server

    def poll(self) -> int | None:
        """Return the exit status, UNKNOWN_STATUS when the fork server died first, or None while it is alive."""
        self._server.read_reports()
        if self.status is None and not self._server.is_alive():
            return UNKNOWN_STATUS
        return self.status


class ForkServer:
    """The supervisor's side. It writes one JSON line per run and reads one for every start and every exit.

    Args:
        threads: Threads of every worker.
        log: File that gets the fork server's own errors.
    """

    def __init__(self, threads: int, log: Path) -> None:
        self.threads = threads
        self._workers: dict[str, ForkedWorker] = {}
        self._unread = b""
        with log.open("ab") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "recdash.runs.fork_server"],
                env=process_env.for_worker(threads),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                start_new_session=True,
            )
        if self._process.stdout is not None:
            os.set_blocking(self._process.stdout.fileno(), False)

    def is_alive(self) -> bool:
        """Whether it can still start workers and report their exits."""
        return self._process.poll() is None

    def start(self, run_id: str, device: str, log: Path) -> ForkedWorker | None:
        """Request a worker that computes on `device`; None when the fork server is dead."""
        if self._process.stdin is None or not self.is_alive():
            return None
        worker = self._workers[run_id] = ForkedWorker(self)
        request = {"run": run_id, "threads": self.threads, "device": device, "log": str(log)}
        try:
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.flush()
        except OSError:
            return None
        return worker

    def read_reports(self) -> None:
        """Read the starts and exits reported since the last call."""
        if self._process.stdout is None:
            return
        with contextlib.suppress(BlockingIOError, OSError):
            self._unread += self._process.stdout.read() or b""
        *lines, self._unread = self._unread.split(b"\n")
        for line in lines:
            report = json.loads(line)
            worker = self._workers.get(report["run"])
            if worker is not None:
                worker.pid, worker.status = report["pid"], report.get("status")

    def close(self) -> None:
        """Let it end; its workers keep running."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()


def main() -> int:
    """Fork a worker for every line on standard input, report every exit, and end when standard input is closed."""
    reports = os.dup(1)
    os.dup2(2, 1)  # whatever prints here goes to the log, not between the reports
    _preload()
    unread, is_open, children = b"", True, {}
    while is_open:
        if select.select([0], [], [], _POLL_SECONDS)[0]:
            received = os.read(0, 65536)
            is_open = bool(received)
            *lines, unread = (unread + received).split(b"\n")
            for line in lines:
                if _has_initialised_cuda():
                    return 1  # a forked child could not use a GPU; the supervisor starts new processes instead
                request = json.loads(line)
                pid = _fork(request, reports)
                children[pid] = request["run"]
                _report(reports, run=request["run"], pid=pid)
        if children:  # only after the first fork, so that the first worker need not wait for it
            with contextlib.suppress(ImportError):
                import_module(_OPTIMIZER_IMPORT)
        for pid, run in list(children.items()):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                del children[pid]
                _report(reports, run=run, pid=pid, status=os.waitstatus_to_exitcode(status))
    return 0


def _preload() -> None:
    """Import what workers need, for all of them."""
    from recdash.models import registry  # lazy: the supervisor imports this module for `ForkServer` alone
    from recdash.runs import worker as worker  # lazy: as above

    for name in _PRELOADED:
        import_module(name)
    for name in registry.names():
        registry.model_class(name)


def _has_initialised_cuda() -> bool:
    import torch  # lazy: torch

    return bool(torch.cuda.is_initialized())  # type: ignore[no-untyped-call]


def _fork(request: dict[str, Any], reports: int) -> int:
    """Fork a worker; return its process id in the parent. The child never returns."""
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        os.setsid()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.close(reports)
        null = os.open(os.devnull, os.O_RDONLY)
        log = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        for old, new in ((null, 0), (log, 1), (log, 2)):
            os.dup2(old, new)
        from recdash.runs import worker  # lazy: imported by `_preload`

        status = worker.main([request["run"], "--threads", str(request["threads"]), "--device", request["device"]])
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _report(reports: int, **fields: Any) -> None:
    with contextlib.suppress(BrokenPipeError):
        os.write(reports, json.dumps(fields).encode() + b"\n")


if __name__ == "__main__":
    sys.exit(main())
