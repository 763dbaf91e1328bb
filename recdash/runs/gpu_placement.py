"""The GPUs that runs share: how many there are, found without touching one, and which run goes where."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from pathlib import Path

from recdash import paths

_DRIVERS = ("/dev/nvidiactl", "/dev/nvidia0", "/dev/dxg", "/dev/kfd")  # NVIDIA, WSL, AMD
_QUESTION = "import torch; print(torch.cuda.device_count())"


@cache
def count() -> int:
    """Return how many GPUs PyTorch sees here.

    A process of its own is asked, and only where there is a driver: a process that has touched a GPU can no longer fork
    workers that use it, and a supervisor need not import torch.
    """
    if not any(Path(driver).exists() for driver in _DRIVERS):
        return 0
    with suppress(OSError, ValueError, subprocess.SubprocessError):
        asked = subprocess.run([sys.executable, "-c", _QUESTION], capture_output=True, text=True, timeout=120)
        return int(asked.stdout.strip() or 0)
    return 0


def place(device: str, busy: Iterable[str]) -> str | None:
    """Return the device for a run that asked for `device`; None when it has to wait for room on a GPU.

    busy: the devices of the runs that are training now. A run that may use any GPU gets the one with the fewest; one
    that named a GPU gets that. At most `places.runs_per_gpu()` share each.
    """
    asked = paths.default_device() if device == "auto" else device
    if asked not in ("auto", "cuda") and not asked.startswith("cuda:"):
        return asked
    if not count():
        return asked  # the worker says what is missing, or takes the CPU for "auto"
    shared = Counter("cuda:0" if name == "cuda" else name for name in busy if name.startswith("cuda"))
    fitting = [asked] if asked.startswith("cuda:") else [f"cuda:{number}" for number in range(count())]
    best = min(fitting, key=lambda name: shared[name])
    return best if shared[best] < paths.runs_per_gpu() else None
