"""Significance of differences on the same users: paired bootstrap and Holm's correction."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recdash.evaluation.bootstrap import (
    LEVEL,
    RESAMPLES,
    FloatArray,
    RatioStatistics,
    percentile_bounds,
    resample_counts,
)

ALPHA = 1 - LEVEL
_TOLERANCE = 1e-12  # two equal statistics may differ by rounding, in either direction


@dataclass(frozen=True, eq=False)
class Differences:
    """Ours minus theirs for each statistic; all arrays are (statistics,).

    Attributes:
        mean: Difference over all users.
        low, high: 95% interval over users.
        p: Two-sided; below 0.05 where the interval excludes 0.
    """

    mean: FloatArray
    low: FloatArray
    high: FloatArray
    p: FloatArray


def paired_bootstrap(
    ours: RatioStatistics, theirs: RatioStatistics, *, level: float = LEVEL, resamples: int = RESAMPLES, seed: int = 0
) -> Differences:
    """Compare statistics of the same users, resampled together (Efron and Tibshirani, 1993, chapter 13).

    p inverts the percentile interval: twice the smaller share of resamples on either side of 0, with 0 itself counted.
    Where no resample lies on that side, p comes from the normal tail with the resamples' standard deviation.

    Args:
        ours: Statistics of the users.
        theirs: Statistics of the same users in the same order; a single one is compared with all of ours.
        level: Coverage of the intervals.
        resamples: Number of bootstrap resamples.
        seed: Seed of the resampling.

    Returns:
        Difference, interval and p of each statistic.

    Raises:
        ValueError: The numbers of users differ.
    """
    users = len(ours.numerator)
    if len(theirs.numerator) != users:
        raise ValueError(f"{users} users against {len(theirs.numerator)}: a paired comparison needs the same users")
    mean = ours.values() - theirs.values()
    if users == 0:
        return Differences(mean, mean, mean, mean)
    differences = np.empty((resamples, len(mean)))
    for rows, counts in resample_counts(users, resamples, seed):
        differences[rows] = ours.resampled(counts) - theirs.resampled(counts)
    low, high = percentile_bounds(differences, level)
    below = (1 + (differences <= _TOLERANCE).sum(axis=0)) / (resamples + 1)
    above = (1 + (differences >= -_TOLERANCE).sum(axis=0)) / (resamples + 1)
    p = np.minimum(1.0, 2 * np.minimum(below, above))
    p = np.where(p <= 2 / (resamples + 1), np.minimum(p, _normal_tails(mean, differences)), p)
    return Differences(mean, low, high, np.where(np.isnan(mean), np.nan, p))


def _normal_tails(mean: FloatArray, differences: FloatArray) -> FloatArray:
    """Two-sided p of each mean, (statistics,), under a normal distribution with the resamples' standard deviation."""
    from scipy.special import erfc  # lazy: scipy

    with np.errstate(invalid="ignore", divide="ignore"):
        distance = np.abs(mean) / differences.std(axis=0)
    return np.asarray(erfc(distance / np.sqrt(2)))


def holm(p: FloatArray) -> FloatArray:
    """Adjust p values so that the chance of any false positive stays below the level (Holm, 1979).

    Args:
        p: (comparisons,); NaN stays NaN and does not count as a comparison.

    Returns:
        Adjusted p values, (comparisons,).
    """
    known = np.flatnonzero(~np.isnan(p))
    order = known[np.argsort(p[known], kind="stable")]
    raised = p[order] * np.arange(len(order), 0, -1)
    adjusted = np.full(len(p), np.nan)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(raised)) if len(order) else raised
    return adjusted
