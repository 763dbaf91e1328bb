"""Packed sequences, a gated recurrent unit over them, and the loss of next items in chunks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from recdash.models.batch import Batch

POSITIONS_PER_CHUNK = 1024  # rows of logits in memory at once
_ROW_MULTIPLE = 256
_CUDNN_GRU = 3  # cudnnRNNMode_t of a GRU


@dataclass(frozen=True, eq=False)
class PackedSequences:
    """Positions of a batch ordered by time step: step t has position t of every sequence longer than t.

    Attributes:
        entries: (positions,) index of each position among the batch's entries.
        rows: (positions,) row of each position.
        sizes: Sequences alive at each step, never increasing.
        order: (sequences,) rows by decreasing length.
    """

    entries: Tensor
    rows: Tensor
    sizes: tuple[int, ...]
    order: Tensor

    @classmethod
    def of(cls, batch: Batch, lengths: NDArray[np.int64]) -> PackedSequences:
        """Pack the first `lengths[r]` entries of each row r; lengths: (rows,)."""
        starts = batch.offsets.cpu().numpy()[:-1]
        order = np.argsort(-lengths, kind="stable")
        by_length = lengths[order]
        steps = int(by_length[0]) if len(by_length) else 0
        sizes = len(by_length) - np.searchsorted(by_length[::-1], np.arange(steps), side="right")
        slots = np.arange(int(sizes.sum())) - np.repeat(np.cumsum(sizes) - sizes, sizes)  # (positions,) within a step
        rows = order[slots]  # (positions,)
        entries = starts[rows] + np.repeat(np.arange(steps), sizes)  # (positions,)
        device = batch.items.device
        tensors = [torch.from_numpy(part).to(device) for part in (entries, rows, order)]
        return cls(tensors[0], tensors[1], tuple(sizes.tolist()), tensors[2])

    @cached_property
    def previous(self) -> Tensor:
        """Index of the position before each one in its sequence, (positions,); -1 at the start."""
        sizes = np.array(self.sizes, np.int64)  # an empty tuple would be float64
        starts = np.cumsum(sizes) - sizes
        previous_starts = np.concatenate([[-1], starts[:-1]])  # (steps,)
        slots = np.arange(int(sizes.sum())) - np.repeat(starts, sizes)
        previous = np.where(np.repeat(starts, sizes) == 0, -1, np.repeat(previous_starts, sizes) + slots)
        return torch.from_numpy(previous).to(self.entries.device)

    @cached_property
    def ends(self) -> Tensor:
        """Index of the last position of each sequence, (sequences,) in the batch's order; -1 for an empty one."""
        sizes = np.array(self.sizes, np.int64)
        starts = np.cumsum(sizes) - sizes
        slots = np.arange(len(self.order))  # (sequences,) index by decreasing length, the same in every step
        lengths = np.searchsorted(-sizes, -slots)  # (sequences,)
        last = np.append(starts, 0)[lengths - 1] + slots
        out = torch.empty(len(self.order), dtype=torch.int64, device=self.entries.device)
        out[self.order] = torch.from_numpy(np.where(lengths > 0, last, -1)).to(self.entries.device)
        return out


def pad_rows(rows: Tensor, fill: float = 0) -> Tensor:
    """Pad rows up to a multiple of 256 where products are computed in bfloat16; otherwise return them unchanged.

    Every batch of sequences has another number of positions, and oneDNN compiles a bfloat16 product anew for every new
    size: half a millisecond, more than most products here take.

    Args:
        rows: (rows, ...).
        fill: Value of the padding.

    Returns:
        (rows rounded up, ...).
    """
    if rows.dtype != torch.bfloat16 and not torch.is_autocast_enabled(rows.device.type):
        return rows
    return nn.functional.pad(rows, (0, 0) * (rows.ndim - 1) + (0, -len(rows) % _ROW_MULTIPLE), value=fill)


class _ForwardStep(NamedTuple):
    """Views of one time step; R sequences are alive in it, W is the width of the state."""

    gates: Tensor  # (R, 3W): reset gate, update gate, hidden part of the candidate
    reset_update: Tensor  # (R, 2W)
    reset: Tensor  # (R, W)
    update: Tensor  # (R, W)
    candidate_hidden: Tensor  # (R, W)
    input_reset_update: Tensor  # (R, 2W)
    input_candidate: Tensor  # (R, W)
    candidate: Tensor  # (R, W)
    state: Tensor  # (R, W)


