"""`fit`: from a model's name and a split to a trained model with its record."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from recdash import devices
from recdash.data.histories import Histories
from recdash.errors import UsageError, shown, unknown
from recdash.evaluation.criterion import CRITERIA
from recdash.evaluation.evaluator import quick_means
from recdash.evaluation.rating_metrics import errors_of, pooled
from recdash.models import registry
from recdash.models.base import ClosedFormModel, GradientModel, Model
from recdash.models.rating_model import RatingModel
from recdash.settings import HIGHEST_SEED, callback, known_name, whole_number
from recdash.splits.rating_split import RatingSplit
from recdash.splits.split import Split
from recdash.training.loop import EpochRecord, Hooks, Training, Validation
from recdash.training.state import TrainingState

MOST_THREADS = 1024  # far more than this, and the system refuses to start them
WATCHED = (CRITERIA["ranking"].metric, "recall@20", "recall@50")


def fit(
    name: str,
    split: Split | RatingSplit,
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
    seed = whole_number("seed", seed, 0, HIGHEST_SEED)
    threads = None if threads is None else whole_number("threads", threads, 1, MOST_THREADS)
    _check_kinds(name, preset, device, resume)
    callback("on_epoch", on_epoch)
    callback("should_stop", should_stop)
    callback("on_checkpoint", on_checkpoint)
    callback("on_best", on_best)
    settings = registry.model_class(name).config_class.checked(settings)
    config = registry.configure(name, split.shape, preset, settings)
    if registry.preset_used(name, preset) != preset:
        warnings.warn(f"{name} has no preset {preset!r}: auto is used.", stacklevel=2)
    chosen = devices.choose(device)
    record: dict[str, Any] = {
        "model": name,
        "preset": preset,
        "preset_used": registry.preset_used(name, preset),
        "seed": seed,
        "protocol": split.protocol,
        "split_fingerprint": split.fingerprint,
        "dataset": split.dataset,
        "device": devices.describe(chosen),
        "threads": devices.use_threads(threads),
        "versions": devices.versions(),
        "machine": devices.machine(),
    }
    hooks = Hooks(on_epoch, should_stop, on_checkpoint, on_best)
    with devices.explaining_memory(chosen):
        model = registry.build(name, config, split.shape)
        model.catalogue = split.catalogue
        model.popularity = np.bincount(_learned_from(model, split).items, minlength=split.shape.items)
        if isinstance(model, ClosedFormModel):
            model.seed = seed
            model.record = record | _solve(model.to(chosen), split, hooks)
        elif isinstance(model, GradientModel):
            model.record = record | _train(model, split, seed, chosen, hooks, resume)
    return model


def check(name: str, split: Split | RatingSplit) -> None:
    """Raise UsageError when the model cannot learn from this split, with the reason."""
    model_class = registry.model_class(known_name("model", name, registry.names()))
    if not isinstance(split, Split | RatingSplit):
        raise UsageError(f"split: expected a split, found {shown(split)}. Give what recdash.make_split returns.")
    if isinstance(split, RatingSplit):
        if model_class.task != "rating":
            raise UsageError(f"{name} ranks and predicts no ratings. Use a ranking protocol, for example 'strong'.")
        return
    if model_class.task == "rating" and (split.ratings is None or split.ratings.values is None):
        raise UsageError(f"{name} learns from ratings, which this split has not. Use data with stars or another model.")
    if model_class.needs_order and not split.train.ordered:
        raise UsageError(
            f"{name} reads the order of histories, which these have not. Use data with times or another model."
        )


def _check_kinds(name: str, preset: object, device: object, resume: object) -> None:
    """Raise UsageError for a preset or device that is no name, and a state that is none."""
    if not isinstance(preset, str):
        raise unknown(f"preset of {name}", preset, registry.presets_of(name))
    if not isinstance(device, str | torch.device):
        raise unknown("device", device, ("auto", "cpu", "cuda", "cuda:0", "mps"))
    if resume is not None and not isinstance(resume, TrainingState):
        raise UsageError(f"resume = {shown(resume)} is no TrainingState. Give a state that on_checkpoint was offered.")


def _validation(split: Split | RatingSplit) -> Validation | None:
    if split.validation is None:
        return None
    if isinstance(split, RatingSplit):
        part = split.validation
        return Validation(lambda model: pooled(errors_of(model, part)), CRITERIA["rating"])
    return Validation(lambda model: quick_means(model, split, WATCHED), CRITERIA["ranking"])


def _learned_from(model: Model, split: Split | RatingSplit) -> Histories:
    """The training users' rows: positives, or all their ratings for a model that predicts those."""
    if isinstance(model, RatingModel) and isinstance(split, Split) and split.ratings is not None:
        return split.ratings
    return split.train


def _solve(model: ClosedFormModel, split: Split | RatingSplit, hooks: Hooks) -> dict[str, Any]:
    started = time.perf_counter()
    model.solve(_learned_from(model, split))
    seconds = time.perf_counter() - started
    validation = _validation(split)
    values = {} if validation is None else validation.measure(model)
    if hooks.on_epoch is not None:
        hooks.on_epoch(EpochRecord(1, 1, seconds, values))
    return {
        "precision": model.precision,
        "epochs": 1,
        "epochs_run": 1,
        "best_epoch": 1,
        "best_value": None if validation is None else values[validation.criterion.metric],
        "n_validations": len(values) and 1,
        "seconds": seconds,
        "validation_seconds": time.perf_counter() - started - seconds,
        "stopped": False,
        "unstable_epoch": None,
    }


def _train(
    model: GradientModel,
    split: Split | RatingSplit,
    seed: int,
    device: torch.device,
    hooks: Hooks,
    resume: TrainingState | None,
) -> dict[str, Any]:
    identity = {"model": model.name, "config": model.config.to_dict(), "seed": seed, "split": split.fingerprint}
    if resume is not None and resume.facts != identity:
        raise UsageError(
            "This state belongs to another training. Resume with the same model, settings, seed and split."
        )
    dtype = devices.matrix_format(device, model.config.precision)
    rows, validation = _learned_from(model, split), _validation(split)
    if isinstance(model, RatingModel):
        model.observe(rows)
    training = Training(
        model,
        model.training_rows(rows),
        validation,
        seed=seed,
        dtype=dtype,
        hooks=hooks,
        facts=identity,
        device=device,
        resume=resume,
    )
    training.run()
    return {
        "precision": "bfloat16" if dtype == torch.bfloat16 else "float32",
        "epochs": model.config.epochs,
        "epochs_run": training.position.epoch,
        "best_epoch": training.best.epoch or training.position.epoch,
        "best_value": validation.criterion.sign * training.best.value if validation and training.best.epoch else None,
        "n_validations": training.best.n_validations,
        "seconds": training.position.seconds,
        "validation_seconds": training.position.validation_seconds,
        "stopped": training.stopped,
        "unstable_epoch": training.position.unstable_epoch,
    }
