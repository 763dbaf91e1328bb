"""The folder of a run: record, epochs, weights, per-user results and log.

checkpoints/RUN_ID/run.json        the record, so that a lost store can be rebuilt
                   epochs.jsonl    one line per epoch; the last line of an epoch counts
                   best/           weights of the best validation epoch
                   snapshots/      weights of a few earlier epochs (`recdash.runs.snapshots`)
                   last/ previous/ the two newest training states to resume from; deleted when the run is finished
                   arrays/         short arrays per epoch
                   maps/           positions of the items on a map that took long to compute
                   per_user.npz    test metrics and top-100 lists of every test user
                   facts.npz       history lengths, held-out items and popularity, for results by slice
                   resources.jsonl what the worker used (`recdash.runs.resource_sampler`)
                   log.txt         output of the worker, including tracebacks
"""

from __future__ import annotations

import io
import json
import re
import shutil
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recdash import paths
from recdash.atomic_files import append_json_line, read_json_lines, replace_file, wrap_read_errors
from recdash.errors import CheckpointError
from recdash.json_values import is_count, is_number, json_object

RUN_ID = re.compile(r"[a-z0-9_]+-[0-9a-f]{8}")  # name of the model, and a number
_RECORD, _EPOCHS, _PER_USER, _LOG = "run.json", "epochs.jsonl", "per_user.npz", "log.txt"
_FACTS, _ARRAYS, _RESOURCES = "facts.npz", "arrays", "resources.jsonl"
_FIX = "Restore it from a copy, or train the run again."
Arrays = Mapping[str, NDArray[Any]]


