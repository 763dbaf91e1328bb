"""SVAE's loss and all its gradients in one pass on the processor.

The steps of the recurrence are small products, one after the other, which a single thread computes. Everything after
the recurrence is computed in chunks of positions as soon as their states are known, by the other threads meanwhile; the
weight gradients are computed while the recurrence runs backwards. The result does not depend on the number of threads:
each job writes to a place of its own.

P positions of all sequences, ordered by time step; C positions of a chunk; W width of the state; H of the layers around
the latent layer, whose width is Z; K targets per position; U different items among the positions.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import linear, pad

from recdash.models.gru import PackedSequences, Recurrence
from recdash.models.job_queue import JobQueue
from recdash.models.losses import normal_kl_by_dimension
from recdash.models.next_item_loss import (
    POSITIONS_PER_CHUNK,
    PaddedLayer,
    Targets,
    chunk_sizes,
    is_multiple,
    residual_chunk,
)

_ROW_MULTIPLE = 64  # oneDNN compiles a bfloat16 product anew for every new number of rows
_COLUMNS_PER_JOB = 512  # of the output layer, whose gradient is computed in blocks


class StepWeights(NamedTuple):
    """All weights but the item embeddings, as `torch.nn.Linear` stores them; E is the width of an embedding."""

    input: Tensor  # (3W, E)
    input_bias: Tensor  # (3W,)
    recurrent: Tensor  # (3W, W)
    recurrent_bias: Tensor  # (3W,)
    down: Tensor  # (H, W)
    down_bias: Tensor  # (H,)
    posterior: Tensor  # (2Z, H)
    posterior_bias: Tensor  # (2Z,)
    up: Tensor  # (H, Z)
    up_bias: Tensor  # (H,)
    last: Tensor  # (items, H)
    last_bias: Tensor  # (items,)


@dataclass(frozen=True, eq=False)
class StepData:
    """What a step reads besides the weights.

    Attributes:
        packed: Order of the positions.
        occurrences: (P,) index of each position's item among the different items.
        noise: (P, Z) standard normal.
        targets: (P, K) item indices, -1 for none.
        sd_factor: The standard deviation is exp(sd_factor * second output of the encoder).
        dtype: Data type of the products after the recurrence.
    """

    packed: PackedSequences
    occurrences: Tensor
    noise: Tensor
    targets: Tensor
    sd_factor: float
    dtype: torch.dtype


class _Step:
    """One pass: likelihood, KL divergence and the gradients of their weighted sum.

    Args:
        embedded: (U, E) float32 embeddings of the different items.
        weights: All other weights.
        data: Other inputs.
        nll_weights: (P,) weight of each position's likelihood.
        kl_weights: (P, Z) weight of each position's KL divergence.
    """

    def __init__(
        self, embedded: Tensor, weights: StepWeights, data: StepData, nll_weights: Tensor, kl_weights: Tensor
    ) -> None:
        dtype, self.positions, self.sd_factor = data.dtype, len(data.targets), data.sd_factor
        self.occurrences, self.most, self.gathered = data.occurrences, max(data.packed.sizes), 0
        multiple = _ROW_MULTIPLE if dtype == torch.bfloat16 else 1
        missing = -self.positions % multiple
        self.padded = self.positions + missing  # rows of all that follows, called P too; the added ones are zeros
        width, hidden, latent = weights.recurrent.shape[1], len(weights.down), weights.up.shape[1]
        # each item's part of the gates is computed once, however often the item occurs
        self.n_items = len(embedded)
        self.embedded = pad(embedded.to(dtype), (0, 0, 0, -len(embedded) % multiple))  # (U, E)
        self.of_items = embedded.new_empty(len(self.embedded), 3 * width)  # (U, 3W)
        self.embedded_gradient = torch.empty_like(self.embedded)
        self.inputs = embedded.new_empty(self.positions, 3 * width)  # (P, 3W)
        self.recurrence = Recurrence(self.inputs, weights.recurrent, weights.recurrent_bias, data.packed)
        self.recurrence.prepare_backward()
        self.cast = StepWeights(*(tensor.to(dtype) for tensor in weights))
        self.layer = PaddedLayer.of(weights.last, weights.last_bias, dtype)
        self.targets = Targets.of(
            pad(data.targets, (0, 0, 0, missing), value=-1), pad(nll_weights, (0, missing)), dtype
        )
        self.noise, self.kl_weights = pad(data.noise, (0, 0, 0, missing)), pad(kl_weights, (0, 0, 0, missing))
        # the inputs of each layer and the gradients of its outputs, from which its weight gradient is computed
        self.states = self._zeros(width)
        self.before, self.latent = self._zeros(hidden), self._zeros(latent)
        self.after = self.layer.empty_inputs(self.padded)
        self.of_down, self.of_posterior, self.of_up = self._zeros(hidden), self._zeros(2 * latent), self._zeros(hidden)
        self.weighted_after = torch.empty_like(self.after)
        self.of_hidden, self.previous = self._zeros(3 * width), self._zeros(width)
        self.nll, self.kl = embedded.new_empty(self.padded), embedded.new_empty(self.padded, latent)
        self.found: dict[str, Tensor] = {}
        self.layer_gradient = torch.zeros_like(self.layer.weight, dtype=torch.float32)  # (columns, inputs)
        self.group, self.chunk = chunk_sizes(self.layer, self.padded)
        self.residuals = self.layer.empty_logits(self.group)

    def _zeros(self, width: int) -> Tensor:
        return self.cast.down.new_zeros(self.padded, width)

    def run(self) -> None:
        """Compute everything."""
        with JobQueue(-(-self.padded // self.chunk)) as jobs:
            for part in _parts(0, len(self.embedded), POSITIONS_PER_CHUNK):
                jobs.put(partial(self._input_rows, part))
            for group in _parts(0, self.padded, self.group):
                jobs.join()  # after this the items' part of the gates is known, or the residuals are no longer needed
                for part in _parts(group.start, group.stop, self.chunk):
                    self._forward_to(self._real(part).stop)
                    jobs.put(partial(self._chunk, part, group.start))
                jobs.join()
                for columns in _parts(0, len(self.layer.weight), _COLUMNS_PER_JOB):
                    jobs.put(partial(self._layer_columns, columns, group))
            for name, gradient, read in (
                ("down", self.of_down, self.states),
                ("posterior", self.of_posterior, self.before),
                ("up", self.of_up, self.latent),
            ):
                jobs.put(partial(self._weight_gradient, name, gradient, read))
            self.recurrence.backward()
            for part in _parts(0, self.positions, self.chunk):
                jobs.put(partial(self._finish, part))
            jobs.join()
            self._input_gradients(jobs)
            jobs.join()

    def _forward_to(self, stop: int) -> None:
        """Compute the states up to a position, and those of the rest of its time step."""
        part = slice(self.gathered, min(stop + self.most, self.positions))
        torch.index_select(self.of_items, 0, self.occurrences[part], out=self.inputs[part])
        self.gathered = part.stop
        self.recurrence.forward_to(stop)

    def _real(self, part: slice) -> slice:
        """Return positions without the added rows."""
        return slice(min(part.start, self.positions), min(part.stop, self.positions))

    def _input_rows(self, part: slice) -> None:
        self.of_items[part] = linear(self.embedded[part], self.cast.input, self.cast.input_bias)  # (C, E) -> (C, 3W)

    def _finish(self, part: slice) -> None:
        self.recurrence.finish(part, self.of_hidden, self.previous)

    def _input_gradients(self, jobs: JobQueue) -> None:
        """Compute the gradients of the recurrent weights, the input weights and the embeddings."""
        jobs.put(partial(self._weight_gradient, "recurrent", self.of_hidden, self.previous))
        # sums over all positions of an item, (P, 3W) -> (U, 3W)
        of_items = torch.ops.aten.embedding_dense_backward(
            self.recurrence.input_gradients, self.occurrences, len(self.embedded), -1, False
        ).to(self.embedded.dtype)
        jobs.put(partial(self._weight_gradient, "input", of_items, self.embedded))
        for part in _parts(0, len(self.embedded), POSITIONS_PER_CHUNK):
            # (C, 3W) @ (3W, E) -> (C, E)
            jobs.put(partial(torch.mm, of_items[part], self.cast.input, out=self.embedded_gradient[part]))

    def _chunk(self, part: slice, group_start: int) -> None:
        """Compute everything after the recurrence for C positions, and its gradient by their states."""
        cast, layer, recurrence = self.cast, self.layer, self.recurrence
        real = self._real(part)
        self.states[real] = recurrence.states[real]
        before = torch.tanh(linear(self.states[part], cast.down, cast.down_bias), out=self.before[part])  # (C, H)
        # (C, H) -> (C, 2Z) -> 2 x (C, Z)
        mu, raw = linear(before, cast.posterior, cast.posterior_bias).float().chunk(2, dim=1)
        deviation = torch.exp(self.sd_factor * raw).mul_(self.noise[part])  # (C, Z)
        self.latent[part] = mu + deviation
        self.kl[part] = normal_kl_by_dimension(mu, raw)
        after = torch.tanh_(linear(self.latent[part], cast.up, cast.up_bias))  # (C, Z) -> (C, H)
        self.after[part, : layer.width] = after
        targets = self.targets[part]
        torch.mul(self.after[part], targets.scale.to(after.dtype), out=self.weighted_after[part])
        residual = self.residuals[part.start - group_start : part.stop - group_start]  # (C, columns)
        self.nll[part] = residual_chunk(layer, self.after[part], targets, layer.empty_logits(len(residual)), residual)
        # backwards: the gradient of each layer's output before its tanh
        of_after = (residual @ layer.weight)[:, : layer.width] * targets.scale  # (C, columns) -> (C, H) float32
        self.of_up[part] = _through_tanh(of_after, after)
        of_latent = (self.of_up[part] @ cast.up).float()  # (C, H) @ (H, Z) -> (C, Z)
        weight = self.kl_weights[part]
        latent_width = mu.shape[1]
        self.of_posterior[part, :latent_width] = torch.addcmul(of_latent, weight, mu)
        of_raw = of_latent.mul_(deviation).mul_(self.sd_factor)
        self.of_posterior[part, latent_width:] = of_raw.addcmul_(weight, raw.exp() - 1, value=0.5)
        of_before = self.of_posterior[part] @ cast.posterior  # (C, 2Z) @ (2Z, H) -> (C, H)
        self.of_down[part] = _through_tanh(of_before, before)
        of_states = self.of_down[part] @ cast.down  # (C, H) @ (H, W) -> (C, W)
        recurrence.state_gradients[real] = of_states[: real.stop - real.start]
        recurrence.compute_factors(real)

    def _layer_columns(self, columns: slice, group: slice) -> None:
        """Add a group's part of the gradient of some columns of the output layer."""
        residuals = self.residuals[: group.stop - group.start, columns]  # (G, columns of the job)
        # (columns, G) @ (G, inputs) -> (columns, inputs)
        self.layer_gradient[columns] += residuals.t() @ self.weighted_after[group]

    def _weight_gradient(self, name: str, gradient: Tensor, read: Tensor) -> None:
        """Compute the gradients of a layer from those of its outputs (P, out) and its inputs (P, in)."""
        self.found[name] = (gradient.t() @ read).float()  # (out, P) @ (P, in) -> (out, in)
        self.found[f"{name}_bias"] = gradient.sum(0, dtype=torch.float32)

    def gradients(self) -> list[Tensor]:
        """Return the gradients of the embeddings and of all other weights, after `run`."""
        embedded = self.embedded_gradient[: self.n_items].float()
        weights = [self.found[name] for name in StepWeights._fields[:-2]]
        return [embedded, *weights, *self.layer.split(self.layer_gradient)]


