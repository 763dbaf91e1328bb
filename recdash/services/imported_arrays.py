"""The arrays of an export: per-user metrics, top lists, facts, short arrays per epoch, samples of resource use."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recdash.atomic_files import replace_file, wrap_read_errors
from recdash.errors import DataError, quote, short_repr
from recdash.json_values import is_count
from recdash.runs.resource_sampler import read_samples
from recdash.runs.staged_folder import StagedFolder
from recdash.services import run_tables
from recdash.services.exchange_cells import LATEST_TIME
from recdash.services.exchange_files import FIX, Batch

_NAME = re.compile(r"[A-Za-z][\w@.-]{0,80}", re.ASCII)
_RESERVED = ("file", "top", "allow_pickle")  # parameters of numpy, and the top lists
_TYPES = {"int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float16", "float32", "float64"}


class ImportedArrays:
    """Checks arrays and writes those of new runs into their staged folders.

    Args:
        known: Ids of all runs of the export.
        folders: Staged folders of the runs that are new here.
    """

    def __init__(self, known: Collection[str], folders: Mapping[str, StagedFolder]) -> None:
        self._known, self._folders = known, folders

    def add_per_user(self, metrics: Iterable[Batch], lists: Iterable[Batch]) -> None:
        """Write per-user metrics and top lists; raises DataError for invalid ones."""
        columns: dict[str, dict[str, list[NDArray[Any]]]] = {}
        for batch in metrics:
            for run_id, found in self._by_run(batch, _metric_columns(batch)).items():
                for name, values in found.items():
                    columns.setdefault(run_id, {}).setdefault(name, []).append(values)
        top: dict[str, list[list[float]]] = {}
        for batch in lists:
            users = batch.values("user", "count", required=True)
            items = batch.values("items", "numbers")
            for number, run_id in enumerate(self._runs(batch)):
                rows = top.setdefault(run_id, [])
                if users[number] != len(rows):
                    raise batch.error(number, f"user {users[number]} of {run_id}, expected {len(rows)}")
                if rows and len(items[number] or ()) != len(rows[0]):
                    raise batch.error(number, "lists of different lengths")
                rows.append(items[number] or [])
        for run_id in columns.keys() | top.keys():
            self._write_per_user(run_id, columns.get(run_id, {}), top.get(run_id, []))

    def add_arrays(self, batches: Iterable[Batch]) -> None:
        """Write facts and short arrays; raises DataError for invalid ones."""
        facts: dict[str, dict[str, NDArray[Any]]] = {}
        by_epoch: dict[tuple[str, int], dict[str, NDArray[Any]]] = {}
        for batch in batches:
            columns = {name: batch.values(name, kind) for name, kind in run_tables.ARRAYS.items()}
            for number, run_id in enumerate(self._runs(batch)):
                row = {name: column[number] for name, column in columns.items()}
                array = _array(batch, number, row)
                if row["part"] == "facts":
                    facts.setdefault(run_id, {})[row["name"]] = array
                elif row["part"] == "epochs" and row["epoch"] is not None and array.ndim == 1:
                    by_epoch.setdefault((run_id, row["epoch"]), {})[row["name"]] = array
                else:
                    raise batch.error(number, f"{quote(str(row['part']))} is no part of a run")
        for run_id, arrays in facts.items():
            if run_id in self._folders:
                with wrap_read_errors(f"arrays of {run_id}", DataError, FIX, "inconsistent"):
                    self._folders[run_id].write_facts(arrays)
                    self._folders[run_id].read_facts()
        for (run_id, epoch), arrays in by_epoch.items():
            if run_id in self._folders:
                self._folders[run_id].write_arrays(epoch, arrays)

    def add_resources(self, batches: Iterable[Batch]) -> None:
        """Write samples of resource use; raises DataError for invalid ones."""
        lines: dict[str, list[bytes]] = {}
        for batch in batches:
            columns = {
                name: batch.values(name, kind, required=not name.startswith("gpu_"))
                for name, kind in run_tables.RESOURCES.items()
            }
            for number, run_id in enumerate(self._runs(batch)):
                values = [columns[name][number] for name in run_tables.RESOURCES if name != "run"]
                if not all(value is None or (math.isfinite(value) and value >= 0) for value in values):
                    raise batch.error(number, "a sample that is negative or not finite")
                if values[0] >= LATEST_TIME:
                    raise batch.error(number, f'"time" is {values[0]:g}, which is no time in seconds since 1970')
                lines.setdefault(run_id, []).append(json.dumps(values).encode() + b"\n")
        for run_id, found in lines.items():
            if run_id in self._folders:
                replace_file(self._folders[run_id].resources, b"".join(found))
                if len(read_samples(self._folders[run_id].resources)) != len(found):
                    raise DataError(f"resources of {run_id}: samples that no run has. {FIX}")

    def _runs(self, batch: Batch) -> list[str]:
        ids: list[str] = batch.values("run", "text", required=True)
        for number, run_id in enumerate(ids):
            if run_id not in self._known:
                raise batch.error(number, f"the table of runs has no {quote(run_id)}")
        return ids

    def _by_run(self, batch: Batch, columns: Mapping[str, list[Any]]) -> dict[str, dict[str, NDArray[Any]]]:
        """Return the columns of a batch by run; a column without any value of a run is none of its metrics."""
        rows: dict[str, list[int]] = {}
        for number, run_id in enumerate(self._runs(batch)):
            rows.setdefault(run_id, []).append(number)
        found: dict[str, dict[str, NDArray[Any]]] = {}
        for run_id, numbers in rows.items():
            mine = {name: [column[number] for number in numbers] for name, column in columns.items()}
            given = {name: values for name, values in mine.items() if any(value is not None for value in values)}
            for name, values in given.items():
                if None in values:
                    raise batch.error(numbers[values.index(None)], f"{quote(name)} is missing")
                found.setdefault(run_id, {})[name] = np.array(values, np.float64)
        return found

    def _write_per_user(self, run_id: str, columns: dict[str, list[NDArray[Any]]], top: list[list[float]]) -> None:
        if run_id not in self._folders:
            return
        arrays = {name: np.concatenate(parts) for name, parts in columns.items()}
        users = arrays.pop("user", np.arange(0))
        with wrap_read_errors(f"per_user and top_lists of {run_id}", DataError, FIX, "inconsistent"):
            if not np.array_equal(users, np.arange(len(users))) or (top and arrays and len(top) != len(users)):
                raise ValueError("users are missing, or not in order")
            items = np.array(top, np.float64) if top else np.zeros((0, 0))
            if not np.array_equal(items, np.clip(np.round(items), -1, 2**31 - 1)):
                raise ValueError("not item indices")
            with np.errstate(over="ignore"):
                self._folders[run_id].write_per_user(arrays, items.astype(np.int32))
            self._folders[run_id].read_per_user()


def _metric_columns(batch: Batch) -> dict[str, list[Any]]:
    columns: dict[str, list[Any]] = {"user": batch.values("user", "count", required=True)}
    for column in batch.columns:
        name = run_tables.value_name(column)
        if column in run_tables.PER_USER:
            continue
        if not _NAME.fullmatch(name) or name in (*_RESERVED, "user"):
            raise DataError(f"{batch.file}: {quote(column)} is no name of a metric. {FIX}")
        columns[name] = batch.values(column, "number")
    return columns


def _array(batch: Batch, number: int, row: Mapping[str, Any]) -> NDArray[Any]:
    """Return the array of a row; raises DataError if name, type, shape and values are not those of an array."""
    name, dtype, shape, values = row["name"], row["type"], row["shape"], row["values"] or []
    if not isinstance(name, str) or not _NAME.fullmatch(name) or name in _RESERVED:
        raise batch.error(number, f"{short_repr(name)} is no name of an array")
    valid = isinstance(shape, list) and len(shape) <= 8 and all(is_count(size) for size in shape)
    if dtype not in _TYPES or not valid or math.prod(shape) != len(values):
        raise batch.error(number, f"{len(values)} values are no array of type {quote(str(dtype))} and shape {shape}")
    floats = np.array(values, np.float64)
    try:
        with np.errstate(all="ignore"):
            array = floats.astype(dtype).reshape(shape)
    except (ValueError, OverflowError):  # no values, but other sizes that are far too large
        raise batch.error(number, f"{shape} is no shape of an array") from None
    if array.dtype.kind in "iu" and not np.array_equal(array.ravel().astype(np.float64), floats):
        raise batch.error(number, f"values of {quote(name)} are not of type {dtype}")
    return array
