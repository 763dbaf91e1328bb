"""Name of an imported dataset, and opening the dataset after the import."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from recdash.data import dataset_registry
from recdash.errors import RecdashError
from recdash.reporting.formatting import escape, plural
from recdash.ui import cache, url_state

if TYPE_CHECKING:
    from recdash.data.dataset_registry import DatasetEntry

SUMMARY_TAB = "Summary"  # the tab of the Data page that shows an imported dataset


def check_name(name: str) -> bool:
    """Show what is wrong with a name or which dataset it replaces; returns whether the name is valid."""
    try:
        dataset_registry.check_name(name)
    except RecdashError as error:
        st.error(escape(str(error)), icon=":material/error:")
        return False
    old = next((entry for entry in cache.entries() if entry.ready and entry.name == name), None)
    if old is not None:
        size = plural(old.interactions or 0, "interaction")
        st.warning(
            f"Dataset {escape(name)} with {size} exists and will be replaced. Runs trained on it remain.",
            icon=":material/published_with_changes:",
        )
    return True


def open_on_rerun(entry: DatasetEntry) -> None:
    """Open a dataset on the next rerun: once the tabs of the page are drawn, this rerun cannot switch them."""
    st.session_state["_dataset_to_open"] = entry


def open_pending() -> None:
    """Open the dataset set by `open_on_rerun`, if any; called before the tabs of the page are drawn."""
    entry: DatasetEntry | None = st.session_state.pop("_dataset_to_open", None)
    if entry is not None:
        open_dataset(entry)


def open_dataset(entry: DatasetEntry) -> None:
    """Open the new dataset and show its size as a toast."""
    url_state.set_value("dataset", entry.name)
    url_state.set_value("tab", SUMMARY_TAB)
    sizes = f"{plural(entry.users or 0, 'user')}, {plural(entry.items or 0, 'item')}"
    st.toast(
        f"{escape(entry.name)} imported: {sizes}, {plural(entry.interactions or 0, 'interaction')}",
        icon=":material/check_circle:", duration="long",
    )  # fmt: skip
