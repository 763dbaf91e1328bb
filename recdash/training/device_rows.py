"""`DeviceRows`: the training rows on a device, from which batches of fixed shapes are made without the host."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recdash.data.histories import Histories
from recdash.models.fixed_batch import FixedBatch

_ENTRIES_STEP = 1024  # padded numbers of entries are multiples of this
_SLACK = 1.15  # larger than the largest batch of a pass, so that other passes rarely need more


class DeviceRows:
    """CSR rows on a device.

    Args:
        rows: Training rows, (rows, items).
        device: Where to put them.
        dtype: Data type of dense batches.
    """

    def __init__(self, rows: Histories, device: torch.device, dtype: torch.dtype) -> None:
        self.n_items, self.ordered, self.dtype = rows.n_items, rows.ordered, dtype
        self._host_counts = np.diff(rows.indptr)  # (rows,)
        indptr = torch.from_numpy(np.ascontiguousarray(rows.indptr, np.int64)).to(device)  # (rows + 1,)
        self._starts, self._counts = indptr[:-1].clone(), indptr.diff()  # (rows,)
        # At least one entry, so that padding entries have something to read.
        self._items = torch.from_numpy(np.append(rows.items, 0).astype(np.int32)).to(device)  # (entries + 1,)
        self._padding = torch.full((), rows.n_items, dtype=torch.int64, device=device)
        values = None if rows.values is None else np.append(rows.values, 0).astype(np.float32)
        self._values = None if values is None else torch.from_numpy(values).to(device)  # (entries + 1,)

    def entries_needed(self, order: NDArray[np.int64], bounds: NDArray[np.int64]) -> int:
        """Return the number of entries of the largest batch of a pass.

        Args:
            order: (rows,) rows in the order of the pass.
            bounds: (batches + 1,) first row of each batch in this order.
        """
        return int(np.add.reduceat(self._host_counts[order], bounds[:-1]).max())

    @staticmethod
    def padded_entries(needed: int) -> int:
        """Return a number of entries that suffices for most passes like one that needs so many."""
        return -(-int(needed * _SLACK + 1) // _ENTRIES_STEP) * _ENTRIES_STEP

    def batch(self, users: Tensor, entries: int) -> FixedBatch:
        """Return the rows of some users as a batch.

        Args:
            users: (rows,) int64 on the device.
            entries: Padded number of entries; at least as many as the users have.
        """
        counts = self._counts[users]  # (rows,)
        ends = counts.cumsum(0)
        place = torch.arange(entries, device=users.device)  # (entries,)
        row = torch.searchsorted(ends, place, right=True).clamp_(max=len(users) - 1)
        is_real = place < ends[-1:]
        source = (self._starts[users] - ends + counts)[row].add_(place)  # (rows,) -> (entries,)
        source.clamp_(max=len(self._items) - 1)  # padding entries read anything
        columns = torch.where(is_real, self._items[source].long(), self._padding)
        return FixedBatch(
            columns * is_real,
            torch.cat([torch.zeros_like(ends[:1]), ends]),
            None if self._values is None else self._values[source] * is_real,
            users,
            self.n_items,
            self.ordered,
            row_counts=counts,
            rows_of_entries=row,
            is_real=is_real,
            columns=columns,
            dtype=self.dtype,
        )
