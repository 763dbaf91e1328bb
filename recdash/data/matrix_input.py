"""Matrices that people pass in, read as positives: every index is checked before a compiled routine of scipy sees it.

Those routines read and write wherever the indices point, so a single one outside the shape ends the process.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from recdash.data.array_checks import INT32_MAX, check_count, check_indptr, first_outside, numbers, whole_numbers
from recdash.errors import DataError

_FROM_ZERO = "Number users and items from 0 (numbers that start at 1 are one too high)."


class Positives(NamedTuple):
    """Non-zero entries as CSR rows: indptr (rows + 1,) int64, items ascending in each row, none twice, int32."""

    indptr: NDArray[np.int64]
    items: NDArray[np.int32]
    n_items: int


class _Entries(NamedTuple):
    """Entries of a sparse matrix, one of each per entry, not yet checked."""

    rows: Any
    columns: Any
    values: Any


def positives(source: Any, name: str) -> Positives:
    """Read the positives of a matrix (users, items): any sparse format of scipy, or what numpy reads as two dimensions.

    An entry is positive when it is not zero, before duplicates of it are added up.  The source is left as it is.
    Raises DataError for what is no such matrix, indices outside its shape, entries that are negative or not finite, and
    for far more users than entries.
    """
    csr = _read_sparse(source, name) if sparse.issparse(source) else _read_dense(source, name)
    if csr.shape[1] > INT32_MAX:
        raise DataError(f"{name}: {csr.shape[1]:,} items, the most is {INT32_MAX:,}. Number the items without gaps.")
    if not (csr.has_canonical_format and csr.data.all()):
        csr = csr.copy()  # what follows writes into the arrays, which may be the caller's
        csr.sum_duplicates()
        csr.eliminate_zeros()
    return Positives(csr.indptr.astype(np.int64), csr.indices.astype(np.int32), int(csr.shape[1]))


def _read_sparse(source: Any, name: str) -> Any:
    """Return a CSR array of booleans, True for a positive, whose indices are sound."""
    read = _ENTRIES_OF.get(source.format)
    if source.ndim != 2 or (read is None and source.format != "csr"):
        raise DataError(
            f"{name}: expected two dimensions, found {source.ndim} in format {source.format!r}. Give a CSR matrix."
        )
    try:
        return _from_rows(source, name) if read is None else _from_entries(read(source, name), source.shape, name)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise DataError(
            f"{name}: the parts of this {source.format} matrix do not fit each other ({type(error).__name__}). "
            "Build it again."
        ) from error


def _read_dense(source: Any, name: str) -> Any:
    array = numbers(source, name)
    if array.ndim != 2:
        raise DataError(f"{name}: expected two dimensions, found {array.ndim}. Give a users x items matrix.")
    check_count(array.shape[0], array.size, "users", name)
    rows, columns = np.nonzero(array)
    found = _are_positive(array[rows, columns], name, lambda place: (int(rows[place]), int(columns[place])))
    indptr = np.concatenate([[0], np.cumsum(np.count_nonzero(array, axis=1))])
    return sparse.csr_array((found, columns, indptr), shape=array.shape)


def _from_rows(source: Any, name: str) -> Any:
    """CSR as it is, once it is checked."""
    n_rows, n_columns = source.shape
    columns, values = _part(source.indices, f"{name} indices"), _values(source.data, name)
    indptr = _part(source.indptr, f"{name} indptr")
    check_indptr(indptr, n_rows, min(len(columns), len(values)), name)
    check_count(n_rows, len(columns), "users", name)
    columns, values = columns[: int(indptr[-1])], values[: int(indptr[-1])]

    def locate(place: int) -> tuple[int, int]:
        return int(np.searchsorted(indptr, place, side="right")) - 1, int(columns[place])

    if (place := first_outside(columns, n_columns)) is not None:
        raise _outside("column", locate(place), n_columns, name)
    found = _are_positive(values, name, locate)
    return sparse.csr_array((found, columns, indptr), shape=source.shape)


def _from_entries(entries: _Entries, shape: tuple[int, int], name: str) -> Any:
    rows, columns = _part(entries.rows, f"{name} rows"), _part(entries.columns, f"{name} columns")
    values = _values(entries.values, name)
    if not len(rows) == len(columns) == len(values):
        raise DataError(
            f"{name}: {len(rows)} row numbers, {len(columns)} column numbers, {len(values)} values. "
            "Give one of each for every entry."
        )
    check_count(shape[0], len(rows), "users", name)

    def locate(place: int) -> tuple[int, int]:
        return int(rows[place]), int(columns[place])

    for numbered, length, what in ((rows, shape[0], "row"), (columns, shape[1], "column")):
        if (place := first_outside(numbered, length)) is not None:
            raise _outside(what, locate(place), length, name)
    found = _are_positive(values, name, locate)
    return sparse.coo_array((found, (rows, columns)), shape=shape).tocsr()


def _outside(what: str, at: tuple[int, int], length: int, name: str) -> DataError:
    row, column = at
    return DataError(
        f"{name}: row {row} has an entry in column {column}, outside the {what}s 0 to {length - 1} of the matrix. "
        f"{_FROM_ZERO}"
    )


def _are_positive(values: NDArray[Any], name: str, locate: Callable[[int], tuple[int, int]]) -> NDArray[np.bool_]:
    """Which entries are positive; raises DataError where one is negative or not finite, saying where it stands."""
    fine = np.ones(len(values), np.bool_)
    if values.dtype.kind in "if" and len(values) and not (values.min() >= 0 and values.max() < np.inf):
        fine = np.isfinite(values) & (values >= 0)
    if not fine.all():
        place = int(np.argmin(fine))
        row, column = locate(place)
        raise DataError(
            f"{name}: found {values[place]} in row {row}, column {column}. "
            "Entries must be finite and not negative, 1 for a positive and 0 for nothing."
        )
    return np.asarray(values != 0)


def _part(part: Any, where: str) -> NDArray[Any]:
    """One index array of a sparse matrix, (n,), as scipy's routines take them."""
    if not isinstance(part, np.ndarray) or part.ndim != 1 or part.dtype.kind not in "iu":
        raise DataError(f"{where}: expected one dimension of whole numbers. Build the matrix again.")
    return part if part.dtype in (np.int32, np.int64) else whole_numbers(part, where)


