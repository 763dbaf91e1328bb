"""How sure a mean is: bootstrap over users."""

from __future__ import annotations

import warnings
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
RESAMPLES = 1000
_AT_ONCE = 1 << 23


def bootstrap_intervals(
    per_user: Mapping[str, FloatArray], *, level: float = 0.95, resamples: int = RESAMPLES, seed: int = 0
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
    level: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> dict[str, tuple[float, float]]:
    """Percentile intervals of sum(numerator) / sum(denominator), users resampled with replacement.

    ratios: by metric, two arrays (users,); pooled figures such as RMSE are ratios of sums, means are ratios to 1s.
    """
    names = list(ratios)
    if not names:
        return {}
    above = np.stack([ratios[name][0] for name in names], axis=1)
    below = np.stack([ratios[name][1] for name in names], axis=1)
    users = len(above)
    if users == 0:
        return dict.fromkeys(names, (float("nan"), float("nan")))
    rng = np.random.default_rng(seed)
    means = np.empty((resamples, len(names)))
    step = max(1, _AT_ONCE // users)
    for start in range(0, resamples, step):
        count = min(step, resamples - start)
        drawn = rng.multinomial(users, np.full(users, 1 / users), size=count).astype(np.float64)
        with np.errstate(invalid="ignore", divide="ignore"):
            means[start : start + count] = (drawn @ above) / (drawn @ below)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a metric that no user has is NaN, and says so
        low, high = np.nanquantile(means, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return {name: (float(low[i]), float(high[i])) for i, name in enumerate(names)}
