"""What decides the best epoch of a training and the best of several runs: one metric per task, declared here only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


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
        """Whether a value beats another one; anything beats None, NaN beats nothing."""
        return value == value and (than is None or self.sign * value > self.sign * than)


CRITERIA = {"ranking": Criterion("ndcg@100", True), "rating": Criterion("rmse", False)}
DECIDING = tuple(criterion.metric for criterion in CRITERIA.values())


def task_of(values: Mapping[str, float]) -> str:
    """Return the task of which a run has metrics: that whose criterion is among them; "ranking" where none is."""
    return next((task for task, criterion in CRITERIA.items() if criterion.metric in values), "ranking")


def criterion_of(values: Mapping[str, float]) -> Criterion | None:
    """Return the criterion whose metric is among an epoch's or a run's values; None where neither is."""
    return next((criterion for criterion in CRITERIA.values() if criterion.metric in values), None)
