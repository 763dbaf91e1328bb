"""Overview: run counts, best model per task, active runs and next steps."""

import streamlit as st

from recdash.services import runs
from recdash.ui import layout, overview_page

layout.heading(
    "recdash", "Train autoencoder recommenders, compare them with one evaluation protocol, and get recommendations."
)
all_runs = runs.list_runs()
overview_page.demo_progress(all_runs)
if not all_runs:
    overview_page.welcome()
    st.stop()
layout.link("recommend", "Pick movies and compare what the models recommend")
overview_page.run_counts(all_runs)
best, now = st.columns([3, 2], gap="large")
with now:
    overview_page.running_now()
    overview_page.next_steps(all_runs)
    overview_page.start_demo()
overview_page.latest_runs(all_runs)
with best:
    overview_page.best_models()
