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
class Criterion:
    """A metric of the validation part, and its direction."""

    metric: str
    higher_is_better: bool

    @property
    def sign(self) -> int:
        """1 or -1: `sign * value` is larger for the better value."""
        return 1 if self.higher_is_better else -1

    def is_better(self, value: float, than: float | None) -> bool:
        """Return whether a value is better than another one; any number is better than None, NaN than nothing."""
        return value == value and (than is None or self.sign * value > self.sign * than)


CRITERIA = {
    task: Criterion(metric, higher_is_better(metric) is True)
    for task, metric in (("ranking", "ndcg@100"), ("rating", "rmse"))
}
SELECTION_METRICS = tuple(criterion.metric for criterion in CRITERIA.values())


def task_of(values: Mapping[str, float]) -> str:
    """Return the task whose criterion is among a run's metrics; "ranking" if none is."""
    return next((task for task, criterion in CRITERIA.items() if criterion.metric in values), "ranking")


def criterion_of(values: Mapping[str, float]) -> Criterion | None:
    """Return the criterion whose metric is among the values of an epoch or a run; None if none is."""
    return next((criterion for criterion in CRITERIA.values() if criterion.metric in values), None)
