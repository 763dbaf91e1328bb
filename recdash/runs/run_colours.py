"""The colour of each run: the same on every page, in every report and on every machine."""

from __future__ import annotations

from hashlib import blake2b

# Twelve hues in two strengths, each with a contrast of at least 3 to 1 against both page backgrounds (tested).
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


def colour_of(run_id: str) -> str:
    """Return the colour of a run as #rrggbb; it depends on the id alone."""
    return PALETTE[int.from_bytes(blake2b(run_id.encode(), digest_size=4).digest()) % len(PALETTE)]
