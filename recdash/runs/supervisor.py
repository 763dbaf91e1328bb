"""The supervisor: one process for a store that starts a worker per queued run and looks after them.

It is started by whoever queues a run and ends a minute after the last one. Killing it loses nothing: workers live on
by themselves, and the next request starts another supervisor, which takes the queue over.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path

from recdash import paths
from recdash.errors import RecdashError, StoreError
from recdash.runs import gpu_placement, process_env, queue
from recdash.runs.fork_server import (
    LOST,
    ForkServer,
    WorkerProcess,
)
from recdash.runs.process_id import (
    ProcessId,
    is_alive,
    kill_tree,
    this_host,
)
from recdash.runs.run_folder import RunFolder
from recdash.runs.run_records import RunRecord
from recdash.runs.states import State
from recdash.runs.store import Store

IDLE_SECONDS = 60.0  # how long a supervisor waits for another run before it ends
GRACE_SECONDS = 20.0  # how long a run may take to stop by itself before it is killed
LOOK_EVERY = 0.2

_started: list[subprocess.Popen[bytes]] = []  # supervisors that this process started, kept so that they are reaped


class SupervisorLock:
    """A locked file: whoever holds it is the supervisor. The lock goes with its process, however that ends."""

    def __init__(self, store: Store) -> None:
        file = store.database.file
        name = blake2b(store.database.place.encode(), digest_size=6).hexdigest()
        self.path = paths.data_dir() / f"store-{name}.supervisor" if file is None else Path(f"{file}.supervisor")
        self.log = self.path.with_name(self.path.name + ".log")
        self.handle: int | None = None

    def acquire(self) -> bool:
        """Take the lock if it is free."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(handle)
            return False
        self.handle = handle
        return True

    def adopt(self, handle: int) -> None:
        """Go on with a lock that the starting process took."""
        self.handle = handle

    def sign(self, who: ProcessId | None) -> None:
        """Write down who holds the lock."""
        if self.handle is not None:
            os.ftruncate(self.handle, 0)
            os.pwrite(self.handle, b"" if who is None else json.dumps(vars(who)).encode(), 0)

    def release(self) -> None:
        """Let go."""
        if self.handle is not None:
            os.close(self.handle)
            self.handle = None

    def stands(self) -> bool:
        """Whether the file that is locked is still the one that others would look at."""
        try:
            return self.handle is not None and os.fstat(self.handle).st_ino == self.path.stat().st_ino
        except FileNotFoundError:
            return False


