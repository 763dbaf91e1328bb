"""Scaled covariances of items that no dense matrix holds: which pairs are largest, and all pairs of a few items.

With G = X'X, c_i = G_ii and U users, C_ij = s_i s_j (G_ij - c_i c_j / U) with s_i = (U var_i)^(-alpha / 2) (Steck,
NeurIPS 2019, section 3). Users are counted for blocks of items. Pairs without a common user count too, if both items
are popular enough. Pairs of popular items are stored, because they have most of the users and occur in most blocks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any, NamedTuple, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from recdash.data.histories import Histories

_PAIRS_PER_BLOCK = 1 << 21  # pairs of entries with a common user counted at once: about 100 MiB in a thread
_CELLS_PER_BLOCK = 1 << 22  # of items without a common user looked at together
_SAMPLED_ITEMS = (100, 2_000)  # whose covariances give the threshold: at first roughly
_EXTRA = 1.02  # entries gathered, relative to those wanted: the sample errs

Float32Array = NDArray[np.float32]
Float64Array = NDArray[np.float64]
IntArray = NDArray[np.int64]
Given = TypeVar("Given")
Found = TypeVar("Found")


class Pattern(NamedTuple):
    """The pairs of items with the largest covariances, by column; no item is its own neighbour.

    Column j has the rows `indices[indptr[j]:indptr[j + 1]]`, ascending. `sizes` has the absolute covariances.
    """

    indptr: IntArray
    indices: NDArray[np.int32]
    sizes: Float32Array

    def column(self, item: int) -> slice:
        """Return where the entries of a column are."""
        return slice(int(self.indptr[item]), int(self.indptr[item + 1]))


class _Entries(NamedTuple):
    """Some entries of some rows: (entries,) row number within the block, item, absolute covariance."""

    rows: IntArray
    items: NDArray[np.int32]
    sizes: Float32Array


class ScaledCovariance:
    """Covariances of the items of binary histories. Items are numbered by falling influence, see `order`.

    Attributes:
        order: (items,) item index of each number used here.
        scale: (items,) float64 s_i; 0 for an item that nobody or everybody has.
        n_stored: Pairs of the first so many items are stored once `pattern` was called.
    """

    def __init__(self, rows: Histories, alpha: float, n_stored: int) -> None:
        """Prepare for some histories.

        Args:
            rows: Training histories, (users, items); all entries count as 1.
            alpha: Exponent of the variances.
            n_stored: Number of popular items whose pairs are stored: 4 bytes a pair.
        """
        counts = np.bincount(rows.items, minlength=rows.n_items).astype(np.float64)
        n_users = max(1, len(rows))
        variances = counts - counts**2 / n_users  # U var_i
        scale = np.where(variances > 0, np.maximum(variances, 1e-300) ** (-alpha / 2), 0.0)
        self.order = np.argsort(-counts * scale, kind="stable")
        rank = np.empty(rows.n_items, np.int32)
        rank[self.order] = np.arange(rows.n_items, dtype=np.int32)
        self.n_items = rows.n_items
        self.scale: Float64Array = scale[self.order]
        self._means: Float64Array = counts[self.order] / np.sqrt(n_users)  # product of two: users expected in common
        self._influence = self._means * self.scale
        self._binary = Histories(rows.indptr, rank[rows.items], None, rows.n_items, False).matrix()  # (users, items)
        self._by_item: Any = self._binary.T.tocsr()  # (items, users)
        self._pairs: Float64Array = self._by_item @ rows.counts.astype(np.float64)  # entries of an item's users
        self.n_stored = min(n_stored, rows.n_items)
        self._stored: Float32Array = np.empty((0, 0), np.float32)

    def pattern(self, n_entries: int, most: int) -> Pattern:
        """Return the largest covariances by absolute value.

        Args:
            n_entries: Maximum number of entries.
            most: Maximum number of entries in a column.
        """
        threshold = self._threshold(n_entries, most)
        self._stored = np.empty((self.n_stored, self.n_stored), np.float32)
        counts = np.zeros(self.n_items + 1, np.int64)
        indices: list[NDArray[np.int32]] = []
        sizes: list[Float32Array] = []

        def entries_of(items: IntArray) -> _Entries:
            common = self._by_item[items] @ self._binary  # (some, items)
            stored = items[items < self.n_stored]
            if len(stored):
                there = common[: len(stored), : self.n_stored].toarray()
                self._stored[stored] = self._scaled(there, stored[:, None], np.arange(self.n_stored))
            return self._entries(items, common, threshold, most)

        blocks = list(self._blocks(np.arange(self.n_items)))
        for items, found in zip(blocks, in_threads(entries_of, blocks), strict=True):
            counts[items + 1] = np.bincount(found.rows, minlength=len(items))
            indices.append(found.items)
            sizes.append(found.sizes)
        del blocks
        joined = np.concatenate(indices) if indices else np.empty(0, np.int32)
        del indices
        values = np.concatenate(sizes) if sizes else np.empty(0, np.float32)
        del sizes
        pattern = Pattern(np.cumsum(counts), joined, values)
        return pattern if len(joined) <= n_entries else _cut(pattern, n_entries)

    def square(self, items: IntArray) -> Float32Array:
        """Return the covariances of some items with each other, exact, (some, some). items: ascending."""
        n_stored = int(np.searchsorted(items, self.n_stored))
        popular, others = items[:n_stored], items[n_stored:]
        out = np.empty((len(items), len(items)), np.float32)
        out[:n_stored, :n_stored] = self._stored[popular[:, None], popular]
        if len(others):
            common = (self._by_item[others] @ self._by_item[items].T).toarray()
            out[n_stored:] = self._scaled(common, others[:, None], items)
            out[:n_stored, n_stored:] = out[n_stored:, :n_stored].T
        return out

    def _scaled(self, common: Any, rows: IntArray, items: Any) -> Float32Array:
        """Return covariances from numbers of common users; symmetric to the bit."""
        centred = common - self._means[rows] * self._means[items]
        centred *= self.scale[rows] * self.scale[items]
        return np.asarray(centred, np.float32)

    def _threshold(self, n_entries: int, most: int) -> float:
        """Return the absolute covariance that somewhat more than so many entries exceed, from a sample of the items."""
        threshold = 0.0
        for size in _SAMPLED_ITEMS:
            items = np.unique(np.linspace(0, self.n_items - 1, min(self.n_items, size)).astype(np.int64))
            floor = threshold / 2
            parts = in_threads(partial(self._sizes_of, floor=floor, most=most), self._blocks(items))
            sizes = np.concatenate([np.empty(0, np.float32), *parts])
            n_wanted = int(n_entries * _EXTRA * len(items) / max(1, self.n_items))
            threshold = _smallest_of_largest(sizes, n_wanted, floor)
        return threshold

    def _sizes_of(self, items: IntArray, floor: float, most: int) -> Float32Array:
        """Return the absolute covariances of some items above a floor; with 0 only of pairs with common users."""
        return self._entries(items, self._by_item[items] @ self._binary, floor, most, common_only=not floor).sizes

    def _blocks(self, items: IntArray) -> Iterator[IntArray]:
        """Yield parts of some items; the pairs to count in a part are bounded, if it has more than one item."""
        start, ends = 0, np.cumsum(self._pairs[items])
        while start < len(items):
            before = ends[start - 1] if start else 0.0
            stop = max(start + 1, int(np.searchsorted(ends, before + _PAIRS_PER_BLOCK, side="right")))
            yield items[start:stop]
            start = stop

    def _entries(
        self, items: IntArray, common: Any, threshold: float, most: int, *, common_only: bool = False
    ) -> _Entries:
        """Return the entries above a threshold, by row, then by item.

        Args:
            items: (some,) the rows.
            common: CSR (some, items) numbers of common users.
            threshold: Absolute covariances above it count.
            most: Maximum number of entries in a row.
            common_only: Whether pairs without a common user are left out.
        """
        rows = np.repeat(np.arange(len(items)), np.diff(common.indptr))
        sizes = np.abs(self._scaled(common.data, items[rows], common.indices))
        chosen = (sizes > threshold) & (common.indices != items[rows])
        found = _Entries(rows[chosen], common.indices[chosen].astype(np.int32), sizes[chosen])
        others = () if common_only else self._without_common_users(items, common, threshold)
        return _by_row([found, *others], len(items), most)

    def _without_common_users(self, items: IntArray, common: Any, threshold: float) -> Iterator[_Entries]:
        """Yield the pairs without a common user whose absolute covariance is above a threshold."""
        # of item i: the products of its influence with those of all others fall with their number
        least = threshold / np.maximum(self._influence[items], 1e-300) * (1 - 1e-6)
        widths = np.searchsorted(-self._influence, -least)  # (some,) numbers of items to look at
        start = 0
        while start < len(items):
            width = int(widths[start:].max())
            if not width:
                return
            stop = min(len(items), start + max(1, _CELLS_PER_BLOCK // width))
            part = items[start:stop]
            sizes = np.abs(self._scaled(np.zeros(1), part[:, None], np.arange(width)))  # (part, width)
            sizes[common[start:stop, :width].toarray() > 0] = 0
            sizes[part < width, part[part < width]] = 0
            rows, columns = np.nonzero(sizes > threshold)
            yield _Entries(rows + start, columns.astype(np.int32), sizes[rows, columns])
            start = stop


def in_threads(function: Callable[[Given], Found], given: Iterable[Given]) -> Iterator[Found]:
    """Yield results in the given order, computed by as many threads as PyTorch uses, a few ahead."""
    threads = max(1, torch.get_num_threads())
    with ThreadPoolExecutor(threads) as pool:  # SciPy's products and LAPACK do not hold Python's lock
        waiting: list[Future[Found]] = []
        for one in given:
            waiting.append(pool.submit(function, one))
            if len(waiting) > 2 * threads:
                yield waiting.pop(0).result()
        for job in waiting:
            yield job.result()


def _by_row(parts: Sequence[_Entries], n_rows: int, most: int) -> _Entries:
    """Join entries by row, then by item; of a row with too many the largest remain, of equal ones the first."""
    rows, items, sizes = (np.concatenate(column) for column in zip(*parts, strict=True))
    counts = np.bincount(rows, minlength=n_rows)
    order = np.lexsort((items, rows))
    if counts.max(initial=0) > most:
        order = np.lexsort((items, -sizes, rows))  # the largest of a row first
        place = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)
        order = order[place < most]
        order = order[np.lexsort((items[order], rows[order]))]
    return _Entries(rows[order], items[order], sizes[order])


def _smallest_of_largest(values: Float32Array, n: int, otherwise: float = 0.0) -> float:
    """Return a threshold that at most n values exceed, something else if there are no more."""
    if n >= len(values):
        return otherwise
    return float(np.partition(values, len(values) - n - 1)[len(values) - n - 1])


def _cut(pattern: Pattern, n_entries: int) -> Pattern:
    """Return the largest entries of a pattern."""
    chosen = pattern.sizes > _smallest_of_largest(pattern.sizes, n_entries)
    ends = np.concatenate([[0], np.cumsum(chosen)])
    return Pattern(ends[pattern.indptr], pattern.indices[chosen], pattern.sizes[chosen])
