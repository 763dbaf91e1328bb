"""Supervisors and worker processes: start, queue, stop, crash, and the state recorded for each."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from recdash import paths
from recdash.errors import StoreError
from recdash.runs import process_env, queue, supervisor
from recdash.runs.fork_server import (
    UNKNOWN_STATUS,
    ForkServer,
    WorkerProcess,
)
from recdash.runs.process_id import kill_tree
from recdash.runs.run_folder import RunFolder
from recdash.runs.states import State
from recdash.runs.store import Store
from recdash.runs.supervisor import Supervisor
from recdash.runs.supervisor_lock import SupervisorLock

# A worker that trains nothing: it claims its run, behaves as the name of its model says, and ends the run.
ACTOR = """
import sys, time
from recdash import paths
from recdash.runs import queue
from recdash.runs.process_id import ProcessId
from recdash.runs.states import State
from recdash.runs.store import Store
store, me = Store(paths.store_url()), ProcessId.mine()
run = store.run(sys.argv[1])
if run.model == "crash": sys.exit(3)
if queue.claim(store, run.id, me, 1) is None: sys.exit(0)
if run.model == "leave": sys.exit(0)
if run.model == "stubborn":
    import signal, subprocess
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    store.update_run(run.id, me, details={"child": child.pid})
    time.sleep(600)
for _ in range(6 if run.model == "short" else 6000):
    time.sleep(0.05)
    if store.record_heartbeat(run.id, me): break
