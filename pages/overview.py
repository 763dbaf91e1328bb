"""Overview: what is here, the best model per task, what runs, what to do next."""

import streamlit as st

from recdash.services import runs
from recdash.ui import layout, overview_page

layout.heading(
    "recdash", "Train autoencoder recommenders, compare them under one honest protocol, and ask each for films."
)
found = runs.listing()
overview_page.demo_progress()
if not found:
    overview_page.welcome()
    st.stop()
overview_page.numbers(found)
best, now = st.columns([3, 2], gap="large")
with now:
    overview_page.running()
    overview_page.next_steps(found)
    overview_page.start_demo()
overview_page.latest(found)
with best:
    overview_page.best_models()
