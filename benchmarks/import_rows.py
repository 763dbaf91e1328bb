"""Time and memory of an import of five million rows, with few and with many repeated pairs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.common import conditions, write

ROWS, USERS, ITEMS = 5_000_000, 100_000, 30_000
ROUNDS = 3
CHILD = """
import json, sys
from pathlib import Path
from recdash.cli.main import main
status = main(["data", "import", "many", "--csv", sys.argv[1]])
peak = int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0])
print(json.dumps([status, peak // 1024]))
"""


def write_rows(path: Path, *, popular: bool) -> None:
    """Write random rows: items equally likely, or mostly a few popular ones, which repeats pairs."""
    rng = np.random.default_rng(0)
    items = (rng.zipf(1.3, ROWS) % ITEMS) + 1 if popular else rng.integers(1, ITEMS, ROWS)
    pd.DataFrame({
        "userId": rng.integers(1, USERS, ROWS), "movieId": items, "rating": rng.integers(1, 6, ROWS),
        "timestamp": rng.integers(10**9, 16 * 10**8, ROWS),
    }).to_csv(path, index=False)  # fmt: skip


def run_import(path: Path, folder: str) -> dict[str, Any]:
    """Import in a new process; returns its seconds, start included, and its peak memory in MiB."""
    environment = os.environ | {"RECDASH_DATA_DIR": f"{folder}/data", "RECDASH_CHECKPOINT_DIR": f"{folder}/checkpoints"}
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(path)], capture_output=True, text=True, env=environment, check=True
    )
    seconds = time.perf_counter() - started
    status, peak = json.loads(done.stdout)
    if status:
        raise SystemExit(done.stderr)
    return {"seconds": round(seconds, 2), "peak_mib": peak}


if __name__ == "__main__":
    result: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, popular in (("few_duplicates", False), ("many_duplicates", True)):
            path = Path(folder) / f"{name}.csv"
            write_rows(path, popular=popular)
            rounds = [run_import(path, folder) for _ in range(ROUNDS)]
            result[name] = {"megabytes": round(path.stat().st_size / 1e6), "rounds": rounds}
    summary = {
        name: {key: sorted(one[key] for one in found["rounds"])[ROUNDS // 2] for key in ("seconds", "peak_mib")}
        for name, found in result.items()
    }
    write("import_rows", conditions(rows=ROWS, **result, summary=summary))
