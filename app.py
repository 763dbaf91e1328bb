"""The dashboard: `streamlit run app.py`, or `recdash app`."""

import streamlit as st

from recdash.ui import layout

st.set_page_config(page_icon=layout.ICON, layout="wide")
layout.show(st.navigation(layout.pages(), position="top"))
