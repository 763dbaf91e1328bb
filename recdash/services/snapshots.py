"""Models of earlier epochs: what a run's model recommended while it was learning."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING

from recdash import devices
from recdash.atomic_files import wrap_read_errors
from recdash.errors import CheckpointError
from recdash.models import registry
from recdash.runs import snapshots
from recdash.runs.run_folder import RunFolder
from recdash.runs.run_records import RunRecord

if TYPE_CHECKING:
    from torch import Tensor

    from recdash.models.base import Model


def snapshot_epochs(run: RunRecord) -> list[int]:
    """Return the epochs whose models can be loaded, in order: 0 (untrained) if kept, some others, the best epoch.

    Empty for a run without snapshots: a closed form, a run of an early version, or one whose weights are too large or
    whose disk was full (`snapshot_note`). While a run trains, the best weights on disk may be a few epochs older than
    `run.best_epoch`.
    """
    folder = RunFolder(run.id)
    if run.best_epoch is None or not folder.has_model():
        return []
    earlier = [epoch for epoch in snapshots.saved_epochs(folder.snapshots) if epoch < run.best_epoch]
    return [*earlier, run.best_epoch] if earlier else []


def snapshot_note(run: RunRecord) -> str:
    """Return why a run has no more snapshots, in one sentence; empty if nothing went wrong."""
    return str(run.details.get("snapshot_note", ""))


def load_snapshot(run: RunRecord, epoch: int, device: str = "cpu", best: Model | None = None) -> Model:
    """Return a run's model as it was after an epoch.

    Args:
        run: The run.
        epoch: One of `snapshot_epochs`. The best epoch gives the model of the run itself, bit for bit; the weights of
            other epochs are stored as float16.
        device: Device to compute on; if a GPU has no free memory, the model stays on the CPU, with a warning.
        best: The run's model, if it is loaded: the snapshot then shares its catalogue and training ratings.

    Raises:
        CheckpointError: There is no snapshot of this epoch, it is damaged, or the run has no weights.
        UsageError: The device is unknown or not available.
    """
    chosen = devices.choose(device)
    folder = RunFolder(run.id)
    if epoch == run.best_epoch:
        model = registry.load(folder.best)
    else:
        base = registry.load(folder.best) if best is None else best
        tensors = snapshots.read(folder.snapshots, epoch)
        what = f"the snapshot of epoch {epoch} does not fit the run's model"
        with wrap_read_errors(folder.snapshots, CheckpointError, "Choose another epoch, or train again.", what):
            model = _with_weights(base, tensors)
    warning = registry.move(model, chosen)
    if warning:
        warnings.warn(warning, stacklevel=2)
    return model


def _with_weights(model: Model, tensors: Mapping[str, Tensor]) -> Model:
    """Return a copy of a model with other weights; it shares catalogue, popularity and training ratings."""
    from recdash.models.base import GradientModel  # lazy: torch
    from recdash.models.rating_model import RatingModel  # lazy: torch

    copy = registry.build(model.name, model.config, model.shape)
    copy.catalogue, copy.popularity, copy.record = model.catalogue, model.popularity, dict(model.record)
    if isinstance(copy, RatingModel) and isinstance(model, RatingModel):
        copy.training_ratings = model.training_ratings
    copy.load_tensors(tensors)
    if isinstance(copy, GradientModel):
        copy.eval()
    return copy
