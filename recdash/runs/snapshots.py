"""Snapshots: the weights of a few epochs before the best one, so that a reader can see a model learn.

Learning is fast at first, so the distance between kept epochs grows: 0 (untrained), 1, 2, 3, 4, 6, 8, 11, 16, 23, ...
A snapshot has the learned tensors only; everything else of the model (settings, catalogue, popularity, training
ratings) is in the folder of the best weights.
"""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recdash.errors import CheckpointError, RecdashError

if TYPE_CHECKING:
    from torch import Tensor

    from recdash.models.base import Model

MAX_SNAPSHOTS = 12  # of one run
MAX_BYTES = 256 << 20  # of all snapshots of one run
MAX_TIME_SHARE = 0.01  # of the training time
FREE_SECONDS = 0.5  # that snapshots may take besides: a short training is over before its share allows one
MIN_FREE_BYTES = 1 << 30  # left on the disk for training states and results, which a run cannot do without
_OVERHEAD_BYTES = 1 << 14  # header and manifest of one snapshot
_GROWTH = 2**0.5  # of the distance from epoch 0
_MANIFEST = "checkpoint.json"
_NAME = re.compile("[0-9]{6,}")


def next_epoch(epoch: int) -> int:
    """Return the first epoch of the series 0, 1, 2, 3, 4, 6, 8, 11, 16, 23, ... that comes after this one."""
    later = 0
    while later <= epoch:
        later = max(later + 1, round(later * _GROWTH))
    return later


def thinned(epochs: Iterable[int], limit: int) -> list[int]:
    """Return at most `limit` of the epochs: the first, the last, and others at distances that grow evenly.

    Args:
        epochs: Numbers of epochs.
        limit: Largest number to keep, at least 2.
    """
    remaining = sorted(set(epochs))
    while len(remaining) > limit:
        # The epoch without which the gap is smallest, as a ratio.
        remaining.pop(
            min(range(1, len(remaining) - 1), key=lambda at: (remaining[at + 1] + 1) / (remaining[at - 1] + 1))
        )
    return remaining


def saved_epochs(folder: Path) -> list[int]:
    """Return the epochs with a complete snapshot in the folder, in order; empty if there is no such folder."""
    try:
        return sorted(int(path.name) for path in folder.iterdir() if _is_complete(path))
    except OSError:
        return []


def read(folder: Path, epoch: int) -> dict[str, Tensor]:
    """Return the learned tensors of an epoch, floating-point ones as float32.

    Args:
        folder: Folder of the snapshots of a run.
        epoch: Number of the epoch; 0 is the untrained model.

    Raises:
        CheckpointError: There is no such snapshot, or it is damaged.
    """
    from recdash.models import checkpoint_io  # lazy: torch

    path = _path(folder, epoch)
    if not _is_complete(path):
        found = ", ".join(map(str, saved_epochs(folder))) or "none"
        raise CheckpointError(
            f"{folder}: no snapshot of epoch {epoch} (there are: {found}). Choose one of these epochs."
        )
    tensors, _ = checkpoint_io.read(path)
    return {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in tensors.items()}


