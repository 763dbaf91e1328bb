"""`Histories`: the items of each user in order, passed between data, splits, models and evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from recdash.data.array_checks import INT32_MAX, check_indptr, finite_numbers, first_outside, whole_numbers
from recdash.data.matrix_input import positives
from recdash.data.stable_order import group_order
from recdash.errors import DataError
from recdash.settings import whole_number

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Histories:
    """Rows of item indices in CSR layout; the order within a row is the order in time.

    Attributes:
        indptr: (rows + 1,) int64; row r is `items[indptr[r]:indptr[r + 1]]`.
        items: (entries,) int32 item indices in [0, n_items).
        values: (entries,) float32 ratings; None if there are none.
        n_items: Number of items.
        ordered: Whether the order within the rows is meaningful.
    """

    indptr: IntArray
    items: NDArray[np.int32]
    values: FloatArray | None
    n_items: int
    ordered: bool = True

    def __len__(self) -> int:
        return len(self.indptr) - 1

    @property
    def n_entries(self) -> int:
        """Total number of entries."""
        return len(self.items)

    @property
    def counts(self) -> IntArray:
        """Number of entries per row, (rows,)."""
        return np.diff(self.indptr)

    @property
    def row_of(self) -> IntArray:
        """Row index of every entry, (entries,)."""
        return np.repeat(np.arange(len(self), dtype=np.int64), self.counts)

    def row(self, number: int) -> NDArray[np.int32]:
        """Return the items of one row, in order."""
        return self.items[self.indptr[number] : self.indptr[number + 1]]

    def take(self, rows: IntArray) -> Self:
        """Return the given rows, in the given order."""
        counts = self.counts[rows]
        indptr = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        entries = np.repeat(self.indptr[rows] - indptr[:-1], counts) + np.arange(indptr[-1])
        values = None if self.values is None else self.values[entries]
        return type(self)(indptr, self.items[entries], values, self.n_items, self.ordered)

    def slice(self, start: int, stop: int) -> Self:
        """Return rows start to stop - 1 without copying entries."""
        low, high = self.indptr[start], self.indptr[min(stop, len(self))]
        values = None if self.values is None else self.values[low:high]
        return type(self)(self.indptr[start : stop + 1] - low, self.items[low:high], values, self.n_items, self.ordered)

    def select(self, entries: NDArray[np.bool_]) -> Self:
        """Return the same rows with only the marked entries, in the same order. entries: (entries,) bool."""
        new_positions = np.zeros(self.n_entries + 1, np.int64)
        np.cumsum(entries, out=new_positions[1:])
        values = None if self.values is None else self.values[entries]
        return type(self)(new_positions[self.indptr], self.items[entries], values, self.n_items, self.ordered)

    def matrix(self, *, binary: bool = True) -> Any:
        """Return a scipy CSR array (rows, n_items), float32.

        Args:
            binary: True for ones, False for the ratings, if there are any.
        """
        from scipy import sparse  # lazy: scipy

        data: Any = np.ones(self.n_entries, np.float32) if self.values is None or binary else self.values
        matrix: Any = sparse.csr_array((data, self.items, self.indptr), shape=(len(self), self.n_items))
        return matrix.sorted_indices()

    def transposed(self) -> Self:
        """Return the transpose: the users of each item, with the same values, in ascending order."""
        rows = self.row_of.astype(np.int32)
        return self.from_entries(self.items, rows, self.values, n_rows=self.n_items, n_items=len(self), ordered=False)

    def checked(self) -> Self:
        """Return the same rows with the documented types. Raises DataError if an index or a value is invalid."""
        n_items = whole_number("histories n_items", self.n_items, 0, INT32_MAX)
        indptr = whole_numbers(self.indptr, "histories indptr")
        items = self.items if _is_column(self.items, np.int32) else whole_numbers(self.items, "histories items")
        check_indptr(indptr, len(indptr) - 1, len(items), "histories", whole=True)
        if (index := first_outside(items, n_items)) is not None:
            row = int(np.searchsorted(indptr, index, side="right")) - 1
            raise DataError(
                f"histories: row {row} has item {items[index]}, outside the items 0 to {n_items - 1}. "
                "Number items from 0, like the columns of the training data."
            )
        values = None if self.values is None else finite_numbers(self.values, "histories values")
        if values is not None and len(values) != len(items):
            raise DataError(f"histories: {len(values)} values for {len(items)} items. Give one value for each item.")
        return type(self)(indptr, items.astype(np.int32, copy=False), values, n_items, self.ordered)

    @classmethod
    def from_rows(cls, rows: Sequence[Sequence[int]], n_items: int, *, ordered: bool = True) -> Self:
        """Build from lists of item indices.

        Args:
            rows: One list of item indices per user.
            n_items: Number of items.
            ordered: Whether the order within the rows is meaningful.

        Raises:
            DataError: The rows are not lists of whole numbers, or an item is outside [0, n_items).
        """
        try:
            indptr = np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int64)
            listed = list(chain.from_iterable(rows))
        except TypeError as error:
            raise DataError(
                "histories: expected a list of item numbers for each user, such as [[0, 4], []]."
            ) from error
        items: Any = whole_numbers(listed, "histories items")  # `checked` converts them to int32
        return cls(indptr, items, None, n_items, ordered).checked()

    @classmethod
    def from_entries(
        cls,
        rows: NDArray[Any],
        items: NDArray[Any],
        values: NDArray[Any] | None,
        *,
        n_rows: int,
        n_items: int,
        ordered: bool = True,
    ) -> Self:
        """Group entries by row; the entries of a row stay in the given order.

        Args:
            rows: (entries,) row indices.
            items: (entries,) item indices.
            values: (entries,) ratings; None if there are none.
            n_rows: Number of rows.
            n_items: Number of items.
            ordered: Whether the order within the rows is meaningful.
        """
        indptr = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=n_rows))]).astype(np.int64)
        if (order := group_order(rows, n_rows)) is not None:
            items, values = items[order], None if values is None else values[order]
        grouped = None if values is None else np.ascontiguousarray(values, dtype=np.float32)
        return cls(indptr, np.ascontiguousarray(items, dtype=np.int32), grouped, n_items, ordered)

    @classmethod
    def from_any(cls, source: Any, n_items: int) -> Self:
        """Accept Histories or a matrix (rows, n_items), see `from_csr`.

        Histories are validated too, so that compiled routines never see invalid indices of hand-made ones.

        Raises:
            DataError: The input is invalid or has another number of items.
        """
        found = source.checked() if isinstance(source, cls) else cls.from_csr(source, name="histories")
        if found.n_items != n_items:
            raise DataError(
                f"These histories have {found.n_items} items, the model has {n_items}. "
                "Give rows over the same items, in the same order, as the training data."
            )
        return found

    @classmethod
    def from_csr(cls, source: Any, *, name: str = "matrix") -> Self:
        """Build from a matrix whose non-zero entries are positives, without order and ratings.

        Args:
            source: Sparse or dense matrix (rows, items), see `recdash.data.matrix_input.positives`.
            name: Name of the matrix in error messages.

        Raises:
            DataError: The input is not a matrix, has invalid indices, or has negative or non-finite entries.
        """
        found = positives(source, name)
        return cls(found.indptr, found.items, None, found.n_items, ordered=False)


def _is_column(array: Any, dtype: Any) -> bool:
    return isinstance(array, np.ndarray) and array.ndim == 1 and array.dtype == dtype
