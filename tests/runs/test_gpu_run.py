"""Runs on a real GPU through their supervisor: trained, stopped, resumed, two at a time."""

from __future__ import annotations

import pytest
import torch

from recdash.models import registry
from recdash.runs import queue, supervisor
from recdash.runs.run_folder import RunFolder
from recdash.runs.states import State
from recdash.runs.store import Store

SETTINGS = {"hidden": (16,), "latent": 8, "batch_size": 20, "patience": 100_000}


@pytest.fixture(autouse=True)
def needs_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    if not torch.cuda.is_available():
        pytest.skip("no NVIDIA GPU on this machine")
    monkeypatch.setenv("RECDASH_MAX_RUNS", "3")


@pytest.mark.gpu
def test_runs_share_a_gpu_and_finish_there(store: Store, toy: str, request_of, until) -> None:
    requests = [request_of(model, device="cuda") for model in ("multvae", "ease", "autorec")]
    runs = queue.enqueue(store, requests)
    supervisor.ensure_running(store)
    until(lambda: not any(store.run(run.id).state.is_active() for run in runs), 240)
    for run in runs:
        done = store.run(run.id)
        assert done.state is State.FINISHED, done.error
        assert done.details["device"].startswith("cuda: ") and done.details["assigned_device"].startswith("cuda:")
        assert registry.load(RunFolder(run.id).best).device.type == "cpu"


@pytest.mark.gpu
def test_a_run_stopped_on_a_gpu_resumes_there(store: Store, toy: str, request_of, until) -> None:
    (run,) = queue.enqueue(store, [request_of("multvae", device="cuda", settings=SETTINGS | {"epochs": 100_000})])
    supervisor.ensure_running(store)
    until(lambda: store.run(run.id).epoch >= 5, 120)
    queue.stop(store, run.id)
    until(lambda: store.run(run.id).state is State.STOPPED, 30)
    before = store.run(run.id).epoch
    queue.resume(store, run.id)
    supervisor.ensure_running(store)
    until(lambda: store.run(run.id).epoch > before, 120)
    queue.stop(store, run.id)
    until(lambda: store.run(run.id).state is State.STOPPED, 30)
    assert [row.epoch for row in store.epochs([run.id])] == list(range(1, store.run(run.id).epoch + 1))
