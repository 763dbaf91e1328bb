"""Effect of ties in time on a temporal protocol: ML-100K with times in days, ML-1M with and without ties."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

import recdash
from benchmarks.common import RESULTS, conditions, fail_without_data, ml_1m, movielens, write
from recdash.data.dataset import Dataset
from recdash.splits import Split
from recdash.splits.strong import split_strong

SPLIT_SEED = 98765
TIE_SEEDS = (SPLIT_SEED, 1, 2)
BEGINS = 0.7071  # probability that a rating starts a session; half of the ratings then share their second with another
LONG = 10  # ratings per long session; one session in eleven is long, so half of the ratings are in a long one
MODELS = ("ease", "svae", "multvae")
SHOWN = ("ndcg@100", "recall@50")
Starts = Callable[[np.random.Generator, int], NDArray[np.bool_]]


def main() -> None:
    """Measure "days", "ml-1m" and "ml-1m-long", or those named; other results in the file are preserved."""
    fail_without_data()
    parts: dict[str, Callable[[], list[dict[str, Any]]]] = {"days": days, "ml-1m": short, "ml-1m-long": long}
    path = RESULTS / "ties.json"
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    for name in sys.argv[1:] or list(parts):
        rows = parts[name]()
        found[name] = {"rows": rows, "conditions": conditions(training_seed=0, split_seed=SPLIT_SEED)}
        found["summary"] = {part: summary(found[part]["rows"]) for part in parts if part in found}
        write("ties", found)


def days() -> list[dict[str, Any]]:
    """ML-100K with times in days, where nearly every rating is tied: three random orders and the order of item ids."""
    exact = movielens("ml-100k")
    daily = in_days(exact)
    rows = [row("seconds", None, measured(temporal(exact), model, epochs=10)) for model in ("ease", "svae")]
    for seed in TIE_SEEDS:
        split = temporal(daily, tie_seed=seed)
        rows += [row("days, by chance", seed, measured(split, model, epochs=10)) for model in ("ease", "svae")]
    split = temporal(by_item(daily))
    return rows + [row("days, by item id", None, measured(split, model, epochs=10)) for model in ("ease", "svae")]


def short() -> list[dict[str, Any]]:
    """ML-1M with a total order, and with half of its ratings tied in sessions of two or three."""
    exact = ml_1m()
    rows = [row("no ties", None, measured(temporal(exact), model)) for model in MODELS]
    return rows + tied_in(exact, "half tied", lambda rng, ratings: rng.random(ratings) < BEGINS)


def long() -> list[dict[str, Any]]:
    """ML-1M with half of its ratings tied in sessions of ten."""

    def starts(rng: np.random.Generator, ratings: int) -> NDArray[np.bool_]:
        lengths = np.where(rng.random(ratings) < 1 / (LONG + 1), LONG, 1)
        found = np.zeros(ratings + 1, np.bool_)
        found[np.minimum(np.cumsum(lengths), ratings)] = True
        return found[:-1]

    return tied_in(ml_1m(), "half tied in tens", starts)


def tied_in(exact: Dataset, label: str, starts: Starts) -> list[dict[str, Any]]:
    """Measure every model on sessions with these starts, with ties in random order and by item id."""
    joined = in_sessions(exact, starts)
    versions = {"by chance": temporal(joined), "by item id": temporal(by_item(joined))}
    return [
        row(f"{label}, {rule}", SPLIT_SEED if rule == "by chance" else None, measured(split, model))
        for rule, split in versions.items()
        for model in MODELS
    ]


def in_days(data: Dataset) -> Dataset:
    """Round times down to days."""
    return replace(data, times=times_of(data) // 86_400 * 86_400)


def in_sessions(data: Dataset, starts: Starts) -> Dataset:
    """Give each user's consecutive ratings one time in sessions; the order inside is lost.

    starts: returns which of n ratings, ordered by user and time, start a session.
    """
    rng = np.random.default_rng(SPLIT_SEED)
    order = np.lexsort((times_of(data), data.users))
    begins = starts(rng, len(data)) | (np.diff(data.users[order], prepend=-1) != 0)
    joined = np.empty(len(data), np.int64)
    joined[order] = np.cumsum(begins)
    lost = rng.permutation(len(data))
    ratings = None if data.ratings is None else data.ratings[lost]
    return replace(data, users=data.users[lost], items=data.items[lost], ratings=ratings, times=joined[lost])


def by_item(data: Dataset) -> Dataset:
    """Order ties by item id, as versions before 0.2 did."""
    return replace(data, times=times_of(data) * data.n_items + data.items)


def times_of(data: Dataset) -> NDArray[np.int64]:
    """Return the times, which both datasets have."""
    if data.times is None:
        raise SystemExit(f"{data.name} has no times.")
    return data.times


def temporal(data: Dataset, tie_seed: int | None = None) -> Split:
    """Split by `strong-temporal` with positives from 4; only the order of ties follows from `tie_seed`."""
    return split_strong(
        data,
        protocol="strong-temporal",
        temporal=True,
        seed=SPLIT_SEED,
        held_out_users=None,
        positive_from=4,
        min_positives=5,
        ties="random",
        tie_seed=tie_seed,
    )


def measured(split: Split, model: str, **settings: Any) -> dict[str, Any]:
    """Train and evaluate a model."""
    started = time.perf_counter()
    if model == "ease":
        settings.pop("epochs", None)
    trained = recdash.fit(model, split, seed=0, **settings)
    report = recdash.evaluate(trained, split)
    found: dict[str, Any] = {"model": model, **{metric: report.mean[metric] for metric in SHOWN}}
    found |= {"interval": report.interval["ndcg@100"], "best_epoch": trained.record["best_epoch"]}
    found |= {"epochs_run": trained.record["epochs_run"], "total_s": time.perf_counter() - started}
    facts = ("tied_share", "movable_test_targets", "test_targets")
    return found | {"facts": {name: split.facts[name] for name in facts if name in split.facts}}


def row(version: str, tie_seed: int | None, values: dict[str, Any]) -> dict[str, Any]:
    """Return one row of the result, and print it."""
    result = {"times": version, "tie_seed": tie_seed, **values}
    print({key: round(value, 4) if isinstance(value, float) else value for key, value in result.items()}, flush=True)
    return result


def summary(rows: list[dict[str, Any]]) -> dict[str, dict[str, list[float]]]:
    """NDCG@100 of each model by version of the times, one figure per tie seed."""
    found: dict[str, dict[str, list[float]]] = {}
    for one in rows:
        found.setdefault(one["times"], {}).setdefault(one["model"], []).append(round(one["ndcg@100"], 4))
    return found


if __name__ == "__main__":
    main()
