"""What a search tells about settings: which of them matter, and how two of them act together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recdash.tuning.outcome import Outcome
from recdash.tuning.search_space import Dimension, Space

FEWEST_TRIALS = 8  # with fewer, what separates the best from the rest is chance
_TOP_SHARE = 0.25
_CELLS = 50  # of a density, and of a side of a contour


def importances(space: Space, outcomes: Sequence[Outcome]) -> dict[str, float]:
    """Return how much each setting separates the best quarter of the trials from all, as shares of 1.

    PED-ANOVA (Watanabe, Bansal and Hutter, IJCAI 2023, section 4): the Pearson divergence between the density of a
    setting among the best trials and among all. Settings are listed from the most important one on.

    Args:
        space: What was searched.
        outcomes: The trials; those without a value are left out.

    Returns:
        A share per setting; empty with fewer than 8 trials or where no setting separates them.
    """
    valued = [outcome for outcome in outcomes if outcome.value is not None and math.isfinite(outcome.value)]
    if len(valued) < FEWEST_TRIALS:
        return {}
    valued.sort(key=lambda outcome: -(outcome.value or 0.0))
    n_top = max(2, round(_TOP_SHARE * len(valued)))
    found = {dimension.name: _divergence(dimension, valued, n_top) for dimension in space}
    total = sum(found.values())
    if total <= 0:
        return {}
    return {name: value / total for name, value in sorted(found.items(), key=lambda pair: -pair[1])}


@dataclass(frozen=True)
class Contour:
    """The validation value over two settings, interpolated between the trials.

    Attributes:
        x, y: Values of the two settings along the sides.
        z: (y, x) interpolated validation values, in the metric's own direction.
    """

    x: tuple[Any, ...]
    y: tuple[Any, ...]
    z: NDArray[np.float64]


def contour(first: Dimension, second: Dimension, outcomes: Sequence[Outcome], *, sign: int = 1) -> Contour | None:
    """Return the value over two settings by inverse distance weighting (Shepard, 1968); None with fewer than 3 trials.

    Args:
        first: Setting along x.
        second: Setting along y.
        outcomes: The trials.
        sign: -1 for a metric whose lower values are better.
    """
    points, values = [], []
    for outcome in outcomes:
        place = [dimension.share_of(outcome.params.get(dimension.name)) for dimension in (first, second)]
        if outcome.value is not None and None not in place:
            points.append(place)
            values.append(sign * outcome.value)
    if len(points) < 3:
        return None
    x, y = _side(first), _side(second)
    shares_x = np.array([first.share_of(value) for value in x], float)  # (x,)
    shares_y = np.array([second.share_of(value) for value in y], float)  # (y,)
    at = np.array(points, float)  # (trials, 2)
    distance = (shares_x[None, :, None] - at[:, 0]) ** 2 + (shares_y[:, None, None] - at[:, 1]) ** 2  # (y, x, trials)
    weight = 1 / (distance + 1e-6)
    return Contour(x, y, (weight @ np.array(values)) / weight.sum(-1))


def _side(dimension: Dimension) -> tuple[Any, ...]:
    return dimension.grid(_CELLS) if dimension.low is not None else dimension.choices


def _divergence(dimension: Dimension, ranked: Sequence[Outcome], n_top: int) -> float:
    """Return the Pearson divergence of the best trials' density from that of all."""
    shares = [dimension.share_of(outcome.params.get(dimension.name)) for outcome in ranked]
    known = np.array([share for share in shares if share is not None])
    top = np.array([share for share in shares[:n_top] if share is not None])
    if len(known) < FEWEST_TRIALS or len(top) < 2:
        return 0.0
    n_values = _count_values(dimension)
    every, best = _density(known, dimension, n_values), _density(top, dimension, n_values)
    return float(((best / every - 1) ** 2 * every).sum())


def _count_values(dimension: Dimension) -> int | None:
    """Return the number of values of a dimension with few; None for a range that is treated as continuous."""
    if dimension.low is None or dimension.high is None:
        return len(dimension.choices)
    step = dimension.step or (1.0 if dimension.is_integer and not dimension.log else 0.0)
    n_values = round((dimension.high - dimension.low) / step) + 1 if step else _CELLS + 1
    return n_values if n_values <= _CELLS else None


def _density(shares: NDArray[np.float64], dimension: Dimension, n_values: int | None) -> NDArray[np.float64]:
    """Return the share of trials per cell, (cells,), smoothed by the weight of one trial that is spread evenly."""
    n_cells = n_values or _CELLS
    if n_values is not None:
        cells = shares * n_values if dimension.choices else np.round(shares * (n_values - 1))
        counts = np.bincount(np.minimum(cells.astype(int), n_values - 1), minlength=n_values)
    else:
        centres = (np.arange(n_cells) + 0.5) / n_cells
        width = max(float(shares.std()) * 1.06 * len(shares) ** -0.2, 1 / n_cells)  # Scott's rule
        counts = np.exp(-0.5 * ((centres[:, None] - shares) / width) ** 2).sum(1)
        counts *= len(shares) / counts.sum()
    density: NDArray[np.float64] = (counts + 1 / n_cells) / (len(shares) + 1)
    return density
