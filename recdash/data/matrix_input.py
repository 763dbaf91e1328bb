"""Matrices passed by users, read as positives. Every index is checked before a compiled routine of scipy sees it.

Those routines read and write without bounds checks, so a single index outside the shape may crash the process.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recdash.data.array_checks import INT32_MAX, check_count, check_indptr, first_outside, numbers, whole_numbers
from recdash.errors import DataError

_NUMBER_FROM_ZERO = "Number users and items from 0 (numbers that start at 1 are one too high)."


class Positives(NamedTuple):
    """Non-zero entries as CSR rows: indptr (rows + 1,) int64; items int32, ascending and unique within each row."""

    indptr: NDArray[np.int64]
    items: NDArray[np.int32]
    n_items: int


class _Entries(NamedTuple):
    """Entries of a sparse matrix in coordinate form, not yet checked."""

    rows: Any
    columns: Any
    values: Any


def positives(source: Any, name: str) -> Positives:
    """Read the positives of a matrix. The source is not changed.

    Args:
        source: Matrix (users, items): any sparse format of scipy, or anything numpy reads as two dimensions. An entry
            is positive if it is not zero, before duplicates are summed.
        name: Name of the matrix in error messages.

    Raises:
        DataError: The input is not such a matrix, has indices outside its shape, negative or non-finite entries, or far
            more users than entries.
    """
    from scipy import sparse  # lazy: scipy

    csr = _read_sparse(source, name) if sparse.issparse(source) else _read_dense(source, name)
    if csr.shape[1] > INT32_MAX:
        raise DataError(f"{name}: {csr.shape[1]:,} items; the maximum is {INT32_MAX:,}. Number the items without gaps.")
    if not (csr.has_canonical_format and csr.data.all()):
        csr = csr.copy()  # the next two calls write into the arrays, which may be the caller's
        csr.sum_duplicates()
        csr.eliminate_zeros()
    return Positives(csr.indptr.astype(np.int64), csr.indices.astype(np.int32), int(csr.shape[1]))


def _read_sparse(source: Any, name: str) -> Any:
    """Return a CSR array of booleans, True for a positive, with valid indices."""
    read = _ENTRIES_OF.get(source.format)
    if source.ndim != 2 or (read is None and source.format != "csr"):
        raise DataError(
            f"{name}: expected two dimensions, found {source.ndim} in format {source.format!r}. Give a CSR matrix."
        )
    try:
        return _from_rows(source, name) if read is None else _from_entries(read(source, name), source.shape, name)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise DataError(
            f"{name}: the arrays of this {source.format} matrix are inconsistent ({type(error).__name__}). "
            "Build it again."
        ) from error


def _read_dense(source: Any, name: str) -> Any:
    from scipy import sparse  # lazy: scipy

    array = numbers(source, name)
    if array.ndim != 2:
        raise DataError(f"{name}: expected two dimensions, found {array.ndim}. Give a users x items matrix.")
    check_count(array.shape[0], array.size, "users", name)
    rows, columns = np.nonzero(array)
    found = _are_positive(array[rows, columns], name, lambda index: (int(rows[index]), int(columns[index])))
    indptr = np.concatenate([[0], np.cumsum(np.count_nonzero(array, axis=1))])
    return sparse.csr_array((found, columns, indptr), shape=array.shape)


def _from_rows(source: Any, name: str) -> Any:
    """Check a CSR matrix and return it without its values."""
    from scipy import sparse  # lazy: scipy

    n_rows, n_columns = source.shape
    columns, values = _index_array(source.indices, f"{name} indices"), _values(source.data, name)
    indptr = _index_array(source.indptr, f"{name} indptr")
    check_indptr(indptr, n_rows, min(len(columns), len(values)), name)
    check_count(n_rows, len(columns), "users", name)
    columns, values = columns[: int(indptr[-1])], values[: int(indptr[-1])]

    def locate(index: int) -> tuple[int, int]:
        return int(np.searchsorted(indptr, index, side="right")) - 1, int(columns[index])

    if (index := first_outside(columns, n_columns)) is not None:
        raise _outside_error("column", locate(index), n_columns, name)
    found = _are_positive(values, name, locate)
    return sparse.csr_array((found, columns, indptr), shape=source.shape)


def _from_entries(entries: _Entries, shape: tuple[int, int], name: str) -> Any:
    from scipy import sparse  # lazy: scipy

    rows, columns = _index_array(entries.rows, f"{name} rows"), _index_array(entries.columns, f"{name} columns")
    values = _values(entries.values, name)
    if not len(rows) == len(columns) == len(values):
        raise DataError(
            f"{name}: {len(rows)} row numbers, {len(columns)} column numbers, {len(values)} values. "
            "Give one of each for every entry."
        )
    check_count(shape[0], len(rows), "users", name)

    def locate(index: int) -> tuple[int, int]:
        return int(rows[index]), int(columns[index])

    for numbered, length, what in ((rows, shape[0], "row"), (columns, shape[1], "column")):
        if (index := first_outside(numbered, length)) is not None:
            raise _outside_error(what, locate(index), length, name)
    found = _are_positive(values, name, locate)
    return sparse.coo_array((found, (rows, columns)), shape=shape).tocsr()


def _outside_error(what: str, at: tuple[int, int], length: int, name: str) -> DataError:
    row, column = at
    return DataError(
        f"{name}: row {row} has an entry in column {column}, outside the {what}s 0 to {length - 1} of the matrix. "
        f"{_NUMBER_FROM_ZERO}"
    )


def _are_positive(values: NDArray[Any], name: str, locate: Callable[[int], tuple[int, int]]) -> NDArray[np.bool_]:
    """Mark positive entries. Raises DataError, with the position, if one is negative or not finite."""
    valid = np.ones(len(values), np.bool_)
    if values.dtype.kind in "if" and len(values) and not (values.min() >= 0 and values.max() < np.inf):
        valid = np.isfinite(values) & (values >= 0)
    if not valid.all():
        index = int(np.argmin(valid))
        row, column = locate(index)
        raise DataError(
            f"{name}: found {values[index]} in row {row}, column {column}. "
            "Entries must be finite and not negative, 1 for a positive and 0 for nothing."
        )
    return np.asarray(values != 0)


def _index_array(part: Any, where: str) -> NDArray[Any]:
    """Return one index array of a sparse matrix, (n,), with a type that scipy accepts."""
    if not isinstance(part, np.ndarray) or part.ndim != 1 or part.dtype.kind not in "iu":
        raise DataError(f"{where}: expected one dimension of whole numbers. Build the matrix again.")
    return part if part.dtype in (np.int32, np.int64) else whole_numbers(part, where)


def _values(part: Any, name: str) -> NDArray[Any]:
    values = numbers(part, f"{name} values")
    if values.ndim != 1:
        raise DataError(f"{name} values: expected one dimension, found shape {values.shape}. Build the matrix again.")
    return values


def _entries_of_coo(source: Any, name: str) -> _Entries:
    rows, columns = source.coords
    return _Entries(rows, columns, source.data)


def _entries_of_csc(source: Any, name: str) -> _Entries:
    indptr = _index_array(source.indptr, f"{name} indptr")
    check_indptr(indptr, source.shape[1], min(len(source.indices), len(source.data)), f"{name}, by column")
    end = int(indptr[-1])
    counts = np.diff(indptr)
    filled = np.flatnonzero(counts)  # few if a matrix is far too wide
    columns = np.repeat(filled, counts[filled])
    return _Entries(source.indices[:end], columns, source.data[:end])


def _entries_of_bsr(source: Any, name: str) -> _Entries:
    indptr = _index_array(source.indptr, f"{name} indptr")
    of_block, height, width = source.data.shape
    check_indptr(indptr, source.shape[0] // height, min(len(source.indices), of_block), f"{name}, by block")
    end = int(indptr[-1])
    first_rows = np.repeat(np.arange(len(indptr) - 1) * height, np.diff(indptr))
    first_columns = _index_array(source.indices, f"{name} indices")[:end].astype(np.int64) * width
    rows = np.broadcast_to(first_rows[:, None, None] + np.arange(height)[:, None], (end, height, width))
    columns = np.broadcast_to(first_columns[:, None, None] + np.arange(width), (end, height, width))
    return _Entries(rows.reshape(-1), columns.reshape(-1), source.data[:end].reshape(-1))


def _entries_of_lil(source: Any, name: str) -> _Entries:
    counts = [len(row) for row in source.rows]
    if len(counts) != source.shape[0] or counts != [len(row) for row in source.data]:
        raise DataError(f"{name}: rows and values of this lil matrix differ in length. Build the matrix again.")
    columns = whole_numbers(list(chain.from_iterable(source.rows)), f"{name} columns")
    return _Entries(np.repeat(np.arange(len(counts)), counts), columns, list(chain.from_iterable(source.data)))


def _entries_of_dok(source: Any, name: str) -> _Entries:
    keys = list(source.keys())
    rows, columns = (whole_numbers([key[axis] for key in keys], f"{name} keys") for axis in (0, 1))
    return _Entries(rows, columns, list(source.values()))


def _entries_of_dia(source: Any, name: str) -> _Entries:
    """Entries in row i, column i + offset; values of a diagonal outside the matrix are not entries."""
    offsets = _index_array(source.offsets, f"{name} offsets").astype(np.int64)
    columns = np.broadcast_to(np.arange(source.data.shape[1]), (len(offsets), source.data.shape[1]))
    rows = columns - offsets[:, None]
    inside = (rows >= 0) & (rows < source.shape[0]) & (columns < source.shape[1])
    return _Entries(rows[inside], columns[inside], source.data[inside])


_ENTRIES_OF: dict[str, Callable[[Any, str], _Entries]] = {
    "csc": _entries_of_csc,
    "bsr": _entries_of_bsr,
    "coo": _entries_of_coo,
    "lil": _entries_of_lil,
    "dok": _entries_of_dok,
    "dia": _entries_of_dia,
}
