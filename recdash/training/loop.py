"""The one training loop: epochs of phases of passes of batches, validation, early stopping, resuming."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recdash import devices
from recdash.data.histories import Histories
from recdash.errors import TrainingError
from recdash.evaluation import stability
from recdash.evaluation.criterion import Criterion
from recdash.models.base import (
    GradientModel,
    Model,
    Phase,
    TrainingProgress,
)
from recdash.models.batch import Batch, Noise
from recdash.training import batch_order
from recdash.training.state import Best, Position, TrainingState


@dataclass(frozen=True, eq=False)
class EpochRecord:
    """One epoch: number from 1, updates so far, seconds since the start (resumed parts included), named values.

    values: means over the epoch ("loss", "reconstruction", "kl", nats per user), "lr", "examples/s", and, when the
    epoch was validated, metrics on the validation users.  arrays: short arrays by name.  unstable_epoch: the first
    epoch, up to this one, whose loss was more than ten times that of the first epoch; None while there is none.
    """

    epoch: int
    update: int
    seconds: float
    values: dict[str, float]
    arrays: dict[str, NDArray[np.float32]] = field(default_factory=dict)
    unstable_epoch: int | None = None


@dataclass(frozen=True)
class Hooks:
    """What a caller may want to know or say while a training runs."""

    on_epoch: Callable[[EpochRecord], Any] | None = None
    should_stop: Callable[[], bool] | None = None
    on_checkpoint: Callable[[TrainingState], Any] | None = None
    on_best: Callable[[GradientModel], Any] | None = None


@dataclass(frozen=True)
class Validation:
    """How an epoch is judged: metrics of the validation part, and which of them decides."""

    measure: Callable[[Model], dict[str, float]]
    criterion: Criterion


class Training:
    """One training of one model on some rows, from the start or from a state; `run` does it.

    model: on the CPU, where its weights are drawn from the seed; the training moves it to `device`.
    """

    def __init__(
        self,
        model: GradientModel,
        rows: Histories,
        validation: Validation | None,
        *,
        seed: int,
        dtype: torch.dtype,
        hooks: Hooks,
        facts: dict[str, Any],
        device: torch.device | None = None,
        resume: TrainingState | None = None,
    ) -> None:
        self.model, self.rows, self.validation = model, rows, validation
        self.seed, self.dtype, self.hooks, self.facts = seed, dtype, hooks, facts
        self.config = model.config
        if resume is None:
            model.initialise(batch_order.torch_generator(seed, "weights"))
        else:
            model.load_tensors(resume.tensors)
        model.to(device)
        self.phases = model.phases()
        self.per_pass = batch_order.count(len(rows), self.config.batch_size)
        self.planned = self.config.epochs * self.per_pass * sum(phase.passes for phase in self.phases)
        self.optimisers = {phase.name: self._optimiser(phase) for phase in self.phases}
        self.position, self.best = Position(), Best()
        self.best_tensors: dict[str, Tensor] = {}
        self.average: dict[str, Tensor] = {}
        self.stopped = False
        if resume is not None:
            self._restore(resume)

    def run(self) -> None:
        """Train; afterwards, also after a stop, the model holds the best weights and is ready to score.

        Where nothing was validated these are the last ones, or their running mean.
        """
        with devices.deterministic(self.model.device):
            while self.position.epoch < self.config.epochs and not self._patience_is_over():
                values = self._epoch()
                if self.stopped:
                    self._checkpoint(self.state().copied())
                    break
                self._finish_epoch(values)
                self._checkpoint(self.state())
        if self.best_tensors:
            self.model.load_tensors(self.best_tensors)
        else:
            self._take(self.average)
        self.model.eval()

    def _epoch(self) -> dict[str, float]:
        """Go through the rest of the current epoch; returns its means, or stops half-way."""
        self.model.train()
        started, before, earlier = time.perf_counter(), self.position.seconds, self.position.epoch_seconds
        epoch = self.position.epoch + 1
        for number, phase in list(enumerate(self.phases))[self.position.phase :]:
            self._select(phase, epoch)
            with self._narrow():
                self.model.on_phase_start(
                    phase.name, self.rows, resumed=self.position.one_pass + self.position.batch > 0
                )
            for one_pass in range(self.position.one_pass, phase.passes):
                drawn = batch_order.order(len(self.rows), self.seed, epoch, phase.name, one_pass)
                order = self.model.order_batches(drawn, self.rows)
                for batch in batch_order.batches(
                    self.rows, order, self.config.batch_size, self.model.device, self.position.batch
                ):
                    self._update(batch, phase, epoch)
                    spent = time.perf_counter() - started
                    self.position = replace(
                        self.position,
                        update=self.position.update + 1,
                        batch=self.position.batch + 1,
                        seconds=before + spent,
                        epoch_seconds=earlier + spent,
                    )
                    if self.hooks.should_stop is not None and self.hooks.should_stop():
                        self.stopped = True
                        return {}
                self.position = replace(self.position, one_pass=one_pass + 1, batch=0)
            self.position = replace(self.position, phase=number + 1, one_pass=0)
        return self._means(earlier + time.perf_counter() - started)

    def _update(self, batch: Batch, phase: Phase, epoch: int) -> None:
        optimiser = self.optimisers[phase.name]
        noise = Noise(self.seed, self.position.update, batch)
        progress = TrainingProgress(epoch, self.position.update, self.planned, noise, phase.name)
        losses = self.model.losses(batch, progress)
        parts: dict[str, Tensor | float] = {}
        while True:
            with self._narrow():
                loss = next(losses, None)
            if loss is None:
                break
            optimiser.zero_grad(set_to_none=True)
            torch.autograd.backward(loss.total.mean())
            optimiser.step()
            parts = {**parts, **loss.parts} if parts else {"loss": loss.total, **loss.parts}
        self._add_up(parts, batch)

    def _narrow(self) -> torch.autocast:
        return torch.autocast(self.model.device.type, self.dtype, enabled=self.dtype != torch.float32)

    def _add_up(self, parts: dict[str, Tensor | float], batch: Batch) -> None:
        sums, arrays = self.position.sums, self.position.arrays
        for name, part in parts.items():
            if isinstance(part, Tensor) and part.ndim == 2:
                before, rows = arrays.get(name, ([0.0] * part.shape[1], 0))
                added = (np.asarray(before) + part.detach().sum(0).cpu().numpy()).tolist()
                arrays[name] = added, rows + len(batch)
                continue
            total = float(part.detach().sum()) if isinstance(part, Tensor) else part * len(batch)
            if not math.isfinite(total):
                raise TrainingError(
                    f"{self.model.name} diverged: {name} is {total} in epoch {self.position.epoch + 1}, update "
                    f"{self.position.update + 1}. Lower learning_rate (now {self.config.learning_rate:g})."
                )
            summed, rows = sums.get(name, (0.0, 0))
            sums[name] = summed + total, rows + len(batch)

    def _means(self, seconds: float) -> dict[str, float]:
        sums = self.position.sums
        rows = sums["loss"][1]
        means = self.model.summarise({name: total / of for name, (total, of) in sums.items()})
        return means | {
            "lr": self.model.learning_rate(self.position.epoch + 1),
            "examples/s": rows / max(seconds, 1e-9),
        }

    def _finish_epoch(self, values: dict[str, float]) -> None:
        epoch = self.position.epoch + 1
        due = epoch % self.config.validate_every == 0 or epoch == self.config.epochs
        self._add_to_average()
        if self.validation is not None and due:
            started = time.perf_counter()
            self.model.eval()
            with self._averaged():
                values |= self.validation.measure(self.model)
                criterion = self.validation.criterion
                self._compare(criterion.sign * values[criterion.metric], epoch)
            spent = self.position.validation_seconds + time.perf_counter() - started
            self.position = replace(self.position, validation_seconds=spent)
        arrays = {name: (np.array(sums) / of).astype(np.float32) for name, (sums, of) in self.position.arrays.items()}
        values |= self.model.summarise_arrays(arrays)
        fresh: dict[str, Any] = {"phase": 0, "one_pass": 0, "batch": 0, "epoch_seconds": 0.0, "sums": {}, "arrays": {}}
        self.position = replace(self.position, epoch=epoch, **fresh, **self._stability(values, epoch))
        if self.hooks.on_epoch is not None:
            seconds = self.position.seconds + self.position.validation_seconds
            update, unstable = self.position.update, self.position.unstable_epoch
            self.hooks.on_epoch(EpochRecord(epoch, update, seconds, values, arrays, unstable))

    def _stability(self, values: dict[str, float], epoch: int) -> dict[str, Any]:
        """Remember the losses of the first epoch, and the first epoch in which one of them is ten times as large."""
        first = self.position.first_losses or stability.losses_of(values)
        unstable = self.position.unstable_epoch or (epoch if stability.exploded(values, first) else None)
        return {"first_losses": first, "unstable_epoch": unstable}

    def _compare(self, value: float, epoch: int) -> None:
        n_validations = self.best.n_validations + 1
        if math.isnan(value):
            raise TrainingError(f"{self.model.name}: no validation user has held-out items, so no epoch can be chosen.")
        if value > self.best.value:
            self.best = Best(epoch, value, n_validations, 0)
            self.best_tensors = {name: tensor.detach().cpu().clone() for name, tensor in self.model.tensors().items()}
            if self.hooks.on_best is not None:
                self.hooks.on_best(self.model)
        else:
            counts = self.model.schedules_done(self.position.update, self.planned)
            self.best = replace(
                self.best,
                n_validations=n_validations,
                validations_without_improvement=self.best.validations_without_improvement + int(counts),
            )

    def _add_to_average(self) -> None:
        """Let the running mean of the weights move towards what they are after this epoch."""
        share = self.config.averaging
        if share == 0:
            return
        with torch.no_grad():
            for name, parameter in self.model.named_parameters():
                if name in self.average:
                    self.average[name].lerp_(parameter, 1 - share)
                else:
                    self.average[name] = parameter.detach().clone()

    @contextmanager
    def _averaged(self) -> Iterator[None]:
        """The model with the running mean for weights inside, where its settings ask for one."""
        own = {name: parameter.detach().clone() for name, parameter in self.model.named_parameters() if self.average}
        self._take(self.average)
        try:
            yield
        finally:
            self._take(own)

    def _take(self, weights: dict[str, Tensor]) -> None:
        with torch.no_grad():
            for name, parameter in self.model.named_parameters():
                if name in weights:
                    parameter.copy_(weights[name])

    def _patience_is_over(self) -> bool:
        return bool(self.best.validations_without_improvement >= self.config.patience)

    def _select(self, phase: Phase, epoch: int) -> None:
        for group in self.optimisers[phase.name].param_groups:
            group["lr"] = self.model.learning_rate(epoch)
        for name, parameter in self.model.named_parameters():
            parameter.requires_grad_(not phase.parameters or name in phase.parameters)

    def _optimiser(self, phase: Phase) -> torch.optim.Optimizer:
        """The model's optimiser for the parameters of one phase, with the L2 penalty on matrices only."""
        named = [(n, p) for n, p in self.model.named_parameters() if not phase.parameters or n in phase.parameters]
        matrices, vectors = [p for _, p in named if p.ndim > 1], [p for _, p in named if p.ndim <= 1]
        groups = [
            {"params": matrices, "weight_decay": self.config.weight_decay},
            {"params": vectors, "weight_decay": 0.0},
        ]
        return self.model.optimiser(groups)

    def _checkpoint(self, state: TrainingState) -> None:
        if self.hooks.on_checkpoint is not None:
            self.hooks.on_checkpoint(state)

    def state(self) -> TrainingState:
        """Return what a resumed training starts from; valid until the next update."""
        return TrainingState(
            self._copied(self.position),
            self.best,
            dict(self.model.training_tensors()),
            self.best_tensors,
            {name: optimiser.state_dict() for name, optimiser in self.optimisers.items()},
            self.facts,
            self.average,
        )

    @staticmethod
    def _copied(position: Position) -> Position:
        return replace(position, sums=dict(position.sums), arrays=dict(position.arrays))

    def _restore(self, state: TrainingState) -> None:
        self.position, self.best = self._copied(state.position), state.best
        self.best_tensors = state.best_tensors
        self.average = {name: tensor.to(self.model.device).clone() for name, tensor in state.average.items()}
        for name, optimiser in self.optimisers.items():
            if name in state.optimisers:
                optimiser.load_state_dict(state.optimisers[name])
