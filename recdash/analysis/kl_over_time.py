"""KL divergence per latent dimension by epoch: sorted, reduced for a heat map, and counted as active units."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MAX_EPOCHS, MAX_DIMENSIONS = 160, 100  # cells of a heat map


@dataclass(frozen=True, eq=False)
class KlOverTime:
    """KL divergence of each latent dimension from N(0, 1), mean over training users and updates of an epoch.

    Attributes:
        epochs: (epochs,) numbers of the recorded epochs, ascending.
        values: (epochs, latent) nats per user; dimensions in descending order of their value in the last epoch.
        dimensions: (latent,) index in the model of each column.
    """

    epochs: NDArray[np.int64]
    values: NDArray[np.float32]
    dimensions: NDArray[np.int64]

    def at(self, epoch: int | None) -> tuple[int, tuple[float, ...]]:
        """Return the epoch nearest before or at `epoch` (None: the last) and its spectrum, largest first."""
        row = len(self.epochs) - 1 if epoch is None else int(np.searchsorted(self.epochs, epoch, side="right")) - 1
        row = max(0, row)
        return int(self.epochs[row]), tuple(np.sort(self.values[row])[::-1].tolist())

    def active_units(self) -> NDArray[np.int64]:
        """Return the number of active units of each epoch, (epochs,).

        A unit is active when its mean KL divergence exceeds `recdash.models.base.ACTIVE_UNIT_MIN_KL`.
        """
        from recdash.models.base import ACTIVE_UNIT_MIN_KL  # lazy: torch

        counts: NDArray[np.int64] = (self.values > ACTIVE_UNIT_MIN_KL).sum(1)
        return counts


@dataclass(frozen=True, eq=False)
class HeatMap:
    """A `KlOverTime` with few enough cells to draw.

    Attributes:
        epochs: (columns,) epochs that are shown, all of them recorded ones.
        dimensions_per_row: Dimensions of neighbouring rank that share a row.
        values: (columns, rows) largest KL divergence of the row's dimensions in that epoch.
    """

    epochs: NDArray[np.int64]
    dimensions_per_row: int
    values: NDArray[np.float32]


def kl_over_time(arrays: Mapping[int, NDArray[np.float32]]) -> KlOverTime | None:
    """Return the KL divergence by epoch and dimension; None without a recorded epoch.

    Args:
        arrays: (latent,) by epoch. Epochs of another width than the last one are left out.
    """
    if not arrays:
        return None
    width = len(arrays[max(arrays)])
    epochs = [epoch for epoch in sorted(arrays) if len(arrays[epoch]) == width]
    values = np.nan_to_num(np.array([arrays[epoch] for epoch in epochs], np.float32))  # (epochs, latent)
    order = np.argsort(-values[-1], kind="stable")  # (latent,)
    return KlOverTime(np.array(epochs, np.int64), values[:, order], order.astype(np.int64))


def heat_map(
    kl: KlOverTime,
    always: Collection[int] = (),
    *,
    max_epochs: int = MAX_EPOCHS,
    max_dimensions: int = MAX_DIMENSIONS,
) -> HeatMap:
    """Reduce the matrix to about `max_epochs` x `max_dimensions` cells.

    Of every stretch of epochs those with the lowest and the highest total KL divergence stay, so that a collapse of a
    few epochs is not averaged away; the first and the last epoch and those in `always` stay too. The length of a
    stretch is a power of two, so that a picture does not change while epochs are added to it, except when the length
    doubles. Dimensions of neighbouring rank share a row, which shows their largest value.
    """
    rows = _shown_epochs(kl, always, max_epochs)
    per_row = -(-kl.values.shape[1] // max_dimensions)  # rounded up
    starts = np.arange(0, kl.values.shape[1], per_row)
    # (shown epochs, latent) -> (shown epochs, rows)
    values = np.maximum.reduceat(kl.values[rows], starts, axis=1)
    return HeatMap(kl.epochs[rows], per_row, values)


def _shown_epochs(kl: KlOverTime, always: Collection[int], most: int) -> NDArray[np.int64]:
    n = len(kl.epochs)
    if n <= most:
        return np.arange(n)
    length = 2
    while 2 * -(-n // length) > most:
        length *= 2
    totals = kl.values.sum(1)  # (epochs,)
    shown = {0, n - 1, *np.flatnonzero(np.isin(kl.epochs, list(always))).tolist()}
    for start in range(0, n, length):
        stretch = totals[start : start + length]
        shown |= {start + int(stretch.argmin()), start + int(stretch.argmax())}
    return np.array(sorted(shown), np.int64)
