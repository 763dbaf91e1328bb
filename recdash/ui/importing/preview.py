"""What was understood of a file, before anything of it is kept."""

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
    from recdash.data.readers.interactions import Plan

_ROWS = 6


def show(understood: Mapping[str, Any], asked_ties: str) -> None:
    """Show the first rows by role, the counts, what values and times mean, and what was left out.

    asked_ties: the rule for events at the same time that holds where the file can follow it.
    """
    _rows(understood)
    st.markdown(f":material/view_column: Columns: {escape(import_summary.recognised(understood))}")
    st.caption(escape(import_summary.made(understood)))
    with st.grid(4, min_column_width=130):
        st.metric("Users", count(understood["users"]), border=True)
        st.metric("Items", count(understood["items"]), border=True)
        st.metric("Interactions", count(understood["interactions"]), border=True)
        st.metric("Positives", count(understood["positives"]), border=True, help="Interactions that count as liked.")
    if not understood["positives"]:
        st.warning(escape(import_summary.feedback(understood)), icon=":material/thumb_up_off_alt:")
    else:
        st.markdown(f":material/thumb_up: {escape(import_summary.feedback(understood))}")
    st.markdown(f":material/schedule: {escape(import_summary.times(understood, asked_ties))}")
    for one in understood["dropped"]:
        st.warning(f"Left out: {escape(import_summary.left_out(one))}", icon=":material/filter_alt:")
    for note in import_summary.other_notes(understood):
        st.caption(f"Note: {escape(note)}")


def raw(plan: Plan, rows: int = _ROWS) -> None:
    """Show the first rows as they are in the file."""
    import pandas as pd

    names = column_names(plan)
    first = [[*row[: len(names)], *[""] * (len(names) - len(row))] for row in plan.rows[:rows]]
    st.dataframe(pd.DataFrame(first, columns=names), hide_index=True, width="stretch", alt="The first rows of the file")


def raw_lines(path: Path, encoding: str | None, offered: Fixes) -> None:
    """Show the first lines of a file whose columns are not known; once for each encoding that is offered for it."""
    from recdash.services import import_summary

    guesses: list[str | None] = [str(options["encoding"]) for options in offered.values() if "encoding" in options]
    for one in guesses or [encoding]:
        with suppress(RecdashError):
            lines = import_summary.first_lines(path, one, foreign=bool(guesses))
            st.caption(f"The file as {escape(one)}:" if guesses and one else "The file begins:")
            st.code("\n".join(lines), language=None)


def column_names(plan: Plan) -> list[str]:
    """Return the names of the columns, each one once; without a header their numbers."""
    found: list[str] = []
    for place, name in enumerate(plan.columns, 1):
        plain = (name or "(no name)") if plan.header else f"column {place}"
        found.append(plain if plain not in found else f"{plain} ({place})")
    return found


def _rows(understood: Mapping[str, Any]) -> None:
    import pandas as pd

    columns = understood["columns"]
    heads = [role if role == name else f"{role} ({name})" for role, name in columns.items()]
    rows = pd.DataFrame([list(row.values()) for row in understood["rows"]], columns=heads)
    said = f"The first rows of the file, as {', '.join(columns)}"
    st.dataframe(rows, hide_index=True, width="stretch", alt=said)
