"""Cores per run, and the environment variables of supervisors and workers."""

from __future__ import annotations

import os
from pathlib import Path

from recdash import environment, paths
from recdash.compute_env import OPENMP_WAITING
from recdash.runs.database import parse_url

# PyTorch then counts GPUs without initialising CUDA, which a process that forks workers must not do.
_WITHOUT_DRIVER = {"PYTORCH_NVML_BASED_CUDA_CHECK": "1"}
_POOLS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")


def cores() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def threads_per_run() -> int:
    """Return the threads of one run: the cores divided by the number of concurrent runs."""
    return max(1, cores() // environment.max_runs())


def for_process() -> dict[str, str]:
    """Return this environment for another process: absolute paths, and this recdash importable."""
    found = dict(os.environ)
    found["RECDASH_DATA_DIR"] = str(paths.data_dir())
    found["RECDASH_CHECKPOINT_DIR"] = str(paths.checkpoint_dir())
    found["RECDASH_STORE"] = absolute_url(paths.store_url())
    checkout = [str(paths.IMPORT_ROOT)] if paths.IS_CHECKOUT else []  # an installed package is importable already
    entries = [*checkout, *found.get("PYTHONPATH", "").split(os.pathsep)]
    found["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(entry for entry in entries if entry))
    return found


def for_worker(threads: int) -> dict[str, str]:
    """Return the environment of a worker with this many threads in every pool."""
    return for_process() | OPENMP_WAITING | _WITHOUT_DRIVER | dict.fromkeys(_POOLS, str(threads))


def absolute_url(url: str) -> str:
    """Return a store URL that does not depend on the current folder; raises StoreError for an invalid URL."""
    parsed = parse_url(url)
    if parsed.get_backend_name() != "sqlite" or parsed.database is None:
        return url
    return parsed.set(database=str(Path(parsed.database).absolute())).render_as_string(hide_password=False)
