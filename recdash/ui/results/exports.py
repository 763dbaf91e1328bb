"""Export of the table shown."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import streamlit as st

from recdash.analysis.groups import metric_names
from recdash.reporting import render
from recdash.services import report, results

if TYPE_CHECKING:
    from recdash.analysis.groups import Group

FORMATS = {
    "csv": ("CSV", "text/csv", "csv"),
    "md": ("Markdown", "text/markdown", "md"),
    "latex": ("LaTeX", "text/x-tex", "tex"),
}


def draw(groups: Sequence[Group], columns: Sequence[str]) -> None:
    """Draw the buttons that export the runs shown; files are made on a click."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown("**Export**", width="content")
        for form, (label, mime, ending) in FORMATS.items():
            st.download_button(
                label,
                partial(export_table, groups, form, columns),
                file_name=f"recdash-results.{ending}",
                mime=mime,
                icon=":material/download:",
                on_click="ignore",
                key=f"export.{form}",
                help="The runs shown, with the columns shown: means with 95% bootstrap intervals over test users. Text "
                "that a spreadsheet would interpret as a formula is escaped.",
            )
        st.download_button(
            "Report",
            partial(export_report, groups),
            file_name="recdash-report.html",
            mime="text/html",
            icon=":material/article:",
            on_click="ignore",
            key="export.report",
            help="One HTML file with tables, charts, settings, data, versions and LaTeX; works without a network",
        )


def export_table(groups: Sequence[Group], file_format: str, columns: Sequence[str]) -> str:
    """Return the tables as text; metrics that no run has are left out."""
    known = metric_names(groups)
    return results.export(groups, file_format, [name for name in columns if name in known] or None)


def export_report(groups: Sequence[Group]) -> str:
    """Return a report on the runs as one HTML file."""
    return render.render(report.from_groups(groups), "html")
