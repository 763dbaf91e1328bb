"""The loop of alternating models: epochs of two closed forms each, validation, early stopping, resuming."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from recdash import devices
from recdash.data.histories import Histories
from recdash.errors import TrainingError
from recdash.models.alternating import AlternatingModel
from recdash.training import batch_order
from recdash.training.loop import Callbacks, EpochRecord, Validation
from recdash.training.state import Best, Position, TrainingState


class SweepTraining:
    """One training of one alternating model, from the start or from a saved state; `run` does it.

    An epoch is one update. A stop drops the epoch it interrupts, so that a resumed training repeats it as it was.

    Args:
        model: On its device; its item factors are drawn from the seed.
        rows: Training rows, (rows, items).
        validation: None trains all epochs and takes the last one.
        seed: Seed of the item factors.
        callbacks: Functions called during the training.
        identity: Model, settings, seed and split; saved with each state.
        resume: State to continue from.
    """

    def __init__(
        self,
        model: AlternatingModel,
        rows: Histories,
        validation: Validation | None,
        *,
        seed: int,
        callbacks: Callbacks,
        identity: dict[str, Any],
        resume: TrainingState | None = None,
    ) -> None:
        self.model, self.rows, self.validation = model, rows, validation
        self.callbacks, self.identity, self.config = callbacks, identity, model.config
        self.position, self.best = Position(), Best()
        self.best_tensors: dict[str, Tensor] = {}
        self.stopped = False
        self.is_resumed = resume is not None
        if resume is None:
            model.initialise(batch_order.torch_generator(seed, "weights"))
        else:
            model.load_tensors(resume.tensors)
            self.position, self.best, self.best_tensors = resume.position.copied(), resume.best, resume.best_tensors

    def run(self) -> None:
        """Train; afterwards, also after a stop, the model holds its best weights.

        Without validation these are the last weights.
        """
        with devices.deterministic(self.model.device), torch.no_grad():
            if not self.is_resumed:
                self._report_weights(0)
            while not self.stopped and self.position.epoch < self.config.epochs and not self._out_of_patience():
                self._epoch()
                if self.callbacks.on_checkpoint is not None:
                    state = self.state()
                    self.callbacks.on_checkpoint(state.copied() if self.stopped else state)
        if self.best_tensors:
            self.model.load_tensors(self.best_tensors)

    def _epoch(self) -> None:
        """Solve for users and items, validate and report; or, when asked to stop, change nothing."""
        started = time.perf_counter()
        users = self.model.solve_users(self.rows)
        self.stopped = self._is_stop_requested()
        if self.stopped:
            return
        loss = self.model.solve_items(self.rows, users)
        if not math.isfinite(loss):
            raise TrainingError(f"{self.model.name} diverged: the loss is {loss}. Raise l2 (now {self.config.l2:g}).")
        seconds = time.perf_counter() - started
        epoch = self.position.epoch + 1
        values = {"loss": loss, "examples/s": len(self.rows) / max(seconds, 1e-9)}
        validation_seconds = self.position.validation_seconds
        if self.validation is not None and (epoch % self.config.validate_every == 0 or epoch == self.config.epochs):
            started = time.perf_counter()
            values |= self._validate(self.validation, epoch)
            validation_seconds += time.perf_counter() - started
        self._report_weights(epoch)
        self.position = replace(
            self.position,
            epoch=epoch,
            update=epoch,
            seconds=self.position.seconds + seconds,
            validation_seconds=validation_seconds,
            first_losses=self.position.first_losses or {"loss": loss},
        )
        if self.callbacks.on_epoch is not None:
            total = self.position.seconds + validation_seconds
            self.callbacks.on_epoch(EpochRecord(epoch, epoch, total, values))
        self.stopped = self._is_stop_requested() and epoch < self.config.epochs

    def _validate(self, validation: Validation, epoch: int) -> dict[str, float]:
        """Measure the model, and store its weights if they are the best so far."""
        values = validation.measure(self.model)
        value = validation.selection_metric.sign * values[validation.selection_metric.name]
        if math.isnan(value):
            raise TrainingError(f"{self.model.name}: no validation user has held-out items, so no epoch can be chosen.")
        n_validations = self.best.n_validations + 1
        if value > self.best.value:
            self.best = Best(epoch, value, n_validations, 0)
            self.best_tensors = {name: tensor.to("cpu", copy=True) for name, tensor in self.model.tensors().items()}
            if self.callbacks.on_best is not None:
                self.callbacks.on_best(self.model)
        else:
            without = self.best.validations_without_improvement + 1
            self.best = replace(self.best, n_validations=n_validations, validations_without_improvement=without)
        return values

    def _out_of_patience(self) -> bool:
        return bool(self.best.validations_without_improvement >= self.config.patience)

    def _is_stop_requested(self) -> bool:
        return self.callbacks.should_stop is not None and self.callbacks.should_stop()

    def _report_weights(self, epoch: int) -> None:
        if self.callbacks.on_weights is not None:
            self.callbacks.on_weights(epoch, self.model)

    def state(self) -> TrainingState:
        """Return the state that a training resumes from; valid until the next epoch."""
        return TrainingState(
            self.position.copied(), self.best, dict(self.model.tensors()), self.best_tensors, {}, self.identity
        )
