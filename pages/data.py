"""Data: what is here and what it looks like, what a protocol does to it; get, import, remove."""

import streamlit as st

from recdash.ui import cache, data_page, layout
from recdash.ui.importing import import_section, naming

layout.heading(
    "Data", "What models learn from: look at it, see what a protocol does to it, bring more.", needs_store=False
)
naming.arrive()
entries = cache.entries()
data_page.progress()
name = data_page.choose(entries)
if cache.is_generated(name):
    layout.generated_note()
seen, split, more, own = st.tabs(
    [naming.LANDING, "Protocol", "Get MovieLens", "Import"], key="tab", on_change="rerun", bind="query-params"
)
with seen:
    if seen.open:
        data_page.look(name)
        data_page.remove(name)
with split:
    if split.open:
        data_page.protocol(name)
with more:
    if more.open:
        data_page.releases(entries)
with own:
    if own.open:
        import_section.section()
