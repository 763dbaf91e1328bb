"""Lines of learning curves: smoothing, and downsampling that keeps extremes and is stable while points arrive."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
Smoothing = Literal["none", "exponential", "gaussian", "mean"]
MOST_POINTS = 1024  # of a line in a chart; up to four per bin, or five with one that is not finite
SHORTEST_PAUSE, _PAUSE_EPOCHS = 2.0, 5  # seconds and times between two epochs that a pause exceeds
_BLOCK = 64  # epochs filtered with one matrix product


def smoothed(values: FloatArray, weight: float, kind: Smoothing = "exponential") -> FloatArray:
    """Return a moving average; values that are not finite stay where they are and count in no average.

    Args:
        values: (epochs,) values in order.
        weight: From 0 (returns the values) to below 1. In the exponential average, the weight of the past. The other
            kinds have a half width of weight / (1 - weight) values: the standard deviation of the Gaussian, or the
            values on either side in the running mean.
        kind: "exponential" is the bias-corrected average of the past (as Adam has it: Kingma and Ba, ICLR 2015,
            section 3), which lags behind. "gaussian" and "mean" are centred and do not lag, but their last values
            change as later ones arrive.

    Returns:
        (epochs,) averages. A constant stays exactly constant.
    """
    finite = np.isfinite(values)
    if weight <= 0 or kind == "none" or not finite.any():
        return values
    averages = values.astype(np.float64)
    origin = values[finite][0]  # averages of differences from it, so that a constant stays exact
    if kind == "exponential":
        averages[finite] = origin + _exponential(values[finite] - origin, weight)
        return averages
    kernel = _kernel(weight, kind)
    parts = np.convolve(np.where(finite, values - origin, 0.0), kernel)  # (epochs + width - 1,)
    masses = np.convolve(finite.astype(np.float64), kernel)
    centre = len(kernel) // 2
    inside = slice(centre, centre + len(values))
    averages[finite] = origin + parts[inside][finite] / masses[inside][finite]
    return averages


def downsampled(values: FloatArray, most: int = MOST_POINTS) -> IntArray:
    """Return the indices of the points to draw: first, last, lowest and highest of every bin.

    Bins have a power of two of points and start at its multiples. While points arrive, the points of a full bin stay;
    when the bins double, the points of two bins are thinned to some of the same points. The first value of a bin that
    is not finite is kept too, so that no gap disappears.

    Args:
        values: (points,) values in order; may contain values that are not finite.
        most: With up to this many values, all are kept.

    Returns:
        (kept,) increasing indices; with more than `most` values, at most 1.25 times `most`.
    """
    n = len(values)
    if n <= most:
        return np.arange(n, dtype=np.int64)
    size = 1
    while 4 * -(-n // size) > most:
        size *= 2
    bins = -(-n // size)
    padded = np.full(bins * size, np.nan)
    padded[:n] = values
    table = padded.reshape(bins, size)
    finite = np.isfinite(table)
    starts = np.arange(bins, dtype=np.int64) * size
    some = finite.any(axis=1)
    lowest = starts + np.where(finite, table, np.inf).argmin(axis=1)
    highest = starts + np.where(finite, table, -np.inf).argmax(axis=1)
    gap = ~finite
    gap.reshape(-1)[n:] = False  # the padding is no gap
    gaps = (starts + gap.argmax(axis=1))[gap.any(axis=1)]
    ends = np.minimum(starts + size, n) - 1
    return np.unique(np.concatenate([starts, ends, lowest[some], highest[some], gaps]))


def pauses(recorded: FloatArray, seconds: FloatArray) -> IntArray:
    """Return after which epochs a training paused: much more time passed until the next one than it trained.

    Args:
        recorded: (epochs,) clock times in seconds; NaN where unknown.
        seconds: (epochs,) seconds of training so far.

    Returns:
        (pauses,) indices of the last epochs before a pause.
    """
    passed, trained = np.diff(recorded), np.diff(seconds)
    known = passed[np.isfinite(passed)]
    if not len(known):
        return np.empty(0, dtype=np.int64)
    typical = float(np.median(trained)) or float(np.median(known))  # imported curves may have no training time
    return np.flatnonzero(passed - trained > SHORTEST_PAUSE + _PAUSE_EPOCHS * typical)  # false for NaN


def _exponential(values: FloatArray, weight: float) -> FloatArray:
    """Return the bias-corrected exponential moving average of finite values, block by block without a Python loop."""
    n, age = len(values), np.arange(_BLOCK)
    lag = age[:, None] - age[None, :]
    filter_block = np.where(lag >= 0, (1 - weight) * weight ** np.maximum(lag, 0), 0.0)  # (block, block)
    decay = weight ** (age + 1.0)  # of the average before the block
    averages, last = np.empty(n), 0.0
    for start in range(0, n, _BLOCK):
        part = values[start : start + _BLOCK]
        size = len(part)
        averages[start : start + size] = filter_block[:size, :size] @ part + decay[:size] * last
        last = averages[start + size - 1]
    return averages / (1 - weight ** np.arange(1.0, n + 1))


def _kernel(weight: float, kind: Smoothing) -> FloatArray:
    width = weight / (1 - weight)
    if kind == "mean":
        return np.ones(2 * max(1, round(width)) + 1)
    width = max(width, 0.05)  # narrower ones change nothing
    reach = max(1, round(3 * width))
    return np.exp(-0.5 * (np.arange(-reach, reach + 1) / width) ** 2)
