"""Results: one table of comparable runs at a time, with intervals, differences to a baseline, views and exports."""

import streamlit as st

from recdash.ui import cache, layout, results_page
from recdash.ui.results import table_choice, table_view

layout.heading("Results", "Test metrics with 95% intervals and significance; one table per split.")
table_view.visit_run()
all_groups = cache.groups()
if not all_groups:
    st.info(
        "No run is finished yet. Start one on the Train page; results appear after its evaluation.",
        icon=":material/leaderboard:",
    )
    layout.link("train", "Train a model")
    st.stop()
group = table_choice.choose_table(all_groups)
shown = results_page.runs_shown(group)
if shown is None:
    st.info("The sidebar hides all runs of this table. Clear its filter, or show a run.", icon=":material/filter_alt:")
    st.stop()
results_page.draw_table(shown, group)
results_page.draw_views(shown, all_groups)
