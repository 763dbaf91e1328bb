"""The title of the browser's tab: active runs, what the page shows, and the page's name."""

from __future__ import annotations

from typing import NamedTuple

import streamlit as st

MAX_LENGTH = 90  # characters of what the page shows
_KEY = "_title"


class _Title(NamedTuple):
    """The page, what it shows, and whether it said so in this rerun."""

    page: str = ""
    text: str = ""
    is_new: bool = False


def enter(page: str) -> None:
    """Start a rerun of a page. Its title stays until the page says what it shows, so that it does not flicker."""
    before = _current()
    st.session_state[_KEY] = _Title(page, before.text if before.page == page else "")


def set_text(text: str) -> None:
    """Say what the page shows."""
    st.session_state[_KEY] = _current()._replace(text=" ".join(text.split())[:MAX_LENGTH], is_new=True)
    write()


def leave() -> None:
    """End a rerun of a page: a title that it did not repeat is no longer right."""
    title = _current()
    if title.text and not title.is_new:
        set_text("")


def write() -> None:
    """Send the title to the browser."""
    title, n_active = _current(), len(st.session_state.get("_running", ()))
    parts = " · ".join(filter(None, (title.text, title.page, "recdash")))
    st.set_page_config(page_title=f"({n_active} running) {parts}" if n_active else parts)


def _current() -> _Title:
    title: _Title = st.session_state.get(_KEY, _Title())
    return title
