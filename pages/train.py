"""Train: start runs, follow their curves and manage them."""

import streamlit as st

from recdash.ui import layout, train_page

layout.heading("Train", "Start runs and follow their curves. Training continues when this page is closed.")
left, right = st.columns([5, 4], gap="large")
with left, layout.error_boundary():
    train_page.form()
with right:
    train_page.live_runs()
train_page.live_curves()
train_page.past_runs()
