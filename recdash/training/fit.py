"""`fit`: train a model by its name."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from recdash import devices
from recdash.data.histories import Histories
from recdash.errors import (
    UsageError,
    short_repr,
    unknown_name,
)
from recdash.evaluation.evaluator import mean_metrics
from recdash.evaluation.rating_metrics import pooled_errors, prediction_errors
from recdash.evaluation.selection_metric import SELECTION_METRICS
from recdash.models import registry
from recdash.models.alternating import AlternatingModel
from recdash.models.base import ClosedFormModel, GradientModel, Model
from recdash.models.rating_model import RatingModel
from recdash.settings import (
    HIGHEST_SEED,
    check_callable,
    known_name,
    whole_number,
)
from recdash.splits.rating_split import RatingSplit
from recdash.splits.split import Split
from recdash.training.loop import (
    Callbacks,
    EpochRecord,
    Training,
    Validation,
)
from recdash.training.state import TrainingState
from recdash.training.sweeps import SweepTraining

MAX_THREADS = 1024  # with far more, the operating system refuses to start them
VALIDATION_METRICS = (SELECTION_METRICS["ranking"].name, "recall@20", "recall@50")


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
    on_best: Callable[[Any], Any] | None = None,
    on_weights: Callable[[int, Any], Any] | None = None,
    resume: TrainingState | None = None,
    **settings: Any,
) -> Model:
    """Train a model by its name.

    The returned model holds the weights of the best validation epoch, or of the last epoch if the split has no
    validation part. Its `record` lists seed, device, precision, threads, versions, epochs and times.

    Args:
        name: Model name, for example "multvae" (`recdash.models.registry.names()` lists all).
        split: A split from `make_split`, `Split.from_matrices` or `Split.from_ratings`.
        preset: Settings to start from: "auto", "paper", "published", "tuned" or "fast", or a preset of your own.
        seed: Seed of weights, batch order, dropout and sampling.
        device: "auto", "cpu", "cuda", "cuda:0" or "mps".
        threads: Number of CPU threads; None leaves PyTorch's number.
        on_epoch: Called with an `EpochRecord` after every epoch.
        should_stop: Called after every update; True stops the training.
        on_checkpoint: Called with a `TrainingState` after every epoch and at a stop. It is valid during the call only,
            unless copied or saved.
        on_best: Called with the model whenever an epoch is the best so far.
        on_weights: Called with 0 and the untrained model, unless the training is resumed, and after every epoch with
            its number and the model, ready to score with the weights that a validation uses. The weights change when
            the call is over: copy what you keep, and do not change the model. Closed forms have no epochs: no call.
        resume: State to continue from, of the same model, split, settings and seed.
        **settings: Settings of the model by name; they override the preset.

    Returns:
        The trained model, ready to score.

    Raises:
        UsageError: Unknown model, preset, device or setting, a value out of bounds, or a split that does not fit the
            model.
        SplitError: The split cannot be used for training.
        TrainingError: The training diverged or does not fit into memory.
    """
    check(name, split)
    seed = whole_number("seed", seed, 0, HIGHEST_SEED)
    threads = None if threads is None else whole_number("threads", threads, 1, MAX_THREADS)
    _check_types(name, preset, device, resume)
    check_callable("on_epoch", on_epoch)
    check_callable("should_stop", should_stop)
    check_callable("on_checkpoint", on_checkpoint)
    check_callable("on_best", on_best)
    check_callable("on_weights", on_weights)
    settings = registry.model_class(name).config_class.checked(settings)
    config = registry.configure(name, split.shape, preset, settings)
    preset_used = registry.preset_used(name, preset, split.shape)
    if preset_used != preset:
        warnings.warn(f"{name} has no preset {preset!r}: auto is used.", stacklevel=2)
    chosen = devices.choose(device)
    record: dict[str, Any] = {
        "model": name,
        "preset": preset,
        "preset_used": preset_used,
        "seed": seed,
        "protocol": split.protocol,
        "split_fingerprint": split.fingerprint,
        "dataset": split.dataset,
        "device": devices.describe(chosen),
        "threads": devices.set_threads(threads),
        "versions": devices.versions(),
        "machine": devices.machine_info(),
    }
    callbacks = Callbacks(on_epoch, should_stop, on_checkpoint, on_best, on_weights)
    with devices.wrap_out_of_memory(chosen):
        model = registry.build(name, config, split.shape)
        model.catalogue = split.catalogue
        model.popularity = np.bincount(_training_data(model, split).items, minlength=split.shape.items)
        if isinstance(model, AlternatingModel):
            model.record = record | _train(model.to(chosen), split, seed, chosen, callbacks, resume)
        elif isinstance(model, ClosedFormModel):
            model.seed = seed
            model.record = record | _solve(model.to(chosen), split, callbacks)
        elif isinstance(model, GradientModel):
            model.record = record | _train(model, split, seed, chosen, callbacks, resume)
    return model


def check(name: str, split: Split | RatingSplit) -> None:
    """Raise UsageError, with the reason, if the model cannot be trained on this split."""
    model_class = registry.model_class(known_name("model", name, registry.names()))
    if not isinstance(split, Split | RatingSplit):
        raise UsageError(f"split: expected a split, found {short_repr(split)}. Give what recdash.make_split returns.")
    if isinstance(split, RatingSplit):
        if model_class.task != "rating":
            raise UsageError(f"{name} ranks and predicts no ratings. Use a ranking protocol, for example 'strong'.")
        return
    if model_class.task == "rating" and (split.ratings is None or split.ratings.values is None):
        raise UsageError(
            f"{name} learns from ratings, which this split does not have. Use data with ratings or another model."
        )
    if model_class.needs_order and not split.train.ordered:
        raise UsageError(
            f"{name} reads the order of histories, which this split does not have. "
            "Use data with times or another model."
        )


def _check_types(name: str, preset: object, device: object, resume: object) -> None:
    """Raise UsageError for a preset, device or state of another type."""
    if not isinstance(preset, str):
        raise unknown_name(f"preset of {name}", preset, registry.presets_of(name))
    if not isinstance(device, str | torch.device):
        raise unknown_name("device", device, ("auto", "cpu", "cuda", "cuda:0", "mps"))
    if resume is not None and not isinstance(resume, TrainingState):
        raise UsageError(
            f"resume = {short_repr(resume)} is not a TrainingState. Give a state that on_checkpoint received."
        )


def _validation(split: Split | RatingSplit) -> Validation | None:
    if split.validation is None:
        return None
    if isinstance(split, RatingSplit):
        part = split.validation
        return Validation(lambda model: pooled_errors(prediction_errors(model, part)), SELECTION_METRICS["rating"])
    return Validation(lambda model: mean_metrics(model, split, VALIDATION_METRICS), SELECTION_METRICS["ranking"])


def _training_data(model: Model, split: Split | RatingSplit) -> Histories:
    """Return the training rows: positives, or all ratings for a model that predicts ratings."""
    if isinstance(model, RatingModel) and isinstance(split, Split) and split.ratings is not None:
        return split.ratings
    return split.train


def _solve(model: ClosedFormModel, split: Split | RatingSplit, callbacks: Callbacks) -> dict[str, Any]:
    started = time.perf_counter()
    model.solve(_training_data(model, split))
    seconds = time.perf_counter() - started
    validation = _validation(split)
    values = {} if validation is None else validation.measure(model)
    if callbacks.on_epoch is not None:
        callbacks.on_epoch(EpochRecord(1, 1, seconds, values))
    return {
        "precision": model.precision,
        "epochs": 1,
        "epochs_run": 1,
        "best_epoch": 1,
        "best_value": None if validation is None else values[validation.selection_metric.name],
        "n_validations": len(values) and 1,
        "seconds": seconds,
        "validation_seconds": time.perf_counter() - started - seconds,
        "stopped": False,
        "unstable_epoch": None,
    }


def _train(
    model: GradientModel | AlternatingModel,
    split: Split | RatingSplit,
    seed: int,
    device: torch.device,
    callbacks: Callbacks,
    resume: TrainingState | None,
) -> dict[str, Any]:
    identity = {"model": model.name, "config": model.config.to_dict(), "seed": seed, "split": split.fingerprint}
    if resume is not None and resume.identity != identity:
        raise UsageError(
            "The state to resume belongs to another training. Use the same model, settings, seed and split."
        )
    rows, validation = _training_data(model, split), _validation(split)
    training: Training | SweepTraining
    if isinstance(model, AlternatingModel):
        dtype = torch.float32
        training = SweepTraining(
            model, rows, validation, seed=seed, callbacks=callbacks, identity=identity, resume=resume
        )
    else:
        dtype = devices.matmul_dtype(device, model.config.precision)
        if isinstance(model, RatingModel):
            model.set_training_ratings(rows)
        training = Training(
            model,
            model.training_rows(rows),
            validation,
            seed=seed,
            dtype=dtype,
            callbacks=callbacks,
            identity=identity,
            device=device,
            resume=resume,
        )
    training.run()
    return {
        "precision": "bfloat16" if dtype == torch.bfloat16 else "float32",
        "epochs": model.config.epochs,
        "epochs_run": training.position.epoch,
        "best_epoch": training.best.epoch or training.position.epoch,
        "best_value": validation.selection_metric.sign * training.best.value
        if validation and training.best.epoch
        else None,
        "n_validations": training.best.n_validations,
        "seconds": training.position.seconds,
        "validation_seconds": training.position.validation_seconds,
        "stopped": training.stopped,
        "unstable_epoch": training.position.unstable_epoch,
    }
