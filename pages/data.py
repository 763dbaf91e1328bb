"""Data: what is here and what it looks like, what a protocol does to it; get, import, remove."""

import streamlit as st

from recdash.ui import cached, data, frame, import_name, importing

frame.heading(
    "Data", "What models learn from: look at it, see what a protocol does to it, bring more.", needs_store=False
)
import_name.arrive()
entries = cached.entries()
data.progress()
name = data.choose(entries)
if cached.is_generated(name):
    frame.generated_note()
seen, split, more, own = st.tabs(
    [import_name.LANDING, "Protocol", "Get MovieLens", "Import"], key="tab", on_change="rerun", bind="query-params"
)
with seen:
    if seen.open:
        data.look(name)
        data.remove(name)
with split:
    if split.open:
        data.protocol(name)
with more:
    if more.open:
        data.releases(entries)
with own:
    if own.open:
        importing.section()
