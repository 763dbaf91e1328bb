"""Checks of the installation: what works, what does not, and how to fix it."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from recdash import environment, paths
from recdash.errors import RecdashError

_CORE_PACKAGES = ("torch", "numpy", "scipy", "pandas", "safetensors", "tqdm")
_SERVICE_PACKAGES = ("SQLAlchemy", "psutil", "filelock", "rapidfuzz", "pooch", "jinja2", "tabulate")
_PAGE_PACKAGES = ("streamlit", "altair", "plotly")
_MIN_FREE_GB = 2.0  # with less, a run on a large dataset may run out of space


@dataclass(frozen=True)
class Check:
    """Result of one check.

    Attributes:
        what: What was checked.
        ok: Whether it works.
        detail: What was found.
        fix: What to do if it does not work.
    """

    what: str
    ok: bool
    detail: str
    fix: str = ""


def checks() -> list[Check]:
    """Check versions, device, folders, store, supervisor, datasets and disk; an error becomes a failed check."""
    results: list[Check] = []
    for what, check in _CHECKS.items():
        try:
            results += check()
        except Exception as error:  # one broken part must not hide the state of the others
            fix = "" if isinstance(error, RecdashError) else "Report this error to the developers."
            results.append(Check(what, False, str(error) or type(error).__name__, fix))
    return results


def rebuild_store() -> str:
    """Move a damaged SQLite store aside and rebuild it from the run folders; returns a summary."""
    from recdash.runs.rebuild_store import rebuild  # lazy: SQLAlchemy

    return rebuild(paths.store_url())


def _python() -> list[Check]:
    supported = sys.version_info >= (3, 11)
    detail = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    return [Check("Python", supported, detail, "Install Python 3.11 or newer.")]


def _packages() -> list[Check]:
    results = []
    for what, names in (
        ("Packages", (*_CORE_PACKAGES, *_SERVICE_PACKAGES)),
        ("Dashboard packages", _PAGE_PACKAGES),
    ):
        versions = {name: _version(name) for name in names}
        missing = [name for name, number in versions.items() if number is None]
        installed = ", ".join(f"{name} {number}" for name, number in versions.items() if number is not None)
        detail = f"missing: {', '.join(missing)}" if missing else installed
        results.append(Check(what, not missing, detail, "Run: make app, or: pip install -r requirements.txt"))
    return results


def _device() -> list[Check]:
    from recdash import devices  # lazy: torch

    device = devices.choose("auto")
    free = devices.available_bytes(device)
    description = devices.describe(device) + ("" if free is None else f", {devices.format_bytes(free)} free")
    return [_training_step(description, str(device))]


def _parallel_runs() -> list[Check]:
    from recdash.runs import gpu_placement, process_env  # lazy: psutil

    threads = f"{process_env.threads_per_run()} of {process_env.cores()} cores each"
    gpus = 0 if environment.default_device() == "cpu" else gpu_placement.gpu_count()
    on_gpus = f", {environment.runs_per_gpu()} on each of {gpus} GPUs" if gpus else ""
    return [Check("Parallel runs", True, f"up to {environment.max_runs()} at once{on_gpus}, {threads}")]


def _training_step(description: str, device: str) -> Check:
    from recdash.training.device_check import one_update  # lazy: torch

    try:
        seconds = one_update(device)
    except Exception as error:  # drivers raise errors of many types
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        detail = f"{description}: one training step of Mult-VAE failed: {reason}"
        return Check("Device", False, detail, "Set RECDASH_DEVICE=cpu, or repair the driver.")
    return Check("Device", True, f"{description}; one training step of Mult-VAE succeeded ({seconds:.1f} s)")


def _folders() -> list[Check]:
    results = []
    for what, folder, variable in (
        ("Data folder", paths.data_dir(), "RECDASH_DATA_DIR"),
        ("Checkpoint folder", paths.checkpoint_dir(), "RECDASH_CHECKPOINT_DIR"),
    ):
        parent = _existing(folder)
        fix = f"Allow writing to it, or set {variable} to another folder."
        results.append(Check(what, os.access(parent, os.W_OK) and parent.is_dir(), str(folder), fix))
    return results


def _store() -> list[Check]:
    from recdash.runs import supervisor  # lazy: SQLAlchemy
    from recdash.services.store_access import open_store  # lazy: SQLAlchemy

    store = open_store()
    states = [run.state.value for run in store.runs()]
    counts = {state: states.count(state) for state in sorted(set(states))}
    detail = ", ".join(f"{number} {state}" for state, number in counts.items()) or "no runs yet"
    process = supervisor.running_supervisor(store)
    queued = counts.get("queued", 0)
    status = f"running (process {process.pid})" if process else "not running" if queued else "not needed now"
    return [
        Check(
            "Run store",
            store.database.writable,
            f"{store.database.location}: {detail}",
            "Allow writing to it, or set RECDASH_STORE to another database URL.",
        ),
        Check("Supervisor", process is not None or not queued, status, "Start it: recdash runs list"),
    ]


def _datasets() -> list[Check]:
    from recdash.data import dataset_registry  # lazy: pandas

    entries = dataset_registry.available()
    ready = [entry.name for entry in entries if entry.ready]
    missing = [entry.name for entry in entries if not entry.ready]
    detail = f"ready: {', '.join(ready) or 'none'}; not downloaded: {', '.join(missing) or 'none'}"
    return [Check("Datasets", bool(ready), detail, "Download one: recdash data get NAME")]


def _disk() -> list[Check]:
    results = []
    for folder in dict.fromkeys((paths.data_dir(), paths.checkpoint_dir())):
        free = shutil.disk_usage(_existing(folder)).free / 1e9
        fix = "Free disk space: recdash runs delete RUN, recdash data remove NAME"
        results.append(Check("Disk", free >= _MIN_FREE_GB, f"{free:.1f} GB free at {folder}", fix))
    return results


def _mode() -> list[Check]:
    detail = "read-only: no training, no imports (RECDASH_READ_ONLY)" if environment.read_only() else "training allowed"
    return [Check("Mode", True, detail)]


def _existing(folder: Path) -> Path:
    """Return the folder, or its nearest parent that exists."""
    return next(path for path in (folder, *folder.parents) if path.exists())


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


_CHECKS: dict[str, Callable[[], list[Check]]] = {
    "Python": _python,
    "Packages": _packages,
    "Device": _device,
    "Parallel runs": _parallel_runs,
    "Folders": _folders,
    "Run store": _store,
    "Datasets": _datasets,
    "Disk": _disk,
    "Mode": _mode,
}
