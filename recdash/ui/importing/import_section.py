"""The import of anybody's file: upload, see what was understood, change what is not right, keep it."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import streamlit as st

from recdash import paths
from recdash.data import dataset_registry
from recdash.errors import DataError, RecdashError
from recdash.reporting.formatting import escape
from recdash.ui import url_state
from recdash.ui.importing import choices, naming, own_split, preview, uploads
from recdash.ui.importing import draft as import_draft
from recdash.ui.importing.draft import Draft

if TYPE_CHECKING:
    from recdash.data.readers.dataset_builder import Reading
    from recdash.data.readers.interactions import Plan

SOURCES = {"file": "Import a file", "split": "Import a split"}


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
    if paths.read_only():
        st.caption("Importing is switched off here (RECDASH_READ_ONLY).")
        return
    draft = import_draft.current()
    if draft is None:
        _choose_file()
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(f":material/draft: **{escape(draft.file_name)}**", width="content")
        st.button(
            "Choose another file", icon=":material/upload_file:", type="tertiary", key="another",
            on_click=import_draft.drop,
        )  # fmt: skip
    plan = draft.plan()
    try:
        reading = draft.read()
    except RecdashError as error:
        _refuse(error, draft, plan)
        choices.columns(draft, plan)
        if plan is not None:
            preview.raw(plan)
        choices.show(draft, plan, None)
        return
    understood = reading.to_dict()
    choices.columns(draft, plan)
    preview.show(understood, draft.said.get("ties", "file"))
    _keep_as(draft, reading)
    st.caption("What is not right can be changed here; the preview follows.")
    choices.show(draft, plan, understood, partial(_keep_without_titles, reading))


def _choose_file() -> None:
    given = st.file_uploader(
        "A file with a row per interaction: a user, an item, and maybe a rating and a time",
        max_upload_size=uploads.MOST_MB,
        key=f"file.{import_draft.round_number()}",
        help="CSV, TSV or other delimited text, JSON, Parquet; also packed as gz, bz2, xz or zip.",
    )
    if given is not None:
        import_draft.begin(given)
        st.rerun()
    st.caption(
        "CSV, TSV, JSON or Parquet, also packed. You see a preview before anything is kept. Files of more than "
        f"{uploads.MOST_MB} MB: `recdash data import NAME --csv FILE`."
    )


def _refuse(error: RecdashError, draft: Draft, plan: Plan | None) -> None:
    """Say what stops the reading, what would help, and how the file begins where its columns are not known."""
    st.error(escape(str(error)), icon=":material/error:")
    offered = error.fixes if isinstance(error, DataError) else {}
    if offered:
        choices.fixes(draft, offered, plan)
    if plan is None:
        preview.raw_lines(draft.path, draft.said.get("encoding"), offered)


def _keep_as(draft: Draft, reading: Reading) -> None:
    """Offer to keep what was read, under a name that can be changed."""
    key = _name_key(draft)
    st.session_state[key] = draft.name

    def changed() -> None:
        draft.name = str(st.session_state[key]).strip()

    place = st.container(horizontal=True, vertical_alignment="bottom", width=560)
    usable = naming.check(draft.name)
    with place:
        st.text_input("Name of the data set", max_chars=60, key=key, on_change=changed)
        st.button(
            "Import", type="primary", icon=":material/input:", key="import",
            disabled=not usable or draft.titles_error is not None, on_click=_keep, args=(reading,),
        )  # fmt: skip
    if draft.titles_error is not None:
        st.warning("The titles cannot be used, see below.", icon=":material/title:")


def _keep_without_titles(reading: Reading) -> None:
    draft = import_draft.current()
    if draft is not None:
        draft.without_titles()
        _keep(reading)


def _keep(reading: Reading) -> None:
    """Keep the data set and show it."""
    from recdash.services import datasets

    draft = import_draft.current()
    if draft is None:
        return
    typed = st.session_state.get(_name_key(draft), draft.name)  # a name that is typed and kept in one go
    draft.name = str(typed).strip()
    try:
        dataset_registry.check_name(draft.name)
        entry = datasets.keep(replace(reading, dataset=replace(reading.dataset, name=draft.name)))
    except RecdashError as error:
        st.toast(escape(str(error)), icon=":material/error:", duration="long")
        return
    naming.land(entry)
    import_draft.drop()


def _name_key(draft: Draft) -> str:
    return f"import.name.{draft.upload}"
