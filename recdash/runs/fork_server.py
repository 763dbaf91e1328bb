"""The fork server: a process that has imported everything and forks a worker per run, so that a run begins at once.

Importing takes two seconds of a core, as much as many a training. The fork server pays it once; a forked worker shares
what was imported and is otherwise a process of its own: own session, own log, own end. It is used on Linux only, and
whatever goes wrong with it, the supervisor starts workers the plain way.
"""

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

LOST = -1000  # the status of a worker whose end nobody saw
_LOOK_EVERY = 0.05
_FOR_OPTIMISERS = "torch._dynamo"  # the first optimiser of a process imports it, which takes more than a second
_PACKAGES = ("data.dataset_registry", "splits", "training", "evaluation", "runs.worker")


class WorkerProcess(Protocol):
    """A worker process, however it was started; `pid` is None until it is known."""

    @property
    def pid(self) -> int | None:
        """Its process id."""

    def poll(self) -> int | None:
        """Return the exit status (negative for a signal), or None while it lives."""


class ForkedWorker:
    """A forked worker, as its supervisor sees it."""

    def __init__(self, home: ForkServer) -> None:
        self.pid: int | None = None
        self.status: int | None = None
        self._home = home

    def poll(self) -> int | None:
        """Return the exit status, LOST when the fork server died first, or None while it lives."""
        self._home.listen()
        if self.status is None and not self._home.lives():
            return LOST
        return self.status


class ForkServer:
    """The supervisor's side: one line out per run, one line back for every birth and every end."""

    def __init__(self, threads: int, log: Path) -> None:
        self.threads = threads
        self._children: dict[str, ForkedWorker] = {}
        self._heard = b""
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

    def lives(self) -> bool:
        """Whether it can still start workers and tell of their ends."""
        return self._process.poll() is None

    def start(self, run_id: str, device: str, log: Path) -> ForkedWorker | None:
        """Ask for a worker that computes on `device`; None when the fork server is gone."""
        if self._process.stdin is None or not self.lives():
            return None
        child = self._children[run_id] = ForkedWorker(self)
        words = {"run": run_id, "threads": self.threads, "device": device, "log": str(log)}
        try:
            self._process.stdin.write(json.dumps(words).encode() + b"\n")
            self._process.stdin.flush()
        except OSError:
            return None
        return child

    def listen(self) -> None:
        """Take in what it has told since the last time."""
        if self._process.stdout is None:
            return
        with contextlib.suppress(BlockingIOError, OSError):
            self._heard += self._process.stdout.read() or b""
        *lines, self._heard = self._heard.split(b"\n")
        for line in lines:
            told = json.loads(line)
            child = self._children.get(told["run"])
            if child is not None:
                child.pid, child.status = told["pid"], told.get("status")

    def close(self) -> None:
        """Let it end; workers live on."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()


def main() -> int:
    """Fork a worker for every line that comes in, tell when one ends, and end when nothing can come any more."""
    tell = os.dup(1)
    os.dup2(2, 1)  # what anybody prints here goes to the log and not into the conversation
    _import_everything()
    heard, open_, children = b"", True, {}
    while open_:
        if select.select([0], [], [], _LOOK_EVERY)[0]:
            more = os.read(0, 65536)
            open_ = bool(more)
            *lines, heard = (heard + more).split(b"\n")
            for line in lines:
                if _has_touched_a_gpu():
                    return 1  # its children could not use one; the supervisor starts workers the plain way
                wanted = json.loads(line)
                pid = _fork(wanted, tell)
                children[pid] = wanted["run"]
                _say(tell, run=wanted["run"], pid=pid)
        if children:
            with contextlib.suppress(ImportError):  # where it is missing, workers do without what it saves
                import_module(_FOR_OPTIMISERS)
        for pid, run in list(children.items()):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                del children[pid]
                _say(tell, run=run, pid=pid, status=os.waitstatus_to_exitcode(status))
    return 0


def _import_everything() -> None:
    from recdash.models import registry

    for name in ("pandas", *(f"recdash.{room}" for room in _PACKAGES)):
        import_module(name)
    for name in registry.names():
        registry.model_class(name)


def _has_touched_a_gpu() -> bool:
    import torch

    return bool(torch.cuda.is_initialized())  # type: ignore[no-untyped-call]


def _fork(wanted: dict[str, Any], tell: int) -> int:
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        os.setsid()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.close(tell)
        nothing = os.open(os.devnull, os.O_RDONLY)
        log = os.open(wanted["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        for old, new in ((nothing, 0), (log, 1), (log, 2)):
            os.dup2(old, new)
        from recdash.runs import worker

        status = worker.main([wanted["run"], "--threads", str(wanted["threads"]), "--device", wanted["device"]])
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _say(tell: int, **words: Any) -> None:
    with contextlib.suppress(BrokenPipeError):
        os.write(tell, json.dumps(words).encode() + b"\n")


if __name__ == "__main__":
    sys.exit(main())
