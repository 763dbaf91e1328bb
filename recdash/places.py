"""Where things lie: folders and limits, each from an environment variable or a default relative to the checkout."""

from __future__ import annotations

import os
from pathlib import Path

from recdash.errors import UsageError

PROJECT = Path(__file__).resolve().parent.parent

# Waiting threads spin for some microseconds, then sleep. Two cores, ML-1M, seconds an epoch of RecVAE / Mult-DAE, alone
# and beside a busy process: asleep at once 5.0 / .46 and 4.3 / .43, this 2.9 / .30 and 5.7 / .58, ten times this
# 2.6 / .27 and 17 / 1.1. It must be said before torch is imported.
WAITING = {"OMP_WAIT_POLICY": "ACTIVE", "GOMP_SPINCOUNT": "1000", "KMP_BLOCKTIME": "0"}


def _folder(variable: str, default: Path) -> Path:
    value = os.environ.get(variable, "").strip()
    return Path(value).expanduser().resolve() if value else default


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
    return os.environ.get("RECDASH_STORE", "").strip() or f"sqlite:///{data_dir() / 'recdash.db'}"


def max_runs() -> int:
    """How many trainings may run at once (RECDASH_MAX_RUNS); by default half of the cores, at least one."""
    value = os.environ.get("RECDASH_MAX_RUNS", "").strip()
    if not value:
        return max(1, (os.cpu_count() or 1) // 2)
    if not value.isdigit() or int(value) < 1:
        raise UsageError(
            f"RECDASH_MAX_RUNS = {value!r} is not a whole number above 0. Set it to 1, 2, ... or unset it."
        )
    return int(value)


def read_only() -> bool:
    """Whether this installation only shows and recommends (RECDASH_READ_ONLY=1)."""
    return os.environ.get("RECDASH_READ_ONLY", "").strip().lower() in {"1", "true", "yes"}
