"""Recommend: pick titles, compare the models' lists, explanations and overlap."""

import streamlit as st

from recdash.ui import cache, layout, recommend_page
from recdash.ui.widgets import item_picker

layout.heading("Recommend", "Pick titles you like and compare the lists of the trained models, with explanations.")
dataset, lists, length, device = recommend_page.options()
if cache.is_generated(dataset):
    layout.generated_note()
chosen = item_picker.picks(dataset)
trained = cache.trained_runs(dataset)
answering = [run for run in trained if run.id in lists]
left, right = st.columns([2, 3], gap="large")
with left:
    item_picker.search(dataset)
with right:
    if chosen:
        item_picker.chips(dataset, chosen)
    elif answering or not trained:
        recommend_page.prompt(answering)
with st.expander("Popular picks to start with", expanded=not chosen, icon=":material/star:"):
    item_picker.starters(dataset, chosen)
recommend_page.answers(dataset, chosen, trained, answering, length, device)
