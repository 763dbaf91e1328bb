"""Results: what the models reached, only comparable runs side by side, with intervals, cost and exports."""

import streamlit as st

from recdash.ui import cached, frame, results

frame.heading("Results", "What each model reached on users it never saw. Only runs on the same split share a table.")
found = cached.groups()
if not found:
    st.info(
        "No run is finished yet. Start one on the Train page; its row appears here when it is tested.",
        icon=":material/leaderboard:",
    )
    frame.link("train", "Train a model")
    st.stop()
shown, columns = results.choose(found)
results.why_apart(shown)
for place, group in enumerate(shown):
    results.group(group, columns, drawn=place < results.DRAWN)
results.over_seeds(shown, columns)
results.export(shown, columns)
