"""One run: state, results, curves, settings, environment, log and files (`/run?id=RUN`)."""

import streamlit as st

from recdash.ui import layout, run_page

layout.heading(run_page.title(), "Everything that was recorded about one run.")
run = run_page.requested_run()
if run is None:
    st.stop()
layout.title(run.name)
run_page.draw(run)
