"""Dash patterns of runs in charts, for runs of the same colour."""

from __future__ import annotations

from collections.abc import Iterable

from recdash.runs.run_colours import colour_of

DASHES: tuple[tuple[int, ...], ...] = (
    (),
    (7, 3),
    (2, 3),
    (9, 3, 2, 3),
    (4, 2),
)


def dashes(run_ids: Iterable[str]) -> dict[str, tuple[int, ...]]:
    """Return the dash pattern of each run: solid, unless an earlier run of the list has the same colour."""
    seen: dict[str, int] = {}
    patterns: dict[str, tuple[int, ...]] = {}
    for run_id in run_ids:
        colour = colour_of(run_id)
        patterns[run_id] = DASHES[seen.get(colour, 0) % len(DASHES)]
        seen[colour] = seen.get(colour, 0) + 1
    return patterns
