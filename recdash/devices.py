"""Which device to compute on, how many threads, in which number format, and what to say when memory runs out."""

from __future__ import annotations

import contextlib
import os
import platform
import re
from collections.abc import Iterator
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from recdash import paths
from recdash.errors import TrainingError, UsageError

_ASKED = re.compile(r"(?:[Tt]ried to allocate|Unable to allocate) ([\d.]+) ?([KMGT]iB|bytes)")
_UNITS = {"bytes": 0, "KiB": 1, "MiB": 2, "GiB": 3, "TiB": 4}


def choose(device: str = "auto") -> torch.device:
    """Return the device: "auto" takes what RECDASH_DEVICE names, else an NVIDIA GPU, else Apple's, else the CPU.

    Raises UsageError for a device that this machine does not have.
    """
    named = repr(device)
    if device == "auto":
        device = paths.default_device()
        named = f"{device!r} (RECDASH_DEVICE)"
    if device == "auto":
        best = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
        return torch.device(best)
    try:
        chosen = torch.device(device)
    except (RuntimeError, TypeError) as error:
        raise UsageError(f"There is no device {named}. Known: auto, cpu, cuda, cuda:0, mps.") from error
    missing = (
        (chosen.type == "cuda" and (chosen.index or 0) >= torch.cuda.device_count())
        or (chosen.type == "mps" and not torch.backends.mps.is_available())
        or chosen.type not in ("cpu", "cuda", "mps")
    )
    if missing:
        raise UsageError(f"This machine has no device {named}. Use 'auto' or 'cpu'.")
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


@contextlib.contextmanager
def deterministic(device: torch.device) -> Iterator[None]:
    """Compute repeatably inside, as far as PyTorch can; operations that cannot warn, and go on.

    On an NVIDIA GPU sums by index are otherwise added up in any order, so a resumed training would differ from one
    that was never stopped. On the CPU they are repeatable as they are.
    """
    if device.type != "cuda":
        yield
        return
    before = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    memory: Any = torch.utils.deterministic
    filled = memory.fill_uninitialized_memory
    torch.use_deterministic_algorithms(True, warn_only=True)
    memory.fill_uninitialized_memory = False  # costs time, and nothing here reads such memory
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])
        memory.fill_uninitialized_memory = filled


def available_bytes(device: torch.device) -> int | None:
    """Return how much memory a program can still get on the device, caches that can be dropped counted; None unknown.

    On the CPU the least of the machine's available memory and what the limit of a container leaves.
    """
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    found = [size for size in (_available_to_machine(), *_left_in_container()) if size is not None]
    return min(found, default=None)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an allocation failed, on whatever device."""
    said = str(error).lower()
    return (
        isinstance(error, MemoryError | torch.OutOfMemoryError)
        or "out of memory" in said
        or "can't allocate memory" in said
    )


def out_of_memory(error: BaseException, device: torch.device) -> str:
    """Return in one line what could not be allocated, what is free, and what to do."""
    if isinstance(error, MemoryError) or "CPUAllocator" in str(error):
        device = torch.device("cpu")  # memory of the machine, wherever the model computes
    asked = _ASKED.search(str(error))
    wanted = f"{size(float(asked[1]) * 1024 ** _UNITS[asked[2]])} more are needed" if asked else "memory ran out"
    with contextlib.suppress(RuntimeError, AssertionError):
        free = available_bytes(device)
        wanted += "" if free is None else f", {size(free)} are free"
    if device.type == "cpu":
        return f"Not enough memory: {wanted}. Lower batch_size or the layer widths, or run fewer trainings at once."
    return (
        f"Not enough memory on {device}: {wanted}. Lower batch_size or the layer widths, run fewer trainings at once "
        "on it (RECDASH_RUNS_PER_GPU), or use device cpu."
    )


@contextlib.contextmanager
def explaining_memory(device: torch.device) -> Iterator[None]:
    """Turn a failed allocation inside into a TrainingError of one line."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        raise TrainingError(out_of_memory(error, device)) from error


def size(number: float) -> str:
    """Return a number of bytes as people write it, such as "1.5 GiB"."""
    unit = next((unit for unit, power in _UNITS.items() if number < 1024 ** (power + 1)), "TiB")
    found = number / 1024 ** _UNITS[unit]
    return f"{found:.0f} {unit}" if unit == "bytes" or found >= 100 else f"{found:.1f} {unit}"


@cache
def native_bfloat16(device: torch.device) -> bool:
    """Whether the device multiplies bfloat16 matrices natively."""
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


def _available_to_machine() -> int | None:
    with contextlib.suppress(OSError, ValueError, IndexError):
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    with contextlib.suppress(OSError, ValueError):  # macOS and others: what the machine has, free or not
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return None


def _left_in_container() -> Iterator[int]:
    """Yield what control groups (version 2 and 1) leave; the page cache inside counts as free."""
    for limit, used, cached in (
        ("memory.max", "memory.current", "inactive_file"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "total_inactive_file"),
    ):
        home = Path("/sys/fs/cgroup")
        with contextlib.suppress(OSError, ValueError):
            most, now = int((home / limit).read_text()), int((home / used).read_text())
            stat = (home / limit).with_name("memory.stat").read_text().split()
            droppable = int(stat[stat.index(cached) + 1]) if cached in stat else 0
            yield max(0, most - now + droppable)


@cache
def _processor() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="ignore").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or "unknown"
