"""Effect of dense re-feeding in DeepRec by solver and step size, `ratings-90` on MovieLens-1M."""

from __future__ import annotations

import time
from typing import Any

import recdash
from benchmarks.common import conditions, fail_without_data, ml_1m, write

SPLIT_SEED = 1
PLAIN: dict[str, Any] = {
    "dropout": 0.8,
    "weight_decay": 0.0,
    "averaging": 0.0,
}  # no regularisation that could hide the difference
SGD: dict[str, Any] = {"solver": "sgd", "epochs": 45, "patience": 10, "halve_at": (20, 30, 38)}
ROWS: dict[str, dict[str, Any]] = {
    "SGD 1e-3": SGD | {"learning_rate": 1e-3},
    "SGD 5e-3": SGD | {"learning_rate": 5e-3},
    "SGD 2e-2": SGD | {"learning_rate": 2e-2},
    "Adam 1e-3": {},
}


def main() -> None:
    """Train each row without and with re-feeding; write test and training RMSE."""
    fail_without_data()
    split, rows = recdash.make_split(ml_1m(), "ratings-90", seed=SPLIT_SEED), []
    for label, settings in ROWS.items():
        for refeed in (0, 1):
            started = time.perf_counter()
            epochs: list[dict[str, float]] = []
            try:
                model = recdash.fit(
                    "deeprec",
                    split,
                    seed=0,
                    on_epoch=lambda e, seen=epochs: seen.append(e.values),
                    **PLAIN | settings,
                    refeed=refeed,
                )
            except recdash.RecdashError as error:
                rows.append({"row": label, "refeed": refeed, "failed": str(error)})
                print(rows[-1], flush=True)
                continue
            best = model.record["best_epoch"]
            row: dict[str, Any] = {"row": label, "refeed": refeed, **recdash.evaluate(model, split).mean}
            row |= {"train_rmse": epochs[best - 1]["train_rmse"], "best_epoch": best, "epochs_run": len(epochs)}
            row |= {"seconds": time.perf_counter() - started}
            rows.append(row)
            print({key: round(v, 4) if isinstance(v, float) else v for key, v in row.items()}, flush=True)
    summary = {f"{row['row']}, refeed {row['refeed']}": row.get("rmse", "failed") for row in rows}
    write("refeeding_ml1m", {"summary": summary, "rows": rows, "conditions": conditions(split_seed=SPLIT_SEED)})


if __name__ == "__main__":
    main()
