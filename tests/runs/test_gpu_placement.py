"""How runs share GPUs: spread evenly, limited per GPU, the rest queued; the fork server never initialises CUDA."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from recdash.runs import gpu_placement, process_env, queue
from recdash.runs.store import Store
from recdash.runs.supervisor import Supervisor


@pytest.fixture
def two_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECDASH_DEVICE", "auto")
    monkeypatch.setattr(gpu_placement, "gpu_count", lambda: 2)


@pytest.mark.usefixtures("two_gpus")
def test_runs_are_spread_over_the_gpus_and_wait_when_all_are_full() -> None:
    busy: list[str] = []
    placed = []
    for _ in range(5):
        placed.append(gpu_placement.choose_device("auto", busy))
        busy += [placed[-1]] if placed[-1] else []
    assert placed == ["cuda:0", "cuda:1", "cuda:0", "cuda:1", None]
    assert gpu_placement.choose_device("cuda", busy) is None
    assert gpu_placement.choose_device("cpu", busy) == "cpu"


@pytest.mark.usefixtures("two_gpus")
def test_a_run_gets_the_gpu_that_it_requested(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECDASH_RUNS_PER_GPU", "1")
    assert gpu_placement.choose_device("cuda:1", ["cuda"]) == "cuda:1"
    assert gpu_placement.choose_device("cuda:1", ["cuda:1"]) is None
    assert gpu_placement.choose_device("cuda:0", ["cuda"]) is None, "cuda is the first GPU"


def test_without_a_gpu_the_requested_device_is_unchanged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_placement, "gpu_count", lambda: 0)
    monkeypatch.setenv("RECDASH_DEVICE", "auto")
    assert [gpu_placement.choose_device(device, []) for device in ("auto", "cpu", "cuda", "mps")] == [
        "auto",
        "cpu",
        "cuda",
        "mps",
    ]
    monkeypatch.setenv("RECDASH_DEVICE", "cpu")
    assert gpu_placement.choose_device("auto", []) == "cpu"


def test_without_a_driver_no_process_counts_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_placement, "_DRIVERS", ())
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: pytest.fail("a process was started"))
    assert gpu_placement.gpu_count.__wrapped__() == 0


def test_gpus_are_counted_in_another_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_placement, "_DRIVERS", ("/",))
    monkeypatch.setattr(gpu_placement, "_COUNT_COMMAND", "print(3)")
    assert gpu_placement.gpu_count.__wrapped__() == 3
    monkeypatch.setattr(gpu_placement, "_COUNT_COMMAND", "raise SystemExit(1)")
    assert gpu_placement.gpu_count.__wrapped__() == 0


@pytest.mark.usefixtures("two_gpus")
def test_a_run_that_waits_for_a_gpu_does_not_delay_runs_that_need_none(
    store: Store, request_of, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RECDASH_RUNS_PER_GPU", "1")
    devices = ["auto", "cuda:0", "cuda", "auto", "cpu"]
    requests = [request_of(seed=seed, device=device) for seed, device in enumerate(devices)]
    runs = [queue.enqueue(store, [request])[0] for request in requests]
    started: dict[str, str] = {}

    class Endless:
        pid = None

        def poll(self) -> None:
            return None

    def start(run_id: str, threads: int, device: str, log: Path) -> Endless:
        started[run_id] = device
        return Endless()

    one = Supervisor(store, max_runs=4)
    one.starter = start
    for _ in range(3):
        one.step()
    assert [started.get(run.id) for run in runs] == ["cuda:0", None, "cuda:1", None, "cpu"]
    queue.stop(store, runs[0].id)
    del one.workers[runs[0].id]
    one.step()
    assert started[runs[1].id] == "cuda:0"


# What a process does before it forks workers, with everything that would start a driver turned into an error.
_BEFORE_FORKING = """
import torch
def touched(*_, **__): raise SystemExit("the driver was started")
torch._C._cuda_init = torch._C._cuda_getDeviceCount = torch._C._cuda_getCurrentRawStream = touched
torch.cuda._lazy_init = torch.cuda.current_device = touched
torch.cuda._is_compiled = lambda: True  # also where PyTorch is built without CUDA
from recdash.runs import fork_server
fork_server._preload()
__import__(fork_server._OPTIMIZER_IMPORT)
assert not fork_server._has_initialised_cuda()
print("clean")
"""


@pytest.mark.slow
def test_preloading_does_not_initialise_cuda() -> None:
    env = process_env.for_worker(1)
    assert env["PYTORCH_NVML_BASED_CUDA_CHECK"] == "1"
    found = subprocess.run(
        [sys.executable, "-c", _BEFORE_FORKING], env=env, capture_output=True, text=True, timeout=120
    )
    assert found.stdout.strip() == "clean", found.stderr
