"""How far predicted ratings are from given ones."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from recdash.errors import UsageError, unknown
from recdash.evaluation.bootstrap import bootstrap_ratios
from recdash.models.rating_model import RatingModel

if TYPE_CHECKING:
    from recdash.splits.rating_split import Entries

FloatArray = NDArray[np.float64]
QUARTILES = ("rmse_q1", "rmse_q2", "rmse_q3", "rmse_q4")
NAMES = ("rmse", "mae", "macro_rmse", *QUARTILES)


def errors_of(model: Any, part: Entries) -> FloatArray:
    """Prediction minus rating for every entry, (entries,) stars; predictions are clipped to the scale."""
    if not isinstance(model, RatingModel):
        raise UsageError(f"{model.name} ranks and does not predict ratings. Use a rating model, or a ranking protocol.")
    return np.asarray(model.predict(part.users, part.items).astype(np.float64) - part.values)


def pooled(errors: FloatArray) -> dict[str, float]:
    """RMSE and MAE over all entries (spec: protocols, P-D)."""
    if len(errors) == 0:
        return {"rmse": float("nan"), "mae": float("nan")}
    return {"rmse": float(np.sqrt(np.mean(errors**2))), "mae": float(np.mean(np.abs(errors)))}


class RatingFigures:
    """RMSE, MAE and macro RMSE of one model on one part, with intervals from a bootstrap over users.

    macro RMSE is the mean of the users' own RMSEs, another and usually lower quantity.  rmse_q1 to rmse_q4: pooled
    RMSE by quartile of the users' number of training ratings, the least active first.
    """

    def __init__(
        self, model: Any, part: Entries, train_counts: NDArray[np.int64], names: tuple[str, ...] = NAMES
    ) -> None:
        for name in names:
            if name not in NAMES:
                raise unknown("metric of rating prediction", name, NAMES)
        started = time.perf_counter()
        self.errors = errors = errors_of(model, part)
        self.seconds = time.perf_counter() - started
        users = len(train_counts)
        self.counts = np.bincount(part.users, minlength=users).astype(np.float64)
        self.squared = np.bincount(part.users, errors**2, users).astype(np.float64)
        self.absolute = np.bincount(part.users, np.abs(errors), users).astype(np.float64)
        some = self.counts > 0
        own = np.full(users, np.nan)
        own[some] = np.sqrt(self.squared[some] / self.counts[some])
        mae = np.full(users, np.nan)
        mae[some] = self.absolute[some] / self.counts[some]
        self.per_user = {"rmse": own, "mae": mae, "macro_rmse": own}
        self.n_scored = int(some.sum())
        self._fill(own, some, train_counts, names)

    def _fill(
        self, own: FloatArray, some: NDArray[np.bool_], train_counts: NDArray[np.int64], names: tuple[str, ...]
    ) -> None:
        ratios: dict[str, tuple[Any, Any]] = {
            "rmse": (self.squared, self.counts),
            "mae": (self.absolute, self.counts),
            "macro_rmse": (np.where(some, own, 0.0), some.astype(np.float64)),
        }
        edges = np.quantile(train_counts[some], (0.25, 0.5, 0.75)) if some.any() else np.zeros(3)
        quartile = np.searchsorted(edges, train_counts, side="left")
        for number, name in enumerate(QUARTILES):
            inside = (quartile == number).astype(np.float64)
            ratios[name] = (self.squared * inside, self.counts * inside)
        rooted = {"rmse", *QUARTILES}
        chosen = {name: ratios[name] for name in names}
        with np.errstate(invalid="ignore", divide="ignore"):
            self.mean = {name: float(np.divide(top.sum(), bottom.sum())) for name, (top, bottom) in chosen.items()}
        self.mean = {name: float(np.sqrt(value)) if name in rooted else value for name, value in self.mean.items()}
        intervals = bootstrap_ratios(chosen)
        self.interval = {
            name: (float(np.sqrt(low)), float(np.sqrt(high))) if name in rooted else (low, high)
            for name, (low, high) in intervals.items()
        }
        self.per_user = {name: values for name, values in self.per_user.items() if name in names}
