"""Curves: losses, KL divergence, beta and validation metrics of several runs by epoch, live."""

import streamlit as st

from recdash.services import runs
from recdash.ui import curves_page, layout
from recdash.ui.charts import latent
from recdash.ui.recommend import learning

layout.heading("Curves", "Losses and validation metrics by epoch, live. A diamond marks the best epoch of a run.")
all_runs = runs.list_runs()
if not any((run.epochs or 2) > 1 for run in all_runs):
    st.info(
        "No model with epochs has been trained yet. Start one on the Train page to see its curves.",
        icon=":material/show_chart:",
    )
    layout.link("train", "Train a model")
    st.stop()
chosen = curves_page.choose_runs(all_runs)
if not chosen:
    st.caption("Select at least one run.")
    st.stop()
options = curves_page.curve_options()
names = curves_page.choose_values(chosen)
curves_page.live([run.id for run in chosen], names, options)
learning.draw(chosen)
latent.kl_per_dimension(chosen)
curves_page.differences(chosen)
curves_page.export(chosen)
