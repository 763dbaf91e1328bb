"""Whether one model is better than another on the same users: paired bootstrap, and Holm's correction."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import erfc

from recdash.evaluation.bootstrap import LEVEL, RESAMPLES, FloatArray, Sums, bounds, draws

ALPHA = 1 - LEVEL
_NOTHING = 1e-12  # two equal figures may differ by rounding, in either direction


@dataclass(frozen=True, eq=False)
class Differences:
    """Ours minus theirs, figure by figure, each (figures,).

    low, high: 95 % interval over users.  p: two-sided; below 0.05 where the interval leaves out 0.
    """

    mean: FloatArray
    low: FloatArray
    high: FloatArray
    p: FloatArray


def paired_bootstrap(
    ours: Sums, theirs: Sums, *, level: float = LEVEL, resamples: int = RESAMPLES, seed: int = 0
) -> Differences:
    """Compare figures of the same users, resampled together with replacement (Efron and Tibshirani, 1993, chapter 13).

    ours, theirs: over the same users in the same order; theirs may have one figure that all of ours are compared with.
    p inverts the percentile interval: twice the smaller share of resamples on either side of 0, itself counted in;
    where that share is 0, the normal tail of their standard error tells how far below the least share p lies.
    Raises ValueError when the users differ in number.
    """
    users = len(ours.numerator)
    if len(theirs.numerator) != users:
        raise ValueError(f"{users} users against {len(theirs.numerator)}: a paired comparison needs the same ones")
    mean = ours.figures() - theirs.figures()
    if users == 0:
        return Differences(mean, mean, mean, mean)
    found = np.empty((resamples, len(mean)))
    for where, drawn in draws(users, resamples, seed):
        found[where] = ours.resampled(drawn) - theirs.resampled(drawn)
    low, high = bounds(found, level)
    beneath = (1 + (found <= _NOTHING).sum(axis=0)) / (resamples + 1)
    above = (1 + (found >= -_NOTHING).sum(axis=0)) / (resamples + 1)
    p = np.minimum(1.0, 2 * np.minimum(beneath, above))
    p = np.where(p <= 2 / (resamples + 1), np.minimum(p, _normal_tails(mean, found)), p)
    return Differences(mean, low, high, np.where(np.isnan(mean), np.nan, p))


def _normal_tails(mean: FloatArray, found: FloatArray) -> FloatArray:
    """Two-sided p of each mean under a normal distribution with the resamples' standard deviation."""
    with np.errstate(invalid="ignore", divide="ignore"):
        distance = np.abs(mean) / found.std(axis=0)
    return np.asarray(erfc(distance / np.sqrt(2)))


def holm(p: FloatArray) -> FloatArray:
    """Adjust p values so that the chance of any false alarm stays below the level (Holm, 1979).

    p: (comparisons,); NaN stays NaN and does not count.
    """
    known = np.flatnonzero(~np.isnan(p))
    order = known[np.argsort(p[known], kind="stable")]
    raised = p[order] * np.arange(len(order), 0, -1)
    found = np.full(len(p), np.nan)
    found[order] = np.minimum(1.0, np.maximum.accumulate(raised)) if len(order) else raised
    return found
