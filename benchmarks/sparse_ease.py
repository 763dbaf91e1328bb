"""Sparse EASE: accuracy next to dense EASE on MovieLens, and time and memory on a generated catalogue of 200,000 items.

Without arguments everything is measured; `python -m benchmarks.sparse_ease ml-1m "auto;2%"` measures some rows. Every
row runs in a process of its own, so that its peak memory is that of data, library and solution together.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import Any

import numpy as np
from scipy import sparse

import recdash
from benchmarks.common import RESULTS, ROOT, conditions, fail_without_data, movielens, status_mib, update
from benchmarks.generated_data import Shape, split_of
from recdash.models.sparse_ease import SparseEASE
from recdash.splits import Split

LARGE = Shape(users=220_000, items=200_000, positives=12_000_000)
HELD_OUT_USERS = 2_000
CLUSTERS, CLUSTERS_OF_USER, FROM_CLUSTERS = 2_000, 6, 0.7
SHOWN = ("ndcg@100", "recall@20", "recall@50")
SPLIT_SEED = 98765
SMALL_ROWS: dict[str, tuple[str, dict[str, Any]]] = {
    "ease": ("ease", {}),
    "auto": ("sparse_ease", {}),
    "2%": ("sparse_ease", {"density": 2.0}),
    "1%": ("sparse_ease", {"density": 1.0}),
    "0.5%": ("sparse_ease", {"density": 0.5}),
    "2%, shared 0.1": ("sparse_ease", {"density": 2.0, "shared": 0.1}),
    "2%, shared 0.5": ("sparse_ease", {"density": 2.0, "shared": 0.5}),
    "2%, paper's l2 of 1": ("sparse_ease", {"density": 2.0, "l2": 1.0}),
}
LARGE_ROWS: dict[str, tuple[str, dict[str, Any]]] = {
    "popularity": ("popularity", {}),
    "auto": ("sparse_ease", {}),
    "memory 1": ("sparse_ease", {"memory": 1.0}),
}
ROWS = {"ml-1m": SMALL_ROWS, "ml-100k": SMALL_ROWS, "generated": LARGE_ROWS}


def clustered(shape: Shape, seed: int = 0) -> sparse.csr_matrix:
    """Return a binary matrix, (users, items), with tastes: a user's items come from a few clusters and at large.

    Popularity is a power of the rank, activity log-normal. Repeated draws merge, so it has fewer positives.
    """
    rng = np.random.default_rng(seed)
    activity = np.exp(rng.normal(0, 1.05, shape.users))
    activity = np.clip(activity * shape.positives / activity.sum(), 5, 3000).astype(np.int64)
    popularity = rng.permutation((np.arange(shape.items) + 20.0) ** -0.9)
    cluster = np.sort(rng.integers(0, CLUSTERS, shape.items))  # of each item
    total = np.concatenate([[0], np.cumsum(popularity)])
    bounds = total[np.searchsorted(cluster, np.arange(CLUSTERS + 1))]
    tastes = rng.integers(0, CLUSTERS, (shape.users, CLUSTERS_OF_USER))
    users = np.repeat(np.arange(shape.users), activity)
    chosen = tastes[users, rng.integers(0, CLUSTERS_OF_USER, len(users))]
    at_large = rng.random(len(users)) >= FROM_CLUSTERS
    low, high = np.where(at_large, 0, bounds[chosen]), np.where(at_large, total[-1], bounds[chosen + 1])
    items = np.searchsorted(total, low + (high - low) * rng.random(len(users)), side="right") - 1
    relabelled = rng.permutation(shape.items).astype(np.int32)[np.minimum(items, shape.items - 1)]
    ones = np.ones(len(users), np.float32)
    matrix = sparse.csr_matrix((ones, (users, relabelled)), (shape.users, shape.items))
    matrix.data[:] = 1
    return matrix


def split_for(data: str) -> Split:
    """Return the split of a dataset or of the generated data."""
    if data == "generated":
        return split_of(clustered(LARGE), HELD_OUT_USERS, validation=False)
    split = recdash.make_split(movielens(data), "strong", seed=SPLIT_SEED)
    if not isinstance(split, Split):
        raise TypeError("protocol `strong` gives a Split")
    return split


def measure(data: str, label: str) -> dict[str, Any]:
    """Train and evaluate one row in this process."""
    name, settings = ROWS[data][label]
    split = split_for(data)
    before = status_mib("VmHWM") / 1024
    started, started_cpu = time.perf_counter(), time.process_time()
    model = recdash.fit(name, split, device="cpu", **settings)
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - started_cpu
    peak = status_mib("VmHWM") / 1024
    report = recdash.evaluate(model, split, metric_names=SHOWN)
    row: dict[str, Any] = {"row": label, "model": name, "settings": settings, **report.mean}
    row |= {"interval": report.interval["ndcg@100"], "users": len(split.train), "items": split.n_items}
    row |= {"interactions": split.train.n_entries, "parameters": model.n_parameters, "fit_s": seconds}
    row |= {"fit_cpu_s": cpu_seconds}  # of all threads: other work on the machine lengthens `fit_s` alone
    row |= {"peak_rss_gib": peak, "peak_rss_before_fit_gib": before, "config": model.config.to_dict()}
    if isinstance(model, SparseEASE):
        row["density_percent"] = 100 * model.n_parameters / split.n_items**2
    return row | {"threads": model.record["threads"], "conditions": conditions(split_seed=SPLIT_SEED)}


def main() -> None:
    """Measure all parts and rows, or those named, each row in a process of its own; other results are preserved."""
    if len(sys.argv) > 3 and sys.argv[1] == "row":
        print(json.dumps(measure(sys.argv[2], sys.argv[3])))
        return
    wanted = sys.argv[1].split(",") if len(sys.argv) > 1 else list(ROWS)
    only = sys.argv[2].split(";") if len(sys.argv) > 2 else None
    if set(wanted) & {"ml-1m", "ml-100k"}:
        fail_without_data()
    for data in wanted:
        for label in ROWS[data]:
            if only is None or label in only:
                command = [sys.executable, "-m", "benchmarks.sparse_ease", "row", data, label]
                found = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
                add(data, json.loads(found.stdout.splitlines()[-1]))


def add(data: str, row: dict[str, Any]) -> None:
    """Write one row to the result file, in place of an earlier one of that name."""
    path = RESULTS / "sparse_ease.json"
    results: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    rows = {one["row"]: one for one in results.get(data, {}).get("rows", [])} | {row["row"]: row}
    ordered = [rows[label] for label in ROWS[data] if label in rows]
    shown = (*SHOWN, "fit_s", "fit_cpu_s", "peak_rss_gib")
    summary = {one["row"]: {key: round(one[key], 4) for key in shown if key in one} for one in ordered}
    update("sparse_ease", data, {"summary": summary, "rows": ordered})
    print(data, row["row"], summary[row["row"]], flush=True)


if __name__ == "__main__":
    main()
