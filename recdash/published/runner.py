"""Cells one after the other, and beside them one that a second core cannot help."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from recdash.published.context import Found, Work, stopped, timed
from recdash.published.subprocess_cell import POSSIBLE, Beside
from recdash.published.table_definitions import TableCell


@dataclass(frozen=True)
class Step:
    """Where one cell stands: which of how many, and which epoch of it (0 before the first)."""

    cell: str
    about: str
    number: int
    of: int
    epoch: int = 0
    epochs: int = 0
    over: bool = False


def compute(
    cells: Sequence[TableCell],
    work: Work,
    *,
    say: Callable[[Step], Any],
    keep: Callable[[TableCell, Found, float], Any],
    cores: int,
) -> None:
    """Compute cells; with two cores or more, the one that is `apart` has one of them to itself all the while.

    work: data, folder, epochs and stopping.  say: called at every step.  keep: called with each result and its seconds.
    Raises Interrupted when `work.should_stop` says so, with everything kept.
    """
    steps = {cell.name: Step(cell.name, cell.about, number, len(cells)) for number, cell in enumerate(cells, 1)}

    def tell(cell: TableCell, epoch: int, epochs: int) -> None:
        say(replace(steps[cell.name], epoch=epoch, epochs=epochs))

    def done(cell: TableCell, found: Found, seconds: float) -> None:
        keep(cell, found, seconds)
        say(replace(steps[cell.name], over=True))

    worth_it = POSSIBLE and cores > 1 and len(cells) > 1
    apart = next((cell for cell in cells if cell.apart), None) if worth_it else None
    with ExitStack() as stack:
        beside: Beside | None = None
        if apart is not None:
            tell(apart, 0, 0)
            own = replace(work, cell=apart.name)
            beside = stack.enter_context(Beside(apart.run, own, partial(tell, apart), partial(done, apart)))
            stack.enter_context(_threads(cores - 1))

        def hear(cell: TableCell, epoch: int, epochs: int) -> None:
            tell(cell, epoch, epochs)
            if beside is not None:
                beside.listen()

        for cell in cells:
            if cell is apart:
                continue
            tell(cell, 0, 0)
            done(cell, *timed(cell.run, replace(work, cell=cell.name, tell=partial(hear, cell))))
            if work.should_stop():
                raise stopped()
        while beside is not None and not beside.listen(wait=0.2):
            if work.should_stop():
                raise stopped()


@contextmanager
def _threads(number: int) -> Iterator[None]:
    """Compute with so many threads inside."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)
