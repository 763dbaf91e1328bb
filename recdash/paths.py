"""Where things lie: folders and limits, each from an environment variable or a default relative to the checkout."""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import quote

from recdash.errors import UsageError

PROJECT = Path(__file__).resolve().parent.parent

# Waiting threads spin for some microseconds, then sleep. Two cores, ML-1M, seconds an epoch of RecVAE / Mult-DAE, alone
# and beside a busy process: asleep at once 5.0 / .46 and 4.3 / .43, this 2.9 / .30 and 5.7 / .58, ten times this
# 2.6 / .27 and 17 / 1.1. It must be said before torch is imported.
WAITING = {"OMP_WAIT_POLICY": "ACTIVE", "GOMP_SPINCOUNT": "1000", "KMP_BLOCKTIME": "0"}
REPEATABLE = {"CUBLAS_WORKSPACE_CONFIG": ":4096:8"}  # what cuBLAS wants to be told before it gives equal results twice

_FIX_FOLDER = "Set it to a folder, or unset it."
ON, OFF = ("1", "true", "yes", "on", "y", "t"), ("", "0", "false", "no", "off", "n", "f")


def _folder(variable: str, default: Path) -> Path:
    value = os.environ.get(variable, "").strip()
    try:
        value.encode()
        folder = Path(value).expanduser().resolve() if value else default
        folder.exists()  # raises for a name that is too long
        return folder
    except (OSError, RuntimeError, UnicodeError) as error:  # a loop of links, "~nobody", bytes that are no text
        other = "it is no text" if isinstance(error, UnicodeError) else "there is no such place"
        why = getattr(error, "strerror", None) or other
        raise UsageError(f"{variable} = {value[:200]!a} cannot be a folder ({why}). {_FIX_FOLDER}") from error


def _check_folder(variable: str, folder: Path) -> None:
    """Raise UsageError where a folder is not and can never be."""
    there = next(path for path in (folder, *folder.parents) if path.exists())
    if not there.is_dir():
        raise UsageError(f"{variable} = {str(folder)!r}: {there} is no folder. {_FIX_FOLDER}")


def _count(variable: str, default: int) -> int:
    value = os.environ.get(variable, "").strip()
    if not value:
        return default
    if not re.fullmatch("[0-9]{1,9}", value) or int(value) < 1:
        raise UsageError(f"{variable} = {value[:40]!a} is not a whole number above 0. Set it to 1, 2, ... or unset it.")
    return int(value)


def data_dir() -> Path:
    """Data sets, their caches and the default store (RECDASH_DATA_DIR)."""
    return _folder("RECDASH_DATA_DIR", PROJECT / "data")


def checkpoint_dir() -> Path:
    """One folder a run (RECDASH_CHECKPOINT_DIR)."""
    return _folder("RECDASH_CHECKPOINT_DIR", PROJECT / "checkpoints")


def demo_films() -> Path:
    """Return the catalogue behind the demo data; part of the checkout, whatever RECDASH_DATA_DIR says."""
    return PROJECT / "data" / "demo" / "films.csv"


def store_url() -> str:
    """Database URL of the run store (RECDASH_STORE); by default an SQLite file in the data folder."""
    return os.environ.get("RECDASH_STORE", "").strip() or f"sqlite:///{quote(str(data_dir() / 'recdash.db'))}"


def max_runs() -> int:
    """How many trainings may run at once (RECDASH_MAX_RUNS); by default half of the cores, at least one."""
    return _count("RECDASH_MAX_RUNS", max(1, (os.cpu_count() or 1) // 2))


def read_only() -> bool:
    """Whether this installation only shows and recommends (RECDASH_READ_ONLY=1)."""
    value = os.environ.get("RECDASH_READ_ONLY", "").strip()
    if value.lower() not in ON + OFF:
        raise UsageError(f"RECDASH_READ_ONLY = {value[:40]!a} is neither on (1) nor off (0). Set it to 1, or unset it.")
    return value.lower() in ON


def runs_per_gpu() -> int:
    """How many trainings may share one GPU (RECDASH_RUNS_PER_GPU); by default 2."""
    return _count("RECDASH_RUNS_PER_GPU", 2)


def default_device() -> str:
    """What `device="auto"` stands for (RECDASH_DEVICE); by default "auto", the best device that is there."""
    return os.environ.get("RECDASH_DEVICE", "").strip() or "auto"


def check() -> None:
    """Raise UsageError, which names it, for a variable whose value cannot mean anything; the store says so itself."""
    _check_folder("RECDASH_DATA_DIR", data_dir())
    _check_folder("RECDASH_CHECKPOINT_DIR", checkpoint_dir())
    max_runs()
    runs_per_gpu()
    read_only()
