"""The supervisor: one process per store that starts a worker per queued run and records how each worker ends.

A queued run starts it, and it ends a minute after the last run. Killing it loses nothing: workers keep running, and
the next request starts another supervisor, which takes over the queue.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from recdash import environment, paths
from recdash.errors import RecdashError, StoreError
from recdash.runs import gpu_placement, process_env, queue, run_marks
from recdash.runs.fork_server import UNKNOWN_STATUS, ForkServer, WorkerProcess
from recdash.runs.process_id import ProcessId, kill_tree, this_host
from recdash.runs.run_folder import RunFolder
from recdash.runs.run_records import RunRecord
from recdash.runs.states import State
from recdash.runs.store import Store
from recdash.runs.supervisor_lock import SupervisorLock

IDLE_SECONDS = 60.0  # without a run, before the supervisor ends
GRACE_SECONDS = 20.0  # from a stop request until the worker is killed
POLL_SECONDS = 0.2
LOCK_WAIT = 0.5  # for a lock that no living supervisor holds
_ENDED_WITHOUT_RESULT = "The worker ended without a result. See the run's log, then resume it from its last checkpoint."

_started: list[subprocess.Popen[bytes]] = []  # supervisors started by this process; kept so that they are reaped


class Supervisor:
    """Starts workers, at most `max_runs` at once, and ends the runs of those that die.

    Args:
        store: Holds the queue.
        max_runs: Workers at once; by default RECDASH_MAX_RUNS.
        idle: Seconds without a run before `run` returns.
        grace: Seconds from a stop request until a worker is killed.
    """

    def __init__(
        self, store: Store, *, max_runs: int | None = None, idle: float = IDLE_SECONDS, grace: float = GRACE_SECONDS
    ) -> None:
        self.store = store
        self.max_runs = environment.max_runs() if max_runs is None else max_runs
        self.idle, self.grace = idle, grace
        self.starter: Callable[[str, int, str, Path], WorkerProcess] = self._start_worker
        self._fork_server: ForkServer | None = None
        self.workers: dict[str, WorkerProcess] = {}
        self._devices: dict[str, str] = {}  # of the runs that it started
        # The number of attempts of each run when its worker started. If it is unchanged when the worker ends, the
        # worker never claimed the run.
        self._attempts: dict[str, int] = {}
        self._stopping: dict[str, float] = {}  # time of each stop request, on the monotonic clock

    def run(self, lock: SupervisorLock) -> None:
        """Work until nothing was queued or running for `idle` seconds, or the lock file was removed."""
        if self.starter == self._start_worker:
            self._prepare_fork_server()  # its imports take seconds, in which a run may be queued
        last = time.monotonic()
        while lock.is_intact():
            try:
                if self.step():
                    last = time.monotonic()
                elif time.monotonic() - last > self.idle and self._end_if_idle(lock):
                    break
            except StoreError as error:
                print(f"{time.strftime('%H:%M:%S')} {error}", file=sys.stderr, flush=True)
                time.sleep(1)
                if time.monotonic() - last > 10 * self.idle:
                    break  # a store that stays unreadable
            time.sleep(POLL_SECONDS)
        lock.release()
        if self._fork_server is not None:
            self._fork_server.close()

    def step(self) -> bool:
        """Do everything that is due now.

        Returns:
            Whether a run is queued or running.
        """
        self._reap()
        # Its own workers are skipped: `_reap` gets their exit status from the operating system.
        queue.mark_interrupted(self.store, skip=self.workers)
        running = [run for run in self.store.runs(states=[State.RUNNING]) if run.host == this_host()]
        self._kill_overdue(running)
        busy = {run_id: self._devices.get(run_id, "") for run_id in self.workers}
        busy |= {run.id: self._devices.get(run.id) or run.details.get("assigned_device", "") for run in running}
        for run in queue.queued_runs(self.store):
            if len(busy) >= self.max_runs:
                break
            if run.id in busy:
                continue
            device = gpu_placement.choose_device(run.device, busy.values())
            if device is not None:  # a run that waits for a GPU does not hold up runs that need none
                busy[run.id] = device
                self._start(run, device)
        return bool(busy) or bool(self.store.runs(states=[State.QUEUED]))

    def _end_if_idle(self, lock: SupervisorLock) -> bool:
        """Release the lock unless a run is queued. A run that is queued afterwards starts another supervisor."""
        with lock.decision():
            if self.store.runs(states=[State.QUEUED]):
                return False
            lock.clear_owner()
            lock.release()
        return True

    def _start(self, run: RunRecord, device: str) -> None:
        threads = run.threads or self._threads()
        try:
            folder = RunFolder(run.id)
            folder.make()
            self._attempts[run.id], self._devices[run.id] = run.attempts, device
            self.workers[run.id] = self.starter(run.id, threads, device, folder.log)
        except (RecdashError, OSError) as error:
            queue.end_dead_run(self.store, run.id, 0, State.FAILED, f"The worker could not be started: {error}")

    def _start_worker(self, run_id: str, threads: int, device: str, log: Path) -> WorkerProcess:
        """Fork a worker; start a new process where that is impossible or another number of threads is needed."""
        if sys.platform == "linux" and threads == self._threads():
            self._prepare_fork_server()
            worker = self._fork_server.start(run_id, device, log) if self._fork_server is not None else None
            if worker is not None:
                return worker
        return start_process(run_id, threads, device, log)

    def _prepare_fork_server(self) -> None:
        if sys.platform == "linux" and self._fork_server is None:
            self._fork_server = ForkServer(self._threads(), SupervisorLock(self.store).log)

    def _threads(self) -> int:
        return max(1, process_env.cores() // self.max_runs)

    def _reap(self) -> None:
        for run_id, worker in list(self.workers.items()):
            status = worker.poll()
            if status is None:
                continue
            del self.workers[run_id]
            pid = worker.pid or 0
            if status == UNKNOWN_STATUS:
                continue  # if it is alive, its run continues; if not, mark_interrupted notices, or it starts again
            if status == 0:
                queue.end_dead_run(self.store, run_id, pid, State.INTERRUPTED, _ENDED_WITHOUT_RESULT)
            elif not queue.end_dead_run(self.store, run_id, pid, State.INTERRUPTED, _describe_exit(status)):
                waiting = self.store.runs(ids=[run_id], states=[State.QUEUED])
                if waiting and waiting[0].attempts == self._attempts.get(run_id):
                    text = f"The worker could not start. {_describe_exit(status)}"
                    queue.end_dead_run(self.store, run_id, pid, State.FAILED, text)

    def _kill_overdue(self, running: list[RunRecord]) -> None:
        """Kill workers that have not stopped `grace` seconds after the request."""
        now = time.monotonic()
        stopping = {run.id: run for run in running if run.stopping}
        self._stopping = {run_id: self._stopping.get(run_id, now) for run_id in stopping}
        for run_id, since in self._stopping.items():
            pid = stopping[run_id].pid
            if now - since > self.grace and pid is not None:
                # Recorded before the kill: a worker that dies can write no more, and no reader sees "interrupted".
                text = f"killed: still running {self.grace:.0f} s after the stop request"
                queue.end_dead_run(self.store, run_id, pid, State.STOPPED, text)
                kill_tree(pid)


def start_process(run_id: str, threads: int, device: str, log: Path) -> subprocess.Popen[bytes]:
    """Start the worker of a run as an independent process."""
    with log.open("ab") as file:
        return subprocess.Popen(
            [sys.executable, "-m", "recdash.runs.worker", run_id, "--threads", str(threads), "--device", device],
            env=process_env.for_worker(threads),
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            start_new_session=True,
        )


def _describe_exit(status: int) -> str:
    if status == -9:
        return "The worker was killed (signal 9), possibly out of memory. Resume the run from its last checkpoint."
    cause = f"signal {-status}" if status < 0 else f"exit status {status}"
    return f"The worker ended unexpectedly ({cause}). See the run's log, then resume it from its last checkpoint."


def ensure_running(store: Store) -> bool:
    """Make sure that the store has a supervisor. Concurrent callers start exactly one.

    Returns:
        Whether a supervisor was started.

    Raises:
        StoreError: if the lock file cannot be written.
    """
    lock = SupervisorLock(store)
    with lock.decision():
        # Without a note, or with a damaged one, the lock decides. A process that a killed supervisor was just starting
        # has its open files, and so holds its lock, until it executes its own program.
        if lock.owner() is not None or not lock.acquire(wait=LOCK_WAIT):
            return False
        lock.release()
        process = _start_supervisor(lock.log)
        lock.write_owner(ProcessId.of(process.pid))
    _started[:] = [process, *(other for other in _started if other.poll() is None)]
    return True


def _start_supervisor(log: Path) -> subprocess.Popen[bytes]:
    with log.open("ab") as file:
        return subprocess.Popen(
            [sys.executable, "-m", "recdash.runs.supervisor"],
            env=process_env.for_process(),
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            start_new_session=True,
        )


def running_supervisor(store: Store) -> ProcessId | None:
    """Return the supervisor of a store if it is alive, else None."""
    return SupervisorLock(store).owner()


def main(arguments: list[str] | None = None) -> int:
    """Run as a process; return at once when another process is the supervisor."""
    parser = argparse.ArgumentParser(prog="python -m recdash.runs.supervisor", description=__doc__)
    parser.add_argument("--idle", type=float, default=IDLE_SECONDS, help="seconds without a run before it ends")
    options = parser.parse_args(arguments)
    store = Store(process_env.absolute_url(paths.store_url()))
    lock = SupervisorLock(store)
    with lock.decision():
        acquired = lock.acquire()
        if acquired:
            lock.write_owner(ProcessId.mine())
    if not acquired:
        print("This store already has a supervisor.", file=sys.stderr)
        return 0
    with suppress(RecdashError):
        run_marks.purge(store)
    Supervisor(store, idle=options.idle).run(lock)
    return 0


if __name__ == "__main__":
    sys.exit(main())
