"""One worker, from its dataset to its results, in this process: nothing here waits for an import."""

from __future__ import annotations

import errno
import json
import threading
import time
from collections.abc import Callable

import numpy as np
import pytest
import torch

from recdash import paths
from recdash.models import registry
from recdash.runs import queue, snapshots, worker
from recdash.runs.process_id import ProcessId
from recdash.runs.run_folder import RunFolder
from recdash.runs.run_records import RunRecord
from recdash.runs.states import State
from recdash.runs.store import Store
from recdash.services import resource_use
from tests.devices import fake_gpu

SMALL = {"epochs": 6, "hidden": (), "latent": 8, "batch_size": 40, "patience": 50}


@pytest.fixture
def work(store: Store, toy: str, request_of) -> Callable[..., RunRecord]:
    """Queue a run and train it here; `before` is called with its Worker just before it starts."""

    def do(model: str = "multvae", *, resume: str = "", before=lambda worker: None, **words) -> RunRecord:
        if model == "multvae":
            words.setdefault("settings", SMALL)
        run_id = resume or queue.enqueue(store, [request_of(model, **words)], key=str(time.monotonic()))[0].id
        if resume:
            queue.resume(store, run_id)
        me = ProcessId.mine()
        run = queue.claim(store, run_id, me, 1)
        one = worker.Worker(store, run, me)
        before(one)
        one.work()
        return store.run(run_id)

    return do


def stop_at(epoch: int) -> Callable[[worker.Worker], None]:
    """Ask the worker to stop in the middle of the epoch after this one."""

    def before(one: worker.Worker) -> None:
        keep = one._on_epoch

        def on_epoch(record) -> None:
            keep(record)
            if record.epoch == epoch:
                one.heartbeat.stop_requested.set()

        one._on_epoch = on_epoch

    return before


def test_a_finished_run_records_its_settings_and_results(work, store: Store) -> None:
    run = work()
    assert (run.state, run.error, run.epoch, run.epochs) == (State.FINISHED, "", 6, 6)
    assert 0 < run.metrics["ndcg@100"] < 1
    low, high = run.intervals["ndcg@100"]
    assert low <= run.metrics["ndcg@100"] <= high
    assert run.best_epoch is not None and run.best_value == run.validation["ndcg@100"]
    assert run.config["latent"] == 8 and run.config["dropout"] == 0.5, "all settings are recorded, not only those given"
    assert run.details["split"]["test_users"] == run.details["n_scored"] + run.details["split"]["unscored_test_users"]
    assert run.versions["torch"] and run.threads == 1 and run.runtime_s > 0
    environment = run.details["environment"]
    assert environment["host"] and environment["platform"] and environment.keys() <= {"host", "platform", "git"}
    assert [row.epoch for row in store.epochs([run.id])] == [1, 2, 3, 4, 5, 6]
    assert {"loss", "reconstruction", "kl", "beta", "ndcg@100"} <= set(store.epochs([run.id])[0].values)


def test_the_folder_of_a_run_holds_the_whole_record(work, store: Store) -> None:
    run = work()
    folder = RunFolder(run.id)
    assert folder.read_record() == json.loads(json.dumps(run.to_dict()))
    assert [row["epoch"] for row in folder.read_epochs()] == [1, 2, 3, 4, 5, 6]
    kept = folder.read_per_user()
    assert np.nanmean(kept["ndcg@100"]) == pytest.approx(run.metrics["ndcg@100"], abs=1e-6)
    assert kept["top"].dtype == np.int32 and kept["top"].shape == (30, 100)
    assert registry.load(folder.best).name == "multvae"
    assert not folder.last.exists() and not folder.previous.exists(), "there is nothing to resume"
    kept_epochs = snapshots.saved_epochs(folder.snapshots)
    assert kept_epochs[0] == 0 and kept_epochs[-1] < run.best_epoch


def test_a_closed_form_is_a_run_of_one_epoch(work, store: Store) -> None:
    run = work("ease")
    assert (run.state, run.epoch, run.epochs) == (State.FINISHED, 1, 1)
    assert len(store.epochs([run.id])) == 1


def test_the_best_epoch_is_the_one_with_the_best_validation(work, store: Store) -> None:
    run = work()
    values = {row.epoch: row.values["ndcg@100"] for row in store.epochs([run.id])}
    assert run.best_epoch == max(values, key=values.__getitem__)


