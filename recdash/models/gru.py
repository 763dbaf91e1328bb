"""Packed sequences and a gated recurrent unit over them."""

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
        previous_starts = np.concatenate([[-1], starts])[:-1]  # (steps,)
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

    factors: Tensor  # (R, 3, W): derivative of each gate's input with respect to the new state; then the gradients
    state_gradient: Tensor  # (R, W)
    update: Tensor  # (R, W)


class Recurrence:
    """The recurrence on the processor, with its gradient written out: one small product per step.

    The gradient of each gate's input is a factor times the gradient of the new state. The factors of many steps are
    computed together, so that a backward step is one elementwise and one matrix product; the gradient of the weights is
    one product of all positions at the end.

    P positions of all sequences, ordered by time step; R sequences are alive in a step; W is the width of the state.

    Args:
        inputs: (P, 3W) float32, the items' part of the gates, with its bias.
        weight: (3W, W).
        bias: (3W,).
        packed: Order of the positions.

    Attributes:
        states: (P, W) state after each position, as far as `forward_to` came.
        state_gradients: (P, W) gradient by the states, to be filled in before `backward`.
    """

    def __init__(self, inputs: Tensor, weight: Tensor, bias: Tensor, packed: PackedSequences) -> None:
        width, sizes = weight.shape[1], list(packed.sizes)
        self._width, self._sizes, self._packed, self._weight, self._bias = width, sizes, packed, weight, bias
        self._weight_t = weight.t().contiguous()  # (3W, W) -> (W, 3W)
        self._with_initial = inputs.new_empty(len(inputs) + 1, width)  # (1 + P, W): state before the first position
        self._with_initial[0] = 0
        self.states = self._with_initial[1:]
        self._candidates = inputs.new_empty(len(inputs), width)  # (P, W)
        gates = self._gates = inputs.new_empty(len(inputs), 3 * width)  # (P, 3W)
        self._hidden = inputs.new_zeros(max(sizes, default=0), width)  # (R, W) of the first step, the longest
        self._done = 0
        self._steps = map(  # all views are made before the loop: nine slicings in every step would be slow
            _ForwardStep,
            torch.split(gates, sizes),
            torch.split(gates[:, : 2 * width], sizes),
            torch.split(gates[:, :width], sizes),
            torch.split(gates[:, width : 2 * width], sizes),
            torch.split(gates[:, 2 * width :], sizes),
            torch.split(inputs[:, : 2 * width], sizes),
            torch.split(inputs[:, 2 * width :], sizes),
            torch.split(self._candidates, sizes),
            torch.split(self.states, sizes),
        )

    def forward_to(self, positions: int) -> None:
        """Compute steps until the states of so many positions are known."""
        hidden, weight_t, bias, done = self._hidden, self._weight_t, self._bias, self._done
        while done < positions:
            step = next(self._steps)
            hidden = hidden[: len(step.state)]  # (R of the step before, W) -> (R, W): ended sequences drop out
            torch.addmm(bias, hidden, weight_t, out=step.gates)  # (R, W) @ (W, 3W) -> (R, 3W)
            step.reset_update.add_(step.input_reset_update).sigmoid_()
            torch.addcmul(step.input_candidate, step.reset, step.candidate_hidden, out=step.candidate)
            step.candidate.tanh_()
            hidden = torch.lerp(step.candidate, hidden, step.update, out=step.state)
            done += len(hidden)
        self._hidden, self._done = hidden, done

    def prepare_backward(self) -> None:
        """Take memory for the gradients; then `compute_factors` for all positions, then `backward`."""
        positions = len(self.states)
        self._factors = self.states.new_empty(positions, 3, self._width)  # (P, 3, W)
        self._to_candidate = torch.empty_like(self.states)  # (P, W)
        self.state_gradients = torch.empty_like(self.states)  # (P, W)

    def previous(self, part: slice) -> Tensor:
        """Return the states before some positions, (C, W)."""
        return self._with_initial.index_select(0, self._packed.previous[part] + 1)

    def compute_factors(self, part: slice) -> None:
        """Compute the factors of some positions whose states are known."""
        reset, update, candidate_hidden = torch.split(self._gates[part], self._width, dim=1)  # (C, 3W) -> 3 x (C, W)
        candidates, factors = self._candidates[part], self._factors[part]  # (C, W) and (C, 3, W)
        rest = 1 - update
        to_candidate = torch.addcmul(rest, rest, candidates.square(), value=-1, out=self._to_candidate[part])
        of_reset = torch.mul(to_candidate, reset, out=factors[:, 2])
        torch.mul(of_reset * candidate_hidden, 1 - reset, out=factors[:, 0])
        torch.mul((self.previous(part) - candidates).mul_(update), rest, out=factors[:, 1])

    def backward(self) -> None:
        """Carry the gradient back through all steps."""
        sizes, width, weight = self._sizes, self._width, self._weight
        carried = self.state_gradients.new_zeros(0, width)  # gradient from the step after, (R of that step, W)
        steps = map(
            _BackwardStep,
            reversed(torch.split(self._factors, sizes)),
            reversed(torch.split(self.state_gradients, sizes)),
            reversed(torch.split(self._gates[:, width : 2 * width], sizes)),
        )
        for step in steps:
            step.state_gradient[: len(carried)].add_(carried)
            torch.mul(step.state_gradient[:, None], step.factors, out=step.factors)  # (R, 1, W) -> (R, 3, W)
            flat = step.factors.view(len(step.factors), -1)  # (R, 3, W) -> (R, 3W)
            carried = torch.addmm(step.state_gradient * step.update, flat, weight)  # (R, 3W) @ (3W, W) -> (R, W)

    def finish(self, part: slice, hidden_side: Tensor, previous: Tensor) -> Tensor:
        """Write out what the weight gradient is the product of; once for each position, after `backward`.

        Args:
            part: Positions to write, C of them.
            hidden_side: (>= P, 3W) memory for the gradients of the gates' hidden side.
            previous: (>= P, W) memory for the states before.

        Returns:
            (C, 3W) gradients of the inputs.
        """
        own, inputs = self.hidden_gradients[part], self._gates[part]  # (C, 3W) each; the gates are no longer needed
        hidden_side[part] = own
        previous[part] = self.previous(part)
        # the inputs' gradient is the same but for the candidate, whose input the reset gate does not scale
        inputs[:, : 2 * self._width] = own[:, : 2 * self._width]
        torch.mul(self.state_gradients[part], self._to_candidate[part], out=inputs[:, 2 * self._width :])
        return inputs

    @property
    def input_gradients(self) -> Tensor:
        """Gradients of the inputs, (P, 3W), as far as `finish` wrote them."""
        return self._gates

    @property
    def hidden_gradients(self) -> Tensor:
        """Gradients of the gates' hidden side after `backward`, (P, 3W)."""
        return self._factors.view(len(self.states), 3 * self._width)


