"""EASE and RDLAE on MovieLens-1M with 12 settings each, chosen on validation, over three split seeds."""

from __future__ import annotations

import sys
import time
from itertools import product
from typing import Any

import recdash
from benchmarks.common import conditions, fail_without_data, ml_1m, update

SPLIT_SEEDS = (98765, 1, 2)
SHOWN = ("ndcg@100", "recall@20", "recall@50")
GRIDS: dict[str, list[dict[str, float]]] = {
    "ease": [{"l2": l2} for l2 in (50, 100, 150, 200, 300, 400, 500, 650, 800, 1000, 1400, 2000)],
    "rdlae": [
        {"l2": l2, "dropout": dropout, "relax": relax}
        for l2, dropout, relax in product((100, 250, 500), (0.1, 0.3), (0.3, 0.6))
    ],
}


def main() -> None:
    """Measure all split seeds or those named, and write each when it is done."""
    fail_without_data()
    for seed in [int(word) for word in sys.argv[1:]] or SPLIT_SEEDS:
        update("rdlae_ml1m", str(seed), measure(seed))


def measure(seed: int) -> dict[str, Any]:
    """Choose each model's settings on validation, and test the chosen ones."""
    split = recdash.make_split(ml_1m(), "strong", seed=seed)
    rows: dict[str, Any] = {}
    for name, grid in GRIDS.items():
        tried = []
        for settings in grid:
            started = time.perf_counter()
            model = recdash.fit("ease", split, device="cpu", **settings)
            seconds = time.perf_counter() - started
            found = recdash.evaluate(model, split, "validation", metric_names=["ndcg@100"]).mean["ndcg@100"]
            tried.append({"settings": settings, "seconds": seconds, "validation": found})
        best = max(tried, key=lambda one: one["validation"])
        chosen = recdash.fit("ease", split, device="cpu", **best["settings"])
        test = recdash.evaluate(chosen, split, metric_names=SHOWN)
        rows[name] = {"settings": best["settings"], **test.mean, "interval": test.interval["ndcg@100"], "tried": tried}
        rows[name] |= {"precision": chosen.record["precision"], "threads": chosen.record["threads"]}
    ratio = rows["rdlae"]["ndcg@100"] / rows["ease"]["ndcg@100"]
    print(seed, {name: round(row["ndcg@100"], 4) for name, row in rows.items()}, round(ratio, 4), flush=True)
    return {"ratio": ratio, **rows, "conditions": conditions(split_seed=seed)}


if __name__ == "__main__":
    main()
