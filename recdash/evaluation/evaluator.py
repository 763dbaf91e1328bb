"""`evaluate`: lists, per-user metrics, means and intervals of one model on one part of a split."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recdash.errors import DataError, UsageError, shown, unknown
from recdash.evaluation import metrics, subgroups
from recdash.evaluation.bootstrap import bootstrap_intervals
from recdash.evaluation.rating_metrics import NAMES as NAMES_OF_RATINGS
from recdash.evaluation.rating_metrics import RatingFigures
from recdash.evaluation.top_k import hits_in, top_lists
from recdash.models.base import Model
from recdash.settings import as_names
from recdash.splits.rating_split import Entries, RatingSplit
from recdash.splits.split import HeldOut, Split

LIST_LENGTH = 100
_OF_LISTS = ("novelty", "popularity_percentile")
_OF_ALL_LISTS = ("coverage", "gini")
NAMES = (*metrics.BY_HITS, *_OF_LISTS, *_OF_ALL_LISTS)
_PATTERN = re.compile(r"(?P<name>[a-z_]+)@(?P<k>[1-9]\d{0,4})")


def default_metrics() -> tuple[str, ...]:
    """Return the metrics that are computed when none are named: k = 10, 20, 50, 100 (NDCG and MAP at 10 and 100)."""
    ks = {"ndcg": (10, 100), "map": (10, 100)}
    return tuple(f"{name}@{k}" for name in NAMES for k in ks.get(name, (10, 20, 50, 100)))


@dataclass(frozen=True, eq=False)
class Report:
    """What a model reached on one part of a split.

    mean, interval: by metric; an interval is the central 95 % of a bootstrap over users.  per_user: (users,) by metric,
    aligned with the rows of the part, NaN for a user without held-out items; coverage and Gini have none.
    top: (users, 100) int32 item indices, -1 where the candidates have run out.  seconds: time of scoring and ranking.
    facts: arrays from which quality is later shown for parts of the users and items (see `slices`).  Of every task:
    "history" (users,) what a model reads of each user, "item_counts" (items,) training users.  Ranking: the held-out
    items as "held_out_ends" (users + 1,) and "held_out_items".  Ratings: "entries" and "squared" (users, parts), test
    ratings and squared errors by popularity of the item.
    """

    on: str
    mean: dict[str, float]
    interval: dict[str, tuple[float, float]]
    per_user: dict[str, NDArray[np.float64]]
    top: NDArray[np.int32]
    n_scored: int
    seconds: float
    protocol: str
    split_fingerprint: str
    facts: Mapping[str, NDArray[Any]] = field(default_factory=dict)


def evaluate(
    model: Model, split: Split | RatingSplit, on: str = "test", *, metric_names: str | Iterable[str] | None = None
) -> Report:
    """Judge a model on one part of a split.

    Ranking: users are scored from their fold-in, with seen items removed and all other items as candidates.  Ratings:
    every held-out rating is predicted; RMSE and MAE are pooled, `per_user` holds each user's own (see `ratings`).
    metric_names: a list such as ["ndcg@100"], or one text with commas; by default all of them.  Raises UsageError for
    an unknown metric or a model of the other task, DataError when model and split do not have the same items,
    SplitError when there is no such part.
    """
    _check(model, split)
    if isinstance(split, RatingSplit):
        named = NAMES_OF_RATINGS if metric_names is None else tuple(as_names(metric_names))
        return _of_ratings(model, split, on, named)
    wanted = [(_parse(name), name) for name in (default_metrics() if metric_names is None else as_names(metric_names))]
    part = split.part(on)
    started = time.perf_counter()
    longest = max([LIST_LENGTH, *(k for (_, k), _ in wanted)])
    top = top_lists(model, part.fold_in, longest, part.train_rows)
    seconds = time.perf_counter() - started
    hits, relevant = hits_in(top, part.held_out), part.held_out.counts
    scored = relevant > 0
    counts = np.bincount(split.train.items, minlength=split.n_items)
    per_user: dict[str, NDArray[np.float64]] = {}
    together: dict[str, float] = {}
    for (name, k), label in wanted:
        if name in metrics.BY_HITS:
            per_user[label] = metrics.BY_HITS[name](hits, relevant, k)
        elif name == "novelty":
            per_user[label] = np.where(scored, metrics.novelty_at_k(top, counts, len(split.train), k), np.nan)
        elif name == "popularity_percentile":
            per_user[label] = np.where(scored, metrics.popularity_percentile_at_k(top, counts, k), np.nan)
        else:
            of_all = metrics.coverage_at_k if name == "coverage" else metrics.gini_at_k
            together[label] = of_all(top[scored], split.n_items, k)
    mean = {label: _mean(values) for label, values in per_user.items()} | together
    return Report(
        on=on,
        mean={label: mean[label] for _, label in wanted},
        interval=bootstrap_intervals(per_user),
        per_user=per_user,
        top=top[:, :LIST_LENGTH],
        n_scored=int(scored.sum()),
        seconds=seconds,
        protocol=split.protocol,
        split_fingerprint=split.fingerprint,
        facts=_facts_of_ranking(part, counts),
    )


def _check(model: Model, split: Split | RatingSplit) -> None:
    """Raise an error in one line unless the model was trained on data of this shape."""
    if not isinstance(model, Model):
        raise UsageError(f"model: expected a trained model, found {shown(model)}. Give what recdash.fit returns.")
    if not isinstance(split, Split | RatingSplit):
        raise UsageError(f"split: expected a split, found {shown(split)}. Give what recdash.make_split returns.")
    if model.shape.items != split.n_items:
        raise DataError(
            f"The model knows {model.shape.items} items, the split has {split.n_items}. "
            "Evaluate on the split that the model was trained on."
        )
    known = isinstance(split, Split) and split.test.train_rows is not None
    if known and model.shape.users != len(split.train):
        raise DataError(
            f"The model was trained on {model.shape.users} users, the split on {len(split.train)}, and its test users "
            "are those. Evaluate on the split that the model was trained on."
        )


def _of_ratings(model: Model, split: RatingSplit, on: str, names: tuple[str, ...]) -> Report:
    found = RatingFigures(model, split.part(on), split.train.counts, names)
    return Report(
        on=on,
        mean=found.mean,
        interval=found.interval,
        per_user=found.per_user,
        top=np.full((0, LIST_LENGTH), -1, np.int32),
        n_scored=found.n_scored,
        seconds=found.seconds,
        protocol=split.protocol,
        split_fingerprint=split.fingerprint,
        facts=_facts_of_ratings(found.errors, split.part(on), split),
    )


def _facts_of_ranking(part: HeldOut, item_counts: NDArray[Any]) -> dict[str, NDArray[Any]]:
    return {
        "history": part.fold_in.counts.astype(np.int32),
        "item_counts": item_counts.astype(np.int32),
        "held_out_ends": part.held_out.indptr,
        "held_out_items": part.held_out.items,
    }


def _facts_of_ratings(errors: NDArray[np.float64], part: Entries, split: RatingSplit) -> dict[str, NDArray[Any]]:
    item_counts = np.bincount(split.train.items, minlength=split.n_items)
    bins = subgroups.item_bins(item_counts)
    users, parts = len(split.train), len(bins.sizes)
    cell = part.users.astype(np.int64) * parts + bins.of[part.items]
    return {
        "history": split.train.counts.astype(np.int32),
        "item_counts": item_counts.astype(np.int32),
        "entries": np.bincount(cell, minlength=users * parts).reshape(users, parts).astype(np.int32),
        "squared": np.bincount(cell, errors**2, users * parts).reshape(users, parts).astype(np.float32),
    }


def quick_means(model: Model, split: Split, names: tuple[str, ...], on: str = "validation") -> dict[str, float]:
    """Return the means of a few per-user metrics, without intervals: what a training looks at after an epoch."""
    part = split.part(on)
    wanted = [_parse(name) for name in names]
    top = top_lists(model, part.fold_in, max(k for _, k in wanted), part.train_rows)
    hits = hits_in(top, part.held_out)
    return {f"{name}@{k}": _mean(metrics.BY_HITS[name](hits, part.held_out.counts, k)) for name, k in wanted}


def _parse(label: str) -> tuple[str, int]:
    match = _PATTERN.fullmatch(label)
    if match is None:
        raise UsageError(
            f"Metric {label!r} is not of the form name@k, for example 'ndcg@100'. Names: {', '.join(NAMES)}."
        )
    if match["name"] not in NAMES:
        raise unknown("metric", match["name"], NAMES)
    return match["name"], int(match["k"])


def _mean(values: NDArray[np.float64]) -> float:
    return float(np.nanmean(values)) if np.any(~np.isnan(values)) else float("nan")
