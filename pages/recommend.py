"""Recommend: pick films, see every model's list side by side, why, and how the lists differ."""

import streamlit as st

from recdash.ui import cached, frame, picking, recommend

frame.heading("Recommend", "Pick films you like. Every trained model answers with a list of its own, and says why.")
dataset, lists, length, device = recommend.options()
if cached.is_generated(dataset):
    frame.generated_note()
chosen = picking.picks(dataset)
trained = cached.trained(dataset)
answering = [run for run in trained if run.id in lists]
left, right = st.columns([2, 3], gap="large")
with left:
    picking.search(dataset)
with right:
    if chosen:
        picking.chips(dataset, chosen)
    elif answering or not trained:
        recommend.invitation(answering)
with st.expander("Well-known films of many kinds", expanded=not chosen, icon=":material/local_movies:"):
    picking.starters(dataset, chosen)
recommend.answers(dataset, chosen, trained, answering, length, device)
