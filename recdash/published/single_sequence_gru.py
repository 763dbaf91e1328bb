"""The recurrence of one user at a time: no batch to share a step with, so every step is made as cheap as can be.

One product of a matrix and a vector a step and the gates, two hundred numbers each, in numpy on the same memory, where
a call costs a third of PyTorch's: 4.7 ms in place of 10.2 for a history of 96, both ways, on one busy core. The
numbers are those of `models.sequences.Gru` (a test holds it).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from recdash.models.gru import Gru, Packed


class _Solo(torch.autograd.Function):
    """States of one sequence. inputs: (steps, 3 width), what the gates get from the items, with its bias.

    sigmoid(x) is written as (1 + tanh(x / 2)) / 2, and the halves are put into the weights beforehand.
    """

    @staticmethod
    def forward(ctx: Any, inputs: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        steps, width = len(inputs), weight.shape[1]
        halved = weight.detach().numpy().copy()
        halved[: 2 * width] *= 0.5
        from_items = inputs.detach().numpy()
        switches_in = (from_items[:, : 2 * width] + bias[: 2 * width].detach().numpy()) * np.float32(0.5)
        fresh_in, bias_memory = from_items[:, 2 * width :], bias[2 * width :].detach().numpy()
        states_tensor = torch.zeros(steps + 1, width)  # row t is the state before step t
        states = states_tensor.numpy()
        gates, inner, fresh = (np.empty((steps, n * width), np.float32) for n in (2, 1, 1))
        heard = np.empty(3 * width, np.float32)
        to_switches, to_memory, difference = heard[: 2 * width], heard[2 * width :], np.empty(width, np.float32)
        half = np.float32(0.5)
        for t in range(steps):
            np.dot(halved, states[t], out=heard)
            gate, kept, new = gates[t], inner[t], fresh[t]
            np.add(to_switches, switches_in[t], out=gate)
            np.tanh(gate, out=gate)
            np.multiply(gate, half, out=gate)
            np.add(gate, half, out=gate)
            np.add(to_memory, bias_memory, out=kept)
            np.multiply(gate[:width], kept, out=new)
            np.add(new, fresh_in[t], out=new)
            np.tanh(new, out=new)
            np.subtract(states[t], new, out=difference)
            np.multiply(difference, gate[width:], out=difference)
            np.add(new, difference, out=states[t + 1])
        ctx.save_for_backward(weight, states_tensor)
        ctx.kept = gates, inner, fresh
        return states_tensor[1:]

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        weight, states_tensor = ctx.saved_tensors
        gates, inner, fresh = ctx.kept
        width, steps = weight.shape[1], len(gates)
        before, reset, update = states_tensor.numpy()[:-1], gates[:, :width], gates[:, width:]
        to_fresh = (1 - update) * (1 - fresh * fresh)
        factors = np.empty((steps, 3, width), np.float32)
        factors[:, 0] = to_fresh * inner * reset * (1 - reset)
        factors[:, 1] = (before - fresh) * update * (1 - update)
        factors[:, 2] = to_fresh * reset
        arriving = np.ascontiguousarray(gradients[0].numpy())
        total = np.empty_like(arriving)
        out_tensor = torch.empty(steps, 3 * width)
        flat = out_tensor.numpy()
        out, read = flat.reshape(steps, 3, width), weight.detach().numpy()
        carried, kept = np.zeros(width, np.float32), np.zeros(width, np.float32)
        for t in range(steps - 1, -1, -1):
            whole = total[t]
            np.add(arriving[t], carried, out=whole)
            np.add(whole, kept, out=whole)
            np.multiply(factors[t], whole, out=out[t])
            np.multiply(whole, update[t], out=kept)
            np.dot(flat[t], read, out=carried)
        to_inputs = out_tensor.clone()
        np.multiply(total, to_fresh, out=to_inputs.numpy()[:, 2 * width :])
        return to_inputs, out_tensor.t() @ states_tensor[:-1], out_tensor.sum(0)


class SoloGru(Gru):
    """`Gru`, with a way of its own through a single sequence on the processor."""

    def forward(self, inputs: Tensor, packed: Packed) -> Tensor:
        """States after each position, (positions, width) float32."""
        if len(packed.order) != 1 or inputs.device.type != "cpu" or len(inputs) == 0:
            return super().forward(inputs, packed)
        with torch.autocast("cpu", enabled=False):
            ready = nn.functional.linear(inputs.float(), self.weight_ih, self.bias_ih)
            states: Tensor = _Solo.apply(ready, self.weight_hh, self.bias_hh)  # type: ignore[no-untyped-call]
        return states
