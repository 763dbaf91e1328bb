"""Recommend: pick items, compare the models' lists, and see why they differ."""

import streamlit as st

from recdash.ui import layout, recommend_page

left, right = st.columns([4, 1], vertical_alignment="bottom")
with left:
    layout.heading("Recommend", "Pick what you like: every trained model answers side by side, and says why.")
with right:
    dataset = recommend_page.choose_dataset()
with left:
    recommend_page.note(dataset)
recommend_page.draw(dataset)
