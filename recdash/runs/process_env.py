"""How the cores are shared out, and the environment in which supervisors and workers run."""

from __future__ import annotations

import os
from pathlib import Path

from recdash import paths
from recdash.runs.database import url_of

# PyTorch then counts GPUs without starting the driver, which a process that forks workers must not have done.
_WITHOUT_DRIVER = {"PYTORCH_NVML_BASED_CUDA_CHECK": "1"}
_POOLS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")


def cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def threads_per_run() -> int:
    """Return the threads of one training, so that as many as may run at once share the cores."""
    return max(1, cores() // paths.max_runs())


def base() -> dict[str, str]:
    """Return this environment with every place made absolute, and with this very recdash importable."""
    found = dict(os.environ)
    found["RECDASH_DATA_DIR"] = str(paths.data_dir())
    found["RECDASH_CHECKPOINT_DIR"] = str(paths.checkpoint_dir())
    found["RECDASH_STORE"] = absolute(paths.store_url())
    entries = [str(paths.PROJECT), *found.get("PYTHONPATH", "").split(os.pathsep)]
    found["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(entry for entry in entries if entry))
    return found


def for_worker(threads: int) -> dict[str, str]:
    """Return the environment of one worker: so many threads in every pool, and none of them spins for long."""
    return base() | paths.WAITING | _WITHOUT_DRIVER | dict.fromkeys(_POOLS, str(threads))


def absolute(url: str) -> str:
    """Return a store URL that means the same from any folder; raises StoreError for what is no such URL."""
    parsed = url_of(url)
    if parsed.get_backend_name() != "sqlite" or parsed.database is None:
        return url
    return parsed.set(database=str(Path(parsed.database).absolute())).render_as_string(hide_password=False)
