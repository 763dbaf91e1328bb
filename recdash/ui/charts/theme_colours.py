"""The theme of the page, colours of text in charts, and Markdown in the colour of a run."""

from __future__ import annotations

import streamlit as st

from recdash.runs.run_colours import colour_of

TEXT = {"light": "#131826", "dark": "#e7eaf0"}
MUTED = {"light": "#667085", "dark": "#98a2b3"}


def current_theme() -> str:
    """Return the theme of the page, "light" or "dark"."""
    return "dark" if st.context.theme.type == "dark" else "light"


def dot(run_id: str) -> str:
    """Return a dot in the colour of a run, as Markdown."""
    return f':color[●]{{foreground="{colour_of(run_id)}"}}'


def background(colour: str, strength: float = 0.16) -> str:
    """Return the colour with low opacity, for tiles behind text."""
    red, green, blue = (int(colour[start : start + 2], 16) for start in (1, 3, 5))
    return f"rgba({red}, {green}, {blue}, {strength})"
