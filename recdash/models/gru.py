"""Sequences of unequal length without padding: their packed form, a gated recurrent unit, and next-item losses."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from recdash.models.batch import Batch

POSITIONS_AT_ONCE = 1024  # rows of logits held at once
_LEVEL = 256
_CUDNN_GRU = 3  # the number of a GRU among the recurrent cells of cuDNN


@dataclass(frozen=True, eq=False)
class Packed:
    """Positions of a batch step by step in time: step t holds position t of every sequence longer than t.

    entries: (positions,) where each position stands among the batch's entries.  rows: (positions,) its sequence.
    sizes: sequences alive at each step, never growing.  order: (sequences,) sequences by falling length.
    """

    entries: Tensor
    rows: Tensor
    sizes: tuple[int, ...]
    order: Tensor

    @classmethod
    def of(cls, batch: Batch, lengths: NDArray[np.int64]) -> Packed:
        """Pack the first `lengths[r]` entries of each row r."""
        starts = batch.offsets.cpu().numpy()[:-1]
        order = np.argsort(-lengths, kind="stable")
        by_length = lengths[order]
        steps = int(by_length[0]) if len(by_length) else 0
        sizes = len(by_length) - np.searchsorted(by_length[::-1], np.arange(steps), side="right")
        slots = np.arange(int(sizes.sum())) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        rows = order[slots]
        entries = starts[rows] + np.repeat(np.arange(steps), sizes)
        device = batch.items.device
        tensors = (torch.from_numpy(part).to(device) for part in (entries, rows, order))
        entries_on, rows_on, order_on = tensors
        return cls(entries_on, rows_on, tuple(sizes.tolist()), order_on)

    @cached_property
    def previous(self) -> Tensor:
        """Where the position before each one stands, (positions,); -1 at the start of a sequence."""
        sizes = np.array(self.sizes)
        starts = np.cumsum(sizes) - sizes
        before = np.concatenate([[-1], starts[:-1]])
        slots = np.arange(int(sizes.sum())) - np.repeat(starts, sizes)
        places = np.where(np.repeat(starts, sizes) == 0, -1, np.repeat(before, sizes) + slots)
        return torch.from_numpy(places).to(self.entries.device)

    @cached_property
    def ends(self) -> Tensor:
        """The position at which each sequence ends, (sequences,) in the batch's order; -1 for an empty one."""
        sizes = np.array(self.sizes, np.int64)
        starts = np.cumsum(sizes) - sizes
        places = np.arange(len(self.order))  # of the sequences by falling length, in every step
        lengths = np.searchsorted(-sizes, -places)
        last = np.append(starts, 0)[lengths - 1] + places
        out = torch.empty(len(self.order), dtype=torch.int64, device=self.entries.device)
        out[self.order] = torch.from_numpy(np.where(lengths > 0, last, -1)).to(self.entries.device)
        return out


def pad_rows(rows: Tensor, fill: float = 0) -> Tensor:
    """Return the rows with more behind them, up to a multiple of 256, where products are computed in bfloat16.

    Every batch of sequences has another number of positions, and the library compiles such a product anew for every
    size it has not met: half a millisecond, more than most products here take.
    """
    if rows.dtype != torch.bfloat16 and not torch.is_autocast_enabled(rows.device.type):
        return rows
    return nn.functional.pad(rows, (0, 0) * (rows.ndim - 1) + (0, -len(rows) % _LEVEL), value=fill)


