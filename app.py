"""The dashboard: `streamlit run app.py`, or `recdash app`."""

import streamlit as st

from recdash.ui import frame

st.set_page_config(page_icon=frame.ICON, layout="wide")
frame.show(st.navigation(frame.pages(), position="top"))