class RunFolder:
    """The files of one run. Files are replaced atomically; nothing is ever unpickled."""

    def __init__(self, run_id: str) -> None:
        root = paths.checkpoint_dir().resolve()
        self.path = (root / run_id).resolve()
        if not RUN_ID.fullmatch(run_id) or not self.path.is_relative_to(root):
            raise CheckpointError(f"{run_id!r} is not the id of a run. See `recdash runs list`.")
        self.best = self.path / "best"
        self.snapshots = self.path / "snapshots"
        self.last = self.path / "last"
        self.previous = self.path / "previous"
        self.log = self.path / _LOG
        self.resources = self.path / _RESOURCES
        self._last_is_intact = True

    def make(self) -> None:
        """Create the folder; raises CheckpointError with the reason if that fails."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _cannot_write(self.path, error) from error

    def has_model(self) -> bool:
        """Whether the run has weights to recommend with."""
        return (self.best / "checkpoint.json").is_file()

    def write_record(self, record: Mapping[str, Any]) -> None:
        """Replace run.json."""
        self._replace(_RECORD, json.dumps(record, indent=1).encode())

    def read_record(self) -> dict[str, Any]:
        """Read run.json."""
        path = self.path / _RECORD
        with wrap_read_errors(path, CheckpointError, _FIX):
            return json_object(path.read_text(encoding="utf-8"))

    def add_epoch(self, row: Mapping[str, Any], arrays: Mapping[str, NDArray[np.float32]]) -> None:
        """Append one epoch and write its arrays."""
        try:
            append_json_line(self.path / _EPOCHS, row)
            if arrays:
                (self.path / _ARRAYS).mkdir(exist_ok=True)
        except OSError as error:
            raise _cannot_write(self.path, error) from error
        if arrays:
            self._replace(f"{_ARRAYS}/{row['epoch']:06d}.npz", _npz(arrays))

    def read_epochs(self) -> list[dict[str, Any]]:
        """Return the epochs in order, without truncated or damaged lines."""
        path = self.path / _EPOCHS
        with wrap_read_errors(path, CheckpointError, _FIX):
            found = {row["epoch"]: row for row in read_json_lines(path) if _is_epoch(row)}
        return [found[epoch] for epoch in sorted(found)]

    def arrays(self, name: str, epoch: int | None = None) -> dict[int, NDArray[np.float32]]:
        """Return {epoch: array} for one kind of array, of all epochs or of one, without damaged files."""
        found = self.arrays_by_epoch([name], epoch)
        return {number: arrays[name] for number, arrays in found.items() if name in arrays}

    def arrays_by_epoch(
        self, names: Collection[str] | None = None, epoch: int | None = None
    ) -> dict[int, dict[str, NDArray[np.float32]]]:
        """Return {epoch: arrays by name}, of all epochs or of one, without damaged files; of `names` those in it."""
        found = {}
        for path in sorted((self.path / _ARRAYS).glob("*.npz" if epoch is None else f"{epoch:06d}.npz")):
            with suppress(CheckpointError):
                arrays = _read_npz(path, names, _check_series)
                if path.stem.isdecimal():
                    found[int(path.stem)] = arrays
        return found

    def save_state(self, state: Any) -> None:
        """Save a training state. The previous one stays until this one is complete.

        A state that `load_state` found damaged is overwritten: it must not replace an intact previous one.
        """
        if self._last_is_intact and (self.last / "checkpoint.json").is_file():
            try:
                shutil.rmtree(self.previous, ignore_errors=True)
                self.last.replace(self.previous)
            except OSError as error:
                raise _cannot_write(self.path, error) from error
        state.save(self.last)
        self._last_is_intact = True

    def load_state(self) -> tuple[Any, str]:
        """Load the newest readable training state.

        Returns:
            The state, or None if there is none; and the errors of unreadable newer states, or an empty text.
        """
        from recdash.training import TrainingState  # lazy: torch

        errors = ""
        for folder in (self.last, self.previous):
            if not folder.exists():
                continue
            try:
                return TrainingState.load(folder), errors
            except CheckpointError as error:
                errors = f"{errors}{error} "
                self._last_is_intact = self._last_is_intact and folder != self.last
        return None, errors

    def delete_states(self) -> None:
        """Delete the training states: a finished run has nothing to resume."""
        for folder in (self.last, self.previous):
            shutil.rmtree(folder, ignore_errors=True)

    def write_per_user(self, metrics: Mapping[str, NDArray[Any]], top: NDArray[Any]) -> None:
        """Write per-user test results.

        Args:
            metrics: (users,) values by metric name; stored as float32.
            top: (users, list length) item indices of the top lists; stored as int32.
        """
        arrays = {name: np.asarray(values, np.float32) for name, values in metrics.items()}
        self._replace(_PER_USER, _npz({**arrays, "top": np.asarray(top, np.int32)}))

    def read_per_user(self, names: Collection[str] | None = None) -> dict[str, NDArray[Any]]:
        """Return per-user metrics by name, and the top lists as "top"; of `names` only those that exist."""
        return _read_npz(self.path / _PER_USER, names, _check_per_user)

    def write_facts(self, facts: Mapping[str, NDArray[Any]]) -> None:
        """Write the facts about test users and items that slices need (`evaluation.Report.facts`)."""
        self._replace(_FACTS, _npz(facts))

    def read_facts(self) -> dict[str, NDArray[Any]]:
        """Return what `write_facts` wrote; empty for a run of version 0.1."""
        path = self.path / _FACTS
        return _read_npz(path, None, _check_facts) if path.is_file() else {}

    def tail(self, lines: int) -> str:
        """Return the last lines of the log."""
        try:
            text = self.log.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""
        return "\n".join(text.splitlines()[-lines:])

    def remove(self) -> None:
        """Delete the folder. It is renamed first, so that a partly deleted folder is never taken for a run."""
        if self.path.exists():
            renamed = self.path.with_name(f".{self.path.name}.deleted")
            try:
                self.path.replace(renamed)
            except OSError as error:
                raise _cannot_write(self.path, error) from error
            shutil.rmtree(renamed, ignore_errors=True)

    def _replace(self, name: str, content: bytes) -> None:
        try:
            replace_file(self.path / name, content)
        except OSError as error:
            raise _cannot_write(self.path, error) from error


def run_folders() -> list[RunFolder]:
    """Return the folders of all runs; symbolic links are skipped."""
    root = paths.checkpoint_dir()
    folders = sorted(path.parent for path in root.glob(f"*/{_RECORD}")) if root.is_dir() else []
    return [RunFolder(path.name) for path in folders if RUN_ID.fullmatch(path.name) and not path.is_symlink()]


def _npz(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]  # the stub mistakes the names for options
    return buffer.getvalue()


def _read_npz(path: Path, names: Collection[str] | None, check: Callable[[Arrays], None]) -> dict[str, NDArray[Any]]:
    """Return the arrays of a file, of `names` only those that exist. `check` raises for invalid arrays."""
    with wrap_read_errors(path, CheckpointError, "Train the run again."), np.load(path, allow_pickle=False) as file:
        found = {name: np.asarray(file[name]) for name in file.files if names is None or name in names}
        check(found)
        return found


def _is_epoch(row: Mapping[str, Any]) -> bool:
    """Whether a row has the fields that `add_epoch` writes."""
    values = row.get("values")
    valid = is_count(row.get("epoch")) and is_count(row.get("update")) and is_number(row.get("seconds"))
    valid = valid and (row.get("recorded") is None or is_number(row["recorded"]))
    return valid and isinstance(values, dict) and all(map(is_number, values.values()))


def _check(array: NDArray[Any], dimensions: int, kinds: str = "iu") -> None:
    """Raise ValueError unless an array has this many dimensions and one of these kinds of data type."""
    if array.ndim != dimensions or array.dtype.kind not in kinds:
        raise ValueError("unexpected shape or data type")


def _check_series(arrays: Arrays) -> None:
    for array in arrays.values():
        _check(array, 1, "iuf")


def _check_per_user(arrays: Arrays) -> None:
    for name, array in arrays.items():
        _check(array, *((2, "iu") if name == "top" else (1, "iuf")))
    users = {len(array) for name, array in arrays.items() if name != "top"}
    if len(users) > 1 or 0 in users:
        raise ValueError("metrics of no users or of different users")


def _check_facts(arrays: Arrays) -> None:
    """Raise ValueError or KeyError unless the arrays are consistent `evaluation.Report.facts`."""
    history, item_counts = arrays["history"], arrays["item_counts"]
    _check(history, 1)
    _check(item_counts, 1)
    if "squared" in arrays:
        entries, squared = arrays["entries"], arrays["squared"]
        _check(entries, 2)
        _check(squared, 2, "f")
        consistent = entries.shape == squared.shape and len(entries) == len(history)
    else:
        ends, items = arrays["held_out_ends"], arrays["held_out_items"]
        _check(ends, 1)
        _check(items, 1)
        complete = len(ends) == len(history) + 1 and ends[0] == 0 and ends[-1] == len(items)
        consistent = (
            complete and bool((np.diff(ends) >= 0).all()) and bool(((items >= 0) & (items < len(item_counts))).all())
        )
    if not consistent:
        raise ValueError("inconsistent arrays")


def _cannot_write(path: Path, error: OSError) -> CheckpointError:
    return CheckpointError(
        f"{path}: cannot be written ({error.strerror}). Free some disk space, or set RECDASH_CHECKPOINT_DIR."
    )
