"""`Batch`: histories as sparse tensors; `Noise`: the random numbers of one update."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from typing import ClassVar, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from torch import Tensor

from recdash.data.histories import Histories


def batch_bounds(rows: int, batch_size: int) -> NDArray[np.int64]:
    """Return the bounds of the batches of a pass, (batches + 1,): as few as `batch_size` allows, of equal size.

    A small last batch would move the weights as far as a full one, on the evidence of a few users.
    """
    batches = -(-rows // batch_size)
    return np.arange(batches + 1) * rows // max(1, batches)


class ByItem(NamedTuple):
    """The entries of a batch grouped by item: CSR of the transposed matrix, and the original index of each entry."""

    offsets: Tensor  # (items + 1,)
    rows: Tensor  # (entries,)
    order: Tensor  # (entries,)


@dataclass(frozen=True, eq=False)
class Batch:
    """CSR rows on a device; never dense.

    Attributes:
        items: (entries,) int64 item indices.
        offsets: (rows + 1,) int64.
        values: (entries,) float32 ratings, or None.
        users: (rows,) int64 training row of each history; None for new users.
        n_items: Number of items of the data.
        ordered: Whether the order within a row has a meaning.
        has_padding: Whether entries at the end belong to no row (`recdash.models.fixed_batch`).
    """

    has_padding: ClassVar[bool] = False

    items: Tensor
    offsets: Tensor
    values: Tensor | None
    users: Tensor | None
    n_items: int
    ordered: bool = True

    @classmethod
    def of(cls, histories: Histories, device: torch.device, users: NDArray[np.int64] | None = None) -> Batch:
        """Copy histories to the device."""
        values = None if histories.values is None else torch.from_numpy(histories.values).to(device)
        return cls(
            torch.from_numpy(histories.items.astype(np.int64)).to(device),
            torch.from_numpy(np.ascontiguousarray(histories.indptr)).to(device),
            values,
            None if users is None else torch.from_numpy(users).to(device),
            histories.n_items,
            histories.ordered,
        )

    def rows(self, start: int, stop: int) -> Batch:
        """Return the rows from start to stop."""
        low, high = self.offsets[start], self.offsets[stop]
        values = None if self.values is None else self.values[low:high]
        users = None if self.users is None else self.users[start:stop]
        return Batch(
            self.items[low:high], self.offsets[start : stop + 1] - low, values, users, self.n_items, self.ordered
        )

    def reordered(self, items: Tensor) -> Batch:
        """Return the same rows with each row's items in another order, without ratings."""
        return Batch(items, self.offsets, None, self.users, self.n_items)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @cached_property
    def counts(self) -> Tensor:
        """Entries per row, (rows,) int64."""
        return self.offsets.diff()

    @cached_property
    def row_of(self) -> Tensor:
        """Row number of every entry, (entries,) int64."""
        rows = torch.arange(len(self), device=self.items.device)  # (rows,)
        return torch.repeat_interleave(rows, self.counts, output_size=len(self.items))

    @property
    def n_entries(self) -> int | Tensor:
        """Number of entries, at least 1; a tensor () where only the device knows it."""
        return max(len(self.items), 1)

    def add_to_rows(self, sums: Tensor, entries: Tensor) -> Tensor:
        """Return sums (rows,) plus the entries (entries,) of each row."""
        return sums.index_add(0, self.row_of, entries)

    def of_users(self, table: Tensor) -> Tensor:
        """Return the rows of a table (training users, width) that belong to this batch, (rows, width)."""
        return table[self.users]

    @cached_property
    def by_item(self) -> ByItem:
        """The entries grouped by item (a counting sort on the CPU)."""
        entries = np.arange(len(self.items))
        items, offsets = self.items.cpu().numpy(), self.offsets.cpu().numpy()
        rows = sparse.csr_array((entries, items, offsets), shape=(len(self), self.n_items))
        columns = rows.tocsc()
        parts = (columns.indptr.astype(np.int64), columns.indices.astype(np.int64), columns.data)
        return ByItem(*(torch.from_numpy(part).to(self.items.device) for part in parts))


class Noise:
    """Random numbers of one update, drawn for the whole batch and then sliced to the rows of this process.

    The stream depends on (seed, update) alone: a resumed training draws the same numbers as an uninterrupted one, and
    several processes that share a batch draw the same numbers as a single one.

    Args:
        seed: Seed of the training.
        update: Number of the update.
        batch: Rows of this process.
        rows, entries: Slices of this process in the whole batch; all by default.
        all_rows, all_entries: Size of the whole batch; that of `batch` by default.
    """

    def __init__(
        self,
        seed: int,
        update: int,
        batch: Batch,
        *,
        rows: slice | None = None,
        entries: slice | None = None,
        all_rows: int | None = None,
        all_entries: int | None = None,
    ) -> None:
        device = batch.items.device
        key = blake2b(f"noise:{seed}:{update}".encode(), digest_size=7).digest()
        self._generator = torch.Generator(device).manual_seed(int.from_bytes(key, "little"))
        self._device = device
        self._rows, self._all_rows = rows or slice(None), len(batch) if all_rows is None else all_rows
        self._entries = entries or slice(None)
        self._all_entries = len(batch.items) if all_entries is None else all_entries

    def normal(self, width: int) -> Tensor:
        """Return standard normal numbers, (rows, width)."""
        drawn = torch.randn(self._all_rows, width, generator=self._generator, device=self._device)
        return drawn[self._rows]  # (all rows, width) -> (rows, width)

    def normal_entries(self, width: int) -> Tensor:
        """Return standard normal numbers for every entry, (entries, width)."""
        shape = (self._all_entries, width)
        return torch.randn(shape, generator=self._generator, device=self._device)[self._entries]

    def dropout_mask(self, dropout: float) -> Tensor:
        """Return inverted-dropout factors, (entries,): 0 with the given probability, else 1 / (1 - dropout)."""
        return self._dropout_factors((self._all_entries,), dropout)[self._entries]

    def unit_dropout_mask(self, width: int, dropout: float) -> Tensor:
        """Return inverted-dropout factors of a layer's units, (rows, width)."""
        return self._dropout_factors((self._all_rows, width), dropout)[self._rows]

    def _dropout_factors(self, shape: tuple[int, ...], dropout: float) -> Tensor:
        if dropout >= 1:
            return torch.zeros(shape, device=self._device)
        mask = torch.rand(shape, generator=self._generator, device=self._device) >= dropout
        return mask / (1 - dropout)
