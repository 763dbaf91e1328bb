"""Which run trains on which GPU."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from pathlib import Path

from recdash import environment

_DRIVERS = ("/dev/nvidiactl", "/dev/nvidia0", "/dev/dxg", "/dev/kfd")  # NVIDIA, WSL, AMD
_COUNT_COMMAND = "import torch; print(torch.cuda.device_count())"


@cache
def gpu_count() -> int:
    """Return the number of GPUs that PyTorch can use on this machine.

    A separate process counts them, and only where a driver exists: a process that has initialised CUDA cannot fork
    workers that use a GPU, and a supervisor need not import torch.
    """
    if not any(Path(driver).exists() for driver in _DRIVERS):
        return 0
    with suppress(OSError, ValueError, subprocess.SubprocessError):
        command = [sys.executable, "-c", _COUNT_COMMAND]
        answer = subprocess.run(command, capture_output=True, text=True, timeout=120)
        return int(answer.stdout.strip() or 0)
    return 0


def choose_device(device: str, busy: Iterable[str]) -> str | None:
    """Choose the device for a run.

    At most RECDASH_RUNS_PER_GPU runs share a GPU. A run that may use any GPU gets the one with the fewest runs.

    Args:
        device: The requested device, for example "auto", "cpu", "cuda" or "cuda:1".
        busy: Devices of the runs that are training.

    Returns:
        The device, or None when the run has to wait for a GPU.
    """
    requested = environment.default_device() if device == "auto" else device
    if requested not in ("auto", "cuda") and not requested.startswith("cuda:"):
        return requested
    if not gpu_count():
        return requested  # the worker uses the CPU for "auto", or reports that there is no GPU
    load = Counter("cuda:0" if name == "cuda" else name for name in busy if name.startswith("cuda"))
    candidates = [requested] if requested.startswith("cuda:") else [f"cuda:{number}" for number in range(gpu_count())]
    best = min(candidates, key=lambda name: load[name])
    return best if load[best] < environment.runs_per_gpu() else None
