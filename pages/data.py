"""Data: explore, download, import and remove datasets; show the split that a protocol makes."""

import streamlit as st

from recdash.ui import cache, data_page, layout
from recdash.ui.importing import import_section, naming

layout.heading(
    "Data", "Explore datasets and their splits, download MovieLens, or import your own data.", needs_store=False
)
naming.open_pending()
entries = cache.entries()
data_page.job_progress()
name = data_page.choose(entries)
if cache.is_generated(name):
    layout.generated_note()
summary, split, download, imports = st.tabs(
    [naming.SUMMARY_TAB, "Protocol", "Get MovieLens", "Import"], key="tab", on_change="rerun", bind="query-params"
)
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
