"""Which processor to use, how many of its threads, and in which number format."""

from __future__ import annotations

import contextlib
import os
import platform
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

from recdash.errors import UsageError


def choose(device: str = "auto") -> torch.device:
    """Return the device: "auto" takes an NVIDIA card, else Apple's, else the processor.

    Raises UsageError for a device that this machine does not have.
    """
    if device == "auto":
        best = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
        return torch.device(best)
    try:
        chosen = torch.device(device)
    except RuntimeError as error:
        raise UsageError(f"There is no device {device!r}. Known: auto, cpu, cuda, cuda:0, mps.") from error
    missing = (
        (chosen.type == "cuda" and (chosen.index or 0) >= torch.cuda.device_count())
        or (chosen.type == "mps" and not torch.backends.mps.is_available())
        or chosen.type not in ("cpu", "cuda", "mps")
    )
    if missing:
        raise UsageError(f"This machine has no device {device!r}. Use 'auto' or 'cpu'.")
    return chosen


def matrix_format(device: torch.device, precision: str) -> torch.dtype:
    """Return bfloat16 or float32 for the matrix products of a training.

    "auto" takes bfloat16 only where the processor multiplies it natively; elsewhere it is emulated and slower.
    """
    if precision == "float32":
        return torch.float32
    if precision == "bfloat16" or native_bfloat16(device):
        return torch.bfloat16
    return torch.float32


@cache
def native_bfloat16(device: torch.device) -> bool:
    """Whether the device has bfloat16 matrix instructions."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    if device.type != "cpu" or not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    with contextlib.suppress(OSError):
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="ignore")
        return "avx512_bf16" in flags or "amx_bf16" in flags
    return False


def use_threads(threads: int | None) -> int:
    """Fix the number of threads of this process; returns the number in force."""
    if threads is not None and threads != torch.get_num_threads():
        torch.set_num_threads(threads)
    return torch.get_num_threads()


def describe(device: torch.device) -> str:
    """Name the device for a record, such as "cpu" or "cuda: NVIDIA H200"."""
    return f"cuda: {torch.cuda.get_device_name(device)}" if device.type == "cuda" else device.type


def machine() -> dict[str, str | int]:
    """Return what a record says of the machine."""
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "cores": os.cpu_count() or 1,
    }


def versions() -> dict[str, str]:
    """Return the versions that decide a result."""
    found = {"python": platform.python_version()}
    for package in ("recdash", "torch", "numpy", "scipy"):
        with contextlib.suppress(PackageNotFoundError):
            found[package] = version(package)
    return found


@cache
def _processor() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="ignore").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or "unknown"
