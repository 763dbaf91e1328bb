"""The metric that selects the best epoch and the best run: one per task, defined here only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

_LOWER_IS_BETTER = {"rmse", "mae", "macro_rmse", "rmse_q1", "rmse_q2", "rmse_q3", "rmse_q4"}
_NO_DIRECTION = {"coverage", "novelty", "gini", "popularity_percentile"}


def higher_is_better(metric: str) -> bool | None:
    """Return the direction of a metric; None for coverage, novelty, Gini and popularity, which have none."""
    kind = metric.partition("@")[0]
    return None if kind in _NO_DIRECTION else kind not in _LOWER_IS_BETTER


@dataclass(frozen=True)
class SelectionMetric:
    """A metric of the validation part, and its direction."""

    name: str
    higher_is_better: bool

    @property
    def sign(self) -> int:
        """1 or -1: `sign * value` is larger for the better value."""
        return 1 if self.higher_is_better else -1

    def is_better(self, value: float, than: float | None) -> bool:
        """Return whether a value is better than another one. Any number is better than None; NaN is never better."""
        return value == value and (than is None or self.sign * value > self.sign * than)


SELECTION_METRICS = {
    task: SelectionMetric(name, higher_is_better(name) is True)
    for task, name in (("ranking", "ndcg@100"), ("rating", "rmse"))
}
SELECTION_METRIC_NAMES = tuple(metric.name for metric in SELECTION_METRICS.values())


def task_of(values: Mapping[str, float]) -> str:
    """Return the task whose selection metric is among a run's metrics; "ranking" if none is."""
    return next((task for task, metric in SELECTION_METRICS.items() if metric.name in values), "ranking")


def selection_metric_of(values: Mapping[str, float]) -> SelectionMetric | None:
    """Return the selection metric that is among the values of an epoch or a run; None if none is."""
    return next((metric for metric in SELECTION_METRICS.values() if metric.name in values), None)