def _values(part: Any, name: str) -> NDArray[Any]:
    values = numbers(part, f"{name} values")
    if values.ndim != 1:
        raise DataError(f"{name} values: expected one dimension, found shape {values.shape}. Build the matrix again.")
    return values


def _of_coordinates(source: Any, name: str) -> _Entries:
    rows, columns = source.coords
    return _Entries(rows, columns, source.data)


def _of_columns(source: Any, name: str) -> _Entries:
    indptr = _part(source.indptr, f"{name} indptr")
    check_indptr(indptr, source.shape[1], min(len(source.indices), len(source.data)), f"{name}, by column")
    end = int(indptr[-1])
    counts = np.diff(indptr)
    filled = np.flatnonzero(counts)  # few where a matrix is far too wide
    columns = np.repeat(filled, counts[filled])
    return _Entries(source.indices[:end], columns, source.data[:end])


def _of_blocks(source: Any, name: str) -> _Entries:
    indptr = _part(source.indptr, f"{name} indptr")
    of_block, height, width = source.data.shape
    check_indptr(indptr, source.shape[0] // height, min(len(source.indices), of_block), f"{name}, by block")
    end = int(indptr[-1])
    first_rows = np.repeat(np.arange(len(indptr) - 1) * height, np.diff(indptr))
    first_columns = _part(source.indices, f"{name} indices")[:end].astype(np.int64) * width
    rows = np.broadcast_to(first_rows[:, None, None] + np.arange(height)[:, None], (end, height, width))
    columns = np.broadcast_to(first_columns[:, None, None] + np.arange(width), (end, height, width))
    return _Entries(rows.reshape(-1), columns.reshape(-1), source.data[:end].reshape(-1))


def _of_lists(source: Any, name: str) -> _Entries:
    counts = [len(row) for row in source.rows]
    if len(counts) != source.shape[0] or counts != [len(row) for row in source.data]:
        raise DataError(f"{name}: rows and values of this lil matrix differ in length. Build the matrix again.")
    columns = whole_numbers(list(chain.from_iterable(source.rows)), f"{name} columns")
    return _Entries(np.repeat(np.arange(len(counts)), counts), columns, list(chain.from_iterable(source.data)))


def _of_keys(source: Any, name: str) -> _Entries:
    keys = list(source.keys())
    rows, columns = (whole_numbers([key[axis] for key in keys], f"{name} keys") for axis in (0, 1))
    return _Entries(rows, columns, list(source.values()))


def _of_diagonals(source: Any, name: str) -> _Entries:
    """Entries in row i, column i + offset; what a diagonal holds beyond the matrix is no entry."""
    offsets = _part(source.offsets, f"{name} offsets").astype(np.int64)
    columns = np.broadcast_to(np.arange(source.data.shape[1]), (len(offsets), source.data.shape[1]))
    rows = columns - offsets[:, None]
    inside = (rows >= 0) & (rows < source.shape[0]) & (columns < source.shape[1])
    return _Entries(rows[inside], columns[inside], source.data[inside])


_ENTRIES_OF: dict[str, Callable[[Any, str], _Entries]] = {
    "csc": _of_columns,
    "bsr": _of_blocks,
    "coo": _of_coordinates,
    "lil": _of_lists,
    "dok": _of_keys,
    "dia": _of_diagonals,
}
