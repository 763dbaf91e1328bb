"""Export of the chosen runs with every value, and import of curves that other programs recorded."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import streamlit as st

from recdash import environment
from recdash.analysis.run_labels import run_labels
from recdash.errors import RecdashError
from recdash.reporting.formatting import escape, plural
from recdash.services import curves
from recdash.ui import layout, url_state

if TYPE_CHECKING:
    from recdash.services.imported_runs import ImportReport
    from recdash.services.runs import RunRecord

UPLOAD_MB = 50
_REPORTS = "_curve_imports"


def export(records: Sequence[RunRecord]) -> None:
    """Draw the buttons that export one run's epochs, or everything recorded of all chosen runs."""
    st.header("Export", anchor=False)
    names = run_labels(records, one_dataset=False)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        chosen = st.selectbox(
            "Curves of one run", [run.id for run in records], format_func=names.__getitem__, key="export_run", width=300
        )
        for form in ("csv", "json"):
            st.download_button(
                f"Export {form.upper()}",
                partial(_curves, str(chosen), form),
                file_name=f"{chosen}.{form}",
                icon=":material/download:",
                on_click="ignore",
                key=f"export.{form}",
            )
        ids = [run.id for run in records]
        st.download_button(
            f"Export {plural(len(ids), 'run')} with everything recorded",
            partial(_archive, ids),
            file_name="recdash-runs.zip",
            mime="application/zip",
            icon=":material/folder_zip:",
            on_click="ignore",
            key="export.runs",
            help="Parquet files: settings, metrics with intervals, all epochs, events and per-user results. "
            "`recdash runs import` and the field below read them.",
        )
    st.caption(
        "The menu of each chart exports it as PNG, SVG and CSV. Files for TensorBoard and MLflow: "
        "`recdash runs export --format tensorboard --to FOLDER`."
    )


def import_curves() -> None:
    """Draw the field that imports curves, and what the last import read."""
    st.header("Import curves", anchor=False)
    if environment.read_only():
        st.caption("Importing is disabled (RECDASH_READ_ONLY is set).")
        return
    with st.form("import_curves", clear_on_submit=True, border=False):
        uploads = st.file_uploader(
            "Curves of other programs, to be drawn next to these",
            accept_multiple_files=True,
            max_upload_size=UPLOAD_MB,
            help="CSV of TensorBoard, Weights & Biases or Trackio, any CSV with a step or epoch column, TensorBoard "
            "event files (needs the extra `tensorboard`), or an export of recdash as ZIP",
            key="curve_uploads",
        )
        if st.form_submit_button("Import", icon=":material/upload:") and uploads:
            _import([(upload.name, upload.getvalue()) for upload in uploads])
    for report in st.session_state.get(_REPORTS, ()):
        _show(report)


def _import(files: list[tuple[str, bytes]]) -> None:
    from recdash.services import curve_import  # lazy: pyarrow

    with layout.error_boundary():
        reports = curve_import.import_uploads(files)
        st.session_state[_REPORTS] = reports
        st.rerun()


def _show(report: ImportReport) -> None:
    skipped = f", {plural(report.skipped_cells, 'cell')} without a number skipped" if report.skipped_cells else ""
    here = f", {plural(len(report.already_here), 'run')} imported before" if report.already_here else ""
    read = f"{plural(len(report.runs), 'run')} with {plural(report.points, 'value')}"
    st.success(
        f"{escape(report.source)}: {read}{skipped}{here}.",
        icon=":material/check_circle:",
    )
    for note in report.notes[:5]:
        st.caption(escape(note))
    if set(report.run_ids) <= set(st.session_state.get(url_state.key_of("run"), [])):
        return  # they are drawn already
    st.button(
        "Draw them here",
        icon=":material/show_chart:",
        key=f"draw.{report.source}.{','.join(report.run_ids)[:60]}",
        on_click=_add_to_selection,
        args=(report.run_ids,),
    )


def _add_to_selection(run_ids: list[str]) -> None:
    chosen = list(st.session_state.get(url_state.key_of("run"), []))
    url_state.set_value("run", [*chosen, *(run_id for run_id in run_ids if run_id not in chosen)])


def _curves(run_id: str, file_format: str) -> str:
    return curves.export(curves.curves(run_id), file_format)


def _archive(run_ids: list[str]) -> bytes:
    from recdash.services import run_export  # lazy: pyarrow

    try:
        return run_export.export_archive(run_ids)
    except RecdashError as error:  # a download cannot show an error, so the file says it
        return str(error).encode()
