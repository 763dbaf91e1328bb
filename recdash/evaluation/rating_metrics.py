"""Metrics of rating prediction: RMSE, MAE and macro RMSE."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from recdash.errors import UsageError, unknown_name
from recdash.evaluation.bootstrap import bootstrap_ratios
from recdash.models.rating_model import RatingModel

if TYPE_CHECKING:
    from recdash.splits.rating_split import Entries

FloatArray = NDArray[np.float64]
QUARTILES = ("rmse_q1", "rmse_q2", "rmse_q3", "rmse_q4")
NAMES = ("rmse", "mae", "macro_rmse", *QUARTILES)


def prediction_errors(model: Any, part: Entries) -> FloatArray:
    """Return prediction minus rating of every entry, (entries,), with predictions clipped to the scale.

    Raises:
        UsageError: The model does not predict ratings.
    """
    if not isinstance(model, RatingModel):
        raise UsageError(f"{model.name} ranks and does not predict ratings. Use a rating model, or a ranking protocol.")
    return np.asarray(model.predict(part.users, part.items).astype(np.float64) - part.values)


def pooled_errors(errors: FloatArray) -> dict[str, float]:
    """Return RMSE and MAE over all entries; NaN without entries."""
    if len(errors) == 0:
        return {"rmse": float("nan"), "mae": float("nan")}
    return {"rmse": float(np.sqrt(np.mean(errors**2))), "mae": float(np.mean(np.abs(errors)))}


class RatingMetrics:
    """RMSE, MAE and macro RMSE of one model on one part, with intervals from a bootstrap over users.

    macro RMSE is the mean of the users' own RMSEs, a different and usually lower quantity. rmse_q1 to rmse_q4 are
    pooled RMSEs by quartile of the users' number of training ratings, the least active first.

    Args:
        model: A trained rating model.
        part: Held-out ratings.
        train_counts: (users,) training ratings of each user.
        names: Metrics to compute.

    Attributes:
        mean, interval, per_user, n_scored, seconds: As in `evaluator.Report`.
        errors: (entries,) prediction minus rating.
    """

    def __init__(
        self, model: Any, part: Entries, train_counts: NDArray[np.int64], names: tuple[str, ...] = NAMES
    ) -> None:
        for name in names:
            if name not in NAMES:
                raise unknown_name("metric of rating prediction", name, NAMES)
        started = time.perf_counter()
        self.errors = errors = prediction_errors(model, part)
        self.seconds = time.perf_counter() - started
        users = len(train_counts)
        self.counts = np.bincount(part.users, minlength=users).astype(np.float64)  # (entries,) -> (users,)
        self.squared = np.bincount(part.users, errors**2, users).astype(np.float64)
        self.absolute = np.bincount(part.users, np.abs(errors), users).astype(np.float64)
        scored = self.counts > 0
        own = np.full(users, np.nan)  # each user's RMSE
        own[scored] = np.sqrt(self.squared[scored] / self.counts[scored])
        mae = np.full(users, np.nan)
        mae[scored] = self.absolute[scored] / self.counts[scored]
        self.per_user = {"rmse": own, "mae": mae, "macro_rmse": own}
        self.n_scored = int(scored.sum())
        self._summarise(own, scored, train_counts, names)

    def _summarise(
        self, own: FloatArray, scored: NDArray[np.bool_], train_counts: NDArray[np.int64], names: tuple[str, ...]
    ) -> None:
        ratios: dict[str, tuple[Any, Any]] = {
            "rmse": (self.squared, self.counts),
            "mae": (self.absolute, self.counts),
            "macro_rmse": (np.where(scored, own, 0.0), scored.astype(np.float64)),
        }
        edges = np.quantile(train_counts[scored], (0.25, 0.5, 0.75)) if scored.any() else np.zeros(3)
        quartile = np.searchsorted(edges, train_counts, side="left")
        for number, name in enumerate(QUARTILES):
            members = (quartile == number).astype(np.float64)
            ratios[name] = (self.squared * members, self.counts * members)
        rooted = {"rmse", *QUARTILES}
        chosen = {name: ratios[name] for name in names}
        with np.errstate(invalid="ignore", divide="ignore"):
            self.mean = {
                name: float(np.divide(numerator.sum(), denominator.sum()))
                for name, (numerator, denominator) in chosen.items()
            }
        self.mean = {name: float(np.sqrt(value)) if name in rooted else value for name, value in self.mean.items()}
        intervals = bootstrap_ratios(chosen)
        self.interval = {
            name: (float(np.sqrt(low)), float(np.sqrt(high))) if name in rooted else (low, high)
            for name, (low, high) in intervals.items()
        }
        self.per_user = {name: values for name, values in self.per_user.items() if name in names}
