"""What a worker uses: the samples, their bounded file, damage, and a measured cost."""

from __future__ import annotations

import math
import os
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recdash.runs import resource_sampler
from recdash.runs.resource_sampler import ResourceSample, ResourceSampler, read_samples, thin_out

finite = st.floats(0, 1e12, allow_nan=False)
sample = st.builds(
    ResourceSample, finite, finite, st.integers(0, 2**50), st.none() | finite, st.none() | st.integers(0, 2**40)
)


def test_a_sample_tells_the_processor_time_and_memory_of_this_process(tmp_path: Path) -> None:
    sampler, started, used = ResourceSampler(tmp_path / "use"), time.monotonic(), time.process_time()
    while time.process_time() - used < 0.2:
        sum(range(1000))
    expected = 100 * (time.process_time() - used) / (time.monotonic() - started)
    sampler.sample()
    time.sleep(0.2)
    sampler.sample()
    busy, idle = read_samples(tmp_path / "use")
    assert busy.cpu_percent == pytest.approx(expected, rel=0.3) and expected > 2 * idle.cpu_percent
    assert busy.memory_bytes == pytest.approx(psutil.Process(os.getpid()).memory_info().rss, rel=0.2)
    assert busy.time == pytest.approx(time.time(), abs=30) and busy.time < idle.time
    assert (busy.gpu_percent, busy.gpu_memory_bytes) == (None, None)


@settings(max_examples=40)
@given(st.lists(sample, max_size=20))
def test_thinning_keeps_all_maxima_the_order_and_the_newer_half(samples: list[ResourceSample]) -> None:
    samples.sort(key=lambda one: one.time)
    thin = thin_out(samples)
    for name in ("cpu_percent", "memory_bytes", "gpu_percent", "gpu_memory_bytes"):
        values, kept = ([v for one in of if (v := getattr(one, name)) is not None] for of in (samples, thin))
        assert max(values, default=None) == max(kept, default=None)
    assert thin == sorted(thin, key=lambda one: one.time)
    newer = samples[len(samples) // 2 // 2 * 2 :]
    assert thin[len(thin) - len(newer) :] == newer and len(thin) == len(samples) - len(samples) // 2 // 2


def test_the_file_stays_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource_sampler, "MAX_SAMPLES", 20)
    file = tmp_path / "use"
    sampler, measured = ResourceSampler(file), iter(range(200))
    monkeypatch.setattr(
        sampler, "_measure", lambda: ResourceSample(float(n := next(measured)), 500.0 if n == 3 else 1.0, n)
    )
    for _ in range(200):
        sampler.sample()
    found = read_samples(file)
    assert len(found) <= 20 and file.stat().st_size < 20 * 60
    assert (max(one.cpu_percent for one in found), found[-1].time) == (500.0, 199.0)
    assert [one.time for one in found] == sorted(one.time for one in found)


def test_a_resumed_run_continues_the_file_behind_a_truncated_line(tmp_path: Path) -> None:
    file = tmp_path / "use"
    file.write_bytes(b"[1.0, 50.0, 1000]\n[2.0, 60.0, 20")
    ResourceSampler(file).sample()
    first, second = read_samples(file)
    assert first == ResourceSample(1.0, 50.0, 1000) and second.time > 1e9


@settings(max_examples=30)
@given(st.binary(max_size=200))
def test_damaged_lines_are_left_out(tmp_path_factory: pytest.TempPathFactory, junk: bytes) -> None:
    file = tmp_path_factory.getbasetemp() / "damaged"
    file.write_bytes(b"[1.0, 50.0, 1000]\n" + junk + b"\n[3.0, 70.0, 3000, 99.0, 5]\n")
    found = read_samples(file)
    assert ResourceSample(1.0, 50.0, 1000) in found and ResourceSample(3.0, 70.0, 3000, 99.0, 5) in found
    assert all(math.isfinite(one.cpu_percent) for one in found)


@pytest.mark.parametrize("line", ["{}", "[1]", "[NaN, 1, 2]", '["a", 1, 2]', "[1, 2, 3.5]", "[1, 2, -3]", "[" * 9999])
def test_a_line_that_is_no_sample_is_left_out(tmp_path: Path, line: str) -> None:
    (tmp_path / "use").write_text(line)
    assert read_samples(tmp_path / "use") == []


def test_a_folder_that_is_gone_costs_the_sample_and_no_more(tmp_path: Path) -> None:
    sampler = ResourceSampler(tmp_path / "gone" / "use")
    sampler.sample()
    assert read_samples(tmp_path / "gone" / "use") == []


def test_the_gpu_is_read_where_the_training_uses_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def utilization(device: str) -> int:
        asked.append(device)
        if len(asked) > 1:
            raise ModuleNotFoundError("pynvml does not seem to be installed")
        return 87

    cuda = SimpleNamespace(
        is_initialized=lambda: True, utilization=utilization, memory_reserved=lambda device: 123 << 20
    )
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=cuda))
    ResourceSampler(tmp_path / "cpu", "cpu").sample()
    sampler = ResourceSampler(tmp_path / "gpu", "cuda:1")
    for _ in range(3):
        sampler.sample()
    assert [one.gpu_percent for one in read_samples(tmp_path / "gpu")] == [87.0, None, None]
    assert [one.gpu_memory_bytes for one in read_samples(tmp_path / "gpu")] == [123 << 20] * 3
    assert asked == ["cuda:1"] * 2, "not tried again"
    assert read_samples(tmp_path / "cpu")[0].gpu_memory_bytes is None


def test_cuda_is_not_initialised_for_a_sample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=SimpleNamespace(is_initialized=lambda: False)))
    ResourceSampler(tmp_path / "use", "cuda").sample()
    assert len(read_samples(tmp_path / "use")) == 1


def test_sampling_costs_under_a_thousandth_of_a_core(tmp_path: Path) -> None:
    sampler, n = ResourceSampler(tmp_path / "use"), 100
    sampler.sample()
    before = time.thread_time()
    for _ in range(n):
        sampler.sample()
    assert (time.thread_time() - before) / n / 2.0 < 0.001, "of the two seconds between samples"
