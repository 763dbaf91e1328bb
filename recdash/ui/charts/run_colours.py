"""A colour that belongs to a run: the same on every page, on every machine, whatever else is in the picture."""

from __future__ import annotations

from recdash.reporting.palette import DASHES, PALETTE, dashes, of

__all__ = ["DASHES", "MUTED", "PALETTE", "TEXT", "background", "dashes", "dot", "of"]

TEXT = {"light": "#1b2130", "dark": "#e7eaf0"}
MUTED = {"light": "#667085", "dark": "#98a2b3"}


def dot(run_id: str) -> str:
    """Return a dot in the colour of a run, as Markdown."""
    return f':color[●]{{foreground="{of(run_id)}"}}'


def background(colour: str, strength: float = 0.16) -> str:
    """Return the colour as a thin wash, for tiles behind text."""
    red, green, blue = (int(colour[place : place + 2], 16) for place in (1, 3, 5))
    return f"rgba({red}, {green}, {blue}, {strength})"
