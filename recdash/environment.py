"""Settings from environment variables, except for the folders (`recdash.paths`)."""

from __future__ import annotations

import os
import re

from recdash import paths
from recdash.errors import UsageError

ENABLED, DISABLED = ("1", "true", "yes", "on", "y", "t"), ("", "0", "false", "no", "off", "n", "f")


def max_runs() -> int:
    """Return the number of concurrent runs (RECDASH_MAX_RUNS); default: half of the cores, at least one."""
    return _count("RECDASH_MAX_RUNS", max(1, (os.cpu_count() or 1) // 2))


def read_only() -> bool:
    """Return whether training and changes are disabled (RECDASH_READ_ONLY=1)."""
    return _switch("RECDASH_READ_ONLY", "")


def cuda_graphs() -> bool:
    """Return whether updates on an NVIDIA GPU are recorded and repeated (RECDASH_CUDA_GRAPHS); default: yes."""
    return _switch("RECDASH_CUDA_GRAPHS", "1")


def runs_per_gpu() -> int:
    """Return the number of concurrent runs per GPU (RECDASH_RUNS_PER_GPU); default: 2."""
    return _count("RECDASH_RUNS_PER_GPU", 2)


def default_device() -> str:
    """Return the device used for `device="auto"` (RECDASH_DEVICE); default: "auto", the best available device."""
    return os.environ.get("RECDASH_DEVICE", "").strip() or "auto"


def check_environment() -> None:
    """Raise UsageError for the first variable with an invalid value. The store URL is checked when it is opened."""
    paths.check_folders()
    max_runs()
    runs_per_gpu()
    read_only()
    cuda_graphs()


def _switch(variable: str, default: str) -> bool:
    value = os.environ.get(variable, "").strip() or default
    if value.lower() not in ENABLED + DISABLED:
        raise UsageError(f"{variable} = {value[:40]!a} is neither on (1) nor off (0). Set it to 1, or unset it.")
    return value.lower() in ENABLED


def _count(variable: str, default: int) -> int:
    value = os.environ.get(variable, "").strip()
    if not value:
        return default
    if not re.fullmatch("[0-9]{1,9}", value) or int(value) < 1:
        raise UsageError(f"{variable} = {value[:40]!a} is not a whole number above 0. Set it to 1, 2, ... or unset it.")
    return int(value)