def _parts(start: int, stop: int, size: int) -> Iterator[slice]:
    for begin in range(start, stop, size):
        yield slice(begin, min(begin + size, stop))


def _through_tanh(gradient: Tensor, output: Tensor) -> Tensor:
    return torch.addcmul(gradient, gradient, output.square(), value=-1)


class _StepFunction(torch.autograd.Function):
    """`_Step` as an operation; `backward` scales its gradients, or repeats it if positions are weighted otherwise."""

    @staticmethod
    def forward(
        ctx: Any, embedded: Tensor, nll_weights: Tensor, kl_weights: Tensor, data: StepData, *weights: Tensor
    ) -> tuple[Tensor, Tensor]:
        with torch.autocast("cpu", enabled=False):
            step = _Step(embedded, StepWeights(*weights), data, nll_weights, kl_weights)
            step.run()
        ctx.found, ctx.data = step.gradients(), data
        ctx.save_for_backward(embedded, nll_weights, kl_weights, *weights)
        return step.nll[: step.positions].clone(), step.kl[: step.positions].clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        of_nll, of_kl = gradients  # (P,) and (P, Z)
        embedded, nll_weights, kl_weights, *weights = ctx.saved_tensors
        scale = (of_nll * nll_weights).sum() / nll_weights.square().sum().clamp(min=1e-30)  # ()
        if is_multiple(of_nll, scale * nll_weights) and is_multiple(of_kl, scale * kl_weights):
            found = [gradient * scale for gradient in ctx.found]
        else:
            step = _Step(embedded, StepWeights(*weights), ctx.data, of_nll, of_kl)
            step.run()
            found = step.gradients()
        return found[0], None, None, None, *found[1:]


def nll_and_kl(
    embedded: Tensor, weights: StepWeights, data: StepData, nll_weights: Tensor, kl_weights: Tensor
) -> tuple[Tensor, Tensor]:
    """Return negative log-likelihoods and KL divergences of all positions, with their gradients ready.

    Args:
        embedded: (U, E) float32 embeddings of the different items.
        weights: All other weights.
        data: Other inputs.
        nll_weights: (P,) weight that each position's likelihood will have in the total; with others the gradient is
            right too, but takes twice the time.
        kl_weights: (P, Z) weight of each position's KL divergence.

    Returns:
        (P,) nats, and (P, Z) nats by latent dimension.
    """
    nll, kl = _StepFunction.apply(embedded, nll_weights, kl_weights, data, *weights)  # type: ignore[no-untyped-call]
    return nll, kl
