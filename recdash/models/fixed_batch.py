"""`FixedBatch`: a batch whose shapes do not depend on its content, so that a GPU can repeat a recorded update.

The entries are padded to a fixed number. A padding entry counts for no row: in sums it is 0, and in dense matrices it
goes to a column of its own after the last item.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

import torch
from torch import Tensor

from recdash.models.batch import Batch

ALIGNMENT = 64  # columns; tensor cores multiply matrices at full speed only if their rows are aligned


def padded_width(n_items: int) -> int:
    """Return the number of columns of a dense batch: the items, a column for padding, and more up to a multiple."""
    return -(-(n_items + 1) // ALIGNMENT) * ALIGNMENT


@dataclass(frozen=True, eq=False)
class FixedBatch(Batch):
    """Training rows on a device with a fixed number of entries; nothing here asks the device for a size.

    Items and values of padding entries are 0, their row is the last one; `offsets` count real entries only.

    Attributes:
        row_counts: (rows,) int64 real entries of each row.
        rows_of_entries: (entries,) int64 row of each entry.
        is_real: (entries,) bool, False for padding.
        columns: (entries,) int64 items, and the number of items for padding.
        dtype: Data type of dense matrices.
    """

    has_padding: ClassVar[bool] = True

    row_counts: Tensor = field(kw_only=True)
    rows_of_entries: Tensor = field(kw_only=True)
    is_real: Tensor = field(kw_only=True)
    columns: Tensor = field(kw_only=True)
    dtype: torch.dtype = field(kw_only=True)

    @property
    def counts(self) -> Tensor:
        """Real entries per row, (rows,) int64."""
        return self.row_counts

    @property
    def row_of(self) -> Tensor:
        """Row number of every entry, (entries,) int64."""
        return self.rows_of_entries

    @property
    def n_entries(self) -> Tensor:
        """Number of real entries, at least 1, ()."""
        return self.offsets[-1].clamp(min=1)

    @property
    def width(self) -> int:
        """Number of columns of dense matrices."""
        return padded_width(self.n_items)

    @cached_property
    def cells(self) -> Tensor:
        """Place of every entry in a flattened matrix (rows, width), (entries,) int64."""
        return torch.add(self.columns, self.rows_of_entries, alpha=self.width)

    @cached_property
    def binary(self) -> Tensor:
        """The rows as a dense matrix of 0 and 1, (rows, width)."""
        return self.dense(self.is_real, self.dtype)

    def dense(self, entries: Tensor, dtype: torch.dtype) -> Tensor:
        """Return a dense matrix with the values (entries,) at the entries and 0 elsewhere, (rows, width)."""
        out = entries.new_zeros(len(self) * self.width, dtype=dtype)
        write_unique(out, self.cells, self.without_padding(entries).to(dtype))
        return out.view(len(self), self.width)

    def without_padding(self, entries: Tensor) -> Tensor:
        """Return the values (entries,) with 0 at padding entries."""
        return entries * self.is_real

    def add_to_rows(self, sums: Tensor, entries: Tensor) -> Tensor:
        """Return sums (rows,) plus the entries (entries,) of each row; the order of the additions is fixed."""
        of_rows: Tensor = _RowSums.apply(entries, self)  # type: ignore[no-untyped-call]
        return sums + of_rows

    def of_users(self, table: Tensor) -> Tensor:
        """Return the rows of a table (training users, width) that belong to this batch, (rows, width)."""
        found: Tensor = _UniqueRows.apply(table, self.users)  # type: ignore[no-untyped-call]
        return found


class _RowSums(torch.autograd.Function):
    """Sums over the entries of each row, by way of a dense matrix: sums by index have no fixed order on a GPU."""

    @staticmethod
    def forward(ctx: Any, entries: Tensor, batch: FixedBatch) -> Tensor:
        ctx.batch, ctx.dtype = batch, entries.dtype
        return batch.dense(entries, torch.float32).sum(1)  # (rows, width) -> (rows,)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        batch: FixedBatch = ctx.batch
        return batch.without_padding(gradients[0][batch.row_of]).to(ctx.dtype), None  # (rows,) -> (entries,)


class _UniqueRows(torch.autograd.Function):
    """Selects rows of a table, none twice, so that the gradient is written instead of added up."""

    @staticmethod
    def forward(ctx: Any, table: Tensor, rows: Tensor) -> Tensor:
        ctx.save_for_backward(rows)
        ctx.shape = table.shape
        return table[rows]

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (rows,) = ctx.saved_tensors
        out = gradients[0].new_zeros(ctx.shape)
        write_unique(out, rows, gradients[0])
        return out, None


def write_unique(out: Tensor, places: Tensor, values: Tensor) -> None:
    """Write values to places of `out`; equal places must have equal values."""
    with _any_order():
        out[places] = values


@contextmanager
def _any_order() -> Iterator[None]:
    """Allow writes in any order inside: PyTorch's deterministic ones sort the places first.

    They are needed only where different values are written to one place.
    """
    before = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    if not before[0]:
        yield
        return
    torch.use_deterministic_algorithms(False)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])