def test_the_best_epoch_of_a_rating_run_still_improves_after_a_resume(work, store: Store) -> None:
    settings = {"epochs": 8, "latent": 8, "batch_size": 10, "patience": 50, "learning_rate": 0.01}
    words = {"protocol": "ratings-90", "settings": settings, "seed": 3}
    stopped = work("autorec", **words, before=stop_at(2))
    assert stopped.state is State.STOPPED and stopped.best_epoch is not None and stopped.best_epoch <= 2
    best_when_stopped = stopped.best_value
    shown: list[int | None] = []

    def watch(one: worker.Worker) -> None:
        keep = one._on_epoch

        def on_epoch(record) -> None:
            keep(record)
            shown.append(store.run(stopped.id).best_epoch)

        one._on_epoch = on_epoch

    resumed = work(resume=stopped.id, before=watch)
    values = {row.epoch: row.values["rmse"] for row in store.epochs([resumed.id])}
    best = min(values, key=values.__getitem__)
    assert best > 2 and values[best] < best_when_stopped, "the test needs a training that gets better after the stop"
    assert resumed.best_epoch == shown[-1] == best
    assert resumed.validation["rmse"] == resumed.best_value == values[best]
    assert resumed.validation == work("autorec", **words).validation


def test_a_run_whose_loss_explodes_records_the_epoch(work, store: Store) -> None:
    running: list[int | None] = []

    def watch(one: worker.Worker) -> None:
        keep = one._on_epoch

        def on_epoch(record) -> None:
            keep(record)
            running.append(store.run(one.run.id).details.get("unstable_epoch"))

        one._on_epoch = on_epoch

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry.model_class("multvae"), "learning_rate", lambda _, epoch: 50.0 if epoch == 3 else 1e-3)
        run = work(before=watch)
    losses = {row.epoch: row.values["loss"] for row in store.epochs([run.id])}
    expected = next(epoch for epoch, loss in losses.items() if loss > 10 * losses[1])
    assert run.state is State.FINISHED and run.details["unstable_epoch"] == expected
    assert running == [None] * (expected - 1) + [expected] * (7 - expected)
    assert work(seed=1).details.get("unstable_epoch") is None


def test_the_parameter_count_of_a_rating_model_excludes_its_training_ratings(work) -> None:
    run = work("bias", protocol="ratings-90")
    assert run.details["parameters"] == run.details["users"] + run.details["items"]


def test_a_run_computes_on_the_device_that_its_supervisor_chose(store: Store, toy: str, request_of) -> None:
    settings = {"epochs": 2, "hidden": (), "latent": 8, "batch_size": 60}
    (queued,) = queue.enqueue(store, [request_of("multvae", settings=settings)])
    with fake_gpu.installed():
        assert worker.main([queued.id, "--threads", "1", "--device", "cuda:0"]) == 0
    run = store.run(queued.id)
    assert run.state is State.FINISHED and run.device == "auto"
    assert run.details["assigned_device"] == "cuda:0" and run.details["device"] == "cuda: Fake GPU"
    assert run.details["card_memory_bytes"] == 1 << 30
    assert registry.load(RunFolder(run.id).best).device.type == "cpu"
    assert snapshots.saved_epochs(RunFolder(run.id).snapshots)[0] == 0, "weights are copied from the GPU"


def test_a_run_out_of_gpu_memory_fails_with_the_amount_and_can_resume(
    store: Store, toy: str, request_of, capsys
) -> None:
    settings = {"epochs": 4, "hidden": (), "latent": 8, "batch_size": 60}
    (queued,) = queue.enqueue(store, [request_of("multvae", settings=settings)])
    run = queue.claim(store, queued.id, ProcessId.mine(), 1)
    with fake_gpu.installed() as gpu:
        one = worker.Worker(store, run, ProcessId.mine(), "cuda:0")
        one._state_throttle.is_due = lambda: True
        keep = one._on_epoch

        def on_epoch(record) -> None:
            keep(record)
            gpu.full = record.epoch == 2

        one._on_epoch = on_epoch
        assert one.work() is State.FAILED
        failed = store.run(queued.id)
        assert "Not enough memory on cuda:0: 20.0 MiB more are needed, 1.0 MiB are free" in failed.error
        assert "\n" not in failed.error and failed.epoch == 2
        gpu.full = False
        queue.resume(store, queued.id)
        assert worker.main([queued.id, "--threads", "1", "--device", "cuda:0"]) == 0
    resumed = store.run(queued.id)
    assert resumed.state is State.FINISHED and resumed.epoch == 4
    assert resumed.attempts == 2 and "training multvae from epoch 2 on" in capsys.readouterr().out


def test_a_stopped_run_resumes_to_the_same_result(work, store: Store) -> None:
    straight = work(seed=3)
    stopped = work(seed=3, before=stop_at(3))
    assert (stopped.state, stopped.epoch, stopped.metrics) == (State.STOPPED, 3, {})
    assert RunFolder(stopped.id).has_model(), "the best weights so far can be recommended with"
    resumed = work(resume=stopped.id)
    assert resumed.state is State.FINISHED and resumed.attempts == 2
    assert resumed.metrics == straight.metrics, "bit for bit"
    ours, theirs = (registry.load(RunFolder(run.id).best).tensors() for run in (resumed, straight))
    assert all(bool((ours[name] == theirs[name]).all()) for name in theirs)
    curves = [{row.epoch: row.values["loss"] for row in store.epochs([run.id])} for run in (resumed, straight)]
    assert curves[0] == curves[1], "no epoch twice, none missing, none different"


