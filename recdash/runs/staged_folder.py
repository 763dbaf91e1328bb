"""What import and export need of run folders beyond a worker: all arrays at once, and folders that appear together."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from recdash import paths
from recdash.atomic_files import replace_file, wrap_read_errors
from recdash.errors import CheckpointError
from recdash.runs.run_folder import RunFolder

STAGING_PREFIX = ".import-"  # of the hidden folders of imports
_PER_USER, _ARRAYS, _EPOCHS = "per_user.npz", "arrays", "epochs.jsonl"


def per_user_names(folder: RunFolder) -> list[str]:
    """Return the names of the per-user arrays without reading them; empty if there are none."""
    path = folder.path / _PER_USER
    if not path.is_file():
        return []
    with wrap_read_errors(path, CheckpointError, "Train the run again."), zipfile.ZipFile(path) as file:
        return [name.removesuffix(".npy") for name in file.namelist()]


class StagedFolder(RunFolder):
    """The folder of a run that is being imported: it lies in a hidden folder, where no reader finds it."""

    def __init__(self, run_id: str, staging: Path) -> None:
        super().__init__(run_id)
        self.final = self.path
        self.path = staging / run_id
        self.best = self.path / self.best.name
        self.resources = self.path / self.resources.name

    def write_epochs(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Write all epochs at once."""
        replace_file(self.path / _EPOCHS, b"".join(json.dumps(dict(row)).encode() + b"\n" for row in rows))

    def write_arrays(self, epoch: int, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Write the short arrays of an epoch."""
        (self.path / _ARRAYS).mkdir(exist_ok=True)
        with (self.path / _ARRAYS / f"{epoch:06d}.npz").open("xb") as file:
            np.savez_compressed(file, **arrays)  # type: ignore[arg-type]  # the stub mistakes the names for options


@contextmanager
def staging_folder() -> Iterator[Path]:
    """Yield a hidden folder next to the run folders; it is removed at the end.

    Raises:
        CheckpointError: It cannot be created or written.
    """
    folder = paths.checkpoint_dir() / f"{STAGING_PREFIX}{uuid4().hex}"
    try:
        folder.mkdir(parents=True)
        yield folder
    except OSError as error:
        fix = "Free some disk space, or set RECDASH_CHECKPOINT_DIR."
        raise CheckpointError(f"{folder.parent}: cannot be written ({error.strerror}). {fix}") from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def placing() -> Iterator[Callable[[Iterable[StagedFolder]], None]]:
    """Yield a function that moves staged folders to where readers look; an error in the block removes them again."""
    moved: list[Path] = []

    def place(folders: Iterable[StagedFolder]) -> None:
        for folder in folders:
            moved.append(folder.final)  # before the move, which can fail after it has happened
            folder.path.replace(folder.final)

    try:
        yield place
    except BaseException:
        for path in moved:
            shutil.rmtree(path, ignore_errors=True)
        raise
