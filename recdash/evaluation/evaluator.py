"""`evaluate`: lists, per-user metrics, means and confidence intervals of one model."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recdash.errors import (
    DataError,
    UsageError,
    short_repr,
    unknown_name,
)
from recdash.evaluation import metrics, slices
from recdash.evaluation.bootstrap import bootstrap_intervals
from recdash.evaluation.rating_metrics import NAMES as RATING_NAMES
from recdash.evaluation.rating_metrics import RatingMetrics
from recdash.evaluation.top_k import hits_in, top_lists
from recdash.models.base import Model
from recdash.settings import name_list
from recdash.splits.rating_split import Entries, RatingSplit
from recdash.splits.split import EvaluationPart, Split

LIST_LENGTH = 100
_BY_LIST = ("novelty", "popularity_percentile")
_OVER_ALL_LISTS = ("coverage", "gini")
NAMES = (*metrics.HIT_METRICS, *_BY_LIST, *_OVER_ALL_LISTS)
_LABEL = re.compile(r"(?P<name>[a-z_]+)@(?P<k>[1-9]\d{0,4})")


def default_metrics() -> tuple[str, ...]:
    """Return the metrics computed by default: k = 10, 20, 50, 100 (NDCG and MAP at 10 and 100)."""
    ks = {"ndcg": (10, 100), "map": (10, 100)}
    return tuple(f"{name}@{k}" for name in NAMES for k in ks.get(name, (10, 20, 50, 100)))


@dataclass(frozen=True, eq=False)
class Report:
    """Quality of a model on one part of a split.

    Attributes:
        on: Name of the part.
        mean: Mean over users by metric.
        interval: (low, high) by metric, the central 95% of a bootstrap over users.
        per_user: (users,) by metric, aligned with the rows of the part, NaN for a user without held-out items;
            coverage and Gini are of all lists together and have none.
        top: (users, 100) int32 item indices, -1 after the last candidate; (0, 100) for ratings.
        n_scored: Users with held-out items.
        seconds: Time of scoring and ranking.
        protocol: Protocol of the split.
        split_fingerprint: Fingerprint of the split.
        facts: Arrays from which the quality by slice is computed later (see `slices`). Both tasks: "history"
            (users,) items the model reads of each user, "item_counts" (items,) training users. Ranking: the held-out
            items as "held_out_ends" (users + 1,) and "held_out_items". Ratings: "entries" and "squared" (users,
            groups), test ratings and squared errors by popularity of the item.
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
    """Evaluate a model on one part of a split.

    Ranking: users are scored from their fold-in, with seen items excluded and all other items as candidates. Ratings:
    every held-out rating is predicted; RMSE and MAE are pooled, `per_user` holds each user's own (see
    `rating_metrics`).

    Args:
        model: A trained model.
        split: The split that the model was trained on.
        on: Part to evaluate on, "test" or "validation".
        metric_names: A list such as ["ndcg@100"], or a string with commas; all metrics by default.

    Returns:
        Means, confidence intervals and per-user values.

    Raises:
        UsageError: An unknown metric, or a model of the other task.
        DataError: Model and split have different items or users.
        SplitError: The split has no such part.
    """
    _check(model, split)
    if isinstance(split, RatingSplit):
        names = RATING_NAMES if metric_names is None else tuple(name_list(metric_names))
        return _evaluate_ratings(model, split, on, names)
    wanted = [
        (_parse_label(name), name) for name in (default_metrics() if metric_names is None else name_list(metric_names))
    ]
    part = split.part(on)
    started = time.perf_counter()
    list_length = max([LIST_LENGTH, *(k for (_, k), _ in wanted)])
    top = top_lists(model, part.fold_in, list_length, part.train_rows)
    seconds = time.perf_counter() - started
    hits, n_relevant = hits_in(top, part.held_out), part.held_out.counts  # (users, list_length) and (users,)
    scored = n_relevant > 0
    item_counts = np.bincount(split.train.items, minlength=split.n_items)  # (items,)
    per_user: dict[str, NDArray[np.float64]] = {}
    overall: dict[str, float] = {}
    for (name, k), label in wanted:
        if name in metrics.HIT_METRICS:
            per_user[label] = metrics.HIT_METRICS[name](hits, n_relevant, k)
        elif name == "novelty":
            per_user[label] = np.where(scored, metrics.novelty_at_k(top, item_counts, len(split.train), k), np.nan)
        elif name == "popularity_percentile":
            per_user[label] = np.where(scored, metrics.popularity_percentile_at_k(top, item_counts, k), np.nan)
        else:
            over_all = metrics.coverage_at_k if name == "coverage" else metrics.gini_at_k
            overall[label] = over_all(top[scored], split.n_items, k)
    mean = {label: _mean(values) for label, values in per_user.items()} | overall
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
        facts=_ranking_facts(part, item_counts),
    )


