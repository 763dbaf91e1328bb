"""The folder of a run: its record, its epochs, its weights, its per-user results and its log.

checkpoints/RUN_ID/run.json        the record, so that a lost store can be rebuilt
                   epochs.jsonl    one line per epoch; of an epoch that comes twice the last line counts
                   best/           weights of the best validation epoch
                   last/ previous/ training states to resume from, the newest and the one before; until it is finished
                   arrays/         short arrays per epoch
                   per_user.npz    test metrics and top-100 lists of every test user
                   facts.npz       lengths of histories, held-out items, popularity: for parts of users and items
                   log.txt         what the worker said, tracebacks included
"""

from __future__ import annotations

import io
import json
import os
import re
import shutil
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recdash import places
from recdash.errors import CheckpointError

_RUN_ID = re.compile(r"[a-z0-9]+-[0-9a-f]{8}")
_RECORD, _EPOCHS, _PER_USER, _LOG = "run.json", "epochs.jsonl", "per_user.npz", "log.txt"
_FACTS = "facts.npz"


class RunFolder:
    """The files of one run. Files are replaced whole; nothing in them is ever unpickled."""

    def __init__(self, run_id: str) -> None:
        root = places.checkpoint_dir().resolve()
        self.path = (root / run_id).resolve()
        if not _RUN_ID.fullmatch(run_id) or not self.path.is_relative_to(root):
            raise CheckpointError(f"{run_id!r} is not the id of a run. See `recdash runs list`.")
        self.best = self.path / "best"
        self.last = self.path / "last"
        self.previous = self.path / "previous"
        self.log = self.path / _LOG

    def make(self) -> None:
        """Make the folder; raises CheckpointError with the reason when that is impossible."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _cannot_write(self.path, error) from error

    def has_model(self) -> bool:
        """Whether there are weights to recommend with."""
        return (self.best / "checkpoint.json").is_file()

    def write_record(self, record: Mapping[str, Any]) -> None:
        """Replace run.json."""
        self._replace(_RECORD, json.dumps(record, indent=1).encode())

    def read_record(self) -> dict[str, Any]:
        """Read run.json."""
        try:
            return dict(json.loads((self.path / _RECORD).read_text(encoding="utf-8")))
        except (OSError, ValueError) as error:
            raise CheckpointError(f"{self.path / _RECORD}: cannot be read ({type(error).__name__}).") from error

    def add_epoch(self, row: Mapping[str, Any], arrays: Mapping[str, NDArray[np.float32]]) -> None:
        """Append one epoch, and keep its arrays."""
        try:
            with (self.path / _EPOCHS).open("a", encoding="utf-8") as file:
                file.write(json.dumps(dict(row)) + "\n")
        except OSError as error:
            raise _cannot_write(self.path, error) from error
        if arrays:
            (self.path / "arrays").mkdir(exist_ok=True)
            self._replace(f"arrays/{row['epoch']:06d}.npz", _npz(arrays))

    def read_epochs(self) -> list[dict[str, Any]]:
        """Return the epochs in order; a last line that was cut short by a crash is left out."""
        found: dict[int, dict[str, Any]] = {}
        path = self.path / _EPOCHS
        for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else []:
            try:
                row = dict(json.loads(line))
                found[int(row["epoch"])] = row
            except (ValueError, KeyError, TypeError):
                continue
        return [found[epoch] for epoch in sorted(found)]

    def arrays(self, name: str, epoch: int | None = None) -> dict[int, NDArray[np.float32]]:
        """Return {epoch: array} of one kind of array, of all epochs or of one."""
        found = {}
        for path in sorted((self.path / "arrays").glob("*.npz" if epoch is None else f"{epoch:06d}.npz")):
            values = _read_npz(path)
            if name in values:
                found[int(path.stem)] = values[name]
        return found

    def keep_state(self, state: Any) -> None:
        """Keep a training state; the one before stays until this one is whole."""
        if (self.last / "checkpoint.json").is_file():
            shutil.rmtree(self.previous, ignore_errors=True)
            self.last.replace(self.previous)
        state.save(self.last)

    def load_state(self) -> tuple[Any, str]:
        """Return the newest readable training state and what had to be passed over; (None, ...) when there is none."""
        from recdash.training import TrainingState

        said = ""
        for folder in (self.last, self.previous):
            if not folder.exists():
                continue
            try:
                return TrainingState.load(folder), said
            except CheckpointError as error:
                said = f"{said}{error} "
        return None, said

    def drop_states(self) -> None:
        """Remove the training states: a finished run has nothing to resume."""
        for folder in (self.last, self.previous):
            shutil.rmtree(folder, ignore_errors=True)

    def write_per_user(self, metrics: Mapping[str, NDArray[Any]], top: NDArray[Any]) -> None:
        """Keep per-user test metrics (float32) and top lists (int32)."""
        arrays = {name: np.asarray(values, np.float32) for name, values in metrics.items()}
        self._replace(_PER_USER, _npz({**arrays, "top": np.asarray(top, np.int32)}))

    def read_per_user(self, names: Collection[str] | None = None) -> dict[str, NDArray[Any]]:
        """Return what `write_per_user` kept: metrics by name, and "top"; of `names` only those that are there."""
        return _read_npz(self.path / _PER_USER, names)

    def write_facts(self, facts: Mapping[str, NDArray[Any]]) -> None:
        """Keep what a report knows about the test users and the items (`evaluation.Report.facts`)."""
        self._replace(_FACTS, _npz(facts))

    def read_facts(self) -> dict[str, NDArray[Any]]:
        """Return what `write_facts` kept; empty for a run of an earlier version, which kept nothing."""
        path = self.path / _FACTS
        return _read_npz(path) if path.is_file() else {}

    def tail(self, lines: int) -> str:
        """Return the last lines of the log."""
        try:
            text = self.log.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""
        return "\n".join(text.splitlines()[-lines:])

    def remove(self) -> None:
        """Remove the folder; its name changes first, so that half a folder is never taken for a run."""
        if self.path.exists():
            going = self.path.with_name(f".{self.path.name}.deleted")
            try:
                self.path.replace(going)
            except OSError as error:
                raise _cannot_write(self.path, error) from error
            shutil.rmtree(going, ignore_errors=True)

    def _replace(self, name: str, content: bytes) -> None:
        path = self.path / name
        work = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            with work.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            work.replace(path)
        except OSError as error:
            raise _cannot_write(self.path, error) from error
        finally:
            work.unlink(missing_ok=True)


def run_folders() -> list[RunFolder]:
    """Return all folders that hold the record of a run."""
    root = places.checkpoint_dir()
    names = sorted(path.parent.name for path in root.glob(f"*/{_RECORD}")) if root.is_dir() else []
    return [RunFolder(name) for name in names if _RUN_ID.fullmatch(name)]


def _npz(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]  # the stub takes the names for its own flags
    return buffer.getvalue()


def _read_npz(path: Path, names: Collection[str] | None = None) -> dict[str, NDArray[Any]]:
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files if names is None or name in names}
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise CheckpointError(f"{path}: cannot be read ({type(error).__name__}). Train the run again.") from error


def _cannot_write(path: Path, error: OSError) -> CheckpointError:
    return CheckpointError(
        f"{path}: cannot be written ({error.strerror}). Free some space, or set RECDASH_CHECKPOINT_DIR."
    )
