"""The peak of memory is that of the training, not of what came before it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from recdash.runs import peak_memory
from tests.devices import fake_gpu

MIB = 2**20
linux_only = pytest.mark.skipif(sys.platform != "linux", reason="only Linux can reset a peak")
ROOT = Path(__file__).resolve().parents[2]


def peaks_of(*steps: str) -> list[float]:
    """Run each step in a new process, where no earlier test interferes; the peak in MiB after each."""
    lines = ["import sys; sys.path.insert(0, sys.argv[1])", "from recdash.runs import peak_memory"]
    for step in steps:
        lines += [step, f"print(peak_memory.peak_bytes() / {MIB})"]
    command = [sys.executable, "-c", "\n".join(lines), str(ROOT)]
    return [float(line) for line in subprocess.check_output(command, text=True).split()]


def test_the_memory_that_a_training_takes_is_counted() -> None:
    start, peak = peaks_of("pass", "block = b'x' * (200 << 20)")
    assert 2 < start < 100, "a process with nothing but the standard library"
    assert start + 195 < peak < start + 215


@linux_only
def test_the_peak_before_a_training_is_forgotten() -> None:
    start, before, after, again = peaks_of(
        "pass",
        "block = b'x' * (200 << 20); del block",
        "peak_memory.reset_peak()",
        "block = b'x' * (100 << 20)",
    )
    assert before > start + 195 and after < start + 10
    assert start + 95 < again < start + 115


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no resource module")
def test_without_proc_the_peak_since_the_start_of_the_process_counts(monkeypatch, tmp_path) -> None:
    import resource

    monkeypatch.setattr(peak_memory, "_PROC_SELF", tmp_path)
    unit = 1 if sys.platform == "darwin" else 1024
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    found = peak_memory.peak_bytes()
    assert found is not None and before <= found <= resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def test_a_system_that_reports_no_peak_gives_none(monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(peak_memory, "_PROC_SELF", tmp_path)
    monkeypatch.setitem(sys.modules, "resource", None)
    assert peak_memory.peak_bytes() is None


def test_gpu_memory_is_reported_for_gpus_only() -> None:
    assert peak_memory.gpu_peak_bytes(torch.device("cpu")) is None
    with fake_gpu.installed():
        assert peak_memory.gpu_peak_bytes(torch.device("cuda:0")) == 1 << 30
