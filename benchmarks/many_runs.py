"""A store of many runs, and how fast the pages answer with it; server side, without a browser."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy as np
from sqlalchemy import insert

from benchmarks.common import conditions, free_port, write
from benchmarks.dashboard_client import DashboardClient
from benchmarks.pages import server
from recdash import paths
from recdash.runs.record_rows import columns_of
from recdash.runs.run_folder import RunFolder
from recdash.runs.run_ids import draw_id
from recdash.runs.run_records import RunRecord
from recdash.runs.schema import epochs as epoch_table
from recdash.runs.schema import meta
from recdash.runs.schema import runs as run_table
from recdash.services import runs
from recdash.services.store_access import open_store

VALUES = ("loss", "reconstruction", "kl", "beta", "ndcg@100", "recall@20", "recall@50", "examples/s")
SWEPT = {"latent": (50, 100, 200, 400), "dropout": (0.3, 0.5, 0.7), "learning_rate": (3e-4, 1e-3, 3e-3)}


def train_originals() -> list[RunRecord]:
    """Train every ranking model on the demo, so that the copies have real per-user results and settings."""
    command = [sys.executable, "-m", "recdash", "compare", "--dataset", "demo", "--preset", "fast", "--json"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return [run for run in runs.list_runs(dataset="demo") if run.protocol == "strong"]


def fill_store(n_runs: int, n_epochs: int, seed: int = 0) -> list[str]:
    """Add copies of trained runs with other settings, metrics and curves to the store; return their ids.

    Args:
        n_runs: Number of copies; they take turns with the trained runs.
        n_epochs: Epochs of each, with all of VALUES.
        seed: Of the random numbers.
    """
    rng, originals = np.random.default_rng(seed), train_originals()
    trained = [run for run in originals if (run.epochs or 1) > 1]
    taken = [run.id for run in originals]
    run_rows: list[dict[str, Any]] = []
    epoch_rows: list[dict[str, Any]] = []
    store, now = open_store(), time.time()
    seq = store.version()
    for number in range(n_runs):
        original = trained[number % len(trained)]
        run_id = draw_id(original.model, taken[-240:])
        taken.append(run_id)
        quality = float(rng.uniform(0.5, 1.0))
        settings = {name: choices[int(rng.integers(len(choices)))] for name, choices in SWEPT.items()}
        curves = _curves(n_epochs, quality, rng)
        best = int(np.argmax(curves["ndcg@100"]))
        seq += 1
        copy = replace(
            original,
            id=run_id,
            name=f"{original.name} {number}",
            settings=settings,
            config={**original.config, **settings, "epochs": n_epochs},
            seed=number // len(trained) % 5,
            epoch=n_epochs,
            epochs=n_epochs,
            best_epoch=best + 1,
            best_value=float(curves["ndcg@100"][best]),
            metrics={name: value * quality for name, value in original.metrics.items()},
            intervals={name: (low * quality, high * quality) for name, (low, high) in original.intervals.items()},
            created=now - 0.01 * number,  # newer than the trained ones, so that Results opens with their table
            request_hash=f"copy-{number}",
            version=seq,
        )
        run_rows.append(_run_row(copy))
        for epoch in range(n_epochs):
            seq += 1
            values = {name: float(curves[name][epoch]) for name in VALUES}
            epoch_rows.append(
                {"run": run_id, "epoch": epoch + 1, "seq": seq, "update_number": 45 * (epoch + 1)}
                | {"seconds": 0.25 * (epoch + 1), "numbers": json.dumps(values)}
                | ({"recorded": copy.created + 0.25 * (epoch + 1)} if "recorded" in epoch_table.c else {})
            )
        shutil.copytree(RunFolder(original.id).path, RunFolder(run_id).path, copy_function=os.link)
    with store.database.write() as connection:
        connection.execute(insert(run_table), run_rows)
        connection.execute(insert(epoch_table), epoch_rows)
        connection.execute(meta.update().where(meta.c.name == "seq").values(value=seq))
    return [row["id"] for row in run_rows]


def _curves(n_epochs: int, quality: float, rng: np.random.Generator) -> dict[str, np.ndarray[Any, Any]]:
    """Return curves of the shapes that trainings have: falling losses, saturating metrics, an annealed beta."""
    at = np.arange(1, n_epochs + 1)
    noise = rng.normal(0, 1, (len(VALUES), n_epochs))
    reconstruction = 300 + 200 * np.exp(-at / (10 + 30 * quality)) + noise[0]
    kl = 40 * quality * (1 - np.exp(-at / 20)) + 0.3 * noise[1]
    beta = np.minimum(0.2, 0.2 * at / (0.4 * n_epochs))
    ndcg = 0.4 * quality * (1 - np.exp(-at / 15)) - 0.0001 * at + 0.003 * noise[2]
    return {
        "loss": reconstruction + beta * kl,
        "reconstruction": reconstruction,
        "kl": kl,
        "beta": beta,
        "ndcg@100": ndcg,
        "recall@20": 0.9 * ndcg + 0.002 * noise[3],
        "recall@50": 1.1 * ndcg + 0.002 * noise[4],
        "examples/s": 20_000 + 500 * noise[5],
    }


def _run_row(run: RunRecord) -> dict[str, Any]:
    stored = {name: getattr(run, name) for name in run.__dataclass_fields__ if name in run_table.c}
    for name, value in stored.items():
        stored[name] = list(value) if isinstance(value, tuple) else value
    return columns_of(stored | {"request_key": None, "queued": run.created, "stop_requested": 0})


async def measure(port: int, ids: list[str], refreshes: int) -> dict[str, Any]:
    """Return seconds and bytes of Results and of Curves with 20 runs x 8 charts, and the memory over refreshes."""
    query = urlencode([("run", run_id) for run_id in ids[:20]] + [("show", name) for name in VALUES])
    found: dict[str, Any] = {}
    with server(port) as (pid, _):
        tab = await DashboardClient.open(port)
        await tab.go("")
        await asyncio.sleep(6)  # the rest is imported on the first tick of a timer
        found["results_first_s"] = await tab.go("results")
        for page, asked in (("results", ""), ("curves", query), ("train", ""), ("", "")):
            times, sizes = [], []
            for _ in range(8):
                before = tab.received
                times.append(1000 * await tab.go(page, asked))
                sizes.append(tab.received - before)
            name = page or "overview"
            found[f"{name}_ms"], found[f"{name}_bytes"] = statistics.median(times[1:]), sizes[-1]
            found[f"{name}_first_bytes"] = sizes[0]
        for text in ("model:multvae", "ndcg@100>0.2", "latent:200 model:multdae"):
            found.setdefault("filter_ms", []).append(1000 * await tab.go("results", urlencode({"q": text})))
        await tab.go("curves", query)
        memory = []
        for number in range(refreshes):
            await tab.go("curves", query)
            if number % max(1, refreshes // 10) == refreshes // 20:
                memory.append(_resident_mb(pid))
        found["memory_mb"] = memory
        await tab.close()
    return found


def _resident_mb(pid: int) -> float:
    """Resident memory of a process in MB (Linux)."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return round(pages * os.sysconf("SC_PAGE_SIZE") / 1e6, 1)


def main() -> None:
    """Generate a store in a temporary folder, or in the configured one with --generate, and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=500)
    parser.add_argument("--epochs", type=int, default=200)
    parser.add_argument("--refreshes", type=int, default=1000)
    parser.add_argument("--generate", action="store_true", help="only fill the configured store")
    options = parser.parse_args()
    if options.generate:
        print(f"{len(fill_store(options.runs, options.epochs))} runs in {paths.store_url()}")
        return
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {"RECDASH_DATA_DIR": f"{folder}/data", "RECDASH_CHECKPOINT_DIR": f"{folder}/checkpoints"}
        started = time.perf_counter()
        ids = fill_store(options.runs, options.epochs)
        print(f"generated in {time.perf_counter() - started:.0f} s", flush=True)
        found = asyncio.run(measure(free_port(), ids, options.refreshes))
    write("many_runs", {"summary": found, "conditions": conditions(runs=options.runs, epochs=options.epochs)})


if __name__ == "__main__":
    main()