def _check(model: Model, split: Split | RatingSplit) -> None:
    """Raise UsageError or DataError unless the model was trained on data of this shape."""
    if not isinstance(model, Model):
        raise UsageError(f"model: expected a trained model, found {short_repr(model)}. Give what recdash.fit returns.")
    if not isinstance(split, Split | RatingSplit):
        raise UsageError(f"split: expected a split, found {short_repr(split)}. Give what recdash.make_split returns.")
    if model.shape.items != split.n_items:
        raise DataError(
            f"The model was trained on {model.shape.items} items, the split has {split.n_items}. "
            "Evaluate on the split that the model was trained on."
        )
    known_users = isinstance(split, Split) and split.test.train_rows is not None
    if known_users and model.shape.users != len(split.train):
        raise DataError(
            f"The model was trained on {model.shape.users} users, the split has {len(split.train)}, and its test users "
            "are training users. Evaluate on the split that the model was trained on."
        )


def _evaluate_ratings(model: Model, split: RatingSplit, on: str, names: tuple[str, ...]) -> Report:
    rating = RatingMetrics(model, split.part(on), split.train.counts, names)
    return Report(
        on=on,
        mean=rating.mean,
        interval=rating.interval,
        per_user=rating.per_user,
        top=np.full((0, LIST_LENGTH), -1, np.int32),
        n_scored=rating.n_scored,
        seconds=rating.seconds,
        protocol=split.protocol,
        split_fingerprint=split.fingerprint,
        facts=_rating_facts(rating.errors, split.part(on), split),
    )


def _ranking_facts(part: EvaluationPart, item_counts: NDArray[Any]) -> dict[str, NDArray[Any]]:
    return {
        "history": part.fold_in.counts.astype(np.int32),
        "item_counts": item_counts.astype(np.int32),
        "held_out_ends": part.held_out.indptr,
        "held_out_items": part.held_out.items,
    }


def _rating_facts(errors: NDArray[np.float64], part: Entries, split: RatingSplit) -> dict[str, NDArray[Any]]:
    item_counts = np.bincount(split.train.items, minlength=split.n_items)
    item_slices = slices.item_slices(item_counts)
    users, parts = len(split.train), len(item_slices.sizes)
    cell = part.users.astype(np.int64) * parts + item_slices.slice_of[part.items]
    return {
        "history": split.train.counts.astype(np.int32),
        "item_counts": item_counts.astype(np.int32),
        "entries": np.bincount(cell, minlength=users * parts).reshape(users, parts).astype(np.int32),
        "squared": np.bincount(cell, errors**2, users * parts).reshape(users, parts).astype(np.float32),
    }


def mean_metrics(model: Model, split: Split, names: tuple[str, ...], on: str = "validation") -> dict[str, float]:
    """Return the means of a few per-user metrics, without intervals; used for validation during a training."""
    part = split.part(on)
    wanted = [_parse_label(name) for name in names]
    top = top_lists(model, part.fold_in, max(k for _, k in wanted), part.train_rows)
    hits = hits_in(top, part.held_out)
    return {f"{name}@{k}": _mean(metrics.HIT_METRICS[name](hits, part.held_out.counts, k)) for name, k in wanted}


def _parse_label(label: str) -> tuple[str, int]:
    match = _LABEL.fullmatch(label)
    if match is None:
        raise UsageError(
            f"Metric {label!r} is not of the form name@k, for example 'ndcg@100'. Names: {', '.join(NAMES)}."
        )
    if match["name"] not in NAMES:
        raise unknown_name("metric", match["name"], NAMES)
    return match["name"], int(match["k"])


def _mean(values: NDArray[np.float64]) -> float:
    return float(np.nanmean(values)) if np.any(~np.isnan(values)) else float("nan")