class _Gru(torch.autograd.Function):
    """The recurrence alone, with gradients written out: one small product a step, weight gradients in one at the end.

    The derivative of every gate is a factor times the gradient of the new state; the factors of all steps are
    computed together, so a step of the way back is one product of matrices and one of numbers.
    """

    @staticmethod
    def forward(ctx: Any, inputs: Tensor, weight: Tensor, bias: Tensor, packed: Packed, dtype: torch.dtype) -> Tensor:
        width, lengths = weight.shape[1], list(packed.sizes)
        turned = weight.t().contiguous()
        states, fresh = (inputs.new_empty(len(inputs), width) for _ in range(2))
        gates = inputs.new_empty(len(inputs), 3 * width)  # reset, update, and the part of the state before reset
        hidden = inputs.new_zeros(max(lengths, default=0), width)
        reset, update, inner = torch.split(gates, width, 1)
        halves = ((tensor[:, : 2 * width], tensor[:, 2 * width :]) for tensor in (gates, inputs))
        (switches, _), (given, given_fresh) = halves
        columns = (gates, switches, given, reset, inner, given_fresh, fresh, update, states)
        with _one_thread():
            for gate, switch, into, used, kept, into_new, new, share, state in zip(
                *(torch.split(column, lengths) for column in columns), strict=True
            ):
                hidden = hidden[: len(state)]
                torch.addmm(bias, hidden, turned, out=gate)
                switch.add_(into).sigmoid_()
                torch.addcmul(into_new, used, kept, out=new)
                new.tanh_()
                hidden = torch.lerp(new, hidden, share, out=state)
        ctx.save_for_backward(weight, states, gates, fresh)
        ctx.packed, ctx.dtype = packed, dtype
        return states

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        weight, states, gates, fresh = ctx.saved_tensors
        width, lengths = weight.shape[1], list(ctx.packed.sizes)
        reset, update, inner = gates.split(width, dim=1)
        before = torch.cat([states.new_zeros(1, width), states])[ctx.packed.previous + 1]
        to_fresh = (1 - update) * (1 - fresh.square())
        factors = torch.stack(
            [to_fresh * inner * reset * (1 - reset), (before - fresh) * update * (1 - update), to_fresh * reset], 1
        )
        out, total = torch.empty_like(factors), gradients[0].clone(memory_format=torch.contiguous_format)
        parts = [torch.split(tensor, lengths) for tensor in (factors, out, total, update)]
        carried = total.new_zeros(0, width)
        with _one_thread():
            for factor, gate, whole, kept in zip(*(reversed(part) for part in parts), strict=True):
                whole[: len(carried)].add_(carried)
                torch.mul(whole[:, None], factor, out=gate)
                carried = torch.addmm(whole * kept, gate.view(len(gate), -1), weight)
        hidden_side = out.view(len(out), -1)
        input_side = hidden_side.clone()
        input_side[:, 2 * width :] = total * to_fresh
        to_weight = pad_rows(hidden_side.to(ctx.dtype)).t() @ pad_rows(before.to(ctx.dtype))
        return input_side, to_weight.float(), hidden_side.sum(0), None, None


@contextmanager
def _one_thread() -> Iterator[None]:
    """Compute alone: the products of one step are so small that waking a second thread costs more than it does."""
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

    def forward(self, inputs: Tensor, packed: Packed) -> Tensor:
        """States after each position, (positions, width) float32."""
        if inputs.is_cuda and packed.sizes:
            with torch.autocast("cuda", enabled=False):
                return self._on_gpu(inputs.float(), packed)
        ready = nn.functional.linear(pad_rows(inputs), self.weight_ih, self.bias_ih)[: len(inputs)]
        with torch.autocast(inputs.device.type, enabled=False):  # the steps themselves keep single precision
            states: Tensor = _Gru.apply(  # type: ignore[no-untyped-call]
                ready.float(), self.weight_hh, self.bias_hh, packed, ready.dtype
            )
        return states

    def _apply(self, fn: Any, recurse: bool = True) -> Self:
        """Lay the weights into one chunk of memory after a move, as cuDNN wants them."""
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

    def _on_gpu(self, inputs: Tensor, packed: Packed) -> Tensor:
        """The same by the vendor's library, which does all steps in one call."""
        start = inputs.new_zeros(1, packed.sizes[0], self.weight_hh.shape[1])
        sizes = torch.tensor(packed.sizes)
        states: Tensor = torch.gru(inputs, sizes, start, self._weights(), True, 1, 0.0, self.training, False)[0]
        return states