store.end_run(run.id, me, State.FINISHED if run.model == "short" else State.STOPPED)
"""


def act(run_id: str, threads: int, device: str, log: Path) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-c", ACTOR, run_id], start_new_session=True)


@pytest.fixture
def boss(store: Store, monkeypatch):
    """A supervisor in this process whose workers are actors; its children die with the test."""
    monkeypatch.setenv("RECDASH_STORE", process_env.absolute_url(paths.store_url()))
    made = []

    def make(**words) -> Supervisor:
        one = Supervisor(store, **{"max_runs": 2, "idle": 0.5, "grace": 0.5, **words})
        one.starter = act
        made.append(one)
        return one

    yield make
    for one in made:
        for process in one.workers.values():
            kill_tree(process.pid)


def step_until(one: Supervisor, condition, seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        one.step()
        time.sleep(0.02)


def hold(lock: SupervisorLock) -> None:
    """Make this process the supervisor."""
    with lock.decision():
        assert lock.acquire()


def enqueue(store: Store, request_of, *models: str) -> list[str]:
    return [queue.enqueue(store, [request_of(model, seed=seed)])[0].id for seed, model in enumerate(models)]


def states(store: Store, ids: list[str]) -> list[State]:
    return [store.run(run_id).state for run_id in ids]


@pytest.mark.slow
def test_never_more_than_the_maximum_run_and_all_run_in_order(store, boss, request_of) -> None:
    ids, one, most = enqueue(store, request_of, *["short"] * 5), boss(), 0

    def over() -> bool:
        nonlocal most
        now = states(store, ids)
        most = max(most, now.count(State.RUNNING))
        return set(now) == {State.FINISHED}

    step_until(one, over)
    assert most == 2
    runs = [store.run(run_id) for run_id in ids]
    assert [run.attempts for run in runs] == [1] * 5
    begun = [run.started for run in runs]
    assert max(begun[:2]) < min(begun[2:4]) and max(begun[2:4]) < begun[4]


def test_a_killed_worker_is_interrupted_and_the_next_in_the_queue_starts(store, boss, request_of) -> None:
    first, second = enqueue(store, request_of, "long", "short")
    one = boss(max_runs=1)
    step_until(one, lambda: store.run(first).state is State.RUNNING)
    os.kill(store.run(first).pid, signal.SIGKILL)
    step_until(one, lambda: store.run(second).state is State.FINISHED)
    lost = store.run(first)
    assert lost.state is State.INTERRUPTED and "Resume" in lost.error


def test_a_worker_that_cannot_start_fails_its_run_and_is_not_retried(store, boss, request_of) -> None:
    (run_id,) = enqueue(store, request_of, "crash")
    one = boss()
    step_until(one, lambda: store.run(run_id).state is State.FAILED)
    assert "exit status 3" in store.run(run_id).error
    for _ in range(5):
        one.step()
    assert not one.workers


def test_a_worker_that_exits_without_a_result_leaves_an_interrupted_run(store, boss, request_of) -> None:
    (run_id,) = enqueue(store, request_of, "leave")
    step_until(boss(), lambda: store.run(run_id).state is State.INTERRUPTED)


@pytest.mark.slow
def test_a_worker_that_does_not_stop_is_killed_with_its_children(store, boss, request_of) -> None:
    (run_id,) = enqueue(store, request_of, "stubborn")
    one = boss(grace=0.5)
    step_until(one, lambda: "child" in store.run(run_id).details)
    child = store.run(run_id).details["child"]
    queue.stop(store, run_id)
    step_until(one, lambda: not store.run(run_id).state.is_active())
    assert store.run(run_id).state is State.STOPPED
    assert not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE


def test_a_worker_that_stops_in_time_is_not_killed(store, boss, request_of) -> None:
    (run_id,) = enqueue(store, request_of, "long")
    one = boss(grace=5)
    step_until(one, lambda: store.run(run_id).state is State.RUNNING)
    queue.stop(store, run_id)
    step_until(one, lambda: store.run(run_id).state is State.STOPPED)
    assert "killed" not in [event.text for event in store.events(run_id)][-1]


def test_workers_of_a_dead_supervisor_keep_running_and_count(store, boss, request_of) -> None:
    first, second, third = enqueue(store, request_of, "long", "long", "short")
    old = boss()
    step_until(old, lambda: states(store, [first, second]) == [State.RUNNING] * 2)
    new = boss()  # it knows nothing of the children of the old one
    for _ in range(5):
        new.step()
    assert store.run(third).state is State.QUEUED and not new.workers
    queue.stop(store, first)
    step_until(new, lambda: store.run(third).state is State.FINISHED)
    assert store.run(second).state is State.RUNNING
    queue.stop(store, second)
    step_until(old, lambda: store.run(second).state is State.STOPPED)


def test_a_checkpoint_folder_that_cannot_be_created_fails_the_run_with_a_reason(store, boss, request_of) -> None:
    paths.checkpoint_dir().parent.mkdir(parents=True, exist_ok=True)
    paths.checkpoint_dir().write_text("a file where a folder should be")
    (run_id,) = enqueue(store, request_of, "short")
    boss().step()
    run = store.run(run_id)
    assert run.state is State.FAILED and "RECDASH_CHECKPOINT_DIR" in run.error


def test_the_supervisor_ends_when_idle(store, boss) -> None:
    lock = SupervisorLock(store)
    hold(lock)
    started = time.monotonic()
    boss(idle=0.3).run(lock)
    assert 0.3 <= time.monotonic() - started < 3
    assert SupervisorLock(store).owner() is None
    hold(SupervisorLock(store))


def test_the_supervisor_ends_when_its_lock_file_is_deleted(store, boss) -> None:
    lock = SupervisorLock(store)
    hold(lock)
    Path(f"{lock.path}.lock").unlink()
    started = time.monotonic()
    boss(idle=60).run(lock)
    assert time.monotonic() - started < 2


@pytest.mark.slow
def test_a_run_queued_just_before_the_supervisor_ends_is_still_taken(store, boss, request_of, monkeypatch) -> None:
    lock, one, queued = SupervisorLock(store), boss(idle=0.2), []
    hold(lock)
    end_if_idle = one._end_if_idle

    def queue_first(lock: SupervisorLock) -> bool:
        if not queued:
            queued.extend(enqueue(store, request_of, "short"))
            assert not supervisor.ensure_running(store), "the lock is held, so this supervisor has to take the run"
        return end_if_idle(lock)

    monkeypatch.setattr(one, "_end_if_idle", queue_first)
    one.run(lock)
    assert states(store, queued) == [State.FINISHED]


def test_a_run_queued_while_the_supervisor_ends_starts_another(store, boss, request_of, monkeypatch) -> None:
    lock, one, started = SupervisorLock(store), boss(idle=0.2), []
    hold(lock)
    release = lock.release

    def queue_meanwhile() -> None:
        enqueue(store, request_of, "short")
        started.append(supervisor.ensure_running(store))

    thread = threading.Thread(target=queue_meanwhile)

    def release_late() -> None:
        if thread.ident is None:
            thread.start()
            time.sleep(0.3)  # the other thread waits: the decision to end has been made
            assert not started
        release()

    monkeypatch.setattr(lock, "release", release_late)
    one.run(lock)
    thread.join(30)
    assert started == [True]


def test_a_killed_supervisor_leaves_its_lock_free(store, supervise, until) -> None:
    first = supervise(idle=60)
    until(lambda: supervisor.running_supervisor(store) is not None)
    assert not supervisor.ensure_running(store)
    first.kill()
    first.wait()
    assert SupervisorLock(store).path.is_file(), "a killed process cannot remove its note"
    assert supervisor.running_supervisor(store) is None and supervisor.ensure_running(store)
    until(lambda: supervisor.running_supervisor(store) is not None)


@pytest.mark.parametrize("note", [b"", b"{", b'{"host": "elsewhere", "pid": 1, "process_start": 1.0}', None])
def test_without_a_readable_note_the_lock_decides(note, store, supervise, until) -> None:
    running, lock = supervise(idle=60), SupervisorLock(store)
    until(lambda: supervisor.running_supervisor(store) is not None)
    lock.path.unlink() if note is None else lock.path.write_bytes(note)
    assert not supervisor.ensure_running(store), "the lock is held"
    running.kill()
    running.wait()
    assert supervisor.ensure_running(store)
    until(lambda: supervisor.running_supervisor(store) is not None)


def test_a_supervisor_that_cannot_start_is_not_waited_for(store, monkeypatch, until) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    assert supervisor.ensure_running(store)
    until(lambda: supervisor.running_supervisor(store) is None)
    assert supervisor.ensure_running(store), "the first one ended at once"


@pytest.mark.parametrize("ending", [".lock", ".start.lock"])
def test_a_folder_in_place_of_a_lock_file_is_one_line(ending: str, store) -> None:
    store.runs()
    Path(f"{SupervisorLock(store).path}{ending}").mkdir()
    with pytest.raises(StoreError, match="cannot be written") as caught:
        supervisor.ensure_running(store)
    assert "\n" not in str(caught.value)


def test_a_lock_held_for_too_long_is_one_line(store, monkeypatch) -> None:
    monkeypatch.setattr("recdash.runs.supervisor_lock.DECISION_TIMEOUT", 0.2)
    with SupervisorLock(store).decision(), pytest.raises(StoreError, match="locked by another process") as caught:
        supervisor.ensure_running(store)
    assert "\n" not in str(caught.value)


@pytest.mark.slow
def test_of_two_supervisors_started_at_once_one_stays(store, supervise, until) -> None:
    both = [supervise(idle=1.5), supervise(idle=1.5)]
    until(lambda: any(process.poll() is not None for process in both))
    (loser,) = [process for process in both if process.poll() is not None]
    (winner,) = [process for process in both if process is not loser]
    assert loser.returncode == 0 and "already has a supervisor" in loser.stderr.read()
    until(lambda: supervisor.running_supervisor(store) is not None)
    assert supervisor.running_supervisor(store).pid == winner.pid
    until(lambda: winner.poll() is not None)
    assert winner.returncode == 0 and supervisor.running_supervisor(store) is None


def test_however_many_ask_for_a_supervisor_one_is_started(store, until) -> None:
    started, barrier = [], threading.Barrier(8)

    def ask() -> None:
        barrier.wait()
        started.append(supervisor.ensure_running(store))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert sorted(started) == [False] * 7 + [True]
    until(lambda: supervisor.running_supervisor(store) is not None)
    assert not supervisor.ensure_running(store)


def test_the_supervisor_is_no_child_of_the_terminal_that_started_it(store, until) -> None:
    supervisor.ensure_running(store)
    until(lambda: supervisor.running_supervisor(store) is not None)
    pid = supervisor.running_supervisor(store).pid
    assert os.getsid(pid) != os.getsid(0)
    assert not Path("/proc").exists() or Path(f"/proc/{pid}/fd/0").readlink() == Path("/dev/null")


@pytest.fixture
def fork_server(store: Store, tmp_path):
    """The fork server of a supervisor that is this process."""
    one = ForkServer(process_env.threads_per_run(), tmp_path / "fork_server.log")
    yield one
    one.close()
    one._process.wait(timeout=30)


@pytest.mark.slow
def test_a_forked_worker_gives_the_result_of_a_started_one(store, toy, request_of, fork_server, until) -> None:
    settings = {"epochs": 5, "hidden": (8,), "latent": 8, "batch_size": 40}
    ends = []
    for seed in (1, 1):
        (run,) = queue.enqueue(store, [request_of("multvae", settings=settings, seed=seed)])
        folder = RunFolder(run.id)
        folder.make()
        threads = process_env.threads_per_run()
        if not ends:
            child: WorkerProcess | None = fork_server.start(run.id, "cpu", folder.log)
        else:
            child = supervisor.start_process(run.id, threads, "cpu", folder.log)
        assert child is not None
        until(lambda child=child: child.poll() is not None, 60)
        assert child.poll() == 0 and child.pid == store.run(run.id).pid
        assert "finished" in folder.tail(1)
        ends.append(store.run(run.id))
    assert ends[0].id != ends[1].id and ends[0].metrics == ends[1].metrics, "bit for bit"
    assert os.getsid(0) != ends[0].pid


@pytest.mark.slow
def test_the_fork_server_reports_a_killed_worker_and_workers_survive_its_death(
    store, toy, request_of, fork_server, until
) -> None:
    settings = {"epochs": 100_000, "patience": 100_000, "hidden": (), "latent": 8, "batch_size": 10}
    ids = enqueue(store, request_of, "popularity") + [
        queue.enqueue(store, [request_of("multvae", settings=settings, seed=seed)])[0].id for seed in (1, 2)
    ]
    children = {}
    for run_id in ids[1:]:
        RunFolder(run_id).make()
        children[run_id] = fork_server.start(run_id, "cpu", RunFolder(run_id).log)
    until(lambda: all(store.run(run_id).epoch for run_id in ids[1:]), 60)
    os.kill(store.run(ids[1]).pid, signal.SIGKILL)
    until(lambda: children[ids[1]].poll() == -9)
    os.kill(fork_server._process.pid, signal.SIGKILL)
    until(lambda: children[ids[2]].poll() == UNKNOWN_STATUS)
    assert fork_server.start(ids[0], "cpu", RunFolder(ids[0]).log) is None
    before = store.run(ids[2]).epoch
    until(lambda: store.run(ids[2]).epoch > before)
    kill_tree(store.run(ids[2]).pid)


def test_all_runs_together_use_at_most_all_cores(monkeypatch) -> None:
    for most in (1, 2, 3, 64):
        monkeypatch.setenv("RECDASH_MAX_RUNS", str(most))
        threads = process_env.threads_per_run()
        assert threads >= 1 and (threads == 1 or threads * most <= process_env.cores())
    found = process_env.for_worker(3)
    assert found["OMP_NUM_THREADS"] == "3" and found["GOMP_SPINCOUNT"] == "1000"


def test_a_relative_store_url_becomes_absolute(monkeypatch, tmp_path) -> None:
    monkeypatch.chdir(tmp_path)
    assert process_env.absolute_url("sqlite:///runs.db") == f"sqlite:///{tmp_path}/runs.db"
    assert process_env.absolute_url("postgresql://u:p@h/d") == "postgresql://u:p@h/d"


@pytest.mark.slow
def test_a_killed_run_is_detected_and_resumes_to_the_same_result(store, toy, request_of, until) -> None:
    settings = {"epochs": 400, "patience": 400, "hidden": (), "latent": 8, "batch_size": 10}
    straight, struck = (queue.enqueue(store, [request_of("multvae", settings=settings)], key=key)[0].id for key in "ab")
    assert straight == struck, "equal requests share a run while they wait"
    supervisor.ensure_running(store)
    until(lambda: store.run(straight).state is State.FINISHED, 120)
    (again,) = queue.enqueue(store, [request_of("multvae", settings=settings)], key="c")
    supervisor.ensure_running(store)
    until(lambda: store.run(again.id).epoch >= 40 and (RunFolder(again.id).last / "checkpoint.json").exists(), 120)
    os.kill(store.run(again.id).pid, signal.SIGKILL)
    assert until(lambda: store.run(again.id).state is State.INTERRUPTED) < 10
    kept = len(store.epochs([again.id]))
    queue.resume(store, again.id)
    supervisor.ensure_running(store)
    until(lambda: not store.run(again.id).state.is_active(), 120)
    first, second = store.run(straight), store.run(again.id)
    assert second.state is State.FINISHED and second.attempts == 2, second.error
    assert second.metrics == first.metrics
    epochs = [row.epoch for row in store.epochs([again.id])]
    assert sorted(epochs) == list(range(1, second.epoch + 1)) and kept >= 40


@pytest.mark.slow
def test_killing_the_supervisor_loses_nothing(store, toy, request_of, until) -> None:
    settings = {"epochs": 300, "patience": 300, "hidden": (), "latent": 8, "batch_size": 10}
    (first,) = queue.enqueue(store, [request_of("multvae", settings=settings)])
    (second,) = queue.enqueue(store, [request_of("popularity")])
    supervisor.ensure_running(store)
    until(lambda: store.run(first.id).epoch >= 1, 60)
    os.kill(supervisor.running_supervisor(store).pid, signal.SIGKILL)
    until(lambda: store.run(first.id).epoch >= 20, 60)
    assert store.run(first.id).attempts == 1, "the training went on without its supervisor"
    assert supervisor.ensure_running(store)
    until(lambda: states(store, [first.id, second.id]) == [State.FINISHED] * 2, 120)
    assert [store.run(run_id).attempts for run_id in (first.id, second.id)] == [1, 1]


ENQUEUE = """
import sys
from recdash import paths
from recdash.runs import queue, supervisor
from recdash.runs.run_records import Request
from recdash.runs.store import Store
store = Store(paths.store_url())
for seed in range(10):
    queue.enqueue(store, [Request(model="popularity", dataset="toy", seed=seed, name="r")], key=f"page-{seed}")
    supervisor.ensure_running(store)
"""


@pytest.mark.slow
def test_ten_runs_from_four_tabs_all_finish_none_twice_never_more_than_two_at_once(store, toy, monkeypatch) -> None:
    monkeypatch.setenv("RECDASH_MAX_RUNS", "2")
    store.runs()
    tabs = [subprocess.Popen([sys.executable, "-c", ENQUEUE], env=process_env.for_process()) for _ in range(4)]
    most, deadline = 0, time.monotonic() + 150
    while time.monotonic() < deadline:
        runs = store.runs()
        most = max(most, sum(run.state is State.RUNNING for run in runs))
        if len(runs) == 10 and all(run.state is State.FINISHED for run in runs):
            break
        time.sleep(0.02)
    assert [tab.wait() for tab in tabs] == [0] * 4
    runs = store.runs()
    assert len(runs) == 10 and {run.state for run in runs} == {State.FINISHED}
    assert {run.attempts for run in runs} == {1} and most == 2
    starts = [event.kind for run in runs for event in store.events(run.id)].count("started")
    assert starts == 10
