"""What all benchmarks share: data, conditions and the output file."""

from __future__ import annotations

import json
import os
import resource
import socket
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

import recdash
from recdash import devices
from recdash.data.dataset import Dataset
from recdash.errors import DataError
from recdash.splits import Split

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"
SPLIT_SEED = 98765
HELD_OUT_USERS = 500  # in each of validation and test; MovieLens-1M then has 5,034 training users


def ml_1m() -> Dataset:
    """Return MovieLens-1M."""
    return movielens("ml-1m")


def movielens(name: str) -> Dataset:
    """Return a MovieLens release, from RECDASH_TEST_DATA or installed by `recdash data get`."""
    return recdash.load_dataset(movielens_path(name))


def movielens_path(name: str = "ml-1m") -> str:
    """Return what `recdash.load_dataset` is given for a MovieLens release: a folder or a name."""
    folder = os.environ.get("RECDASH_TEST_DATA")
    return str(Path(folder) / name) if folder else name


def strong_split(dataset: Dataset) -> Split:
    """Return the split on which libraries are compared: ratings of 4 and 5, 500 + 500 users held out."""
    split = recdash.make_split(dataset, "strong", seed=SPLIT_SEED, held_out_users=HELD_OUT_USERS)
    if not isinstance(split, Split):
        raise TypeError("protocol `strong` gives a Split")
    return split


def conditions(**more: Any) -> dict[str, Any]:
    """Return date, commit, versions and machine, to be stored with every figure."""
    git = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False, cwd=ROOT)
    device = devices.choose()
    return {
        "when": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": git.stdout.strip(),
        "versions": devices.versions(),
        "machine": devices.machine_info() | {"native_bfloat16": devices.has_native_bfloat16(device)},
        "device": devices.describe(device),
        **more,
    }


def write(name: str, result: dict[str, Any]) -> None:
    """Write one result as JSON and print its summary."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(f"{path.name}: {json.dumps(result.get('summary', result))}")


class PeakMemory:
    """Peak memory of this process on a device: on the CPU above that at the start, on Linux since the last reset."""

    def __init__(self, device: str = "cpu") -> None:
        self.device = device
        self._at_start = 0.0 if self._is_gpu else status_mib("VmRSS")

    @property
    def _is_gpu(self) -> bool:
        return torch.device(self.device).type == "cuda"

    def reset(self) -> None:
        """Forget the peak so far."""
        if self._is_gpu:
            torch.cuda.reset_peak_memory_stats()
        elif (clear := Path("/proc/self/clear_refs")).exists():
            clear.write_text("5")  # resets VmHWM

    def peak_mib(self) -> float:
        """Return the peak in MiB."""
        if self._is_gpu:
            return float(torch.cuda.max_memory_allocated() / 2**20)
        return status_mib("VmHWM") - self._at_start


def status_mib(field: str) -> float:
    """Return a figure of this process on Linux (VmRSS, VmHWM); elsewhere its peak memory so far."""
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
    line = next(line for line in status.read_text().splitlines() if line.startswith(field + ":"))
    return int(line.split()[1]) / 2**10


def machine_kind() -> str:
    """Return "bfloat16" if the processor has native bfloat16, else "float32": results of the two are separate."""
    return "bfloat16" if devices.has_native_bfloat16(devices.choose("cpu")) else "float32"


def update(name: str, part: str, result: Any) -> None:
    """Write one part of a result, and leave the file's other parts."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    parts = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    path.write_text(json.dumps(parts | {part: result}, indent=1) + "\n", encoding="utf-8")


def fail_without_data() -> None:
    """Exit with one line if MovieLens-1M is missing."""
    try:
        ml_1m()
    except (DataError, recdash.RecdashError) as error:
        raise SystemExit(f"{error} The benchmarks need MovieLens-1M.") from error


def free_port() -> int:
    """Return an unused port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
