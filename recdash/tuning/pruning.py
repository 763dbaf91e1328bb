"""Pruning: which trials of a search end early, judged by their validation curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

RULES = ("median", "halving", "none")
_REDUCTION = 3  # of successive halving: one trial in three goes on at each rung
Curve = Mapping[int, float]  # validation values by epoch, larger is better


@dataclass(frozen=True)
class Pruning:
    """When a trial ends early.

    Attributes:
        rule: "median": it is worse than the median of the others at the same epoch (Golovin et al., KDD 2017, section
            3.2.2). "halving": it is not in the best third of those that came this far, at epochs that triple (Li et
            al., MLSys 2020, asynchronous successive halving). "none": never.
        after: Share of the largest number of epochs before which no trial ends.
        fewest: Other trials with a value at the epoch, below which no trial ends.
    """

    rule: str = "median"
    after: float = 0.2
    fewest: int = 4


def should_prune(pruning: Pruning, curve: Curve, others: Sequence[Curve], epochs: int) -> bool:
    """Return whether a trial ends at its last validated epoch.

    Args:
        pruning: The rule.
        curve: Validation values of the trial so far.
        others: Validation values of the other trials of the search.
        epochs: Largest number of epochs of the trial.
    """
    if pruning.rule == "none" or not curve:
        return False
    epoch = max(curve)
    first = max(1, round(pruning.after * epochs))
    if epoch < first or epoch >= epochs:
        return False
    reached = [best_until(other, epoch) for other in others if max(other, default=0) >= epoch]
    values = [value for value in reached if value is not None]
    own = best_until(curve, epoch)
    if len(values) < pruning.fewest or own is None:
        return False
    if pruning.rule == "median":
        return own < median(values)
    if not _is_rung(curve, epoch, first):
        return False
    better = sum(value > own for value in values)
    return better >= max(1, (len(values) + 1) // _REDUCTION)


def best_until(curve: Curve, epoch: int) -> float | None:
    """Return the best value of a curve up to an epoch, larger is better; None without one."""
    values = [value for at, value in curve.items() if at <= epoch]
    return max(values) if values else None


def _is_rung(curve: Curve, epoch: int, first: int) -> bool:
    """Whether this epoch is the first validated one at or after a rung: first, 3 x first, 9 x first and so on."""
    before = max((at for at in curve if at < epoch), default=0)
    rung = first
    while rung <= epoch:
        if before < rung:
            return True
        rung *= _REDUCTION
    return False
