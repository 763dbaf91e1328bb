"""What every benchmark needs: the data, the conditions, and a place for the result."""

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
    """Return a MovieLens release, from RECDASH_TEST_DATA or as `recdash data get` left it."""
    folder = os.environ.get("RECDASH_TEST_DATA")
    return recdash.load_dataset(Path(folder) / name if folder else name)


def conditions(**more: Any) -> dict[str, Any]:
    """Return date, commit, versions and machine, to stand beside every figure."""
    git = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    device = devices.choose()
    return {
        "when": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": git.stdout.strip(),
        "versions": devices.versions(),
        "machine": devices.machine() | {"native_bfloat16": devices.native_bfloat16(device)},
        "device": devices.describe(device),
        **more,
    }


def write(name: str, result: dict[str, Any]) -> None:
    """Write one result as JSON and say where."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(f"{path.name}: {json.dumps(result.get('summary', result))}")


def fail_without_data() -> None:
    """End with one line where MovieLens-1M is absent."""
    try:
        ml_1m()
    except (DataError, recdash.RecdashError) as error:
        raise SystemExit(f"{error} The benchmarks need MovieLens-1M.") from error


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
