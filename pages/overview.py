"""Overview: what is here, the best model per task, what runs, what to do next."""

import streamlit as st

from recdash.services import runs
from recdash.ui import frame, overview

frame.heading(
    "recdash", "Train autoencoder recommenders, compare them under one honest protocol, and ask each for films."
)
found = runs.listing()
overview.demo_progress()
if not found:
    overview.welcome()
    st.stop()
overview.numbers(found)
best, now = st.columns([3, 2], gap="large")
with now:
    overview.running()
    overview.next_steps(found)
    overview.start_demo()
overview.latest(found)
with best:
    overview.best_models()
