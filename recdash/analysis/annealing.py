"""The annealing of the KL divergence's weight: as planned by the settings, and as recorded by a run."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from recdash.errors import RecdashError
from recdash.models import registry
from recdash.runs.run_records import RunRecord

if TYPE_CHECKING:
    from recdash.models.base import GradientConfig

_MAX_POINTS = 600  # of the planned line


@dataclass(frozen=True)
class Plan:
    """The planned weight of the KL divergence.

    Attributes:
        points: (epochs done, beta) in order, for drawing; epochs may be fractions.
        means: Mean beta of each planned epoch over its updates, as a run records it.
        cap: Largest planned beta.
        reached_at: Epochs done when beta meets the cap of the settings; None if the plan never reaches it.
    """

    points: tuple[tuple[float, float], ...]
    means: tuple[float, ...]
    cap: float
    reached_at: float | None

    @property
    def epochs(self) -> int:
        """Planned epochs."""
        return len(self.means)


@dataclass(frozen=True)
class Annealing:
    """Plan and record of one run.

    Attributes:
        plan: The plan; None for models without a planned beta, and before the length of an epoch is known.
        recorded: Mean weight of the KL divergence by epoch, as recorded.
        best_epoch: Epoch of the saved model.
        epochs: Epochs that the settings allow.
        has_ended: Whether the run is over.
    """

    plan: Plan | None
    recorded: Mapping[int, float]
    best_epoch: int | None
    epochs: int
    has_ended: bool

    @property
    def largest_deviation(self) -> float:
        """Largest difference between the planned and the recorded mean beta of an epoch."""
        if self.plan is None:
            return 0.0
        planned = dict(enumerate(self.plan.means, start=1))
        return max((abs(planned[epoch] - beta) for epoch, beta in self.recorded.items() if epoch in planned), default=0)


def planned(config: GradientConfig, updates_per_epoch: int) -> Plan | None:
    """Return the plan of the settings, by the model's own schedule; None for models without one.

    Args:
        config: Settings of the model.
        updates_per_epoch: Updates in an epoch.
    """
    beta = config.beta_schedule(updates_per_epoch)
    if beta is None:
        return None
    total, per_epoch = config.epochs * updates_per_epoch, updates_per_epoch
    step = max(1, math.ceil(total / _MAX_POINTS))
    cap = float(getattr(config, "beta_cap", math.inf))
    reached = next((update for update in _steps(total, step) if beta(update) >= cap), None)
    if reached is not None:  # the first update itself, which may lie between two steps
        reached = next(update for update in range(max(0, reached - step), reached + 1) if beta(update) >= cap)
    shown = sorted({*_steps(total, step), *([] if reached is None else [reached])})
    # A weight that starts again in every epoch falls within one update: both of its ends are drawn.
    ends = [epoch * per_epoch - 1 for epoch in range(1, config.epochs)] if beta(per_epoch) < beta(per_epoch - 1) else []
    points = tuple((update / per_epoch, beta(update)) for update in sorted({*shown, *ends}))
    means = tuple(_mean(beta, epoch * per_epoch, per_epoch) for epoch in range(config.epochs))
    reached_at = None if reached is None else reached / per_epoch
    return Plan(points, means, max(value for _, value in points), reached_at)


def annealing(run: RunRecord, epochs: Mapping[int, Mapping[str, float]], updates_per_epoch: int | None) -> Annealing:
    """Return plan and record of a run.

    Args:
        run: The run.
        epochs: Recorded values by epoch.
        updates_per_epoch: Updates in an epoch; None if unknown, which leaves out the plan.
    """
    config = config_of(run)
    plan = planned(config, updates_per_epoch) if config is not None and updates_per_epoch else None
    recorded = {epoch: weight for epoch, values in sorted(epochs.items()) if (weight := _weight(values)) is not None}
    return Annealing(plan, recorded, run.best_epoch, run.epochs or 0, not run.state.is_active())


def config_of(run: RunRecord) -> GradientConfig | None:
    """Return the settings of a run as its model's configuration; None if they do not fit the model of today."""
    from recdash.models.base import GradientConfig  # lazy: torch

    try:
        config = registry.model_class(run.model).config_class.from_dict(run.config) if run.config else None
    except RecdashError:
        return None
    return config if isinstance(config, GradientConfig) else None


def sentence(found: Annealing) -> str:
    """Return a sentence on when beta met its cap, and how that relates to the best epoch and to the end."""
    plan, last = found.plan, max(found.recorded, default=0)
    if plan is None:
        return ""
    if not plan.cap:
        return "Beta is 0: the KL divergence is not part of the loss."
    reached = plan.reached_at
    if reached is None:
        text = f"Beta never meets its cap with these settings; it ends at {plan.cap:.3g}."
    elif reached == 0:
        text = f"Beta is {plan.cap:.3g} from the first update; there is no annealing."
    elif found.has_ended and reached > last:
        text = f"Training ended after epoch {last}, before beta met its cap {plan.cap:.3g}"
        text += f", planned after {_epochs(reached)}."
    else:
        verb = "meets" if reached > last else "met"
        text = f"Beta {verb} its cap {plan.cap:.3g} after {_epochs(reached)} of {plan.epochs} planned."
    if found.best_epoch and reached and last:
        text += f" The best epoch, {found.best_epoch}, is {'before' if found.best_epoch <= reached else 'after'} that."
    if found.has_ended and last < plan.epochs:
        text += "" if reached and reached > last else f" Training ended after epoch {last}."
    return text


def _weight(values: Mapping[str, float]) -> float | None:
    """Return the recorded mean beta, or the effective weight where it depends on the user (RecVAE)."""
    if "beta" in values:
        weight = float(values["beta"])
    elif "weighted_kl" in values and values.get("kl"):
        weight = float(values["weighted_kl"] / values["kl"])
    else:
        return None
    return weight if math.isfinite(weight) else None


def _mean(beta: Callable[[int], float], start: int, count: int) -> float:
    """Mean over the updates of an epoch, in which no model's weight falls."""
    if beta(start) == beta(start + count - 1):
        return beta(start)
    return sum(beta(update) for update in range(start, start + count)) / count


def _epochs(number: float) -> str:
    shown = f"{round(number, 1):g}"
    return f"{shown} epoch{'' if shown == '1' else 's'}"


def _steps(total: int, step: int) -> list[int]:
    return [*range(0, total, step), total]
