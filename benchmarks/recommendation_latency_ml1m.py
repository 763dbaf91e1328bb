"""Time of one list of recommendations with reasons on MovieLens-1M, for every loaded model.

Models are trained for one epoch only: the time does not depend on the weights.
"""

from __future__ import annotations

import statistics
import time

import recdash
from benchmarks.common import conditions, fail_without_data, ml_1m, write
from recdash.models import registry
from recdash.models.base import GradientModel
from recdash.recommend.ranked_list import rank

PICKS, ROUNDS = 5, 15


def main() -> None:
    """Measure median and maximum in milliseconds."""
    fail_without_data()
    data = ml_1m()
    split = recdash.make_split(data, "strong")
    picks = [split.catalogue[index] for index in range(0, 50 * PICKS, 50)]
    found = {}
    for name in registry.names():
        has_epochs = issubclass(registry.model_class(name), GradientModel)
        model = recdash.fit(name, split, **({"epochs": 1} if has_epochs else {}))
        rank(model, picks, 20)
        times = []
        for _ in range(ROUNDS):
            started = time.perf_counter()
            rank(model, picks, 20)
            times.append(1000 * (time.perf_counter() - started))
        found[name] = {"median_ms": round(statistics.median(times), 1), "max_ms": round(max(times), 1)}
        print(name, found[name], flush=True)
    write(
        "recommendation_latency_ml1m",
        {"summary": found, "conditions": conditions(picks=PICKS, list_length=20, with_reasons=True)},
    )


if __name__ == "__main__":
    main()
