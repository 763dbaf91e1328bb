"""`LossSums`: sums of the parts of a loss that stay on the device until they are read, at the end of a phase."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from recdash.models.fixed_batch import write_unique
from recdash.training.descent import Parts
from recdash.training.state import Position


@dataclass(frozen=True)
class Divergence:
    """A sum that is NaN or infinite: the part's name, its sum over a batch, and the update, counted from 0."""

    part: str
    total: float
    update: int


class _History:
    """The sums of every update of a phase, one row for each."""

    def __init__(self, widths: dict[str, int], is_array: dict[str, bool], updates: int, device: torch.device) -> None:
        self.widths, self.is_array = widths, is_array
        self.sums = torch.zeros(updates, sum(widths.values()), device=device)  # (updates, all widths)


class LossSums:
    """Sums of parts of losses over batches; the host adds them up as it does without a device of its own.

    Args:
        device: Where the sums are.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._histories: dict[str, _History] = {}
        self._phase, self._updates, self._first_update = "", 0, 0
        self._rows: list[int] = []  # of each batch since `begin`

    @property
    def done(self) -> int:
        """Number of updates since `begin`."""
        return len(self._rows)

    def begin(self, phase: str, updates: int, first_update: int) -> None:
        """Begin a phase, or the rest of one.

        Args:
            phase: Name of the phase.
            updates: Largest number of updates of the phase.
            first_update: Number of updates before the next one.
        """
        self._phase, self._updates, self._first_update, self._rows = phase, updates, first_update, []

    def add(self, parts: Parts, rows: int, slot: Tensor) -> None:
        """Add the parts of a batch, on the device.

        Args:
            parts: By name: (rows,), () or a number, or (rows, width).
            rows: Number of rows.
            slot: (1,) int64 number of updates since `begin`.
        """
        columns = {name: self._columns(part, rows) for name, part in parts.items()}
        if self._phase not in self._histories:
            widths = {name: column.shape[1] for name, column in columns.items()}
            is_array = {name: isinstance(part, Tensor) and part.ndim == 2 for name, part in parts.items()}
            self._histories[self._phase] = _History(widths, is_array, self._updates, self._device)
        sums = torch.cat(list(columns.values()), 1).sum(0, keepdim=True)  # (rows, all widths) -> (1, all widths)
        write_unique(self._histories[self._phase].sums, slot, sums)

    def count(self, rows: int) -> None:
        """Count a batch, on the host."""
        self._rows.append(rows)

    def store(self, position: Position) -> Divergence | None:
        """Add the sums since `begin` to a position, and forget them; return the first that is NaN or infinite."""
        history, rows = self._histories.get(self._phase), self._rows
        self._phase, self._rows = "", []
        if history is None or not rows:
            return None
        sums = history.sums[: len(rows)].cpu().numpy().astype(np.float64)  # (updates, all widths)
        bounds = np.cumsum([0, *history.widths.values()])
        of_parts = {name: sums[:, bounds[i] : bounds[i + 1]] for i, name in enumerate(history.widths)}
        for update in range(len(rows)):
            for name, part in of_parts.items():
                if not history.is_array[name] and not math.isfinite(part[update, 0]):
                    return Divergence(name, float(part[update, 0]), self._first_update + update)
        for name, part in of_parts.items():
            before: tuple[float | list[float], int]
            before = (position.arrays if history.is_array[name] else position.sums).get(name, (0.0, 0))
            total = np.zeros(part.shape[1]) + before[0]
            for row in part:  # one after the other: the same sum wherever a training was interrupted
                total += row
            if history.is_array[name]:
                position.arrays[name] = total.tolist(), before[1] + sum(rows)
            else:
                position.sums[name] = float(total[0]), before[1] + sum(rows)
        return None

    def _columns(self, part: Tensor | float, rows: int) -> Tensor:
        """Return a part as a matrix with one row per row of the batch, (rows, width)."""
        if not isinstance(part, Tensor):
            return torch.full((rows, 1), part, device=self._device)
        part = part.detach().float()
        return part if part.ndim == 2 else part.expand(rows)[:, None]
