"""A colour that belongs to a run: the same on every page, in every report, on every machine."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b

# Twelve hues in two strengths. Each has a contrast of at least 3 to 1 against both page backgrounds (a test holds it).
PALETTE = (
    "#2d69de",
    "#eb6c0e",
    "#057f5b",
    "#c86ce3",
    "#ce334a",
    "#1ba1a7",
    "#93670d",
    "#e760b4",
    "#7758da",
    "#3fa622",
    "#0f77a4",
    "#f75c6b",
    "#757304",
    "#987dff",
    "#b75104",
    "#18a579",
    "#a348bd",
    "#129bd6",
    "#c0870f",
    "#bf3a90",
    "#558efd",
    "#29800b",
    "#037c81",
    "#999604",
)
DASHES: tuple[tuple[int, ...], ...] = (
    (),
    (7, 3),
    (2, 3),
    (9, 3, 2, 3),
    (4, 2),
)  # for runs of one colour in one picture


def of(run_id: str) -> str:
    """Return the colour of a run as #rrggbb."""
    return PALETTE[int.from_bytes(blake2b(run_id.encode(), digest_size=4).digest()) % len(PALETTE)]


def dashes(run_ids: Iterable[str]) -> dict[str, tuple[int, ...]]:
    """Return a dash pattern per run: solid, except where an earlier run of the list has the same colour."""
    seen: dict[str, int] = {}
    found: dict[str, tuple[int, ...]] = {}
    for run_id in run_ids:
        colour = of(run_id)
        found[run_id] = DASHES[seen.get(colour, 0) % len(DASHES)]
        seen[colour] = seen.get(colour, 0) + 1
    return found
