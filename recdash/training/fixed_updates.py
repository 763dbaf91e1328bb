"""`FixedUpdates`: updates of fixed shapes that stay on a GPU, recorded once per phase and repeated with one call.

The host uploads the order of a pass, the keys of its random numbers and the values of its schedules; a counter on the
device selects those of the next update. Losses are added up there, too (`recdash.training.loss_sums`).
"""

from __future__ import annotations

import itertools
import logging
import math
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recdash import environment
from recdash.data.histories import Histories
from recdash.models.base import GradientModel, Phase, TrainingProgress
from recdash.models.batch import Batch, batch_bounds
from recdash.models.counter_noise import CounterNoise, noise_keys
from recdash.models.dense_products import PaddedOutputs
from recdash.training import cuda_graph
from recdash.training.cuda_graph import GraphRecorder, Replay
from recdash.training.descent import Share, descend, fits
from recdash.training.device_rows import DeviceRows
from recdash.training.loss_sums import Divergence, LossSums
from recdash.training.state import Position
from recdash.training.update_check import SavedUpdate, agree, slopes_of, state_of, tensors_in, trained

_MAX_SCHEDULES = 4
_log = logging.getLogger(__name__)

Schedule = Callable[[int, int], float]


class UnsuitableUpdateError(Exception):
    """The updates of a model cannot be computed with fixed shapes; nothing has changed."""


class FixedProgress(TrainingProgress):
    """Progress of which the epoch and the update are known to the device only.

    Args:
        planned_updates, noise, phase: As for `TrainingProgress`.
        values: (schedules,) values of the schedules at this update.
        schedules: The schedules in the order in which they are asked for; new ones are appended.
    """

    _values: Tensor
    _schedules: list[Schedule]
    _numbers: itertools.count[int]

    def __init__(
        self, planned_updates: int, noise: CounterNoise, phase: str, values: Tensor, schedules: list[Schedule]
    ) -> None:
        own = {"planned_updates": planned_updates, "noise": noise, "phase": phase}
        vars(self).update(own, _values=values, _schedules=schedules, _numbers=itertools.count())

    def scheduled(self, schedule: Schedule) -> Tensor:
        """Return the value of a schedule at this update, ()."""
        number = next(self._numbers)
        if number == len(self._schedules):
            self._schedules.append(schedule)
        return self._values[number]


