"""The one training loop: phases, passes, batches, validation, early stopping, resuming."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recdash import devices, freed_memory
from recdash.data.histories import Histories
from recdash.errors import TrainingError
from recdash.evaluation import stability
from recdash.evaluation.selection_metric import SelectionMetric
from recdash.models.base import GradientModel, Model, Phase, TrainingProgress
from recdash.models.batch import Batch, Noise
from recdash.training import batch_order, descent, fixed_updates
from recdash.training.averaging import WeightAverage
from recdash.training.cursor import Cursor, Step
from recdash.training.descent import Parts, Share
from recdash.training.fixed_updates import FixedUpdates, UnsuitableUpdateError
from recdash.training.state import Best, Position, TrainingState


@dataclass(frozen=True, eq=False)
class EpochRecord:
    """One epoch of a training.

    Attributes:
        epoch: Number of the epoch, from 1.
        update: Updates so far.
        seconds: Time since the start, validation and the parts before a resume included.
        values: Means over the epoch ("loss", "reconstruction", "kl", in nats per user), "lr", "examples/s" and, when
            the epoch was validated, metrics on the validation users.
        arrays: Short arrays by name, such as "kl_by_dimension" (latent,).
        unstable_epoch: First epoch, up to this one, whose loss exceeded ten times that of the first epoch; else None.
    """

    epoch: int
    update: int
    seconds: float
    values: dict[str, float]
    arrays: dict[str, NDArray[np.float32]] = field(default_factory=dict)
    unstable_epoch: int | None = None


@dataclass(frozen=True)
class Callbacks:
    """Functions that a caller of `fit` may pass; see there."""

    on_epoch: Callable[[EpochRecord], Any] | None = None
    should_stop: Callable[[], bool] | None = None
    on_checkpoint: Callable[[TrainingState], Any] | None = None
    on_best: Callable[[Any], Any] | None = None
    on_weights: Callable[[int, Any], Any] | None = None


@dataclass(frozen=True)
class Validation:
    """How an epoch is validated: the metrics to compute, and the one that selects the best epoch."""

    measure: Callable[[Model], dict[str, float]]
    selection_metric: SelectionMetric


class Training:
    """One training of one model, from the start or from a saved state; `run` does it.

    Args:
        model: On the CPU, where its weights are drawn from the seed; the training moves it to `device`.
        rows: Training rows, (rows, items).
        validation: None trains all epochs and takes the last one.
        seed: Seed of weights, batch order and noise.
        dtype: Data type of matrix products.
        callbacks: Functions called during the training.
        identity: Model, settings, seed and split; saved with each state and compared on resume.
        device: Where to train; None leaves the model on the CPU.
        resume: State to continue from.
    """

    def __init__(
        self,
        model: GradientModel,
        rows: Histories,
        validation: Validation | None,
        *,
        seed: int,
        dtype: torch.dtype,
        callbacks: Callbacks,
        identity: dict[str, Any],
        device: torch.device | None = None,
        resume: TrainingState | None = None,
    ) -> None:
        self.model, self.rows, self.validation = model, rows, validation
        self.seed, self.dtype, self.callbacks, self.identity = seed, dtype, callbacks, identity
        self.config = model.config
        if resume is None:
            model.initialise(batch_order.torch_generator(seed, "weights"))
        else:
            model.load_tensors(resume.tensors)
        model.to(device)
        self.phases = model.phases()
        self.cursor = Cursor(
            [phase.passes for phase in self.phases], batch_order.count(len(rows), self.config.batch_size)
        )
        self.planned_updates = self.config.epochs * self.cursor.updates_per_epoch
        self.optimisers = {phase.name: self._optimiser(phase) for phase in self.phases}
        self.best = Best()
        self.best_tensors: dict[str, Tensor] = {}
        self.average = WeightAverage(model, self.config.averaging)
        self.stopped = False
        self.is_resumed = resume is not None
        if resume is not None:
            self._restore(resume)
        self.fixed = fixed_updates.for_training(
            model, rows, self.optimisers, seed=seed, dtype=dtype, planned_updates=self.planned_updates
        )

    @property
    def position(self) -> Position:
        """Where the training is."""
        return self.cursor.position

    def run(self) -> None:
        """Train; afterwards, also after a stop, the model holds its best weights and is ready to score.

        Without validation these are the last weights, or their average.
        """
        with devices.deterministic(self.model.device), freed_memory.reused():
            if not self.is_resumed:
                self.model.eval()
                self._report_weights(0)
            while self.position.epoch < self.config.epochs and not self._out_of_patience():
                values = self._epoch()
                if self.stopped:
                    self._checkpoint(self.state().copied())
                    break
                self._finish_epoch(values)
                self._checkpoint(self.state())
        if self.best_tensors:
            self.model.load_tensors(self.best_tensors)
        else:
            self.average.apply()
        self.model.eval()

    def _epoch(self) -> dict[str, float]:
        """Train for the rest of the current epoch; return its means, or nothing after a stop."""
        self.model.train()
        batches: Iterator[Batch] = iter(())
        last = time.perf_counter()
        for step in self.cursor:
            phase = self.phases[step.phase]
            if step.enters_phase:
                self._finish_phase()
                self._enter_phase(phase, resumed=step.resumes_phase)
            if self.fixed is not None and not self._fixed_update(self.fixed, phase, step):
                step = step._replace(enters_pass=True)  # go on with batches from the host
            if self.fixed is None:
                if step.enters_pass:
                    batches = self._batches(phase, step)
                self._update(next(batches), phase)
            now = time.perf_counter()
            self.cursor.advance(now - last)
            last = now
            if self.callbacks.should_stop is not None and self.callbacks.should_stop():
                self.stopped = True
                break
        self._finish_phase()
        self.cursor.wait(time.perf_counter() - last)
        return {} if self.stopped else self._means(self.position.epoch_seconds)

    def _enter_phase(self, phase: Phase, *, resumed: bool) -> None:
        """Set the step size, freeze all other parameters and call the model's hook."""
        for group in self.optimisers[phase.name].param_groups:
            group["lr"] = self.model.learning_rate(self.position.epoch + 1)
        for name, parameter in self.model.named_parameters():
            parameter.requires_grad_(not phase.parameters or name in phase.parameters)
        with self._autocast():
            self.model.on_phase_start(phase.name, self.rows, resumed=resumed)
        if self.fixed is not None:
            self.fixed.begin_phase(phase, self.position)

    def _finish_phase(self) -> None:
        """Read the sums of the losses, if they are on the device; raises TrainingError for NaN or infinity."""
        found = None if self.fixed is None else self.fixed.finish_phase(self.position)
        if found is not None:
            raise self._divergence(found.part, found.total, found.update)

    def _fixed_update(self, fixed: FixedUpdates, phase: Phase, step: Step) -> bool:
        """Do an update of fixed shapes; return False, and do none of them from now on, if the model cannot."""
        if step.enters_pass:
            fixed.begin_pass(self._order(phase, step), step.batch, self.position.update)
        try:
            fixed.step(step.batch)
        except UnsuitableUpdateError as error:
            fixed_updates.report_unsuitable(self.model, error)
            self._finish_phase()
            self.fixed = None
        return self.fixed is not None

    def _order(self, phase: Phase, step: Step) -> NDArray[np.int64]:
        """Return the order of a pass, (rows,), which depends on the seed and the position alone."""
        drawn = batch_order.order(len(self.rows), self.seed, self.position.epoch + 1, phase.name, step.pass_index)
        return self.model.order_batches(drawn, self.rows)

    def _batches(self, phase: Phase, step: Step) -> Iterator[Batch]:
        """Return the remaining batches of a pass."""
        order = self._order(phase, step)
        return batch_order.batches(self.rows, order, self.config.batch_size, self.model.device, step.batch)

    def _update(self, batch: Batch, phase: Phase) -> None:
        optimiser = self.optimisers[phase.name]
        shares = [self._share(batch, phase, rows, entries) for rows, entries in descent.slices(batch)]
        self._accumulate(descent.descend(self.model, optimiser, shares, self._autocast), batch)

    def _share(self, batch: Batch, phase: Phase, rows: slice, entries: slice) -> Share:
        """Return some rows of a batch, with their share of its noise."""
        share = batch if rows == slice(0, len(batch)) else batch.rows(rows.start, rows.stop)
        sizes = {"all_rows": len(batch), "all_entries": len(batch.items)}
        noise = Noise(self.seed, self.position.update, share, rows=rows, entries=entries, **sizes)
        position = self.position
        progress = TrainingProgress(
            position.epoch + 1, position.update, self.planned_updates, noise, phase.name, whole=batch
        )
        return Share(share, progress)

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.model.device.type, self.dtype, enabled=self.dtype != torch.float32)

    def _accumulate(self, parts: Parts, batch: Batch) -> None:
        """Add the parts of a loss to the sums of the epoch; raises TrainingError for NaN or infinity."""
        sums, arrays = self.position.sums, self.position.arrays
        for name, part in parts.items():
            if isinstance(part, Tensor) and part.ndim == 2:
                before, rows = arrays.get(name, ([0.0] * part.shape[1], 0))
                summed = part.detach().sum(0).cpu().numpy()  # (rows, width) -> (width,)
                arrays[name] = (np.asarray(before) + summed).tolist(), rows + len(batch)
                continue
            total = float(part.detach().sum()) if isinstance(part, Tensor) else part * len(batch)
            if not math.isfinite(total):
                raise self._divergence(name, total, self.position.update)
            so_far, rows = sums.get(name, (0.0, 0))
            sums[name] = so_far + total, rows + len(batch)

    def _divergence(self, part: str, total: float, update: int) -> TrainingError:
        return TrainingError(
            f"{self.model.name} diverged: {part} is {total} in epoch {self.position.epoch + 1}, update {update + 1}. "
            f"Lower learning_rate (now {self.config.learning_rate:g})."
        )

    def _means(self, seconds: float) -> dict[str, float]:
        sums = self.position.sums
        rows = sums["loss"][1]
        means = self.model.summarise({name: total / count for name, (total, count) in sums.items()})
        return means | {
            "lr": self.model.learning_rate(self.position.epoch + 1),
            "examples/s": rows / max(seconds, 1e-9),
        }

    def _finish_epoch(self, values: dict[str, float]) -> None:
        """Validate where it is due, move to the next epoch and report the finished one."""
        epoch = self.position.epoch + 1
        self.average.update()
        validation, validation_seconds = self._due_validation(epoch), self.position.validation_seconds
        if validation is not None or self.callbacks.on_weights is not None:
            started = time.perf_counter()
            self.model.eval()
            with self.average.applied():
                if validation is not None:
                    values |= self._validate(validation, epoch)
                    validation_seconds += time.perf_counter() - started
                self._report_weights(epoch)
        arrays = {name: (np.array(sums) / n).astype(np.float32) for name, (sums, n) in self.position.arrays.items()}
        values |= self.model.summarise_arrays(arrays)
        first = self.position.first_losses or stability.losses_of(values)
        unstable = self.position.unstable_epoch or (epoch if stability.exploded(values, first) else None)
        self.cursor.finish_epoch(validation_seconds=validation_seconds, first_losses=first, unstable_epoch=unstable)
        if self.callbacks.on_epoch is not None:
            seconds = self.position.seconds + validation_seconds
            self.callbacks.on_epoch(EpochRecord(epoch, self.position.update, seconds, values, arrays, unstable))

    def _due_validation(self, epoch: int) -> Validation | None:
        """Return the validation if this epoch is validated."""
        is_due = epoch % self.config.validate_every == 0 or epoch == self.config.epochs
        return self.validation if is_due else None

    def _validate(self, validation: Validation, epoch: int) -> dict[str, float]:
        """Measure the model, which has its averaged weights, and save them if they are the best so far."""
        values = validation.measure(self.model)
        metric = validation.selection_metric
        self._update_best(metric.sign * values[metric.name], epoch)
        return values

    def _report_weights(self, epoch: int) -> None:
        if self.callbacks.on_weights is not None:
            self.callbacks.on_weights(epoch, self.model)

    def _update_best(self, value: float, epoch: int) -> None:
        n_validations = self.best.n_validations + 1
        if math.isnan(value):
            raise TrainingError(f"{self.model.name}: no validation user has held-out items, so no epoch can be chosen.")
        if value > self.best.value:
            self.best = Best(epoch, value, n_validations, 0)
            self.best_tensors = {
                name: tensor.detach().to("cpu", copy=True) for name, tensor in self.model.tensors().items()
            }
            if self.callbacks.on_best is not None:
                self.callbacks.on_best(self.model)
        else:
            counts = self.model.schedules_done(self.position.update, self.planned_updates)
            self.best = replace(
                self.best,
                n_validations=n_validations,
                validations_without_improvement=self.best.validations_without_improvement + int(counts),
            )

    def _out_of_patience(self) -> bool:
        return bool(self.best.validations_without_improvement >= self.config.patience)

    def _optimiser(self, phase: Phase) -> torch.optim.Optimizer:
        """Return the model's optimiser for the parameters of one phase, with weight decay on matrices only."""
        named = [(n, p) for n, p in self.model.named_parameters() if not phase.parameters or n in phase.parameters]
        matrices, vectors = [p for _, p in named if p.ndim > 1], [p for _, p in named if p.ndim <= 1]
        groups = [
            {"params": matrices, "weight_decay": self.config.weight_decay},
            {"params": vectors, "weight_decay": 0.0},
        ]
        return self.model.optimiser(groups)

    def _checkpoint(self, state: TrainingState) -> None:
        if self.callbacks.on_checkpoint is not None:
            self.callbacks.on_checkpoint(state)

    def state(self) -> TrainingState:
        """Return the state that a training resumes from; valid until the next update."""
        return TrainingState(
            self.position.copied(),
            self.best,
            dict(self.model.training_tensors()),
            self.best_tensors,
            {name: optimiser.state_dict() for name, optimiser in self.optimisers.items()},
            self.identity,
            self.average.weights,
        )

    def _restore(self, state: TrainingState) -> None:
        self.cursor.position, self.best = state.position.copied(), state.best
        self.best_tensors = state.best_tensors
        self.average.load(state.average)
        for name, optimiser in self.optimisers.items():
            if name in state.optimisers:
                optimiser.load_state_dict(state.optimisers[name])
