"""The first table: every ranking model under `strong` on MovieLens-1M with preset `auto`, over several split seeds."""

from __future__ import annotations

import sys
import time

import numpy as np

import recdash
from benchmarks.common import conditions, ml_1m, write
from recdash.models import registry

SPLIT_SEEDS = (98765, 1, 2)
SHOWN = ("ndcg@100", "recall@20", "recall@50", "recall_all@100", "precision@100", "coverage@100")


def main() -> None:
    """Train, evaluate, write means over split seeds and each seed's row."""
    names = sys.argv[1].split(",") if len(sys.argv) > 1 else list(registry.names())
    data = ml_1m()
    rows = []
    for seed in SPLIT_SEEDS:
        split = recdash.make_split(data, "strong", seed=seed)
        for name in names:
            started = time.perf_counter()
            model = recdash.fit(name, split, seed=1)
            report = recdash.evaluate(model, split)
            row = {"model": name, "split_seed": seed, **{metric: report.mean[metric] for metric in SHOWN}}
            row |= {"interval": report.interval["ndcg@100"], "epochs_run": model.record["epochs_run"]}
            row |= {"best_epoch": model.record["best_epoch"], "total_s": time.perf_counter() - started}
            row |= {"train_s": model.record["seconds"], "precision": model.record["precision"]}
            rows.append(row)
            print({k: round(v, 4) if isinstance(v, float) else v for k, v in row.items()}, flush=True)
    summary = {}
    for name in names:
        mine = [row for row in rows if row["model"] == name]
        summary[name] = {key: round(float(np.mean([row[key] for row in mine])), 4) for key in (*SHOWN, "total_s")}
    if "ease" in names:
        for name in names:
            summary[name]["of_ease_ndcg"] = round(summary[name]["ndcg@100"] / summary["ease"]["ndcg@100"], 4)
    write("compare_ml1m", {"summary": summary, "rows": rows, "conditions": conditions(preset="auto", training_seed=1)})


if __name__ == "__main__":
    main()