class FixedUpdates:
    """Updates of one training, in the order `begin_phase`, `begin_pass`, `step` for each batch, and `finish_phase`.

    Args:
        model: On the device; its weights change.
        rows: Training rows.
        optimisers: By the name of the phase.
        seed: Seed of the noise.
        dtype: Data type of matrix products.
        planned_updates: Updates of the whole training.
        recorder: Records updates; None calls them directly.
    """

    def __init__(
        self,
        model: GradientModel,
        rows: Histories,
        optimisers: dict[str, torch.optim.Optimizer],
        *,
        seed: int,
        dtype: torch.dtype,
        planned_updates: int,
        recorder: GraphRecorder | None,
    ) -> None:
        self.model, self._optimisers, self._seed, self._dtype = model, optimisers, seed, dtype
        self._host_rows, self._planned_updates, self._recorder = rows, planned_updates, recorder
        device = model.device
        self._rows = DeviceRows(rows, device, dtype)
        self._bounds = batch_bounds(len(rows), model.config.batch_size)
        self._n_batches = len(self._bounds) - 1

        def integers(size: int) -> Tensor:
            return torch.zeros(size, dtype=torch.int64, device=device)

        # What a recorded update reads stays where it is and is written anew for each pass.
        self._order, self._starts = integers(len(rows)), torch.from_numpy(self._bounds[:-1].copy()).to(device)
        self._keys, self._slots = integers(self._n_batches), integers(self._n_batches)
        self._next = integers(1)  # number of the next batch
        self._values = torch.zeros(self._n_batches, _MAX_SCHEDULES, device=device)
        self._rate = torch.zeros((), device=device)
        self._entries = 0
        self._schedules: dict[str, list[Schedule]] = {}  # by phase
        self._sums = LossSums(device)
        self._replays: dict[tuple[object, ...], Replay | None] = {}  # None: not recorded
        self._places: tuple[int, ...] = ()

    def begin_phase(self, phase: Phase, position: Position) -> None:
        """Begin with empty sums, and take over the learning rate of the phase's optimiser."""
        self._phase, self._epoch = phase.name, position.epoch + 1
        self._sums.begin(phase.name, phase.passes * self._n_batches, position.update)
        self._rate.fill_(self._optimiser.param_groups[0]["lr"])

    def begin_pass(self, order: NDArray[np.int64], first_batch: int, update: int) -> None:
        """Upload a pass.

        Args:
            order: (rows,) rows in the order of the pass.
            first_batch: Number of the next batch.
            update: Updates done before the next batch.
        """
        self._host_order, self._first_update = order, update - first_batch
        self._order.copy_(torch.from_numpy(np.ascontiguousarray(order)))
        self._slots.copy_(torch.from_numpy(np.arange(self._n_batches) - first_batch + self._sums.done))
        self._keys.copy_(torch.from_numpy(noise_keys(self._seed, self._first_update, self._n_batches)))
        self._upload_schedules()
        self._next.fill_(first_batch)
        needed = self._rows.entries_needed(order, self._bounds)
        if needed > self._entries:
            self._entries = self._rows.padded_entries(needed)
            self._replays.clear()
        if self._replays and self._places != self._current_places():
            self._replays.clear()  # they would read tensors where these no longer are

    def step(self, batch: int) -> None:
        """Do the update of the next batch, which has this number.

        Raises:
            UnsuitableUpdateError: The first update of a phase has another result than without fixed shapes.
        """
        rows = int(self._bounds[batch + 1] - self._bounds[batch])
        if self._phase not in self._schedules:
            self._check(batch, rows)
        rate = None if cuda_graph.reads_rate_on_device(self._optimiser) else self._optimiser.param_groups[0]["lr"]
        key = self._phase, rows, rate
        if key not in self._replays:
            self._replays = {other: replay for other, replay in self._replays.items() if other[:2] != key[:2]}
            self._replays[key] = self._recorded(rows)
            self._places = self._current_places()
        replay = self._replays[key]
        if replay is None:
            self._update(rows)
        else:
            replay()
        self._sums.count(rows)

    def finish_phase(self, position: Position) -> Divergence | None:
        """Wait for the device and add the sums to a position; return the first loss that was NaN or infinite."""
        return self._sums.store(position)

    @property
    def _optimiser(self) -> torch.optim.Optimizer:
        return self._optimisers[self._phase]

    def _update(self, rows: int) -> None:
        """Do one update; everything it reads and writes is on the device."""
        batch, progress = self._next_batch(rows)
        parts = descend(self.model, self._optimiser, [Share(batch, progress)], self._forward)
        self._sums.add(parts, rows, self._slots[self._next])
        self._next.add_(1)

    def _next_batch(self, rows: int) -> tuple[Batch, FixedProgress]:
        users = self._order[self._starts[self._next] + torch.arange(rows, device=self._order.device)]  # (rows,)
        noise = CounterNoise(self._keys[self._next], rows, self._entries)
        schedules = self._schedules.setdefault(self._phase, [])
        values = self._values[self._next][0]  # (schedules,)
        progress = FixedProgress(self._planned_updates, noise, self._phase, values, schedules)
        return self._rows.batch(users, self._entries), progress

    def _forward(self) -> ExitStack:
        """Context of a forward pass."""
        stack = ExitStack()
        stack.enter_context(self._autocast())
        stack.enter_context(PaddedOutputs(self._host_rows.n_items, self._dtype))
        return stack

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.model.device.type, self._dtype, enabled=self._dtype != torch.float32)

    def _recorded(self, rows: int) -> Replay | None:
        """Record an update of so many rows, if that is possible; weights and optimiser do not change."""
        if self._recorder is None:
            return None
        update = partial(self._update, rows)
        before: SavedUpdate | None = None
        try:
            before = SavedUpdate(self._optimiser, self._next)
            with cuda_graph.recordable(self._optimiser, self._rate):
                self._recorder.warm_up(update)
                expected = [parameter.detach().clone() for parameter in trained(self._optimiser)]
                before.restore()
                self._optimiser.zero_grad(set_to_none=True)
                replay = self._recorder.record(update)
            replay()
            if before.has_moved_to(expected):
                return replay
            reason = "its result differs"
        except Exception as error:  # what cannot be recorded fails in many ways, and the update works without it
            reason = str(error).partition("\n")[0]
        finally:
            self._optimiser.zero_grad(set_to_none=True)
            if before is not None:
                before.restore()
        _log.warning("%s: an update cannot be recorded on %s: %s", self.model.name, self.model.device, reason)
        self._recorder = None
        self._replays.clear()
        return None

    def _current_places(self) -> tuple[int, ...]:
        """Return where the tensors are that updates read."""
        if self._recorder is None:
            return ()
        states = [state_of(optimiser) for optimiser in self._optimisers.values()]
        found = [
            *self.model.parameters(),
            *self.model.buffers(),
            *tensors_in([list(vars(self.model).values()), states]),
        ]
        return self._recorder.addresses(found)

    def _upload_schedules(self) -> None:
        updates = range(self._first_update, self._first_update + self._n_batches)
        for number, schedule in enumerate(self._schedules.get(self._phase, ())):
            values = [schedule(update, self._planned_updates) for update in updates]
            self._values[:, number].copy_(torch.tensor(values))

    def _check(self, batch: int, rows: int) -> None:
        """Compute the next loss and its gradients with and without fixed shapes, and compare them.

        Raises:
            UnsuitableUpdateError: They differ, or one of them cannot be computed.
        """
        try:
            with torch.no_grad(), self._forward():
                next(self.model.losses(*self._next_batch(rows)))  # names the schedules
            self._upload_schedules()
            found = slopes_of(self.model, self._optimiser, *self._next_batch(rows), self._forward())
            expected = slopes_of(self.model, self._optimiser, *self._unpadded_batch(batch), self._autocast())
            if math.isfinite(expected[0]) and not agree(found, expected):
                raise UnsuitableUpdateError("its loss or its gradients differ")
        except Exception as error:  # models may do anything in their losses, and they work without fixed shapes
            self._schedules.pop(self._phase, None)
            raise UnsuitableUpdateError(str(error).partition("\n")[0]) from error

    def _unpadded_batch(self, batch: int) -> tuple[Batch, TrainingProgress]:
        """Return a batch without padding, with the same random numbers."""
        users = self._host_order[self._bounds[batch] : self._bounds[batch + 1]]
        found = Batch.of(self._host_rows.take(users), self.model.device, users)
        noise = CounterNoise(self._keys[batch : batch + 1], len(found), len(found.items))
        update = self._first_update + batch
        return found, TrainingProgress(self._epoch, update, self._planned_updates, noise, self._phase)