def test_a_run_whose_worker_died_resumes_to_the_same_result(work, store: Store) -> None:
    class Died(BaseException):
        pass

    def die_after(epoch: int):
        def before(one: worker.Worker) -> None:
            keep, one._state_throttle.is_due = one._on_epoch, lambda: True

            def on_epoch(record) -> None:
                keep(record)
                if record.epoch == epoch:
                    raise Died

            one._on_epoch = on_epoch

        return before

    straight = work(seed=5)
    with pytest.raises(Died):
        work(seed=5, before=die_after(4))
    (lost,) = store.runs(states=[State.RUNNING])
    queue.end_dead_run(store, lost.id, lost.pid, State.INTERRUPTED, "killed")
    resumed = work(resume=lost.id)
    assert resumed.metrics == straight.metrics
    assert [row.epoch for row in sorted(store.epochs([lost.id]), key=lambda row: row.epoch)] == [1, 2, 3, 4, 5, 6]


def snapshots_of(run: RunRecord) -> dict[int, dict[str, torch.Tensor]]:
    folder = RunFolder(run.id).snapshots
    return {epoch: snapshots.read(folder, epoch) for epoch in snapshots.saved_epochs(folder)}


def test_a_resumed_run_has_the_snapshots_of_an_uninterrupted_one(work, monkeypatch) -> None:
    monkeypatch.setattr(snapshots, "FREE_SECONDS", 600.0)
    settings = {**SMALL, "epochs": 14}
    straight = work(seed=9, settings=settings)
    stopped = work(seed=9, settings=settings, before=stop_at(6))
    assert list(snapshots_of(stopped)) == [0, 1, 2, 3, 4, 6], "a stopped run keeps what a resume may need"
    resumed = work(resume=stopped.id)
    expected, ours = snapshots_of(straight), snapshots_of(resumed)
    assert straight.best_epoch > 8 and list(ours) == list(expected), "the test needs a training that still improves"
    for epoch, tensors in expected.items():
        assert all(bool((ours[epoch][name] == tensor).all()) for name, tensor in tensors.items())
    assert bool((expected[0]["last.weight"] != expected[1]["last.weight"]).any())


def test_a_run_without_room_for_snapshots_finishes_and_says_why_it_has_none(work, store: Store, capsys) -> None:
    def block(one: worker.Worker) -> None:
        one.folder.make()
        one.folder.snapshots.write_text("")

    run = work(before=block)
    assert run.state is State.FINISHED and run.error == "" and run.metrics == work().metrics
    assert "No more snapshots" in run.details["snapshot_note"] and "\n" not in run.details["snapshot_note"]
    assert run.details["snapshot_note"] in capsys.readouterr().out


def test_a_closed_form_has_no_snapshots(work) -> None:
    run = work("ease")
    assert not RunFolder(run.id).snapshots.exists() and "snapshot_note" not in run.details


def test_a_run_with_a_damaged_state_resumes_from_the_previous_one(work, store: Store) -> None:
    straight = work(seed=6)

    def often(one: worker.Worker) -> None:
        stop_at(4)(one)
        one._state_throttle.is_due = lambda: True

    stopped = work(seed=6, before=often)
    (weights,) = RunFolder(stopped.id).last.glob("*.safetensors")
    weights.write_bytes(weights.read_bytes()[:1000])
    resumed = work(resume=stopped.id)
    assert resumed.state is State.FINISHED and resumed.metrics == straight.metrics


def test_a_run_with_damaged_states_only_starts_again(work, store: Store) -> None:
    stopped = work(seed=7, before=stop_at(2))
    for weights in RunFolder(stopped.id).path.glob("*/*.safetensors"):
        weights.write_bytes(b"")
    assert work(resume=stopped.id).state is State.FINISHED


def test_a_run_stopped_before_the_first_update_can_be_resumed(work, store: Store) -> None:
    stopped = work(before=lambda one: one.heartbeat.stop_requested.set())
    assert (stopped.state, stopped.epoch) == (State.STOPPED, 0)
    assert work(resume=stopped.id).state is State.FINISHED


def test_a_stop_request_is_honoured_within_two_seconds(work, store: Store) -> None:
    asked: list[float] = []

    def ask_later(one: worker.Worker) -> None:
        def ask() -> None:
            while not store.run(one.run.id).epoch:
                time.sleep(0.02)
            asked.append(time.monotonic())
            queue.stop(store, one.run.id)

        threading.Thread(target=ask, daemon=True).start()

    run = work(settings={**SMALL, "epochs": 100_000, "patience": 100_000}, before=ask_later)
    assert run.state is State.STOPPED
    assert time.monotonic() - asked[0] < 2