def _charge(
    hidden: Tensor, weight: Tensor, bias: Tensor, targets: Tensor, shares: Tensor, dtype: torch.dtype
) -> tuple[Tensor, list[Tensor]]:
    """Negative log-likelihoods, (positions,), and the gradients of sum(shares * them) by hidden, weight and bias.

    Some positions at a time: of the logits, (positions, items), only a part is ever held.
    """
    charges = hidden.new_zeros(len(hidden), dtype=torch.float32)
    to_hidden, to_weight = torch.empty_like(hidden), torch.zeros_like(weight)
    to_bias = torch.zeros_like(bias)
    narrow, narrow_bias = weight.to(dtype), bias.to(dtype)
    there = targets >= 0
    counts, wanted = there.sum(1), targets.clamp(min=0)
    marks = -(there / counts.clamp(min=1)[:, None]).to(dtype)
    firsts = torch.arange(POSITIONS_AT_ONCE, device=hidden.device)[:, None] * len(weight)
    charge = (counts * shares)[:, None].to(dtype)
    for start in range(0, len(hidden), POSITIONS_AT_ONCE):
        here = slice(start, start + POSITIONS_AT_ONCE)
        part = hidden[here].to(dtype)
        # the result of softmax keeps the format of the logits: asking for another one is eight times slower
        missed = torch.softmax(nn.functional.linear(part, narrow, narrow_bias), 1)
        found = missed.gather(1, wanted[here]).float().clamp(min=1e-38)
        charges[here] = (-found.log() * there[here]).sum(1)
        at = (firsts[: len(part)] + wanted[here]).flatten()
        missed.view(-1).index_add_(0, at, marks[here].flatten())  # scatter_add_ would copy all of it, twice
        to_hidden[here] = (missed @ narrow) * charge[here]
        to_weight += missed.t() @ (part * charge[here])
        to_bias += (charge[here].t() @ missed)[0]
    return charges, [to_hidden, to_weight, to_bias]


class _NextItemNll(torch.autograd.Function):
    """Charges softmax outputs at a few targets per position; never holds all logits.

    The gradients are made on the way forward, for positions that count as `shares` says; `backward` scales them. When
    they turn out to count otherwise, it computes them again.
    """

    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, weight: Tensor, bias: Tensor, targets: Tensor, shares: Tensor, dtype: torch.dtype
    ) -> Tensor:
        with torch.autocast(hidden.device.type, enabled=False):  # all formats are chosen here; CUDA's would widen some
            charges, slopes = _charge(hidden, weight, bias, targets, shares, dtype)
        ctx.save_for_backward(hidden, weight, bias, targets, shares, *slopes)
        ctx.dtype = dtype
        return charges

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,) = gradients
        hidden, weight, bias, targets, shares, *slopes = ctx.saved_tensors
        scale = (gradient * shares).sum() / shares.square().sum().clamp(min=1e-30)
        foreseen = scale * shares
        if bool(((gradient - foreseen).abs() <= 1e-4 * foreseen.abs() + 1e-6 * gradient.abs().max()).all()):
            slopes = [slope * scale for slope in slopes]
        else:
            _, slopes = _charge(hidden, weight, bias, targets, gradient, ctx.dtype)
        return *slopes, None, None, None


def next_item_nll(last: nn.Linear, hidden: Tensor, targets: Tensor, shares: Tensor, dtype: torch.dtype) -> Tensor:
    """Negative log-likelihood of each position's targets, (positions,) nats.

    hidden: (positions, width).  targets: (positions, k) item indices, -1 for none.  shares: (positions,) what each
    position weighs in the total; other weights have their right gradient too, at twice the time.  dtype: of the
    products.
    """
    charges: Tensor = _NextItemNll.apply(  # type: ignore[no-untyped-call]
        pad_rows(hidden), last.weight, last.bias, pad_rows(targets, -1), pad_rows(shares), dtype
    )
    return charges[: len(hidden)]
