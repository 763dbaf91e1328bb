"""Train: choose data, protocol and models, start, and watch the curves grow."""

import streamlit as st

from recdash.ui import layout, train_page

layout.heading("Train", "Choose data and models, start, and watch. Trainings live on: closing this page stops nothing.")
left, right = st.columns([5, 4], gap="large")
with left, layout.errors():
    train_page.form()
with right:
    train_page.live_runs()
train_page.live_curves()
train_page.past_runs()
