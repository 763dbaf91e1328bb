"""Data: explore, download, import and remove datasets; show the split that a protocol makes."""

import streamlit as st

from recdash.ui import cache, data_page, layout, url_state
from recdash.ui.importing import import_section, naming

layout.heading(
    "Data", "Explore datasets and their splits, download MovieLens, or import your own data.", needs_store=False
)
naming.open_pending()
entries = cache.entries()
data_page.job_progress()
name = data_page.choose(entries)
layout.title(name)
if cache.is_generated(name):
    layout.generated_note()
tabs = [naming.SUMMARY_TAB, "Protocol", "Get MovieLens", "Import"]
summary, split, download, imports = st.tabs(tabs, **url_state.bind("tab", naming.SUMMARY_TAB, options=tabs))
with summary:
    if summary.open:
        data_page.summary(name)
        data_page.remove(name)
with split:
    if split.open:
        data_page.protocol(name)
with download:
    if download.open:
        data_page.movielens_releases(entries)
with imports:
    if imports.open:
        import_section.section()
