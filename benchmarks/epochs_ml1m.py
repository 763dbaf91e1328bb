"""Time of an epoch of every model on MovieLens-1M with preset `auto`, without validation."""

from __future__ import annotations

import recdash
from benchmarks.common import conditions, fail_without_data, ml_1m, write
from recdash.models import registry
from recdash.models.base import GradientModel

EPOCHS = {"svae": 2}  # instead of 6: its epochs take 14 s


def main() -> None:
    """Train for a few epochs after a warm-up epoch, and write the mean."""
    fail_without_data()
    found = {}
    for name in registry.names():
        model_class = registry.model_class(name)
        if not issubclass(model_class, GradientModel):
            continue
        split = recdash.make_split(ml_1m(), "ratings-90" if model_class.task == "rating" else "strong")
        if name != "svae":
            recdash.fit(name, split, epochs=1)
        model = recdash.fit(name, split, epochs=EPOCHS.get(name, 6))
        record = model.record
        found[name] = {
            "epoch_s": round(record["seconds"] / record["epochs_run"], 3),
            "validation_s": round(record["validation_seconds"] / record["epochs_run"], 3),
            "batch_size": model.config.batch_size,
            "threads": record["threads"],
            "precision": record["precision"],
        }
        print(name, found[name], flush=True)
    write("epochs_ml1m", {"models": found, "conditions": conditions(preset="auto", training_seed=0)})


if __name__ == "__main__":
    main()
