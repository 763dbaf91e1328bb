"""Curves: reconstruction, KL, beta, loss and validation quality of any runs in one picture, live."""

import streamlit as st

from recdash.services import runs
from recdash.ui import curves, frame, latent

frame.heading(
    "Curves", "How trainings went, or go right now: several runs in one picture, a diamond at each best epoch."
)
found = runs.listing()
if not any((run.epochs or 2) > 1 for run in found):
    st.info(
        "Nothing that learns in epochs has been trained yet. Start it on the Train page and its curves grow here.",
        icon=":material/show_chart:",
    )
    frame.link("train", "Train a model")
    st.stop()
chosen = curves.choose(found)
if not chosen:
    st.caption("Choose at least one run.")
    st.stop()
how = curves.look()
names = curves.values(chosen)
curves.live([run.id for run in chosen], names, how)
latent.dimensions(chosen)
curves.differences(chosen)
curves.export(chosen)
