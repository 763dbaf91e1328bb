"""Rating models under `ratings-90` on MovieLens-1M with preset `auto`, over split seeds 1, 2 and 3."""

from __future__ import annotations

import sys
import time
from typing import Any

import numpy as np

import recdash
from benchmarks.common import conditions, ml_1m, write

SPLIT_SEEDS = (1, 2, 3)
ROWS: dict[str, tuple[str, dict[str, Any]]] = {
    "global mean": ("bias", {"variant": "global"}),
    "user mean": ("bias", {"variant": "user"}),
    "item mean": ("bias", {"variant": "item"}),
    "bias": ("bias", {}),
    "I-AutoRec": ("autorec", {}),
    "U-AutoRec": ("autorec", {"variant": "user"}),
    "DeepRec": ("deeprec", {}),
    "DeepRec, re-fed": ("deeprec", {"refeed": 1, "epochs": 60}),
}


def main() -> None:
    """Train, evaluate, write means over split seeds and each seed's row."""
    wanted = sys.argv[1:] or list(ROWS)
    data, rows = ml_1m(), []
    for seed in SPLIT_SEEDS:
        split = recdash.make_split(data, "ratings-90", seed=seed)
        for label in wanted:
            name, settings = ROWS[label]
            started = time.perf_counter()
            model = recdash.fit(name, split, seed=0, **settings)
            report = recdash.evaluate(model, split)
            record = model.record
            row = {"row": label, "split_seed": seed, **report.mean, "interval": report.interval["rmse"]}
            row |= {"best_epoch": record["best_epoch"], "epochs_run": record["epochs_run"]}
            row |= {"total_s": time.perf_counter() - started, "epoch_s": record["seconds"] / record["epochs_run"]}
            rows.append(row)
            print({k: round(v, 4) if isinstance(v, float) else v for k, v in row.items()}, flush=True)
    keys = ("rmse", "mae", "macro_rmse", "total_s", "epoch_s")
    summary = {}
    for label in wanted:
        mine = [row for row in rows if row["row"] == label]
        summary[label] = {key: round(float(np.mean([row[key] for row in mine])), 4) for key in keys}
        summary[label]["rmse_sd"] = round(float(np.std([row["rmse"] for row in mine], ddof=1)), 4)
    write("ratings_ml1m", {"summary": summary, "rows": rows, "conditions": conditions(preset="auto", training_seed=0)})


if __name__ == "__main__":
    main()
