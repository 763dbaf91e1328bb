"""What works on this machine, what does not, and how to mend it."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from recdash import paths
from recdash.errors import RecdashError

_NEEDED = ("torch", "numpy", "scipy", "pandas", "safetensors", "tqdm", "SQLAlchemy", "psutil", "rapidfuzz", "pooch")
_FOR_PAGES = ("streamlit", "altair", "plotly")
_FREE_GB = 2.0


@dataclass(frozen=True)
class Check:
    """One thing that was looked at."""

    what: str
    ok: bool
    detail: str
    mend: str = ""


def checks() -> list[Check]:
    """Look at versions, device, folders, store, supervisor, data sets and disk; never raises."""
    found: list[Check] = []
    for what, look in _LOOKS.items():
        try:
            found += look()
        except Exception as error:  # a doctor that falls ill helps nobody
            mend = "" if isinstance(error, RecdashError) else "Tell the developers what you did."
            found.append(Check(what, False, str(error) or type(error).__name__, mend))
    return found


def mend_store() -> str:
    """Move a damaged SQLite store aside and rebuild it from the run folders; returns what was done, in words."""
    from recdash.runs import recovery

    return recovery.mend(paths.store_url())


def _python() -> list[Check]:
    fine = sys.version_info >= (3, 11)
    return [
        Check(
            "Python",
            fine,
            f"{platform.python_version()} on {platform.system()} {platform.machine()}",
            "Use Python 3.11 or newer.",
        )
    ]


def _packages() -> list[Check]:
    found = []
    for names, what, mend in (
        (_NEEDED, "Packages", "make app, or pip install -r requirements.txt"),
        (_FOR_PAGES, "Packages of the pages", "make app, or pip install -r requirements.txt"),
    ):
        have = {name: _version(name) for name in names}
        missing = [name for name, number in have.items() if number is None]
        there = ", ".join(f"{name} {number}" for name, number in have.items() if number is not None)
        found.append(Check(what, not missing, f"missing: {', '.join(missing)}" if missing else there, mend))
    return found


def _device() -> list[Check]:
    from recdash import devices
    from recdash.runs import gpu_placement, process_env

    chosen = devices.choose("auto")
    found = devices.describe(chosen)
    free = devices.available_bytes(chosen)
    found += "" if free is None else f", {devices.size(free)} free"
    threads = f"{process_env.threads_per_run()} of {process_env.cores()} cores each"
    shared = f", {paths.runs_per_gpu()} on each of {gpu_placement.count()} GPUs" if chosen.type == "cuda" else ""
    return [
        _trial(found, str(chosen)),
        Check("Trainings", True, f"up to {paths.max_runs()} at once{shared}, {threads}"),
    ]


def _trial(found: str, device: str) -> Check:
    """Train one update on the device, and say what was seen."""
    from recdash.training.device_check import one_update

    try:
        seconds = one_update(device)
    except Exception as error:  # whatever a driver may do
        said = (str(error).strip().splitlines() or [type(error).__name__])[0]
        advice = "Set RECDASH_DEVICE=cpu, or repair the driver."
        return Check("Device", False, f"{found}: one update of Mult-VAE fails on it: {said}", advice)
    return Check("Device", True, f"{found}; one update of Mult-VAE worked ({seconds:.2f} s)")


def _folders() -> list[Check]:
    found = []
    for what, folder, variable in (
        ("Data folder", paths.data_dir(), "RECDASH_DATA_DIR"),
        ("Checkpoint folder", paths.checkpoint_dir(), "RECDASH_CHECKPOINT_DIR"),
    ):
        there = next(path for path in (folder, *folder.parents) if path.exists())
        mend = f"Give write permission, or set {variable} to another folder."
        found.append(Check(what, os.access(there, os.W_OK) and there.is_dir(), str(folder), mend))
    return found


def _store() -> list[Check]:
    from recdash.runs import supervisor
    from recdash.services.store_access import open_store

    store = open_store()
    runs = store.runs()
    states = {
        state: sum(run.state.value == state for run in runs) for state in sorted({run.state.value for run in runs})
    }
    counted = ", ".join(f"{number} {state}" for state, number in states.items()) or "no runs yet"
    who = supervisor.holder(store)
    queued = states.get("queued", 0)
    at_work = f"at work (process {who.pid})" if who else "not needed now" if not queued else "not at work"
    return [
        Check(
            "Run store",
            store.database.writable,
            f"{store.database.place}: {counted}",
            "Give write permission, or set RECDASH_STORE.",
        ),
        Check("Supervisor", who is not None or not queued, at_work, "recdash runs list starts it."),
    ]


def _data() -> list[Check]:
    from recdash.data import dataset_registry

    entries = dataset_registry.available()
    ready = [entry.name for entry in entries if entry.ready]
    away = [entry.name for entry in entries if not entry.ready]
    detail = f"ready: {', '.join(ready) or 'none'}; not here: {', '.join(away) or 'none'}"
    return [Check("Data sets", bool(ready), detail, "recdash data get NAME")]


def _disk() -> list[Check]:
    found = []
    for folder in dict.fromkeys((paths.data_dir(), paths.checkpoint_dir())):
        there = next(path for path in (Path(folder), *folder.parents) if path.exists())
        free = shutil.disk_usage(there).free / 1e9
        found.append(
            Check(
                "Disk",
                free >= _FREE_GB,
                f"{free:.1f} GB free at {folder}",
                "Free some space: recdash runs delete, recdash data remove.",
            )
        )
    return found


def _mode() -> list[Check]:
    return [
        Check("Mode", True, "look and recommend only (RECDASH_READ_ONLY)" if paths.read_only() else "training allowed")
    ]


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


_LOOKS: dict[str, Callable[[], list[Check]]] = {
    "Python": _python,
    "Packages": _packages,
    "Device": _device,
    "Folders": _folders,
    "Run store": _store,
    "Data sets": _data,
    "Disk": _disk,
    "Mode": _mode,
}
