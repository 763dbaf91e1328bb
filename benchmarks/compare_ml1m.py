"""Every ranking model on MovieLens-1M with preset `auto`, over three split seeds and three protocols."""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import numpy as np

import recdash
from benchmarks.common import RESULTS, conditions, fail_without_data, ml_1m, write
from recdash.models import registry

SPLIT_SEEDS = (98765, 1, 2)
SHOWN = ("ndcg@100", "recall@20", "recall@50", "recall_all@100", "precision@100", "coverage@100")
RANKING = [name for name in registry.names() if registry.model_class(name).task == "ranking"]
VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "cdae[mean]": ("cdae", {"newcomer": "mean"}),
    "multvae[600-200-600]": ("multvae", {"hidden": (600,)}),
}
ROWS = {
    "strong": [name for name in RANKING if name != "svae"] + list(VARIANTS),
    "strong-temporal": ["popularity", "itemknn", "ease", "svae"],
    "published-svae": ["popularity", "ease", "svae"],
}


def main() -> None:
    """Measure all protocols and rows, or those named; other results in the file are preserved."""
    fail_without_data()
    wanted = sys.argv[1].split(",") if len(sys.argv) > 1 else list(ROWS)
    only = sys.argv[2].split(",") if len(sys.argv) > 2 else None
    path = RESULTS / "compare_ml1m.json"
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    results = {protocol: found[protocol] for protocol in ROWS if protocol in found}
    for protocol in wanted:
        labels = [label for label in ROWS[protocol] if only is None or label in only]
        before = [row for row in results.get(protocol, {}).get("rows", []) if row["row"] not in labels]
        rows = before + [row for seed in SPLIT_SEEDS for row in measure(protocol, seed, labels)]
        results[protocol] = {"summary": summary(rows), "rows": rows}
        write("compare_ml1m", results)


def measure(protocol: str, seed: int, labels: list[str]) -> list[dict[str, Any]]:
    """Train and evaluate the rows on one split."""
    split = recdash.make_split(ml_1m(), protocol, seed=seed)
    rows = []
    for label in labels:
        name, settings = VARIANTS.get(label, (label, {}))
        started = time.perf_counter()
        model = recdash.fit(name, split, **settings)
        report = recdash.evaluate(model, split)
        record = model.record
        row: dict[str, Any] = {"row": label, "split_seed": seed, **{metric: report.mean[metric] for metric in SHOWN}}
        row |= {"interval": report.interval["ndcg@100"], "best_epoch": record["best_epoch"]}
        row |= {"epochs_run": record["epochs_run"], "epoch_s": record["seconds"] / record["epochs_run"]}
        row |= {"total_s": time.perf_counter() - started, "threads": record["threads"]}
        row |= {"precision": record["precision"], "conditions": conditions(preset="auto", training_seed=0)}
        rows.append(row)
        print(protocol, {k: round(v, 4) if isinstance(v, float) else v for k, v in list(row.items())[:-1]}, flush=True)
    return rows


def summary(rows: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Means over split seeds, also relative to EASE on the same splits."""
    found: dict[str, dict[str, float]] = {}
    for label in dict.fromkeys(row["row"] for row in rows):
        mine = [row for row in rows if row["row"] == label]
        keys = (*SHOWN, "epoch_s", "total_s")
        found[label] = {key: round(float(np.mean([row[key] for row in mine])), 4) for key in keys}
    for label in found:
        if "ease" in found:
            for metric, name in (("ndcg@100", "of_ease_ndcg"), ("recall@50", "of_ease_recall50")):
                found[label][name] = round(found[label][metric] / found["ease"][metric], 4)
    return found


if __name__ == "__main__":
    main()
