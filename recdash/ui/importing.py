"""The import of anybody's file: upload, see what was understood, change what is not right, keep it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import streamlit as st

from recdash import places
from recdash.data import library
from recdash.errors import DataError, RecdashError
from recdash.ui import cached, import_choices, import_draft, import_preview, own_split, uploads, url_state
from recdash.ui.import_draft import Draft
from recdash.ui.text import escape, plural

if TYPE_CHECKING:
    from recdash.data.library import Entry
    from recdash.data.readers.csv import Plan
    from recdash.data.readers.source import Reading

SOURCES = {"file": "Import a file", "split": "Import a split"}
LANDING = "Look"  # the tab of the Data page that shows what was imported


def section() -> None:
    """Import one file, or the files of a split that was made elsewhere."""
    source = st.segmented_control(
        "What to import", list(SOURCES), required=True, format_func=SOURCES.__getitem__, label_visibility="collapsed",
        **url_state.bind("import", "file", options=SOURCES),
    )  # fmt: skip
    if source == "split":
        own_split.import_split()
    else:
        import_file()


def import_file() -> None:
    """Import one file with a row per interaction, after a preview in which every choice can be changed."""
    if places.read_only():
        st.caption("Importing is switched off here (RECDASH_READ_ONLY).")
        return
    given = st.file_uploader(
        "A file with a row per interaction: a user, an item, and maybe a rating and a time",
        max_upload_size=uploads.MOST_MB,
        key=f"file.{st.session_state.get('_imported', 0)}",
        help="CSV, TSV or other delimited text, JSON, Parquet; also packed as gz, bz2, xz or zip.",
    )
    if given is None:
        import_draft.drop()
        st.caption(
            "CSV, TSV, JSON or Parquet, also packed. You see a preview before anything is kept. Files of more than "
            f"{uploads.MOST_MB} MB: `recdash data import NAME --csv FILE`."
        )
        return
    draft = import_draft.current(given)
    plan = draft.plan()
    try:
        reading = draft.read()
    except RecdashError as error:
        _refuse(error, draft, plan)
        import_choices.show(draft, plan, None)
        return
    understood = reading.to_dict()
    import_preview.show(understood)
    _keep_as(draft, reading)
    st.caption("What is not right can be changed here; the preview follows.")
    import_choices.show(draft, plan, understood)


def _refuse(error: RecdashError, draft: Draft, plan: Plan | None) -> None:
    st.error(escape(str(error)), icon=":material/error:")
    if isinstance(error, DataError) and error.fixes:
        import_choices.fixes(draft, error.fixes)
    if plan is not None:
        import_preview.raw(plan)


def _keep_as(draft: Draft, reading: Reading) -> None:
    """Offer to keep what was read, under a name that can be changed."""
    key = f"import.name.{draft.upload}"
    with st.container(horizontal=True, vertical_alignment="bottom", width=560):
        name = st.text_input("Name of the data set", uploads.plain_name(draft.file_name), max_chars=60, key=key).strip()
        wrong = _wrong_name(name)
        st.button(
            "Import", type="primary", icon=":material/input:", key="import", disabled=bool(wrong),
            on_click=_keep, args=(reading, key),
        )  # fmt: skip
    if wrong:
        st.error(escape(wrong), icon=":material/error:")
    elif old := next((entry for entry in cached.entries() if entry.ready and entry.name == name), None):
        size = plural(old.interactions or 0, "interaction")
        st.warning(
            f"There is a data set {escape(name)} with {size}. Importing replaces it; runs trained on it stay.",
            icon=":material/published_with_changes:",
        )


def _wrong_name(name: str) -> str:
    try:
        library.check_name(name)
    except RecdashError as error:
        return str(error)
    return ""


def _keep(reading: Reading, name_key: str) -> None:
    """Keep the data set and show it."""
    from recdash.services import datasets

    try:
        name = str(st.session_state[name_key]).strip()
        library.check_name(name)
        entry = datasets.keep(replace(reading, dataset=replace(reading.dataset, name=name)))
    except RecdashError as error:
        st.toast(escape(str(error)), icon=":material/error:", duration="long")
        return
    _land(entry)
    import_draft.drop()
    st.session_state["_imported"] = st.session_state.get("_imported", 0) + 1


def _land(entry: Entry) -> None:
    """Open the new data set and say how much it holds."""
    url_state.put("dataset", entry.name)
    st.session_state["tab"] = LANDING
    sizes = f"{plural(entry.users or 0, 'user')}, {plural(entry.items or 0, 'item')}"
    st.toast(
        f"{escape(entry.name)} is imported: {sizes}, {plural(entry.interactions or 0, 'interaction')}",
        icon=":material/check_circle:", duration="long",
    )  # fmt: skip