def test_heartbeats_continue_during_training(work, store: Store, monkeypatch) -> None:
    monkeypatch.setattr(worker, "HEARTBEAT_SECONDS", 0.05)
    monkeypatch.setattr(worker, "STOP_CHECK_SECONDS", 0.02)
    heartbeats = []
    record = store.record_heartbeat
    monkeypatch.setattr(store, "record_heartbeat", lambda *arguments: heartbeats.append(1) or record(*arguments))
    run = work(settings={**SMALL, "epochs": 40})
    assert len(heartbeats) >= 3
    sampled = resource_use.samples(run.id)
    assert len(sampled) >= 3 and all(one.memory_bytes > 10 << 20 for one in sampled)
    assert max(one.cpu_percent for one in sampled) > 0 and run.created - 1 < sampled[0].time <= sampled[-1].time


def test_a_training_that_diverges_fails_with_the_reason_and_keeps_its_epochs(work, store: Store) -> None:
    with pytest.MonkeyPatch.context() as patch:
        # One step of 1e30 makes every later loss NaN on any processor.
        patch.setattr(registry.model_class("multvae"), "learning_rate", lambda _, epoch: 1e30 if epoch == 3 else 1e-3)
        run = work()
    assert (
        run.diverged
        and run.state is State.FAILED
        and "diverged" in run.error
        and "epoch 3" in run.error
        and "\n" not in run.error
    )
    assert [row.epoch for row in store.epochs([run.id])] == [1, 2] and run.epoch == 2 and run.metrics == {}
    assert RunFolder(run.id).has_model(), "the best weights before it diverged"
    assert run.versions["torch"] and run.details["machine"]["cores"], "also recorded for runs without results"


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (MemoryError(), "Not enough memory"),
        (OSError(errno.ENOSPC, "No space left on device"), "disk is full"),
        (ValueError("first line\nsecond line"), "ValueError: first line"),
    ],
)
def test_a_failure_is_one_line_and_its_traceback_is_in_the_log_only(work, capsys, error, words) -> None:
    def break_it(one: worker.Worker) -> None:
        def fail(record) -> None:
            raise error

        one._on_epoch = fail

    run = work(before=break_it)
    assert run.state is State.FAILED and words in run.error
    assert "\n" not in run.error and "Traceback" not in run.error
    assert "Traceback" in capsys.readouterr().err


def test_a_full_disk_leaves_the_store_and_the_previous_state_intact(work, store: Store, monkeypatch) -> None:
    def full_after_two(one: worker.Worker) -> None:
        one._state_throttle.is_due = lambda: True
        keep, count = one.folder.save_state, []

        def save_state(state) -> None:
            count.append(1)
            if len(count) > 2:
                raise OSError(errno.ENOSPC, "No space left on device")
            keep(state)

        one.folder.save_state = save_state

    straight = work(seed=8)
    run = work(seed=8, before=full_after_two)
    assert run.state is State.FAILED and "disk is full" in run.error
    assert work(resume=run.id).metrics == straight.metrics


def test_a_dataset_that_changed_since_the_request_is_not_trained_on(work) -> None:
    run = work(dataset_fingerprint="of-another-day")
    assert run.state is State.FAILED and "has changed" in run.error


def test_a_missing_dataset_fails_with_the_command_that_fixes_it(work, store: Store) -> None:
    run = work(dataset="ml-1m")
    assert run.state is State.FAILED and "recdash data get" in run.error


def test_a_finished_run_is_not_claimed_again(work, store: Store) -> None:
    run = work("popularity")
    assert worker.main([run.id]) == 0
    assert store.run(run.id) == run


def test_checkpoints_take_at_most_a_share_of_the_time(monkeypatch) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    throttle, spent = worker.Throttle(), 0.0
    while now[0] < 1100:
        if throttle.is_due():
            started = now[0]
            now[0] += 2.0
            spent += 2.0
            throttle.record(started)
        now[0] += 0.5
    assert spent / 1000 <= worker.MAX_TIME_SHARE * 1.1


@pytest.mark.parametrize(
    "name", ["../../etc", "a/b", "", ".", "multvae-1234567", "multvae-1234567g", "MULTVAE-12345678"]
)
def test_only_valid_run_ids_name_a_folder(name: str) -> None:
    with pytest.raises(Exception, match="not the id of a run"):
        RunFolder(name)


def test_a_folder_never_leaves_the_checkpoint_folder(tmp_path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    paths.checkpoint_dir().mkdir(parents=True)
    (paths.checkpoint_dir() / "ease-00000000").symlink_to(outside)
    with pytest.raises(Exception, match="not the id of a run"):
        RunFolder("ease-00000000")
