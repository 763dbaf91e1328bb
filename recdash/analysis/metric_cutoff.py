"""Metrics whose cutoff k is too large for the catalogue to separate models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from recdash.analysis.metric_info import title

if TYPE_CHECKING:
    from recdash.analysis.groups import Group

# Sums of discounted or ordered hits: they separate models even where every item is listed.
_RANK_SENSITIVE = ("ndcg", "map", "mrr")
_RATING = ("rmse", "mae", "macro_rmse", "rmse_q1", "rmse_q2", "rmse_q3", "rmse_q4")


def is_rating_metric(metric: str) -> bool:
    """Whether a metric measures predicted ratings rather than ranked lists."""
    return metric.partition("@")[0] in _RATING


def cutoff_problem(metric: str, n_items: int | None) -> str:
    """Return why a metric does not separate models on a catalogue of this size; empty if it does.

    A list of at least half of the catalogue contains most held-out items whatever the model does, so that recall,
    precision, hit rate, coverage and similar metrics hardly depend on the model. NDCG, MAP and MRR weight the ranks and
    stay informative.

    Args:
        metric: Name of the metric, such as "recall@100".
        n_items: Number of items that can be recommended; None if it is unknown.
    """
    kind, _, k = metric.partition("@")
    if n_items is None or not k.isdecimal() or kind in _RANK_SENSITIVE or 2 * int(k) < n_items:
        return ""
    held = "every item" if int(k) >= n_items else f"{int(k) / n_items:.0%} of the {n_items:,} items"
    return f"{title(metric)} says little here: a list of {k} holds {held}, so that nearly any model scores the same."


def informative(metrics: Sequence[str], group: Group) -> list[str]:
    """Return the metrics that fit the task of a group and separate models on its catalogue, in order."""
    of_task = [name for name in metrics if is_rating_metric(name) == (group.task == "rating")]
    n_items = catalogue_size(group)
    return [name for name in of_task if not cutoff_problem(name, n_items)]


def catalogue_size(group: Group) -> int | None:
    """Return the number of items that can be recommended on the split of a group; None if no run recorded it."""
    recorded = group.facts.get("items")
    return int(recorded) if recorded else None