class _BackwardStep(NamedTuple):
    """Views of one time step of the backward pass; R and W as in `_ForwardStep`."""

    factors: Tensor  # (R, 3, W): derivative of each gate's input with respect to the new state
    gate_gradient: Tensor  # (R, 3, W)
    state_gradient: Tensor  # (R, W)
    update: Tensor  # (R, W)


class _Gru(torch.autograd.Function):
    """The recurrence with its gradient written out: one small product per step, the weight gradient in one at the end.

    The gradient of each gate's input is a factor times the gradient of the new state. The factors of all steps are
    computed together, so that a backward step is one elementwise and one matrix product.

    P positions of all sequences, ordered by time step; R sequences are alive in a step; W is the width of the state.
    """

    @staticmethod
    def forward(
        ctx: Any, inputs: Tensor, weight: Tensor, bias: Tensor, packed: PackedSequences, dtype: torch.dtype
    ) -> Tensor:
        width, sizes = weight.shape[1], list(packed.sizes)
        weight_t = weight.t().contiguous()  # (3W, W) -> (W, 3W)
        states = inputs.new_empty(len(inputs), width)  # (P, W)
        candidates = torch.empty_like(states)  # (P, W)
        gates = inputs.new_empty(len(inputs), 3 * width)  # (P, 3W)
        hidden = inputs.new_zeros(max(sizes, default=0), width)  # (R, W) of the first step, the longest
        steps = map(  # all views are made before the loop: nine slicings in every step would be slow
            _ForwardStep,
            torch.split(gates, sizes),
            torch.split(gates[:, : 2 * width], sizes),
            torch.split(gates[:, :width], sizes),
            torch.split(gates[:, width : 2 * width], sizes),
            torch.split(gates[:, 2 * width :], sizes),
            torch.split(inputs[:, : 2 * width], sizes),
            torch.split(inputs[:, 2 * width :], sizes),
            torch.split(candidates, sizes),
            torch.split(states, sizes),
        )
        with _single_thread():
            for step in steps:
                hidden = hidden[: len(step.state)]  # (R of the step before, W) -> (R, W): ended sequences drop out
                torch.addmm(bias, hidden, weight_t, out=step.gates)  # (R, W) @ (W, 3W) -> (R, 3W)
                step.reset_update.add_(step.input_reset_update).sigmoid_()
                torch.addcmul(step.input_candidate, step.reset, step.candidate_hidden, out=step.candidate)
                step.candidate.tanh_()
                hidden = torch.lerp(step.candidate, hidden, step.update, out=step.state)
        ctx.save_for_backward(weight, states, gates, candidates)
        ctx.packed, ctx.dtype = packed, dtype
        return states

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        weight, states, gates, candidates = ctx.saved_tensors
        width, sizes = weight.shape[1], list(ctx.packed.sizes)
        reset, update, candidate_hidden = torch.split(gates, width, dim=1)  # (P, 3W) -> 3 x (P, W)
        previous = torch.cat([states.new_zeros(1, width), states])[ctx.packed.previous + 1]  # (P + 1, W) -> (P, W)
        to_candidate = (1 - update) * (1 - candidates.square())
        to_reset = to_candidate * candidate_hidden * reset * (1 - reset)
        to_update = (previous - candidates) * update * (1 - update)
        factors = torch.stack([to_reset, to_update, to_candidate * reset], 1)  # 3 x (P, W) -> (P, 3, W)
        gate_gradients = torch.empty_like(factors)  # (P, 3, W)
        state_gradients = gradients[0].clone(memory_format=torch.contiguous_format)  # (P, W)
        carried = state_gradients.new_zeros(0, width)  # gradient from the step after, (R of that step, W)
        steps = map(
            _BackwardStep,
            reversed(torch.split(factors, sizes)),
            reversed(torch.split(gate_gradients, sizes)),
            reversed(torch.split(state_gradients, sizes)),
            reversed(torch.split(update, sizes)),
        )
        with _single_thread():
            for step in steps:
                step.state_gradient[: len(carried)].add_(carried)
                torch.mul(step.state_gradient[:, None], step.factors, out=step.gate_gradient)  # (R, 1, W) -> (R, 3, W)
                flat = step.gate_gradient.view(len(step.gate_gradient), -1)  # (R, 3, W) -> (R, 3W)
                carried = torch.addmm(step.state_gradient * step.update, flat, weight)  # (R, 3W) @ (3W, W) -> (R, W)
        hidden_side = gate_gradients.view(len(gate_gradients), -1)  # (P, 3, W) -> (P, 3W)
        input_side = hidden_side.clone()  # the same but for the candidate, whose input the reset gate does not scale
        input_side[:, 2 * width :] = state_gradients * to_candidate
        # (3W, P) @ (P, W) -> (3W, W)
        weight_gradient = pad_rows(hidden_side.to(ctx.dtype)).t() @ pad_rows(previous.to(ctx.dtype))
        return input_side, weight_gradient.float(), hidden_side.sum(0), None, None


