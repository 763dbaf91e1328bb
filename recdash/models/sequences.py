"""Sequences of unequal length without padding: their packed form, a gated recurrent unit, and next-item losses."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from recdash.models.batch import Batch

POSITIONS_AT_ONCE = 1024  # rows of logits held at once


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
    def ends(self) -> Tensor:
        """The position at which each sequence ends, (sequences,) in the batch's order; -1 for an empty one."""
        out = torch.full((len(self.order),), -1, device=self.entries.device)
        out[self.rows] = torch.arange(len(self.rows), device=self.entries.device)  # later positions overwrite
        return out


class _Gru(torch.autograd.Function):
    """The recurrence alone, with gradients written out: one small product a step, weight gradients in one at the end.

    The derivative of every gate is a factor times the gradient of the new state; the factors of all steps are
    computed together, so a step of the way back is one product of matrices and one of numbers.
    """

    @staticmethod
    def forward(ctx: Any, inputs: Tensor, weight: Tensor, bias: Tensor, sizes: tuple[int, ...]) -> Tensor:
        width = weight.shape[1]
        turned = weight.t().contiguous()
        before, gates = inputs.new_empty(len(inputs), width), inputs.new_empty(len(inputs), 2 * width)
        states, fresh, inner = (inputs.new_empty(len(inputs), width) for _ in range(3))
        hidden = inputs.new_zeros(sizes[0] if sizes else 0, width)
        switches, memory = turned[:, : 2 * width].contiguous(), turned[:, 2 * width :].contiguous()
        bias_memory = bias[2 * width :]
        to_switches = inputs[:, : 2 * width] + bias[: 2 * width]
        to_fresh = inputs[:, 2 * width :].contiguous()
        lengths = list(sizes)
        parts = [
            torch.split(tensor, lengths) for tensor in (to_switches, to_fresh, gates, inner, fresh, before, states)
        ]
        for switch_in, fresh_in, gate, kept, new, old, state in zip(*parts, strict=True):
            if len(old) < len(hidden):
                hidden = hidden[: len(old)]
            old.copy_(hidden)
            torch.addmm(switch_in, hidden, switches, out=gate)
            gate.sigmoid_()
            reset, update = gate[:, :width], gate[:, width:]
            torch.addmm(bias_memory, hidden, memory, out=kept)
            torch.addcmul(fresh_in, reset, kept, out=new)
            new.tanh_()
            torch.lerp(new, hidden, update, out=state)
            hidden = state
        ctx.save_for_backward(weight, before, gates, fresh, inner)
        ctx.sizes = sizes
        return states

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        weight, before, gates, fresh, inner = ctx.saved_tensors
        width, sizes = weight.shape[1], ctx.sizes
        reset, update = gates[:, :width], gates[:, width:]
        to_fresh = (1 - update) * (1 - fresh.square())
        factors = torch.stack(
            [to_fresh * inner * reset * (1 - reset), (before - fresh) * update * (1 - update), to_fresh * reset], 1
        )
        out = torch.empty_like(factors)
        arriving = gradients[0].contiguous()
        total = torch.empty_like(arriving)
        parts = [torch.split(tensor, list(sizes)) for tensor in (arriving, factors, out, total, update.contiguous())]
        carried = arriving.new_zeros(0, width)
        for into, factor, gate, whole, kept in zip(*(reversed(part) for part in parts), strict=True):
            whole.copy_(into)
            whole[: len(carried)] += carried
            torch.mul(whole[:, None], factor, out=gate)
            carried = torch.addmm(whole * kept, gate.view(len(gate), -1), weight)
        hidden_side = out.view(len(out), -1)
        input_side = hidden_side.clone()
        input_side[:, 2 * width :] = total * to_fresh
        return input_side, hidden_side.t() @ before, hidden_side.sum(0), None


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
        with torch.autocast(inputs.device.type, enabled=False):
            ready = nn.functional.linear(inputs.float(), self.weight_ih, self.bias_ih)
            states: Tensor = _Gru.apply(ready, self.weight_hh, self.bias_hh, packed.sizes)  # type: ignore[no-untyped-call]
        return states


class _NextItemNll(torch.autograd.Function):
    """Charges softmax outputs at a few targets per position, some positions at a time; never holds all logits.

    The gradient is made on the way forward, for a charge that counts every position alike; `backward` scales it.
    """

    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, weight: Tensor, bias: Tensor, targets: Tensor, shares: Tensor, dtype: torch.dtype
    ) -> Tensor:
        charges = hidden.new_zeros(len(hidden), dtype=torch.float32)
        to_hidden, to_weight = torch.empty_like(hidden), torch.zeros_like(weight)
        to_bias = torch.zeros_like(bias)
        narrow, narrow_bias = weight.to(dtype), bias.to(dtype)
        counts = (targets >= 0).sum(1)
        for start in range(0, len(hidden), POSITIONS_AT_ONCE):
            here = slice(start, start + POSITIONS_AT_ONCE)
            part = hidden[here].to(dtype)
            chances = torch.softmax(nn.functional.linear(part, narrow, narrow_bias), 1, dtype=torch.float32)
            wanted = targets[here]
            there = wanted >= 0
            found = chances.gather(1, wanted.clamp(min=0)).clamp(min=1e-38)
            charges[here] = (-found.log() * there).sum(1)
            chances *= (counts[here] * shares[here])[:, None]
            chances.scatter_add_(1, wanted.clamp(min=0), -shares[here, None] * there)
            back = chances.to(dtype)
            to_hidden[here] = (back @ narrow).to(hidden.dtype)
            to_weight += back.t() @ part
            to_bias += chances.sum(0)
        ctx.save_for_backward(to_hidden, to_weight, to_bias, shares)
        return charges

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        to_hidden, to_weight, to_bias, shares = ctx.saved_tensors
        scale = (gradients[0] * shares).sum() / shares.square().sum().clamp(min=1e-30)
        return to_hidden * scale, to_weight * scale, to_bias * scale, None, None, None


def next_item_nll(last: nn.Linear, hidden: Tensor, targets: Tensor, shares: Tensor, dtype: torch.dtype) -> Tensor:
    """Negative log-likelihood of each position's targets, (positions,) nats.

    hidden: (positions, width).  targets: (positions, k) item indices, -1 for none.  shares: (positions,) what each
    position weighs in the total; the gradient is that of sum(shares * result) times a number.  dtype: of the products.
    """
    charges: Tensor = _NextItemNll.apply(hidden, last.weight, last.bias, targets, shares, dtype)  # type: ignore[no-untyped-call]
    return charges
