"""Compute devices: selection, number of threads, data type, determinism, and errors when memory runs out."""

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

from recdash import __version__, environment
from recdash.errors import TrainingError, UsageError

_REQUESTED = re.compile(r"(?:[Tt]ried to allocate|Unable to allocate) ([\d.]+) ?([KMGT]iB|bytes)")
_UNITS = {"bytes": 0, "KiB": 1, "MiB": 2, "GiB": 3, "TiB": 4}


def choose(device: str = "auto") -> torch.device:
    """Return the device to compute on.

    Args:
        device: "cpu", "cuda", "cuda:0", "mps", or "auto" for the device in RECDASH_DEVICE, else the first available of
            an NVIDIA GPU, an Apple GPU and the CPU.

    Raises:
        UsageError: The name is unknown, or this machine does not have the device.
    """
    source = repr(device)
    if device == "auto":
        device = environment.default_device()
        source = f"{device!r} (RECDASH_DEVICE)"
    if device == "auto":
        best = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
        return torch.device(best)
    try:
        chosen = torch.device(device)
    except (RuntimeError, TypeError) as error:
        raise UsageError(f"Unknown device: {source}. Known: auto, cpu, cuda, cuda:0, mps.") from error
    missing = (
        (chosen.type == "cuda" and (chosen.index or 0) >= torch.cuda.device_count())
        or (chosen.type == "mps" and not torch.backends.mps.is_available())
        or chosen.type not in ("cpu", "cuda", "mps")
    )
    if missing:
        raise UsageError(f"This machine has no device {source}. Use 'auto' or 'cpu'.")
    return chosen


def matmul_dtype(device: torch.device, precision: str) -> torch.dtype:
    """Return bfloat16 or float32, for the matrix products of training.

    precision: "float32", "bfloat16" or "auto", which is bfloat16 only where the processor supports it natively; without
        native support it is emulated and slower.
    """
    if precision == "float32":
        return torch.float32
    if precision == "bfloat16" or has_native_bfloat16(device):
        return torch.bfloat16
    return torch.float32


@contextlib.contextmanager
def deterministic(device: torch.device) -> Iterator[None]:
    """Use deterministic algorithms in the block, where PyTorch has them; other operations only warn.

    Otherwise an NVIDIA GPU adds up indexed sums in any order, so that a resumed run would differ from an uninterrupted
    one. On the CPU these sums are deterministic anyway.
    """
    if device.type != "cuda":
        yield
        return
    before = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    memory: Any = torch.utils.deterministic
    filled = memory.fill_uninitialized_memory
    torch.use_deterministic_algorithms(True, warn_only=True)
    memory.fill_uninitialized_memory = False  # filling costs time, and recdash never reads uninitialised memory
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])
        memory.fill_uninitialized_memory = filled


def available_bytes(device: torch.device) -> int | None:
    """Return the memory that is still available on the device, including droppable caches; None if unknown.

    On the CPU this is the minimum of the available memory of the machine and of its container.
    """
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    sizes = [size for size in (_available_to_machine(), *_available_to_container()) if size is not None]
    return min(sizes, default=None)


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether the error is a failed allocation, on any device."""
    message = str(error).lower()
    return (
        isinstance(error, MemoryError | torch.OutOfMemoryError)
        or "out of memory" in message
        or "can't allocate memory" in message
    )


def out_of_memory_message(error: BaseException, device: torch.device) -> str:
    """Return a message of one line: requested and available memory, and how to use less."""
    if isinstance(error, MemoryError) or "CPUAllocator" in str(error):
        device = torch.device("cpu")  # main memory ran out, even if the model is on a GPU
    match = _REQUESTED.search(str(error))
    requested = format_bytes(float(match[1]) * 1024 ** _UNITS[match[2]]) if match else ""
    sizes = f"{requested} more are needed" if match else "memory ran out"
    with contextlib.suppress(RuntimeError, AssertionError):
        free = available_bytes(device)
        sizes += "" if free is None else f", {format_bytes(free)} are free"
    if device.type == "cpu":
        return f"Not enough memory: {sizes}. Lower batch_size or the layer widths, or train fewer models at once."
    return (
        f"Not enough memory on {device}: {sizes}. Lower batch_size or the layer widths, train fewer models at once on "
        "it (RECDASH_RUNS_PER_GPU), or use device cpu."
    )


@contextlib.contextmanager
def wrap_out_of_memory(device: torch.device) -> Iterator[None]:
    """Turn a failed allocation in the block into a TrainingError of one line."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        raise TrainingError(out_of_memory_message(error, device)) from error


def format_bytes(number: float) -> str:
    """Format a number of bytes, such as "1.5 GiB"."""
    unit = next((unit for unit, power in _UNITS.items() if number < 1024 ** (power + 1)), "TiB")
    found = number / 1024 ** _UNITS[unit]
    return f"{found:.0f} {unit}" if unit == "bytes" or found >= 100 else f"{found:.1f} {unit}"


@cache
def has_native_bfloat16(device: torch.device) -> bool:
    """Return whether the device multiplies bfloat16 matrices natively."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    if device.type != "cpu" or not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    with contextlib.suppress(OSError):
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="ignore")
        return "avx512_bf16" in flags or "amx_bf16" in flags
    return False


def set_threads(threads: int | None) -> int:
    """Set the number of threads of this process, unless None, and return the current number."""
    if threads is not None and threads != torch.get_num_threads():
        torch.set_num_threads(threads)
    return torch.get_num_threads()


def describe(device: torch.device) -> str:
    """Name the device for a record, such as "cpu" or "cuda: NVIDIA H200"."""
    return f"cuda: {torch.cuda.get_device_name(device)}" if device.type == "cuda" else device.type


def machine_info() -> dict[str, str | int]:
    """Return a description of the machine for run records."""
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor_name(),
        "cores": os.cpu_count() or 1,
    }


def versions() -> dict[str, str]:
    """Return the versions of the packages that affect results."""
    # The metadata of an editable installation keeps the version it was installed with: take recdash's own.
    found = {"python": platform.python_version(), "recdash": __version__}
    for package in ("torch", "numpy", "scipy"):
        with contextlib.suppress(PackageNotFoundError):
            found[package] = version(package)
    return found


def _available_to_machine() -> int | None:
    with contextlib.suppress(OSError, ValueError, IndexError):
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    with contextlib.suppress(OSError, ValueError):  # macOS and others: total memory, free or not
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return None


def _available_to_container() -> Iterator[int]:
    """Yield the memory left by control groups (versions 2 and 1); their page cache counts as free."""
    for limit, used, cached in (
        ("memory.max", "memory.current", "inactive_file"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "total_inactive_file"),
    ):
        cgroup = Path("/sys/fs/cgroup")
        with contextlib.suppress(OSError, ValueError):
            maximum, current = int((cgroup / limit).read_text()), int((cgroup / used).read_text())
            stat = (cgroup / limit).with_name("memory.stat").read_text().split()
            droppable = int(stat[stat.index(cached) + 1]) if cached in stat else 0
            yield max(0, maximum - current + droppable)


@cache
def _processor_name() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="ignore").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or "unknown"
