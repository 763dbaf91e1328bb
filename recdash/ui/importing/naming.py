"""The name that an import gets, and the data set that opens once it is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from recdash.data import dataset_registry
from recdash.errors import RecdashError
from recdash.reporting.formatting import escape, plural
from recdash.ui import cache, url_state

if TYPE_CHECKING:
    from recdash.data.dataset_registry import Entry

LANDING = "Look"  # the tab of the Data page that shows what was imported


def check(name: str) -> bool:
    """Say what is wrong with a name, or what an import under it replaces; returns whether it can be used."""
    try:
        dataset_registry.check_name(name)
    except RecdashError as error:
        st.error(escape(str(error)), icon=":material/error:")
        return False
    old = next((entry for entry in cache.entries() if entry.ready and entry.name == name), None)
    if old is not None:
        size = plural(old.interactions or 0, "interaction")
        st.warning(
            f"There is a data set {escape(name)} with {size}. Importing replaces it; runs trained on it stay.",
            icon=":material/published_with_changes:",
        )
    return True


def open_next(entry: Entry) -> None:
    """Have the next run of the page open a new data set: once its tabs are drawn, it is too late in this one."""
    st.session_state["_arrived"] = entry


def arrive() -> None:
    """Open the data set that the run before imported, if it did; called before the tabs of the page are drawn."""
    entry: Entry | None = st.session_state.pop("_arrived", None)
    if entry is not None:
        land(entry)


def land(entry: Entry) -> None:
    """Open the new data set and say how much it holds."""
    url_state.put("dataset", entry.name)
    st.session_state["tab"] = LANDING
    sizes = f"{plural(entry.users or 0, 'user')}, {plural(entry.items or 0, 'item')}"
    st.toast(
        f"{escape(entry.name)} is imported: {sizes}, {plural(entry.interactions or 0, 'interaction')}",
        icon=":material/check_circle:", duration="long",
    )  # fmt: skip
