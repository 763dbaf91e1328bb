"""Faults that users of other experiment trackers report, by their number: each has to be impossible here.

C1 runs that stay "running"; C2 stores that get lost or locked; C8 clutter and deleted runs that come back; C12 resumed
runs that lose epochs; C13 names. The others are tested where they belong.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest

from recdash import paths
from recdash.errors import UsageError
from recdash.runs import process_env, queue, worker
from recdash.runs.process_id import ProcessId
from recdash.runs.run_folder import RunFolder
from recdash.runs.run_records import RunRecord
from recdash.runs.states import State
from recdash.runs.store import Store
from recdash.services import curves, housekeeping, launch
from recdash.services import runs as service

SMALL = {"epochs": 6, "hidden": (), "latent": 8, "batch_size": 40, "patience": 50}


@pytest.fixture
def no_supervisor(monkeypatch: pytest.MonkeyPatch) -> None:
    """Queued runs stay queued."""
    monkeypatch.setattr("recdash.runs.supervisor.ensure_running", lambda store: True)


@pytest.fixture
def trainer() -> Iterator[subprocess.Popen[bytes]]:
    """A process that stands for a worker."""
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"])
    yield process
    process.kill()
    process.wait()


@pytest.fixture
def train(store: Store, toy: str, request_of) -> Callable[..., RunRecord]:
    """Queue or resume a run and train it in this process; `on_epoch` is called with worker and number."""

    def run(
        run_id: str = "", on_epoch: Callable[[worker.Worker, int], None] = lambda *_: None, model: str = "multvae"
    ) -> RunRecord:
        if run_id:
            queue.resume(store, run_id)
        else:
            request = request_of(model, settings=SMALL if model == "multvae" else {})
            run_id = queue.enqueue(store, [request], key=str(time.monotonic()))[0].id
        claimed = queue.claim(store, run_id, ProcessId.mine(), 1)
        assert claimed is not None
        one = worker.Worker(store, claimed, ProcessId.mine())
        keep = one._on_epoch

        def then(record) -> None:
            keep(record)
            on_epoch(one, record.epoch)

        one._on_epoch = then
        one.work()
        return store.run(run_id)

    return run


def stop_after(epoch: int) -> Callable[[worker.Worker, int], None]:
    return lambda one, number: one.heartbeat.stop_requested.set() if number == epoch else None


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGTERM])
def test_c1_a_killed_run_never_stays_running_and_can_be_stopped_resumed_and_deleted(
    store: Store, toy: str, request_of, no_supervisor: None, trainer: subprocess.Popen[bytes], sent: int
) -> None:
    runs = queue.enqueue(store, [request_of(seed=seed) for seed in range(3)])
    for run in runs:
        queue.claim(store, run.id, ProcessId.of(trainer.pid), 1)
    assert {run.state for run in service.list_runs()} == {State.RUNNING}
    before = service.version()
    os.kill(trainer.pid, sent)
    trainer.wait()
    # Nobody has noticed and nothing was written: the next look tells the truth, and pages redraw.
    assert {run.state for run in service.list_runs()} == {State.INTERRUPTED} and service.version() != before
    assert all("ended unexpectedly" in run.error for run in service.list_runs())
    resumed, stopped, deleted = (run.id for run in runs)
    assert launch.stop(stopped).state is State.INTERRUPTED, "stopping a dead run is no error"
    assert launch.resume(resumed).state is State.QUEUED
    service.delete(deleted)
    assert {run.id: run.state for run in service.list_runs()} == {
        resumed: State.QUEUED,
        stopped: State.INTERRUPTED,
    }


_WRITER = """
import sys
from recdash import paths
from recdash.runs.process_id import ProcessId
from recdash.runs import queue, run_marks
from recdash.runs.run_records import Request
from recdash.runs.states import State
from recdash.runs.store import Store
store, me, seed = Store(paths.store_url()), ProcessId.mine(), int(sys.argv[1])
(run,) = queue.enqueue(store, [Request(model="ease", dataset="toy", seed=seed)])
queue.claim(store, run.id, me, 1)
for epoch in range(1, 51):
    store.add_epoch(run.id, me, epoch=epoch, update=epoch, seconds=epoch, values={"loss": 1 / epoch})
    store.record_heartbeat(run.id, me)
    if epoch % 10 == 0:
        run_marks.edit_tags(store, [run.id], [f"at {epoch}"], [])
