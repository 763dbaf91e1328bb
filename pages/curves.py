"""Curves: reconstruction, KL, beta, loss and validation quality of any runs in one picture, live."""

import streamlit as st

from recdash.services import runs
from recdash.ui import curves_page, layout
from recdash.ui.charts import latent

layout.heading(
    "Curves", "How trainings went, or go right now: several runs in one picture, a diamond at each best epoch."
)
found = runs.listing()
if not any((run.epochs or 2) > 1 for run in found):
    st.info(
        "Nothing that learns in epochs has been trained yet. Start it on the Train page and its curves grow here.",
        icon=":material/show_chart:",
    )
    layout.link("train", "Train a model")
    st.stop()
chosen = curves_page.choose(found)
if not chosen:
    st.caption("Choose at least one run.")
    st.stop()
how = curves_page.look()
names = curves_page.values(chosen)
curves_page.live([run.id for run in chosen], names, how)
latent.dimensions(chosen)
curves_page.differences(chosen)
curves_page.export(chosen)
