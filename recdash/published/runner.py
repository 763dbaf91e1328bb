"""Compute the cells of a table in order, and one that cannot use a second core in parallel with them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch

from recdash.published.context import CellContext, CellResult, interruption, run_timed
from recdash.published.subprocess_cell import SUPPORTED, SubprocessCell
from recdash.published.table_schema import TableCell


@dataclass(frozen=True)
class CellProgress:
    """Progress of one cell. The names of the fields are those of the progress file.

    Args:
        cell: name of the cell.
        about: short description.
        number: position among the cells to compute, from 1.
        of: number of cells to compute.
        epoch: finished epochs.
        epochs: planned epochs; 0 before the training starts.
        over: whether the cell is done.
    """

    cell: str
    about: str
    number: int
    of: int
    epoch: int = 0
    epochs: int = 0
    over: bool = False


def run_cells(
    cells: Sequence[TableCell],
    context: CellContext,
    *,
    on_progress: Callable[[CellProgress], Any],
    on_result: Callable[[TableCell, CellResult, float], Any],
    cores: int,
) -> None:
    """Compute cells; with two cores or more, the cell marked `own_process` gets a process and a core of its own.

    Args:
        cells: what to compute, in this order.
        context: data, folder, epochs and the request to stop.
        on_progress: called when a cell starts, after each epoch, and when it is done.
        on_result: called with each cell, its result and its seconds.
        cores: number of CPU cores to use.

    Raises:
        Interrupted: when `context.should_stop` returns True; everything is saved.
    """
    first = {cell.name: CellProgress(cell.name, cell.about, number, len(cells)) for number, cell in enumerate(cells, 1)}

    def report(cell: TableCell, epoch: int, epochs: int) -> None:
        on_progress(replace(first[cell.name], epoch=epoch, epochs=epochs))

    def finish(cell: TableCell, result: CellResult, seconds: float) -> None:
        on_result(cell, result, seconds)
        on_progress(replace(first[cell.name], over=True))

    parallel = SUPPORTED and cores > 1 and len(cells) > 1
    separate = next((cell for cell in cells if cell.own_process), None) if parallel else None
    with ExitStack() as stack:
        subprocess: SubprocessCell | None = None
        if separate is not None:
            report(separate, 0, 0)
            subprocess = stack.enter_context(
                SubprocessCell(
                    separate.run,
                    replace(context, cell=separate.name),
                    partial(report, separate),
                    partial(finish, separate),
                )
            )
            stack.enter_context(_torch_threads(cores - 1))

        def report_and_poll(cell: TableCell, epoch: int, epochs: int) -> None:
            report(cell, epoch, epochs)
            if subprocess is not None:
                subprocess.poll()

        for cell in cells:
            if cell is separate:
                continue
            report(cell, 0, 0)
            cell_context = replace(context, cell=cell.name, on_epoch=partial(report_and_poll, cell))
            finish(cell, *run_timed(cell.run, cell_context))
            if context.should_stop():
                raise interruption()
        while subprocess is not None and not subprocess.poll(wait=0.2):
            if context.should_stop():
                raise interruption()


@contextmanager
def _torch_threads(number: int) -> Iterator[None]:
    """Limit PyTorch to so many threads within the block."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)
