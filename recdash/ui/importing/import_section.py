"""Import of a file: upload, preview, correction of what was detected, and storage as a dataset."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import streamlit as st

from recdash import environment
from recdash.data import dataset_registry
from recdash.errors import DataError, RecdashError
from recdash.reporting.formatting import escape
from recdash.services import datasets
from recdash.ui import url_state
from recdash.ui.importing import choices, naming, own_split, preview, uploads
from recdash.ui.importing import draft as import_draft
from recdash.ui.importing.draft import Draft

if TYPE_CHECKING:
    from recdash.data.readers.dataset_builder import Reading
    from recdash.data.readers.interactions import DetectedFormat

SOURCES = {"file": "Import a file", "split": "Import a split"}


def section() -> None:
    """Draw the import of one file, or of the files of an existing split."""
    source = st.segmented_control(
        "What to import", list(SOURCES), required=True, format_func=SOURCES.__getitem__, label_visibility="collapsed",
        **url_state.bind("import", "file", options=SOURCES),
    )  # fmt: skip
    if source == "split":
        own_split.import_split()
    else:
        import_file()


def import_file() -> None:
    """Import one file with a row per interaction, after a preview in which every option can be changed."""
    if environment.read_only():
        st.caption("Importing is disabled (RECDASH_READ_ONLY is set).")
        return
    draft = import_draft.current()
    if draft is None:
        _choose_file()
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(f":material/draft: **{escape(draft.file_name)}**", width="content")
        st.button(
            "Choose another file", icon=":material/upload_file:", type="tertiary", key="another",
            on_click=import_draft.discard,
        )  # fmt: skip
    plan = draft.plan()
    try:
        reading = draft.read()
    except RecdashError as error:
        _show_error(error, draft, plan)
        choices.column_choices(draft, plan)
        if plan is not None:
            preview.raw_rows(plan)
        choices.other_choices(draft, plan, None)
        return
    summary = reading.to_dict()
    choices.column_choices(draft, plan)
    preview.show(summary, draft.options.get("ties", "file"))
    _save_form(draft, reading)
    st.caption("Correct wrong detections here; the preview is updated.")
    choices.other_choices(draft, plan, summary, partial(_save_without_titles, reading))


def _choose_file() -> None:
    given = st.file_uploader(
        "File with one interaction per row: user, item, and optionally rating and time",
        max_upload_size=uploads.MAX_MB,
        key=f"file.{import_draft.uploader_number()}",
        help="CSV, TSV or other delimited text, JSON, Parquet; also compressed as gz, bz2, xz or zip",
    )
    if given is not None:
        import_draft.start(given)
        st.rerun()
    st.caption(
        "CSV, TSV, JSON or Parquet, also compressed. A preview is shown before anything is saved. For files above "
        f"{uploads.MAX_MB} MB, run `recdash data import NAME --csv FILE`."
    )


def _show_error(error: RecdashError, draft: Draft, plan: DetectedFormat | None) -> None:
    """Show the read error, the buttons that fix it, and the first lines if the columns are unknown."""
    st.error(escape(str(error)), icon=":material/error:")
    offered = error.fixes if isinstance(error, DataError) else {}
    if offered:
        choices.fix_buttons(draft, offered, plan)
    if plan is None:
        preview.raw_lines(draft.path, draft.options.get("encoding"), offered)


def _save_form(draft: Draft, reading: Reading) -> None:
    """Draw the name field and the import button."""
    key = _name_key(draft)
    st.session_state[key] = draft.name

    def changed() -> None:
        draft.name = str(st.session_state[key]).strip()

    row = st.container(horizontal=True, vertical_alignment="bottom", width=560)
    usable = naming.check_name(draft.name)
    with row:
        st.text_input("Dataset name", max_chars=60, key=key, on_change=changed)
        st.button(
            "Import", type="primary", icon=":material/input:", key="import",
            disabled=not usable or draft.titles_error is not None, on_click=_save, args=(reading,),
        )  # fmt: skip
    if draft.titles_error is not None:
        st.warning("The titles cannot be used; see below.", icon=":material/title:")


def _save_without_titles(reading: Reading) -> None:
    draft = import_draft.current()
    if draft is not None:
        draft.remove_titles()
        _save(reading)


def _save(reading: Reading) -> None:
    """Save the dataset and open it."""
    draft = import_draft.current()
    if draft is None:
        return
    typed = st.session_state.get(_name_key(draft), draft.name)  # the name field may have changed in the same click
    draft.name = str(typed).strip()
    try:
        dataset_registry.check_name(draft.name)
        entry = datasets.save(replace(reading, dataset=replace(reading.dataset, name=draft.name)))
    except RecdashError as error:
        st.toast(escape(str(error)), icon=":material/error:", duration="long")
        return
    naming.open_dataset(entry)
    import_draft.discard()


def _name_key(draft: Draft) -> str:
    return f"import.name.{draft.upload}"
