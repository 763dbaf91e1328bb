"""Results: what the models reached, only comparable runs side by side, with intervals, cost and exports."""

import streamlit as st

from recdash.ui import cache, layout, results_page

layout.heading("Results", "What each model reached on users it never saw. Only runs on the same split share a table.")
found = cache.groups()
if not found:
    st.info(
        "No run is finished yet. Start one on the Train page; its row appears here when it is tested.",
        icon=":material/leaderboard:",
    )
    layout.link("train", "Train a model")
    st.stop()
shown, columns = results_page.choose(found)
results_page.why_apart(shown)
for place, group in enumerate(shown):
    results_page.group(group, columns, drawn=place < results_page.DRAWN)
results_page.over_seeds(shown, columns)
results_page.export(shown, columns)
