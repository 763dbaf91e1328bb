"""The Train page: a form for new runs, searches for settings, the queue, and earlier runs."""

from __future__ import annotations

import streamlit as st

from recdash.ui import layout, url_state
from recdash.ui.train import earlier_runs, queue_view, start_form
from recdash.ui.tune import tune_tab

VIEWS = {
    "new": ("New run", ":material/add:", start_form.draw),
    "tune": ("Tune", ":material/query_stats:", tune_tab.draw),
    "queue": ("Queue", ":material/list:", queue_view.draw),
    "earlier": ("Earlier runs", ":material/history:", earlier_runs.draw),
}


def draw() -> None:
    """Draw the choice of the part of the page, and that part."""
    view = st.segmented_control(
        "Part of the page",
        list(VIEWS),
        required=True,
        format_func=lambda name: f"{VIEWS[name][1]} {VIEWS[name][0]}",
        label_visibility="collapsed",
        wrap=True,  # on a phone the last ones would be out of sight otherwise
        **url_state.bind("view", "new", options=VIEWS),
    )
    if view not in ("new", "tune"):  # these say what they are about
        layout.title(VIEWS[view][0])
    with layout.error_boundary():
        VIEWS[view][2]()
