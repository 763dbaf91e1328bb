"""Validation of arrays passed by users, before compiled routines read them without bounds checks."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from recdash.errors import DataError, RecdashError

INT32_MAX = 2**31 - 1
ALWAYS_ALLOWED_COUNT = 1_000_000  # users or items, regardless of the number of entries
MAX_PER_ENTRY = {"users": 10, "items": 2}  # above that count; a user costs 8 bytes, an item about 200
_KIND_NAMES = {"U": "text", "S": "text", "T": "text", "M": "dates", "m": "durations", "c": "complex numbers"}
_WHOLE, _FINITE = "whole numbers from 0", "finite numbers"
_MAX_INDEX = 2**62  # replaces every larger number; no user or item has this index


def numbers(
    source: Any, where: str, error: type[RecdashError] = DataError, expected: str = "an array of numbers"
) -> NDArray[Any]:
    """Return numbers or booleans of any shape as a plain array.

    Args:
        source: Anything that numpy can read, or a torch tensor.
        where: Start of the error message, such as "train: users".
        error: Class of the error.
        expected: Expected input, for the message.

    Raises:
        RecdashError: of class `error`, for text, dates, complex numbers, other objects, rows of unequal length and
            masked entries.
    """
    if isinstance(source, np.ma.MaskedArray) and np.ma.is_masked(source):
        raise error(f"{where}: expected {expected}, found masked entries. Fill or remove them first.")
    try:
        array = np.asarray(_to_host(source))
        if array.dtype == object:
            array = np.asarray(array.tolist())
    except Exception as cause:  # conversion runs code of arbitrary array classes, which may raise anything
        raise error(f"{where}: expected {expected}, found {_type_of(source)}.") from cause
    if array.dtype.kind not in "biuf":
        found = _KIND_NAMES.get(array.dtype.kind, "other values")
        raise error(f"{where}: expected {expected}, found {found} ({_type_of(source)}).")
    return array


def column(source: Any, where: str, error: type[RecdashError], expected: str) -> NDArray[Any]:
    """Return numbers in one dimension, (n,); a column (n, 1) and a single number are accepted."""
    array = numbers(source, where, error, expected)
    if array.ndim == 0 or (array.ndim == 2 and array.shape[1] == 1):
        array = array.reshape(-1)
    if array.ndim != 1:
        raise error(f"{where}: expected {expected} in one dimension, found shape {array.shape}. Give one column.")
    if array.dtype.kind == "b" and array.size:
        raise error(f"{where}: expected {expected}, found True and False. Give numbers, not a mask.")
    return array


def whole_numbers(source: Any, where: str, error: type[RecdashError] = DataError) -> NDArray[np.int64]:
    """Return a column of whole numbers, (n,) int64; floats without a fraction count as whole.

    Negative numbers are returned for the caller to check. Numbers beyond 2**62 become 2**62, which no user or item has,
    instead of wrapping around.
    """
    array = column(source, where, error, _WHOLE)
    if array.dtype.kind == "f" and not (whole := np.isfinite(array) & (array == np.floor(array))).all():
        index = int(np.argmin(whole))
        raise error(f"{where}: expected {_WHOLE}, found {array[index]:g} at position {index}.")
    if array.dtype.kind == "u":
        return np.minimum(array.astype(np.uint64), _MAX_INDEX).astype(np.int64)
    if array.dtype.kind == "f":
        return np.clip(array.astype(np.float64), -_MAX_INDEX, _MAX_INDEX).astype(np.int64)
    return array.astype(np.int64, copy=False)


def finite_numbers(source: Any, where: str, error: type[RecdashError] = DataError) -> NDArray[np.float32]:
    """Return a column of finite numbers, (n,) float32: ratings."""
    array = column(source, where, error, _FINITE)
    with np.errstate(over="ignore"):  # values beyond float32 become infinite and are rejected below
        found = np.ascontiguousarray(array, dtype=np.float32)
    if not (finite := np.isfinite(found)).all():
        index = int(np.argmin(finite))
        raise error(f"{where}: expected {_FINITE}, found {array[index]:g} at position {index}. Remove such rows.")
    return found


def first_outside(array: NDArray[np.integer[Any]], below: int) -> int | None:
    """Return the position of the first number outside [0, below), or None; does not copy the array."""
    if array.size == 0 or (array.min() >= 0 and array.max() < below):
        return None
    return int(np.argmax((array < 0) | (array >= below)))


def check_indptr(indptr: NDArray[np.integer[Any]], rows: int, entries: int, where: str, *, whole: bool = False) -> None:
    """Raise DataError unless `indptr` divides the entries into that many rows.

    whole: whether the rows must cover all entries, or may end before the last.
    """
    if len(indptr) != rows + 1 or rows < 0:
        raise DataError(f"{where}: indptr has {len(indptr)} numbers. It needs one more than there are rows.")
    decreases = indptr[1:] < indptr[:-1]
    if decreases.any():
        row = int(np.argmax(decreases))
        raise DataError(
            f"{where}: row {row} ends before it starts, indptr goes from {indptr[row]} to {indptr[row + 1]}."
        )
    if indptr[0] != 0 or indptr[-1] > entries or (whole and indptr[-1] < entries):
        raise DataError(
            f"{where}: indptr goes from {indptr[0]} to {indptr[-1]}, but there are {entries} entries. "
            "It must start at 0 and end at the number of entries."
        )


def check_count(count: int, entries: int, what: str, where: str, error: type[RecdashError] = DataError) -> None:
    """Raise `error` for far more users or items than entries: the numbers are then ids, not indices.

    what: "users" or "items".
    """
    per_entry = MAX_PER_ENTRY[what]
    if count <= min(max(ALWAYS_ALLOWED_COUNT, per_entry * entries), INT32_MAX):
        return
    raise error(
        f"{where}: {count:,} {what} for {entries:,} entries; the maximum is {ALWAYS_ALLOWED_COUNT:,}, or {per_entry} "
        f"per entry. Number the {what} from 0 without gaps, for example with np.unique(ids, return_inverse=True)."
    )


def _to_host(source: Any) -> Any:
    """Move a torch tensor to memory that numpy can read; return anything else unchanged."""
    is_tensor = type(source).__module__.partition(".")[0] == "torch" and hasattr(source, "detach")
    return source.detach().cpu() if is_tensor else source


def _type_of(source: Any) -> str:
    dtype = getattr(source, "dtype", "")
    return f"{type(source).__name__} of {dtype}" if isinstance(dtype, np.dtype) else type(source).__name__