class _Gru(torch.autograd.Function):
    """`Recurrence` as an operation with a gradient."""

    @staticmethod
    def forward(
        ctx: Any, inputs: Tensor, weight: Tensor, bias: Tensor, packed: PackedSequences, dtype: torch.dtype
    ) -> Tensor:
        ctx.save_for_backward(inputs, weight, bias)
        ctx.packed, ctx.dtype = packed, dtype
        ctx.recurrence = _computed(inputs, weight, bias, packed)
        states: Tensor = ctx.recurrence.states.detach()  # another object, or the graph would refer to itself
        return states

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        inputs, weight, bias = ctx.saved_tensors
        # used up by a first backward pass through the same graph, it is computed again
        recurrence: Recurrence = ctx.recurrence or _computed(inputs, weight, bias, ctx.packed)
        ctx.recurrence = None
        recurrence.prepare_backward()
        recurrence.compute_factors(slice(0, len(recurrence.states)))
        recurrence.state_gradients.copy_(gradients[0])
        with _single_thread():
            recurrence.backward()
        positions, width = recurrence.states.shape
        padded = positions if ctx.dtype == torch.float32 else positions + -positions % _ROW_MULTIPLE
        hidden_side = inputs.new_zeros(padded, 3 * width, dtype=ctx.dtype)  # (P, 3W)
        previous = inputs.new_zeros(padded, width, dtype=ctx.dtype)  # (P, W)
        of_inputs = recurrence.finish(slice(0, positions), hidden_side, previous)
        # (3W, P) @ (P, W) -> (3W, W)
        return of_inputs, (hidden_side.t() @ previous).float(), recurrence.hidden_gradients.sum(0), None, None


def _computed(inputs: Tensor, weight: Tensor, bias: Tensor, packed: PackedSequences) -> Recurrence:
    recurrence = Recurrence(inputs, weight, bias, packed)
    with _single_thread():
        recurrence.forward_to(len(inputs))
    return recurrence


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
