"""What all benchmarks share: data, conditions and the output file."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import recdash
from recdash import devices
from recdash.data.dataset import Dataset
from recdash.errors import DataError

RESULTS = Path(__file__).resolve().parent / "results"


def ml_1m() -> Dataset:
    """Return MovieLens-1M."""
    return movielens("ml-1m")


def movielens(name: str) -> Dataset:
    """Return a MovieLens release, from RECDASH_TEST_DATA or installed by `recdash data get`."""
    folder = os.environ.get("RECDASH_TEST_DATA")
    return recdash.load_dataset(Path(folder) / name if folder else name)


def conditions(**more: Any) -> dict[str, Any]:
    """Return date, commit, versions and machine, to be stored with every figure."""
    git = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
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
