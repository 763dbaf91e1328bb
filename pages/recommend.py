"""Recommend: pick films, see every model's list side by side, why, and how the lists differ."""

import streamlit as st

from recdash.ui import cache, layout, recommend_page
from recdash.ui.widgets import item_picker

layout.heading("Recommend", "Pick films you like. Every trained model answers with a list of its own, and says why.")
dataset, lists, length, device = recommend_page.options()
if cache.is_generated(dataset):
    layout.generated_note()
chosen = item_picker.picks(dataset)
trained = cache.trained(dataset)
answering = [run for run in trained if run.id in lists]
left, right = st.columns([2, 3], gap="large")
with left:
    item_picker.search(dataset)
with right:
    if chosen:
        item_picker.chips(dataset, chosen)
    elif answering or not trained:
        recommend_page.invitation(answering)
with st.expander("Well-known films of many kinds", expanded=not chosen, icon=":material/local_movies:"):
    item_picker.starters(dataset, chosen)
recommend_page.answers(dataset, chosen, trained, answering, length, device)