class SnapshotWriter:
    """Writes the snapshots of one training, bounded in number, bytes and time; it never fails a run.

    At the first problem it stops writing and reports it in one sentence; the snapshots written so far stay.

    Args:
        folder: Folder of the snapshots; created when needed.
        report: Called at most once, with the reason why no more snapshots are written.
    """

    def __init__(self, folder: Path, report: Callable[[str], object]) -> None:
        self.folder, self._report = folder, report
        self._started, self._seconds = time.monotonic(), 0.0
        self._saved: list[int] | None = None  # None before the first offer
        self._is_off = False

    def offer(self, epoch: int, model: Model) -> None:
        """Write the model's weights if a snapshot of this epoch is due; call it for every epoch in turn.

        The first call deletes snapshots from its epoch on: an earlier attempt at the same training wrote them.

        Args:
            epoch: Completed epochs; 0 for the untrained model.
            model: A model with the weights of this epoch.
        """
        if self._is_off:
            return
        started = time.monotonic()
        try:
            if self._saved is None:
                self._saved = self._delete_from(epoch)
            if self._is_due(epoch, self._saved):
                self._saved = self._write(epoch, model, self._saved)
        except (RecdashError, OSError, MemoryError, RuntimeError) as error:  # PyTorch raises the last for full memory
            with suppress(OSError):
                _delete(_path(self.folder, epoch))
            self._stop(f"No more snapshots of the weights are kept: {_reason(error)}")
        self._seconds += time.monotonic() - started

    def finish(self, best_epoch: int | None) -> None:
        """Delete the snapshots from the best epoch on: the run keeps the best weights themselves.

        Args:
            best_epoch: Best epoch; None for a model without epochs.
        """
        try:
            if best_epoch is not None and not self._delete_from(best_epoch) and self.folder.is_dir():
                self.folder.rmdir()
        except OSError as error:
            self._stop(f"Snapshots after the best epoch cannot be deleted: {_reason(error)}")

    def _is_due(self, epoch: int, saved: list[int]) -> bool:
        if epoch <= 1 or not saved:
            return True
        allowed = FREE_SECONDS + MAX_TIME_SHARE * (time.monotonic() - self._started)
        return epoch >= next_epoch(saved[-1]) and self._seconds <= allowed

    def _write(self, epoch: int, model: Model, saved: list[int]) -> list[int]:
        from recdash.models import checkpoint_io  # lazy: torch

        tensors = compact(learned_tensors(model))
        n_bytes = sum(tensor.nbytes for tensor in tensors.values()) + _OVERHEAD_BYTES
        limit = min(MAX_SNAPSHOTS, MAX_BYTES // n_bytes)
        if limit < 2:
            raise CheckpointError(
                f"one takes {n_bytes / 2**20:,.0f} MiB, and a run may have {MAX_BYTES / 2**20:,.0f} MiB of them."
            )
        self.folder.mkdir(exist_ok=True)
        free = shutil.disk_usage(self.folder).free
        if free - n_bytes < MIN_FREE_BYTES:
            raise CheckpointError(f"only {free / 2**20:,.0f} MiB are free on the disk.")
        remaining = thinned([*saved, epoch], limit)
        for old in set(saved) - set(remaining):
            _delete(_path(self.folder, old))
        checkpoint_io.write(_path(self.folder, epoch), tensors, {"model": model.name, "epoch": epoch})
        return remaining

    def _delete_from(self, epoch: int) -> list[int]:
        """Delete snapshots from an epoch on and incomplete ones; return the remaining epochs."""
        earlier = [saved for saved in saved_epochs(self.folder) if saved < epoch]
        for path in self.folder.iterdir() if self.folder.is_dir() else []:
            if path.is_dir() and path.name not in {_path(self.folder, saved).name for saved in earlier}:
                _delete(path)
        return earlier

    def _stop(self, text: str) -> None:
        if not self._is_off:
            self._is_off = True
            self._report(text)


def learned_tensors(model: Model) -> dict[str, Tensor]:
    """Return the model's tensors without the training ratings that rating models store."""
    from recdash.models.rating_model import RATINGS_PREFIX  # lazy: torch

    return {name: tensor for name, tensor in model.tensors().items() if not name.startswith(RATINGS_PREFIX)}


def compact(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return copies on the CPU, floating-point values as float16 unless one of them is too large for it."""
    import torch  # lazy: torch

    copies: dict[str, Any] = {}
    for name, tensor in tensors.items():
        copy = tensor.detach().to("cpu", copy=True)
        half = copy.half() if copy.is_floating_point() else copy
        copies[name] = half if bool(torch.isfinite(half).all()) else copy
    return copies


def _path(folder: Path, epoch: int) -> Path:
    return folder / f"{epoch:06d}"


def _is_complete(path: Path) -> bool:
    return _NAME.fullmatch(path.name) is not None and (path / _MANIFEST).is_file()


def _delete(path: Path) -> None:
    """Delete a snapshot; its manifest first, so that a partly deleted one is never taken for a complete one."""
    (path / _MANIFEST).unlink(missing_ok=True)
    shutil.rmtree(path, ignore_errors=True)


def _reason(error: BaseException) -> str:
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}."
    lines = str(error).splitlines()  # PyTorch adds advice and a stack in further lines
    return lines[0] if lines else "not enough memory."