class Supervisor:
    """Starts workers, at most `max_runs` at once, and settles the runs of those that die."""

    def __init__(
        self, store: Store, *, max_runs: int | None = None, idle: float = IDLE_SECONDS, grace: float = GRACE_SECONDS
    ) -> None:
        self.store = store
        self.max_runs = paths.max_runs() if max_runs is None else max_runs
        self.idle, self.grace = idle, grace
        self.starter: Callable[[str, int, str, Path], WorkerProcess] = self._start_worker
        self._fork_server: ForkServer | None = None
        self.workers: dict[str, WorkerProcess] = {}
        self._devices: dict[str, str] = {}  # of the runs that it started
        self._attempts: dict[str, int] = {}  # of each worker's run when it was started: unchanged, it was never claimed
        self._stopping: dict[str, float] = {}  # since when a run is asked to stop

    def run(self, lock: SupervisorLock) -> None:
        """Work until nothing has been queued or running for `idle` seconds, or the lock file is gone."""
        last = time.monotonic()
        while lock.stands():
            try:
                if self.look():
                    last = time.monotonic()
            except StoreError as error:
                print(f"{time.strftime('%H:%M:%S')} {error}", file=sys.stderr, flush=True)
                time.sleep(1)
            if time.monotonic() - last > self.idle:
                lock.sign(None)
                lock.release()
                # Whoever queued a run while the lock was held relies on this process: look once more.
                if not self.store.runs(states=[State.QUEUED]) or not lock.acquire():
                    break
                lock.sign(ProcessId.mine())
                last = time.monotonic()
            time.sleep(LOOK_EVERY)
        if self._fork_server is not None:
            self._fork_server.close()

    def look(self) -> bool:
        """Do what is to be done now; returns whether anything is queued or running."""
        self._reap()
        queue.sweep(self.store, leave=self.workers)  # of its own workers it will hear how they ended
        running = [run for run in self.store.runs(states=[State.RUNNING]) if run.host == this_host()]
        self._escalate(running)
        busy = {run_id: self._devices.get(run_id, "") for run_id in self.workers}
        busy |= {run.id: self._devices.get(run.id) or run.details.get("assigned_device", "") for run in running}
        for run in queue.next_queued(self.store):
            if len(busy) >= self.max_runs:
                break
            if run.id in busy:
                continue
            device = gpu_placement.place(run.device, busy.values())
            if device is not None:  # one that has to wait for a GPU lets others pass that need none
                busy[run.id] = device
                self._start(run, device)
        return bool(busy) or bool(self.store.runs(states=[State.QUEUED]))

    def _start(self, run: RunRecord, device: str) -> None:
        threads = run.threads or self._threads()
        try:
            folder = RunFolder(run.id)
            folder.make()
            self._attempts[run.id], self._devices[run.id] = run.attempts, device
            self.workers[run.id] = self.starter(run.id, threads, device, folder.log)
        except (RecdashError, OSError) as error:
            queue.give_up(self.store, run.id, 0, State.FAILED, f"The worker could not be started: {error}")

    def _start_worker(self, run_id: str, threads: int, device: str, log: Path) -> WorkerProcess:
        """Fork a worker from the fork server; one with another number of threads, or without a server, starts anew."""
        if sys.platform == "linux" and threads == self._threads():
            if self._fork_server is None:
                self._fork_server = ForkServer(threads, SupervisorLock(self.store).log)
            child = self._fork_server.start(run_id, device, log)
            if child is not None:
                return child
        return start_process(run_id, threads, device, log)

    def _threads(self) -> int:
        return max(1, process_env.cores() // self.max_runs)

    def _reap(self) -> None:
        for run_id, worker in list(self.workers.items()):
            status = worker.poll()
            if status is None:
                continue
            del self.workers[run_id]
            pid = worker.pid or 0
            if status == LOST:
                continue  # if it lives, its run goes on; if not, the sweep finds out, or it is started once more
            if status == 0:
                queue.give_up(self.store, run_id, pid, State.INTERRUPTED, _ENDED)
            elif not queue.give_up(self.store, run_id, pid, State.INTERRUPTED, _why(status)):
                waiting = self.store.runs(ids=[run_id], states=[State.QUEUED])
                if waiting and waiting[0].attempts == self._attempts.get(run_id):
                    queue.give_up(self.store, run_id, pid, State.FAILED, f"It could not begin. {_why(status)}")

    def _escalate(self, running: list[RunRecord]) -> None:
        now = time.monotonic()
        asked = {run.id: run for run in running if run.stopping}
        self._stopping = {run_id: self._stopping.get(run_id, now) for run_id in asked}
        for run_id, since in self._stopping.items():
            pid = asked[run_id].pid
            if now - since > self.grace and pid is not None:
                # Settled first: a dying worker can write no more, and nobody reads "interrupted" in between.
                queue.give_up(self.store, run_id, pid, State.STOPPED, "killed: it did not stop by itself")
                kill_tree(pid)


def start_process(run_id: str, threads: int, device: str, log: Path) -> subprocess.Popen[bytes]:
    """Start the worker of a run as a process that nothing ties to this one."""
    with log.open("ab") as file:
        return subprocess.Popen(
            [sys.executable, "-m", "recdash.runs.worker", run_id, "--threads", str(threads), "--device", device],
            env=process_env.for_worker(threads),
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            start_new_session=True,
        )


_ENDED = "The worker ended without a result. Its log may say why; resume the run from its last checkpoint."


def _why(status: int) -> str:
    if status == -9:
        return "The worker was killed (signal 9), perhaps for want of memory. Resume the run from its last checkpoint."
    cause = f"signal {-status}" if status < 0 else f"exit status {status}"
    return f"The worker ended unexpectedly ({cause}). Its log says why; resume the run from its last checkpoint."


def ensure(store: Store) -> bool:
    """Make sure that one supervisor looks after this store; returns whether it had to be started.

    The lock is taken here and handed to the new process, so two callers never start two.
    """
    lock = SupervisorLock(store)
    try:
        if not lock.acquire() or lock.handle is None:
            return False
    except OSError as error:
        raise StoreError(
            f"{lock.path}: cannot be written ({error.strerror}). Give write permission, or set RECDASH_DATA_DIR."
        ) from error
    _started[:] = [process for process in _started if process.poll() is None]
    try:
        with lock.log.open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "recdash.runs.supervisor", "--lock", str(lock.handle)],
                env=process_env.base(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                pass_fds=(lock.handle,),
            )
        _started.append(process)
    finally:
        lock.release()
    return True


def holder(store: Store) -> ProcessId | None:
    """Return the living supervisor of a store, if there is one."""
    try:
        who = ProcessId.parse(SupervisorLock(store).path.read_text(encoding="utf-8"))
    except (OSError, ValueError, KeyError):
        return None
    return who if is_alive(who, None) else None


def main(arguments: list[str] | None = None) -> int:
    """Run as a process; ends at once when another supervisor holds the lock."""
    parser = argparse.ArgumentParser(prog="python -m recdash.runs.supervisor", description=__doc__)
    parser.add_argument("--lock", type=int, help="an inherited handle of the locked file")
    parser.add_argument("--idle", type=float, default=IDLE_SECONDS, help="seconds without a run before it ends")
    options = parser.parse_args(arguments)
    store = Store(process_env.absolute(paths.store_url()))
    lock = SupervisorLock(store)
    if options.lock is not None:
        lock.adopt(options.lock)
        os.set_inheritable(options.lock, False)
    elif not lock.acquire():
        print("Another supervisor looks after this store already.", file=sys.stderr)
        return 0
    lock.sign(ProcessId.mine())
    Supervisor(store, idle=options.idle).run(lock)
    return 0


if __name__ == "__main__":
    sys.exit(main())
