"""Train: choose data, protocol and models, start, and watch the curves grow."""

import streamlit as st

from recdash.ui import frame, train

frame.heading("Train", "Choose data and models, start, and watch. Trainings live on: closing this page stops nothing.")
left, right = st.columns([5, 4], gap="large")
with left, frame.errors():
    train.form()
with right:
    train.live_runs()
train.live_curves()
train.past_runs()
