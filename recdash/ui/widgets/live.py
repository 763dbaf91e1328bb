"""Live parts of a page: fragments that refresh each second while a run is active and their tab is visible."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

from recdash.ui import layout
from recdash.ui.components import component

REFRESH_SECONDS = 1.0


def fragment(
    key: str,
    function: Callable[..., None],
    *args: Any,
    seconds: float = REFRESH_SECONDS,
    active: Callable[[], bool] = layout.is_running,
) -> None:
    """Draw a part of the page as a fragment that refreshes while any run is active.

    The timer is in the browser: it pauses in a hidden tab, and counts from the last answer, so that slow answers
    never pile up. Without active runs there is no timer, and nothing is sent.

    Args:
        key: Key of the part, unique on the page.
        function: Draws the part.
        *args: Its arguments.
        seconds: Seconds between an answer and the next request.
        active: Whether to refresh, asked before each drawing; by default whether any run is active.
    """
    st.fragment(_draw)(key, function, args, seconds, active)


@layout.with_error_boundary
def _draw(
    key: str, function: Callable[..., None], args: tuple[Any, ...], seconds: float, active: Callable[[], bool]
) -> None:
    if active():
        component.timer(key, seconds)
    function(*args)
