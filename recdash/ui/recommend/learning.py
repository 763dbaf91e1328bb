"""What models recommended while they were learning: the lists of runs by epoch, for the Curves page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import streamlit as st

from recdash.reporting.formatting import escape, listed
from recdash.ui import layout
from recdash.ui.recommend import details, lists_view, queries, taste_state

if TYPE_CHECKING:
    from recdash.recommend.taste_history import Entries
    from recdash.services.runs import RunRecord

MAX_LISTS, N_EXAMPLES = 4, 3


def draw(selected: Sequence[RunRecord]) -> None:
    """Draw the lists of the first runs with snapshots, all of one dataset, with a slider from untrained to best."""
    with_snapshots = [run for run in selected if len(queries.snapshot_epochs(run)) > 1]
    if not with_snapshots:
        return
    dataset = with_snapshots[0].dataset
    shown = [run for run in with_snapshots if run.dataset == dataset][:MAX_LISTS]
    entries: Entries = taste_state.entries_of(dataset)
    st.header("Recommendations by epoch", anchor=False)
    with layout.error_boundary():
        about = "your picks"
        if not entries:
            examples = queries.starter_items(dataset, N_EXAMPLES)
            entries = tuple((item.id, "like") for item in examples)
            about = f"a visitor who likes {listed([escape(item.label) for item in examples])}"
        st.caption(
            f"Lists for {about}. Drag a slider from the untrained model to the best epoch and watch the list change."
        )
        lists_view.draw_by_epoch(dataset, shown, entries)
    layout.link("recommend", "Pick your own" if not taste_state.entries_of(dataset) else "Change your picks")
    details.show_requested(dataset, None, {})
