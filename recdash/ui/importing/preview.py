"""Preview of a file before its import: detected columns, counts, and what values and times mean."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st

from recdash.errors import Fixes, RecdashError
from recdash.reporting.formatting import count, escape
from recdash.services import import_summary

if TYPE_CHECKING:
    from recdash.data.readers.interactions import DetectedFormat

_ROWS = 6


def show(summary: Mapping[str, Any], requested_ties: str) -> None:
    """Show the first rows by role, counts, the meaning of values and times, and omitted rows.

    Args:
        summary: Summary of the file as it was read.
        requested_ties: Requested rule for events at the same time, which applies if the file is sorted by time.
    """
    _rows(summary)
    st.markdown(f":material/view_column: Columns: {escape(import_summary.columns(summary))}")
    st.caption(escape(import_summary.file_format(summary)))
    with st.grid(4, min_column_width=130):
        st.metric("Users", count(summary["users"]), border=True)
        st.metric("Items", count(summary["items"]), border=True)
        st.metric("Interactions", count(summary["interactions"]), border=True)
        st.metric("Positives", count(summary["positives"]), border=True, help="Interactions that count as positive.")
    if not summary["positives"]:
        st.warning(escape(import_summary.feedback(summary)), icon=":material/thumb_up_off_alt:")
    else:
        st.markdown(f":material/thumb_up: {escape(import_summary.feedback(summary))}")
    st.markdown(f":material/schedule: {escape(import_summary.times(summary, requested_ties))}")
    for one in summary["dropped"]:
        st.warning(f"Left out: {escape(import_summary.left_out(one))}", icon=":material/filter_alt:")
    for note in import_summary.other_notes(summary):
        st.caption(f"Note: {escape(note)}")


def raw_rows(plan: DetectedFormat, rows: int = _ROWS) -> None:
    """Show the first rows of the file, unchanged."""
    import pandas as pd  # lazy: pandas

    names = column_names(plan)
    first = [[*row[: len(names)], *[""] * (len(names) - len(row))] for row in plan.rows[:rows]]
    st.dataframe(pd.DataFrame(first, columns=names), hide_index=True, width="stretch", alt="First rows of the file")


def raw_lines(path: Path, encoding: str | None, offered: Fixes) -> None:
    """Show the first lines of a file with unknown columns, once for each offered encoding."""
    guesses: list[str | None] = [str(options["encoding"]) for options in offered.values() if "encoding" in options]
    for one in guesses or [encoding]:
        with suppress(RecdashError):
            lines = import_summary.first_lines(path, one, foreign=bool(guesses))
            st.caption(f"First lines as {escape(one)}:" if guesses and one else "First lines of the file:")
            st.code("\n".join(lines), language=None)


def column_names(plan: DetectedFormat) -> list[str]:
    """Return unique column names; without a header, the column numbers."""
    names: list[str] = []
    for number, name in enumerate(plan.columns, 1):
        label = (name or "(no name)") if plan.header else f"column {number}"
        names.append(label if label not in names else f"{label} ({number})")
    return names


def _rows(summary: Mapping[str, Any]) -> None:
    import pandas as pd  # lazy: pandas

    columns = summary["columns"]
    heads = [role if role == name else f"{role} ({name})" for role, name in columns.items()]
    rows = pd.DataFrame([list(row.values()) for row in summary["rows"]], columns=heads)
    alt = f"First rows of the file, as {', '.join(columns)}"
    st.dataframe(rows, hide_index=True, width="stretch", alt=alt)