store.end_run(run.id, me, State.FINISHED, metrics={"ndcg@100": 0.5})
"""


@pytest.mark.slow
def test_c2_four_processes_write_and_one_reads_at_once_without_a_lock_error_or_a_loss(store: Store) -> None:
    command = [sys.executable, "-c", _WRITER]
    pipe, env = subprocess.PIPE, process_env.for_process()
    writers = [subprocess.Popen([*command, str(seed)], stderr=pipe, text=True, env=env) for seed in range(4)]
    seen: dict[tuple[str, int], float] = {}
    last, slowest = 0, 0.0
    while any(writer.poll() is None for writer in writers):
        started = time.monotonic()
        ids = [run.id for run in store.runs()]
        for row in store.epochs(ids, after=last):
            seen[row.run, row.epoch] = row.values["loss"]
            last = max(last, row.seq)
        slowest = max(slowest, time.monotonic() - started)
    assert [writer.communicate()[1] for writer in writers] == [""] * 4
    for row in store.epochs([run.id for run in store.runs()], after=last):
        seen[row.run, row.epoch] = row.values["loss"]
    assert len(seen) == 200 and all(loss == 1 / epoch for (_, epoch), loss in seen.items())
    assert [(run.state, len(run.tags)) for run in store.runs()] == [(State.FINISHED, 5)] * 4
    assert slowest < 5, "readers do not wait for writers"


def test_c2_results_deleted_by_mistake_come_back(store: Store, train) -> None:
    run = train(model="popularity")
    housekeeping.trash([run.id])
    assert service.list_runs() == []
    housekeeping.restore([run.id])
    assert service.find(run.id).metrics == run.metrics and len(curves.curves(run.id).seconds) == 1
    assert RunFolder(run.id).has_model() and len(RunFolder(run.id).read_per_user()["top"]) == 30


@pytest.mark.slow
def test_c8_a_run_of_the_same_name_shares_nothing_with_a_deleted_one(store: Store, train) -> None:
    first = train(on_epoch=stop_after(3))
    files = RunFolder(first.id).path
    service.delete(first.id)
    assert service.list_runs() == [] and store.epochs([first.id]) == [] and not files.exists()
    second = train(on_epoch=stop_after(2))
    assert second.name == first.name and second.id != first.id
    assert [row.epoch for row in store.epochs([second.id])] == [1, 2], "no curve of the deleted run"
    assert service.find(first.name).id == second.id
    with pytest.raises(UsageError, match="Unknown run"):
        service.find(first.id)


def test_c8_a_deleted_run_leaves_every_list_at_once(store: Store, train) -> None:
    other = Store(paths.store_url())  # such as a page that is open
    kept, gone = train(model="popularity").id, train(model="popularity").id
    assert {run.id for run in other.runs()} == {kept, gone}
    housekeeping.trash(gone)
    assert {run.id for run in other.runs()} == {kept}
    assert other.runs(ids=[gone]) == [] and other.runs(states=[State.FINISHED])[0].id == kept
    housekeeping.purge_trash(older_than_s=0)
    assert other.runs(trashed=None)[0].id == kept and not RunFolder(gone).path.exists()


@pytest.mark.slow
def test_c12_a_run_resumed_twice_has_every_epoch_once(store: Store, train) -> None:
    whole = train()
    run = train(on_epoch=stop_after(2))
    cursor = max(row.seq for row in store.epochs([run.id]))
    run = train(run.id, on_epoch=stop_after(4))
    newer = {row.epoch for row in store.epochs([run.id], after=cursor)}
    assert newer >= {3, 4}, "a reader that remembers the last seq misses nothing"
    run = train(run.id)
    rows = store.epochs([run.id])
    assert sorted(row.epoch for row in rows) == [1, 2, 3, 4, 5, 6] and run.attempts == 3
    by_epoch = {row.epoch: row for row in rows}
    losses = [by_epoch[epoch].values["loss"] for epoch in range(1, 7)]
    assert losses == [row.values["loss"] for row in sorted(store.epochs([whole.id]), key=lambda row: row.epoch)]
    times = [by_epoch[epoch].recorded for epoch in range(1, 7)]
    assert times == sorted(times) and abs(times[-1] - time.time()) < 60
    assert [row["epoch"] for row in RunFolder(run.id).read_epochs()] == [1, 2, 3, 4, 5, 6]


def test_c12_epochs_computed_again_after_a_kill_replace_the_earlier_ones(store: Store, toy: str, request_of) -> None:
    (run,) = queue.enqueue(store, [request_of()])
    me = ProcessId.mine()
    queue.claim(store, run.id, me, 1)
    for epoch in (1, 2, 3, 2, 3, 4):  # the last checkpoint was after epoch 1
        store.add_epoch(run.id, me, epoch=epoch, update=epoch, seconds=epoch, values={"loss": 1 / epoch})
    assert sorted((row.epoch, row.values["loss"]) for row in store.epochs([run.id])) == [
        (epoch, 1 / epoch) for epoch in (1, 2, 3, 4)
    ]


def test_c13_a_run_renamed_while_it_trains_keeps_name_id_and_curves(store: Store, train) -> None:
    def rename(one: worker.Worker, epoch: int) -> None:
        if epoch == 3:
            service.rename(one.run.id, "renamed *while* training")
            housekeeping.tag(one.run.id, add="x")

    run = train(on_epoch=rename)
    assert (run.state, run.name, run.tags) == (State.FINISHED, "renamed *while* training", ("x",))
    assert service.find("renamed *while* training").id == run.id and len(store.epochs([run.id])) == 6
    assert RunFolder(run.id).read_record()["name"] == run.name
    service.rename(run.id, "again")
    assert service.find("again").metrics == run.metrics and RunFolder(run.id).read_record()["name"] == "again"
