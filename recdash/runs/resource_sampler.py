"""What a worker uses while it trains: processor, memory and GPU, sampled into a file of the run's folder.

One line per sample, oldest first: a JSON list of time (seconds since 1970), processor use (percent of one core),
resident memory (bytes), and on an NVIDIA GPU its use (percent) and the memory that PyTorch holds there (bytes).
"""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import astuple, dataclass
from pathlib import Path

import psutil

from recdash.atomic_files import replace_file
from recdash.json_values import is_count, is_number

MAX_SAMPLES = 2_000  # about 100 KiB; more than an hour at one sample in two seconds


@dataclass(frozen=True)
class ResourceSample:
    """What the process of a run used.

    Attributes:
        time: End of the sampled interval, in seconds since 1970.
        cpu_percent: Processor time per wall time since the previous sample; one busy core is 100.
        memory_bytes: Resident memory.
        gpu_percent: Share of time in which the GPU computed, for any process; None without an NVIDIA GPU, or where
            it cannot be read.
        gpu_memory_bytes: Memory of the GPU that PyTorch holds for this process; None without an NVIDIA GPU.
    """

    time: float
    cpu_percent: float
    memory_bytes: int
    gpu_percent: float | None = None
    gpu_memory_bytes: int | None = None


class ResourceSampler:
    """Samples this process. Create it in the process itself: a forked worker has another id than its parent.

    Args:
        file: Gets the samples; earlier samples of the run stay.
        device: The device of the training, for example "cuda:1".
    """

    def __init__(self, file: Path, device: str = "cpu") -> None:
        self._file, self._device = file, device
        self._process = psutil.Process()
        self._samples: list[ResourceSample] | None = None  # read with the first sample
        self._last = time.monotonic(), self._processor_seconds()
        self._can_read_use = True

    def sample(self) -> None:
        """Add one sample. Whatever goes wrong costs this sample, never the run."""
        with suppress(OSError, psutil.Error, RuntimeError):
            sample = self._measure()
            if self._samples is None:
                self._samples = read_samples(self._file)
                _end_last_line(self._file)
            self._samples.append(sample)
            if len(self._samples) > MAX_SAMPLES:
                self._samples = thin_out(self._samples)
                replace_file(self._file, "".join(map(_line, self._samples)).encode())
            else:
                with self._file.open("ab") as file:
                    file.write(_line(sample).encode())

    def _measure(self) -> ResourceSample:
        with self._process.oneshot():
            now, used = time.monotonic(), self._processor_seconds()
            memory = self._process.memory_info().rss
        (before, used_before), self._last = self._last, (now, used)
        percent = 100 * (used - used_before) / max(now - before, 1e-3)
        return ResourceSample(round(time.time(), 2), round(percent, 1), memory, *self._gpu())

    def _processor_seconds(self) -> float:
        times = self._process.cpu_times()
        return float(times.user + times.system)

    def _gpu(self) -> tuple[float | None, int | None]:
        """Return use and memory of the GPU; nothing before the training itself has initialised CUDA."""
        torch = sys.modules.get("torch")
        if torch is None or not self._device.startswith("cuda") or not torch.cuda.is_initialized():
            return None, None
        use: float | None = None
        if self._can_read_use:
            try:
                use = float(torch.cuda.utilization(self._device))
            except Exception:  # the NVML bindings are missing, or the driver refuses: torch raises many kinds
                self._can_read_use = False
        return use, int(torch.cuda.memory_reserved(self._device))


def read_samples(file: Path) -> list[ResourceSample]:
    """Return the samples of a file in order of time, without truncated and damaged lines; empty without a file."""
    try:
        lines = file.read_bytes().splitlines()
    except OSError:
        return []
    found = [sample for line in lines if (sample := _sample(line)) is not None]
    return sorted(found, key=lambda sample: sample.time)


def thin_out(samples: Sequence[ResourceSample]) -> list[ResourceSample]:
    """Merge the older half of samples in pairs: each pair becomes its later time with the larger of each value.

    Repeated, this keeps recent samples at full resolution and every maximum, and makes the resolution of the past
    coarser the longer ago it is.
    """
    half = len(samples) // 2 // 2 * 2
    merged = [_merge(first, second) for first, second in zip(samples[:half:2], samples[1:half:2], strict=True)]
    return [*merged, *samples[half:]]


def _end_last_line(file: Path) -> None:
    """Append a line break if a crash truncated the last line, so that the next sample stays readable."""
    if file.is_file():
        with file.open("r+b") as opened:
            end = opened.seek(0, 2)
            opened.seek(max(0, end - 1))
            if opened.read(1) not in (b"", b"\n"):
                opened.write(b"\n")


def _merge(first: ResourceSample, second: ResourceSample) -> ResourceSample:
    larger = [
        max((value for value in pair if value is not None), default=None)
        for pair in zip(astuple(first)[1:], astuple(second)[1:], strict=True)
    ]
    return ResourceSample(second.time, *larger)  # type: ignore[arg-type]  # the first two are never None


def _line(sample: ResourceSample) -> str:
    values = list(astuple(sample))
    while values[-1] is None:
        values.pop()
    return json.dumps(values) + "\n"


def _sample(line: bytes) -> ResourceSample | None:
    """Parse a line; None if it is damaged."""
    with suppress(ValueError, RecursionError):
        values = json.loads(line)
        if not isinstance(values, list) or not 3 <= len(values) <= 5:
            return None
        when, percent, memory, gpu_percent, gpu_memory = (*values, None, None)[:5]
        numbers = [when, percent, *([] if gpu_percent is None else [gpu_percent])]
        counts = [memory, *([] if gpu_memory is None else [gpu_memory])]
        if all(is_number(value) and math.isfinite(value) for value in numbers) and all(map(is_count, counts)):
            return ResourceSample(when, percent, memory, gpu_percent, gpu_memory)
    return None
