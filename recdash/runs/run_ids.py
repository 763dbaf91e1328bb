"""Ids of runs; they are drawn so that runs of one list differ in colour."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Collection

from recdash.runs.run_colours import PALETTE, colour_of


def draw_id(model: str, taken: Collection[str]) -> str:
    """Draw an id for a run of a model; its colour is the one that the fewest of the `taken` ids have."""
    uses = Counter(map(colour_of, taken))
    wanted = min(PALETTE, key=lambda colour: uses[colour])
    while True:
        run_id = f"{model}-{secrets.token_hex(4)}"
        if colour_of(run_id) == wanted and run_id not in taken:
            return run_id
