"""Runs in a picture: a colour that belongs to each, and dashes for those that share one."""

from __future__ import annotations

from collections.abc import Iterable

from recdash.runs.run_ids import PALETTE
from recdash.runs.run_ids import colour_of as of

__all__ = ["DASHES", "PALETTE", "dashes", "of"]

DASHES: tuple[tuple[int, ...], ...] = (
    (),
    (7, 3),
    (2, 3),
    (9, 3, 2, 3),
    (4, 2),
)  # for runs of one colour in one picture


def dashes(run_ids: Iterable[str]) -> dict[str, tuple[int, ...]]:
    """Return a dash pattern per run: solid, except where an earlier run of the list has the same colour."""
    seen: dict[str, int] = {}
    found: dict[str, tuple[int, ...]] = {}
    for run_id in run_ids:
        colour = of(run_id)
        found[run_id] = DASHES[seen.get(colour, 0) % len(DASHES)]
        seen[colour] = seen.get(colour, 0) + 1
    return found