def for_training(
    model: GradientModel,
    rows: Histories,
    optimisers: dict[str, torch.optim.Optimizer],
    *,
    seed: int,
    dtype: torch.dtype,
    planned_updates: int,
) -> FixedUpdates | None:
    """Return fixed updates where a training should use them: on an NVIDIA GPU, if the model and its optimiser can.

    Args:
        model, rows, optimisers, seed, dtype, planned_updates: As for `FixedUpdates`.
    """
    if model.device.type != "cuda" or not environment.cuda_graphs() or not model.fixed_shapes or len(rows) == 0:
        return None
    if not fits(min(model.config.batch_size, len(rows)), rows.n_items, model.device):
        return None  # batches are processed in slices
    if not all(cuda_graph.is_recordable(optimiser) for optimiser in optimisers.values()):
        return None
    try:
        return FixedUpdates(
            model,
            rows,
            optimisers,
            seed=seed,
            dtype=dtype,
            planned_updates=planned_updates,
            recorder=GraphRecorder(model.device),
        )
    except (RuntimeError, AssertionError) as error:
        report_unsuitable(model, error)
        return None


def report_unsuitable(model: GradientModel, error: Exception) -> None:
    """Log why a training computes its updates without fixed shapes."""
    _log.warning("%s: updates are not recorded on %s: %s", model.name, model.device, str(error).partition("\n")[0])
