"""Curves: losses, KL divergence, beta and validation metrics of any runs, live and side by side."""

import streamlit as st

from recdash.services import runs
from recdash.ui import curves_page, layout

layout.heading("Curves", "Losses and validation metrics of any runs, live. A diamond marks a run's best epoch.")
all_runs = runs.list_runs(archived=None)  # the sidebar lists archived ones on request
if not curves_page.has_curves(all_runs):
    st.info(
        "No model with epochs has been trained yet. Start one on the Train page to see its curves.",
        icon=":material/show_chart:",
    )
    layout.link("train", "Train a model")
    st.stop()
chosen = curves_page.choose_runs(all_runs)
if not chosen:
    st.info("No run is selected. Select runs by the eye next to their names.", icon=":material/visibility:")
    st.stop()
curves_page.draw(chosen)
curves_page.below(chosen)