@contextmanager
def _single_thread() -> Iterator[None]:
    """Use one thread: the products of a step are so small that waking a second thread costs more than it saves."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


class Gru(nn.Module):
    """One layer of gated recurrent units over packed sequences (Cho et al., EMNLP 2014; gates as in PyTorch's GRU)."""

    def __init__(self, width_in: int, width: int) -> None:
        super().__init__()
        self.weight_ih = nn.Parameter(torch.empty(3 * width, width_in))
        self.weight_hh = nn.Parameter(torch.empty(3 * width, width))
        self.bias_ih = nn.Parameter(torch.empty(3 * width))
        self.bias_hh = nn.Parameter(torch.empty(3 * width))

    def forward(self, inputs: Tensor, packed: PackedSequences) -> Tensor:
        """Return the state after each position.

        Args:
            inputs: (positions, width_in).
            packed: Order of the positions.

        Returns:
            (positions, width) float32.
        """
        if inputs.is_cuda and packed.sizes:
            with torch.autocast("cuda", enabled=False):
                return self._on_gpu(inputs.float(), packed)
        # (positions, width_in) -> (positions, 3 * width), for all steps in one product
        projected = nn.functional.linear(pad_rows(inputs), self.weight_ih, self.bias_ih)[: len(inputs)]
        with torch.autocast(inputs.device.type, enabled=False):  # the recurrence itself runs in single precision
            states: Tensor = _Gru.apply(  # type: ignore[no-untyped-call]
                projected.float(), self.weight_hh, self.bias_hh, packed, projected.dtype
            )
        return states

    def _apply(self, fn: Any, recurse: bool = True) -> Self:
        """Put the weights into one chunk of memory after a move, as cuDNN requires."""
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        weights = self._weights()
        if weights[0].is_cuda and torch.backends.cudnn.is_acceptable(weights[0]):  # type: ignore[no-untyped-call]
            with torch.no_grad(), torch.cuda.device_of(weights[0]):  # type: ignore[no-untyped-call]
                torch._cudnn_rnn_flatten_weight(  # as torch.nn.GRU does
                    weights,
                    len(weights),
                    self.weight_ih.shape[1],
                    _CUDNN_GRU,
                    len(self.bias_hh) // 3,
                    0,
                    1,
                    False,
                    False,
                )
        return self

    def _weights(self) -> list[Tensor]:
        return [self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh]

    def _on_gpu(self, inputs: Tensor, packed: PackedSequences) -> Tensor:
        """Compute the same with cuDNN, which does all steps in one call."""
        initial = inputs.new_zeros(1, packed.sizes[0], self.weight_hh.shape[1])
        sizes = torch.tensor(packed.sizes)
        states: Tensor = torch.gru(inputs, sizes, initial, self._weights(), True, 1, 0.0, self.training, False)[0]
        return states


def _chunked_nll(
    hidden: Tensor, weight: Tensor, bias: Tensor, targets: Tensor, position_weights: Tensor, dtype: torch.dtype
) -> tuple[Tensor, list[Tensor]]:
    """Negative log-likelihoods, (P,), and the gradients of their weighted sum by hidden, weight and bias.

    Works on chunks of C positions, so that only a part of the logits (P, items) is ever in memory.
    P positions, W width of the hidden layer, K targets per position.
    """
    nll = hidden.new_zeros(len(hidden), dtype=torch.float32)  # (P,)
    hidden_gradient = torch.empty_like(hidden)  # (P, W)
    weight_gradient, bias_gradient = torch.zeros_like(weight), torch.zeros_like(bias)  # (items, W) and (items,)
    weight_cast, bias_cast = weight.to(dtype), bias.to(dtype)
    is_target = targets >= 0  # (P, K)
    n_targets, target_items = is_target.sum(1), targets.clamp(min=0)  # (P,) and (P, K)
    target_gradient = -(is_target / n_targets.clamp(min=1)[:, None]).to(dtype)  # (P, K)
    row_starts = torch.arange(POSITIONS_PER_CHUNK, device=hidden.device)[:, None] * len(weight)  # (C, 1)
    scale = (n_targets * position_weights)[:, None].to(dtype)  # (P, 1)
    for start in range(0, len(hidden), POSITIONS_PER_CHUNK):
        chunk = slice(start, start + POSITIONS_PER_CHUNK)
        part = hidden[chunk].to(dtype)  # (C, W)
        # softmax keeps the data type of the logits: asking for another one is eight times slower
        probabilities = torch.softmax(nn.functional.linear(part, weight_cast, bias_cast), 1)  # (C, W) -> (C, items)
        of_targets = probabilities.gather(1, target_items[chunk]).float().clamp(min=1e-38)  # (C, K)
        nll[chunk] = (-of_targets.log() * is_target[chunk]).sum(1)
        cells = (row_starts[: len(part)] + target_items[chunk]).flatten()  # (C * K,) cells of (C, items)
        residual = probabilities  # softmax minus the targets' share, computed in place
        residual.view(-1).index_add_(0, cells, target_gradient[chunk].flatten())  # scatter_add_ copies it all twice
        hidden_gradient[chunk] = (residual @ weight_cast) * scale[chunk]  # (C, items) @ (items, W) -> (C, W)
        weight_gradient += residual.t() @ (part * scale[chunk])  # (items, C) @ (C, W) -> (items, W)
        bias_gradient += (scale[chunk].t() @ residual)[0]  # (1, C) @ (C, items) -> (items,)
    return nll, [hidden_gradient, weight_gradient, bias_gradient]


class _NextItemNll(torch.autograd.Function):
    """Negative log-likelihood of a few softmax targets per position, without all logits in memory.

    The forward pass computes the gradients too, for the weights that `position_weights` announces, and `backward` only
    scales them. If the positions turn out to be weighted otherwise, `backward` computes them again.
    """

    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        weight: Tensor,
        bias: Tensor,
        targets: Tensor,
        position_weights: Tensor,
        dtype: torch.dtype,
    ) -> Tensor:
        with torch.autocast(hidden.device.type, enabled=False):  # on CUDA it would widen some of the chosen data types
            nll, slopes = _chunked_nll(hidden, weight, bias, targets, position_weights, dtype)
        ctx.save_for_backward(hidden, weight, bias, targets, position_weights, *slopes)
        ctx.dtype = dtype
        return nll

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,) = gradients  # (P,)
        hidden, weight, bias, targets, position_weights, *slopes = ctx.saved_tensors
        scale = (gradient * position_weights).sum() / position_weights.square().sum().clamp(min=1e-30)  # ()
        expected = scale * position_weights  # (P,)
        tolerance = 1e-4 * expected.abs() + 1e-6 * gradient.abs().max()
        if bool(((gradient - expected).abs() <= tolerance).all()):
            slopes = [slope * scale for slope in slopes]
        else:
            _, slopes = _chunked_nll(hidden, weight, bias, targets, gradient, ctx.dtype)
        return *slopes, None, None, None


def next_item_nll(
    last: nn.Linear, hidden: Tensor, targets: Tensor, position_weights: Tensor, dtype: torch.dtype
) -> Tensor:
    """Return the negative log-likelihood of each position's targets, in nats.

    Args:
        last: Output layer over all items.
        hidden: (positions, width).
        targets: (positions, k) item indices, -1 for none.
        position_weights: (positions,) weight of each position in the total; with others the gradient is right too, but
            takes twice the time.
        dtype: Data type of the products.

    Returns:
        (positions,) float32.
    """
    nll: Tensor = _NextItemNll.apply(  # type: ignore[no-untyped-call]
        pad_rows(hidden), last.weight, last.bias, pad_rows(targets, -1), pad_rows(position_weights), dtype
    )
    return nll[: len(hidden)]
