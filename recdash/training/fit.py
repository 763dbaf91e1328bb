"""`fit`: from a model's name and a split to a trained model with its record."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import torch

from recdash.errors import UsageError
from recdash.evaluation.report import quick_means
from recdash.models import registry
from recdash.models.base import ClosedFormModel, GradientModel, Model
from recdash.splits.split import Split
from recdash.training import devices
from recdash.training.loop import EpochRecord, Hooks, Training, Validation
from recdash.training.state import TrainingState

SELECT_BY = "ndcg@100"
WATCHED = ("ndcg@100", "recall@20", "recall@50")


def fit(
    name: str,
    split: Split,
    *,
    preset: str = "auto",
    seed: int = 0,
    device: str = "auto",
    threads: int | None = None,
    on_epoch: Callable[[EpochRecord], Any] | None = None,
    should_stop: Callable[[], bool] | None = None,
    on_checkpoint: Callable[[TrainingState], Any] | None = None,
    on_best: Callable[[GradientModel], Any] | None = None,
    resume: TrainingState | None = None,
    **settings: Any,
) -> Model:
    """Train a model by its name; any setting of the model may be given by name and wins over the preset.

    on_epoch: called with each EpochRecord.  should_stop: asked after every update.  on_checkpoint: offered a state
    after every epoch and at a stop.  resume: such a state, of the same model, split, settings and seed.
    The model holds the weights of the best validation epoch (the last epoch without a validation part); `record` tells
    seed, device, precision, threads, versions, epochs and times.  Raises UsageError, SplitError or TrainingError.
    """
    check(name, split)
    config = registry.configure(name, split.shape, preset, settings)
    chosen = devices.choose(device)
    record: dict[str, Any] = {
        "model": name,
        "preset": preset,
        "seed": seed,
        "protocol": split.protocol,
        "split_fingerprint": split.fingerprint,
        "dataset": split.dataset,
        "device": devices.describe(chosen),
        "threads": devices.use_threads(threads),
        "versions": devices.versions(),
        "machine": devices.machine(),
    }
    model = registry.build(name, config, split.shape)
    model.catalogue = split.catalogue
    hooks = Hooks(on_epoch, should_stop, on_checkpoint, on_best)
    if isinstance(model, ClosedFormModel):
        model.record = record | _solve(model.to(chosen), split, hooks)
    elif isinstance(model, GradientModel):
        model.record = record | _train(model.to(chosen), split, seed, record, hooks, resume)
    return model


def check(name: str, split: Split) -> None:
    """Raise UsageError when the model cannot learn from this split, with the reason."""
    model_class = registry.model_class(name)
    if model_class.needs_order and not split.train.ordered:
        raise UsageError(
            f"{name} reads the order of histories, which these have not. Use data with times, or another model."
        )


def _validation(split: Split) -> Validation | None:
    if split.validation is None:
        return None
    return Validation(lambda model: quick_means(model, split, WATCHED), SELECT_BY)


def _solve(model: ClosedFormModel, split: Split, hooks: Hooks) -> dict[str, Any]:
    started = time.perf_counter()
    model.solve(split.train)
    seconds = time.perf_counter() - started
    validation = _validation(split)
    values = {} if validation is None else validation.measure(model)
    if hooks.on_epoch is not None:
        hooks.on_epoch(EpochRecord(1, 1, seconds, values))
    return {
        "precision": "float32",
        "epochs": 1,
        "epochs_run": 1,
        "best_epoch": 1,
        "best_value": values.get(SELECT_BY),
        "looks": len(values) and 1,
        "seconds": seconds,
        "validation_seconds": time.perf_counter() - started - seconds,
        "stopped": False,
    }


def _train(
    model: GradientModel, split: Split, seed: int, record: Mapping[str, Any], hooks: Hooks, resume: TrainingState | None
) -> dict[str, Any]:
    identity = {"model": model.name, "config": model.config.to_dict(), "seed": seed, "split": split.fingerprint}
    if resume is not None and resume.facts != identity:
        raise UsageError(
            "This state belongs to another training. Resume with the same model, settings, seed and split."
        )
    dtype = devices.matrix_format(model.device, model.config.precision)
    training = Training(model, split.train, _validation(split), seed=seed, dtype=dtype, hooks=hooks, facts=identity)
    training.run(resume)
    return {
        "precision": "bfloat16" if dtype == torch.bfloat16 else "float32",
        "epochs": model.config.epochs,
        "epochs_run": training.position.epoch,
        "best_epoch": training.best.epoch or training.position.epoch,
        "best_value": training.best.value if training.best.epoch else None,
        "looks": training.best.looks,
        "seconds": training.position.seconds,
        "validation_seconds": training.position.validation_seconds,
        "stopped": training.stopped,
    }
