"""How sure a mean is: bootstrap over users."""

from __future__ import annotations

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
    names = list(per_user)
    if not names:
        return {}
    values = np.stack([per_user[name] for name in names], axis=1)
    values = values[~np.isnan(values).all(axis=1)]
    users = len(values)
    if users == 0:
        return dict.fromkeys(names, (float("nan"), float("nan")))
    known = ~np.isnan(values)
    filled = np.where(known, values, 0.0)
    rng = np.random.default_rng(seed)
    means = np.empty((resamples, len(names)))
    step = max(1, _AT_ONCE // users)
    for start in range(0, resamples, step):
        count = min(step, resamples - start)
        drawn = rng.multinomial(users, np.full(users, 1 / users), size=count).astype(np.float64)
        with np.errstate(invalid="ignore"):
            means[start : start + count] = (drawn @ filled) / (drawn @ known)
    low, high = np.nanquantile(means, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return {name: (float(low[i]), float(high[i])) for i, name in enumerate(names)}
