"""How sure a figure is: bootstrap over users."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Self

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
RESAMPLES = 1000
LEVEL = 0.95
_AT_ONCE = 1 << 23
_KEPT = 1 << 24  # draws that are worth remembering: every metric of a table has the same users


@dataclass(frozen=True, eq=False)
class Sums:
    """Figures that are ratios of sums over users: numerator, denominator (users, figures).

    A mean over scored users has 1 in the denominator for each of them; a pooled RMSE has squared errors over numbers of
    ratings. root: take the square root of the ratio.
    """

    numerator: FloatArray
    denominator: FloatArray
    root: bool = False

    @classmethod
    def of(cls, values: FloatArray) -> Self:
        """Means of per-user values, (users,) or (users, figures); NaN marks users that are not scored."""
        columns = values.reshape(len(values), -1).astype(np.float64)
        known = ~np.isnan(columns)
        return cls(np.where(known, columns, 0.0), known.astype(np.float64))

    def figures(self) -> FloatArray:
        """The figures themselves, (figures,); NaN where nobody is scored."""
        return self._finish(self.numerator.sum(axis=0), self.denominator.sum(axis=0))

    def resampled(self, drawn: FloatArray) -> FloatArray:
        """The figures of resamples, (resamples, figures); drawn: how often each resample has each user."""
        return self._finish(drawn @ self.numerator, drawn @ self.denominator)

    def _finish(self, numerator: FloatArray, denominator: FloatArray) -> FloatArray:
        with np.errstate(invalid="ignore", divide="ignore"):
            found = np.asarray(numerator / denominator)
        return np.asarray(np.sqrt(found)) if self.root else found


def draws(users: int, resamples: int, seed: int) -> Iterator[tuple[slice, FloatArray]]:
    """Yield resamples and how often each of them has each user, (some, users), few enough at a time to bound memory."""
    step = max(1, _AT_ONCE // max(1, users))
    kept = _drawn(users, resamples, seed) if users * resamples <= _KEPT else None
    rng = np.random.default_rng(seed)
    for start in range(0, resamples, step):
        stop = min(start + step, resamples)
        drawn = _draw(rng, users, stop - start) if kept is None else kept[start:stop]
        yield slice(start, stop), drawn.astype(np.float64)


@lru_cache(maxsize=4)
def _drawn(users: int, resamples: int, seed: int) -> NDArray[np.uint16]:
    found = _draw(np.random.default_rng(seed), users, resamples)
    found.setflags(write=False)
    return found


def _draw(rng: np.random.Generator, users: int, count: int) -> NDArray[np.uint16]:
    return rng.multinomial(users, np.full(users, 1 / users), size=count).astype(np.uint16)


def bootstrap_sums(
    sums: Sums, *, level: float = LEVEL, resamples: int = RESAMPLES, seed: int = 0
) -> tuple[FloatArray, FloatArray]:
    """Percentile intervals of the figures, users resampled with replacement (Efron, 1979): low, high (figures,)."""
    users, figures = sums.numerator.shape
    if users == 0:
        return np.full(figures, np.nan), np.full(figures, np.nan)
    found = np.empty((resamples, figures))
    for where, drawn in draws(users, resamples, seed):
        found[where] = sums.resampled(drawn)
    return bounds(found, level)


def bounds(found: FloatArray, level: float) -> tuple[FloatArray, FloatArray]:
    """The central share `level` of resampled figures (resamples, figures): low, high (figures,)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a figure that no user has is NaN, and says so
        low, high = np.nanquantile(found, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return low, high


def bootstrap_intervals(
    per_user: Mapping[str, FloatArray], *, level: float = LEVEL, resamples: int = RESAMPLES, seed: int = 0
) -> dict[str, tuple[float, float]]:
    """Percentile intervals of the mean of each metric, users resampled with replacement (Efron, 1979).

    per_user: arrays (users,) over the same users; NaN marks users that are not scored.  One resample serves all
    metrics, so intervals of different metrics belong together.  A metric without any user gets (nan, nan).
    """
    ratios = {}
    scored = None
    for values in per_user.values():
        scored = ~np.isnan(values) if scored is None else scored | ~np.isnan(values)
    for name, values in per_user.items():
        known = ~np.isnan(values[scored])
        ratios[name] = (np.where(known, values[scored], 0.0), known.astype(np.float64))
    return bootstrap_ratios(ratios, level=level, resamples=resamples, seed=seed)


def bootstrap_ratios(
    ratios: Mapping[str, tuple[FloatArray, FloatArray]],
    *,
    level: float = LEVEL,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> dict[str, tuple[float, float]]:
    """Percentile intervals of sum(numerator) / sum(denominator), users resampled with replacement.

    ratios: by metric, two arrays (users,); pooled figures such as RMSE are ratios of sums, means are ratios to 1s.
    """
    names = list(ratios)
    if not names:
        return {}
    numerator = np.stack([ratios[name][0] for name in names], axis=1)
    denominator = np.stack([ratios[name][1] for name in names], axis=1)
    low, high = bootstrap_sums(Sums(numerator, denominator), level=level, resamples=resamples, seed=seed)
    return {name: (float(low[i]), float(high[i])) for i, name in enumerate(names)}
