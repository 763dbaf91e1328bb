"""Matrices and columns as people might pass them, sound or broken in one way, each with what it says or REFUSED."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.random import Generator
from scipy import sparse

REFUSED = "refused"
ITEMS = 9
FORMATS = ("csr", "csc", "coo", "bsr", "lil", "dok", "dia")
Cells = frozenset[tuple[int, int]]


def pick(rng: Generator, options: Iterable[Any]) -> Any:
    """One of some options of any type."""
    listed = list(options)
    return listed[rng.integers(len(listed))]


@dataclass(frozen=True)
class Form:
    """A matrix as somebody might pass it, and its positives, or REFUSED."""

    what: str
    matrix: Any
    cells: Cells | str
    either: bool = False


def dense(cells: Cells, rows: int, dtype: Any = np.float32) -> Any:
    out = np.zeros((rows, ITEMS), dtype)
    for cell in cells:
        out[cell] = 1
    return out


def cells_of(matrix: Any) -> Cells:
    return frozenset((int(row), int(column)) for row, column in zip(*np.nonzero(matrix), strict=True))


def sparse_of(cells: Cells, rows: int, rng: Generator, form: str | None = None, dtype: Any = np.float32) -> Any:
    kind = f"{form or pick(rng, FORMATS)}_{pick(rng, ('array', 'matrix'))}"
    return getattr(sparse, kind)(dense(cells, rows, dtype))


def plain_form(cells: Cells, rows: int, rng: Generator) -> Form:
    """Forms that say the same as a plain CSR matrix."""
    array = dense(cells, rows, pick(rng, (np.uint8, np.int8, np.int64, np.uint64, np.float16, np.float64, bool)))
    frozen = array.copy()
    frozen.setflags(write=False)
    same: dict[str, Any] = {
        "array": array,
        "fortran": np.asfortranarray(array),
        "read-only": frozen,
        "strided": np.repeat(array, 2, axis=1)[:, ::2],
        "big-endian": array.astype(">f4"),
        "np.matrix": array.view(np.matrix),
        "unmasked": np.ma.masked_array(array, np.zeros_like(array, bool)),
        "lists": array.tolist(),
        "list of tuples": [tuple(row) for row in array.tolist()],
        "DataFrame": pd.DataFrame(array, columns=[f"item {i}" for i in range(ITEMS)], index=range(9, 9 + rows)),
        "tensor": torch.from_numpy(array.astype(np.float32)).requires_grad_(),
        "half tensor": torch.from_numpy(array.astype(np.float16)),
        "weights": dense(cells, rows) * 0.25,
    }
    readable: dict[str, Any] = {
        "objects": array.astype(object),
        "Series of rows": pd.Series(array.tolist()),
        "mixed DataFrame": pd.DataFrame(array).astype({0: bool, 1: float}),
        "nullable DataFrame": pd.DataFrame(array.astype(int)).astype("Int64"),
        "sparse DataFrame": pd.DataFrame.sparse.from_spmatrix(sparse.coo_matrix(array.astype(int))),
    }
    what = pick(rng, [*same, *readable])
    return Form(what, (same | readable)[what], cells, either=what in readable)


def odd_sparse_form(cells: Cells, rows: int, rng: Generator) -> Form:
    """Sparse matrices that are sound, though not as tidy as most."""
    tidy = sparse_of(cells, rows, rng, dtype=pick(rng, (np.uint8, np.int8, np.int64, np.float32, bool)))
    csr = sparse.csr_array(dense(cells, rows))
    coo = csr.tocoo()
    where, columns = coo.coords
    twice = 256 if rng.random() < 0.3 else 2  # so many ones add up to nothing in eight bits
    many = np.full(coo.nnz * twice, 256 // twice, np.uint8)
    backwards = sparse.csr_array((csr.data, csr.indices.copy(), csr.indptr), shape=csr.shape)
    for start, end in zip(csr.indptr, csr.indptr[1:], strict=False):
        backwards.indices[start:end] = csr.indices[start:end][::-1]
    longer = sparse.csr_array(csr)
    longer.indices, longer.data = np.append(csr.indices, 99), np.append(csr.data, np.nan)
    with_zeros = sparse.csr_array(csr)
    with_zeros.data = rng.integers(0, 2, csr.nnz).astype(float)
    kept = with_zeros.data > 0
    strided = sparse.csr_array(csr)
    strided.indices = np.repeat(csr.indices, 2)[::2]
    small = sparse.csr_array(csr)
    small.indices = csr.indices.astype(pick(rng, (np.int8, np.uint16, np.uint64, np.int64)))
    coords = (np.tile(where, twice), np.tile(columns, twice))
    found = {
        tidy.format: (tidy, cells),
        "duplicates": (sparse.coo_matrix((many, coords), shape=csr.shape), cells),
        "duplicates in csr": (csr_with_duplicates(csr), cells),
        "columns backwards": (backwards, cells),
        "room for more": (longer, cells),
        "explicit zeros": (
            with_zeros,
            frozenset((int(r), int(c)) for r, c in zip(where[kept], columns[kept], strict=True)),
        ),
        "strided indices": (strided, cells),
        "other index type": (small, cells),
    }
    what = pick(rng, found)
    return Form(what, *found[what])


def csr_with_duplicates(csr: Any) -> Any:
    """Each entry twice with 128 as eight bits, which add up to 0."""
    data = np.full(2 * csr.nnz, 128, np.uint8)
    return sparse.csr_matrix((data, np.repeat(csr.indices, 2), 2 * csr.indptr), shape=csr.shape)


def broken_sparse_form(cells: Cells, rows: int, rng: Generator) -> Form:
    """Sparse matrices of which one number is changed, or one array cut, so that they can no longer be trusted."""
    form = pick(rng, FORMATS)
    matrix = sparse_of(cells, rows, rng, form, dtype=np.float64)
    far = int(pick(rng, (-1, -2, 10**5, 2**31 - 1)))
    injuries = {
        "csr": ("indices", "indptr", "data", "cut indices", "cut data", "cut indptr"),
        "csc": ("indices", "indptr", "data", "cut indices", "cut data", "cut indptr"),
        "bsr": ("indices", "indptr", "data", "cut indices", "cut data", "cut indptr"),
        "coo": ("row", "col", "data", "cut row", "cut data"),
        "lil": ("list", "cut list", "data list"),
        "dok": ("key", "value"),
        "dia": ("data", "cut offsets"),
    }
    injury = pick(rng, injuries[form])
    injure(matrix, injury, far, float(pick(rng, (np.nan, np.inf, -1))))
    return Form(f"{form} with broken {injury}", matrix, REFUSED)


def injure(matrix: Any, injury: str, far: int, value: float) -> None:
    """Change one number of a sparse matrix, or cut one of its arrays, in place."""
    cut, _, part = injury.rpartition(" ")
    if injury == "list":
        matrix.rows[next(n for n, row in enumerate(matrix.rows) if row)][0] = far
    elif injury == "cut list":
        next(row for row in matrix.rows if row).pop()
    elif injury == "data list":
        next(row for row in matrix.data if row)[0] = value
    elif injury in ("key", "value"):
        matrix._dict[(far, 0) if injury == "key" else (0, 0)] = 1.0 if injury == "key" else value
    elif cut and part in ("row", "data", "offsets") and matrix.format in ("coo", "dia"):
        if part == "row":
            matrix.coords = (matrix.coords[0][:-1], matrix.coords[1])
        else:
            setattr(matrix, part, getattr(matrix, part)[:-1])
    elif part in ("row", "col"):
        matrix.coords[part == "col"][-1] = far
    elif cut:
        setattr(matrix, part, getattr(matrix, part)[:-1])
    elif part == "data":
        matrix.data.reshape(-1)[np.flatnonzero(matrix.data)[0]] = value
    else:
        getattr(matrix, part)[-1 if part == "indptr" else 0] = far


def no_matrix(cells: Cells, rows: int, rng: Generator) -> Form:
    """What is no users x items matrix of positives, or not a sound one."""
    array = dense(cells, rows, np.float64)
    holed, minus, far = array.copy(), array.copy(), array.copy()
    holed[0, 0], minus[0, 0], far[0, 0] = np.nan, -1, np.inf
    csr = sparse.csr_array(array)
    lists = array.tolist()
    found: dict[str, Any] = {
        "None": None,
        "number": 5,
        "text": "matrix",
        "dict": {0: [1]},
        "generator": (row for row in lists),
        "empty": [],
        "NaN": holed,
        "negative": minus,
        "infinite": far,
        "complex": array + 0j,
        "sparse complex": csr.astype(complex),
        "text in cells": array.astype(str),
        "dates": array.astype(np.int64).astype("datetime64[s]"),
        "ragged": [*lists, [1]],
        "one dimension": array[0],
        "three dimensions": array[None],
        "a scalar": np.array(1.0),
        "masked": np.ma.masked_array(array, array == 0),
        "NaN DataFrame": pd.DataFrame(array).replace(0, np.nan),
        "None in cells": [[None, 1.0]],
        "sparse tensor": torch.from_numpy(array).to_sparse(),
        "Series": pd.Series(array[0]),
        "far too many users": sparse.coo_array((csr.data, csr.tocoo().coords), shape=(2 * 10**9, ITEMS)),
        "far too many items": sparse.csr_array((csr.data, csr.indices, csr.indptr), shape=(rows, 10**8)),
        "another width": array[:, :-1],
        "no columns": array[:, :0],
        "a class": np.ndarray,
        "records": np.zeros(3, "i4,f4"),
        "one-dimensional sparse": sparse.coo_array(array[0]),
        "too many for a shape": (3, ITEMS),
        "plus and minus one": sparse.coo_array(([1.0, -1.0], ([0, 0], [0, 0])), shape=array.shape),
    }
    what = pick(rng, found)
    return Form(what, found[what], REFUSED)


def shifted_form(cells: Cells, rows: int, rng: Generator) -> Form:
    """Columns, or rows, numbered one higher or lower: another matrix where all still fit, else refused."""
    by, axis = int(pick(rng, (1, -1))), int(rng.integers(2))
    moved = [(row + by * (axis == 0), column + by * (axis == 1)) for row, column in sorted(cells)]
    shape = (rows, ITEMS)
    fits = all(0 <= row < rows and 0 <= column < ITEMS for row, column in moved)
    matrix = sparse.coo_array((np.ones(len(moved)), tuple(np.zeros((2, len(moved)), int))), shape=shape)
    matrix.coords = tuple(np.array(moved).T)
    if rng.random() < 0.5 and axis == 1:  # scipy's own conversion would not check either
        csr = sparse.csr_array(dense(cells, rows))
        csr.indices += by
        matrix = csr
    return Form(f"shifted by {by} along {axis}", matrix, frozenset(moved) if fits else REFUSED)


FORMS = (plain_form, plain_form, odd_sparse_form, odd_sparse_form, broken_sparse_form, no_matrix, shifted_form)


def random_cells(rng: Generator, rows: int) -> Cells:
    found = rng.random((rows, ITEMS)) < 0.4
    found[0, :2] = True
    return cells_of(found)


@dataclass(frozen=True)
class Column:
    """A column as somebody might pass it, and its numbers, or REFUSED."""

    what: str
    given: Any
    numbers: Any
    either: bool = False


def plain_column(numbers: Any, rng: Generator) -> Column:
    """Forms that say the same as a plain array of these whole numbers."""
    array = np.asarray(numbers)
    same: dict[str, Any] = {
        "array": array,
        "bytes": array.astype(np.uint8),
        "unsigned": array.astype(np.uint64),
        "big-endian": array.astype(">i4"),
        "floats": array.astype(np.float64),
        "float32": array.astype(np.float32),
        "list": array.tolist(),
        "tuple": tuple(array.tolist()),
        "floats in a list": array.astype(float).tolist(),
        "Series": pd.Series(array, index=array[::-1]),
        "Index": pd.Index(array),
        "column": array[:, None],
        "tensor": torch.from_numpy(array.copy()),
        "np.matrix": array[:, None].view(np.matrix),
        "DataFrame": pd.DataFrame(array),
        "strided": np.repeat(array, 2)[::2],
        "read-only": np.broadcast_to(array, array.shape),
        "unmasked": np.ma.masked_array(array),
        "list of arrays": list(array[:, None]),
    }
    readable: dict[str, Any] = {
        "objects": array.astype(object),
        "nullable": pd.array(array.tolist(), "Int64"),
        "memory": memoryview(array),
        "categories": pd.Series(pd.Categorical(array)),
        "float16": array.astype(np.float16),
    }
    what = pick(rng, [*same, *readable])
    return Column(what, (same | readable)[what], array, either=what in readable)


def no_column(numbers: Any, rng: Generator) -> Column:
    """What is no column of numbers."""
    array = np.asarray(numbers)
    found: dict[str, Any] = {
        "None": None,
        "text": "abc",
        "texts": array.astype(str),
        "dates": array.astype("datetime64[s]"),
        "complex": array + 0j,
        "two columns": np.stack([array, array], 1),
        "row": array[None],
        "dict": {1: 2},
        "None inside": [*array.tolist()[:-1], None],
        "text inside": [*array.tolist()[:-1], "a"],
        "a class": int,
        "masked": np.ma.masked_array(array, array == array[0]),
        "shorter": array[:-1],
        "longer": np.append(array, 1),
        "scalar": np.array(3),
        "durations": array.astype("timedelta64[s]"),
        "mask": array > array.mean(),
        "ragged": [*array.tolist()[:-1], [1, 2]],
        "NaN": np.append(array[:-1].astype(float), np.nan),
        "infinite": np.append(array[:-1].astype(float), np.inf),
        "set": set(array.tolist()),
        "sparse": sparse.csr_array(array),
        "missing": pd.array([*array.tolist()[:-1], None], "Int64"),
        "sparse tensor": torch.from_numpy(array.copy()).to_sparse(),
        "two-column DataFrame": pd.DataFrame({"a": array, "b": array}),
        "generator": (one for one in array),
        "lists": [[[1]]],
        "decimal texts": pd.Series(array).astype(str),
    }
    what = pick(rng, found)
    return Column(what, found[what], REFUSED)


def with_last(numbers: Any, last: Any, dtype: Any) -> Any:
    return np.append(np.asarray(numbers)[:-1].astype(dtype), np.array([last], dtype))


def odd_column(numbers: Any, axis: int, rng: Generator) -> tuple[Column, Any]:
    """One column in an odd form, and what it says or REFUSED."""
    if (kind := rng.random()) < 0.5:
        form = plain_column(numbers, rng)
        return form, form.numbers
    if kind < 0.75:
        form = no_column(numbers, rng)
        return form, REFUSED
    if axis == 2:
        last, dtype = pick(rng, ((-2.5, float), (1e300, float), (2**60, np.int64), (0.125, np.float32)))
        changed = with_last(numbers, last, dtype)
        return Column(f"ends in {last}", changed, None), REFUSED if last == 1e300 else changed.astype(np.float32)
    far = (2 * 10**9, np.int64), (2**31 + 1, np.int64), (2**32, np.int64), (2**63 + 1, np.uint64), (1e300, float)
    near = (-1, np.int64), (0.5, float), (2**40, object), (2**70, object), (2_000, np.int64), (2_000, np.float32)
    last, dtype = pick(rng, (*far, *near))
    changed = with_last(numbers, last, dtype)
    return Column(f"ends in {last}", changed, None), changed.astype(np.int64) if last == 2_000 else REFUSED
