"""Results: test metrics of comparable runs with intervals, significance, charts and exports."""

import streamlit as st

from recdash.ui import cache, layout, results_page

layout.heading("Results", "Test metrics with 95% intervals and significance; one table per split.")
all_groups = cache.groups()
if not all_groups:
    st.info(
        "No run is finished yet. Start one on the Train page; results appear after its evaluation.",
        icon=":material/leaderboard:",
    )
    layout.link("train", "Train a model")
    st.stop()
shown, columns = results_page.filter_groups(all_groups)
results_page.explain_separate_tables(shown)
for index, group in enumerate(shown):
    results_page.draw_group(group, columns, show_charts=index < results_page.MAX_GROUPS_WITH_CHARTS)
results_page.over_seeds(shown, columns)
results_page.export(shown, columns)
