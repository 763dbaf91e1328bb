"""What was understood of a file, before anything of it is kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import streamlit as st

from recdash.services import imports
from recdash.ui.text import count, escape

if TYPE_CHECKING:
    from recdash.data.readers.csv import Plan

_ROWS = 6


def show(understood: Mapping[str, Any]) -> None:
    """Show the first rows by role, the counts, what values and times mean, and what was left out."""
    _rows(understood)
    st.caption(escape(imports.made(understood)))
    with st.grid(4, min_column_width=130):
        st.metric("Users", count(understood["users"]), border=True)
        st.metric("Items", count(understood["items"]), border=True)
        st.metric("Interactions", count(understood["interactions"]), border=True)
        st.metric("Positives", count(understood["positives"]), border=True, help="Interactions that count as liked.")
    if not understood["positives"]:
        st.warning(escape(imports.feedback(understood)), icon=":material/thumb_up_off_alt:")
    else:
        st.markdown(f":material/thumb_up: {escape(imports.feedback(understood))}")
    st.markdown(f":material/schedule: {escape(imports.times(understood))}")
    for one in understood["dropped"]:
        st.warning(f"Left out: {escape(one)}", icon=":material/filter_alt:")
    for line in imports.sentences(understood):
        if line.startswith("Note: "):
            st.caption(escape(line))


def raw(plan: Plan) -> None:
    """Show the first rows as they are in the file."""
    import pandas as pd

    names = column_names(plan)
    rows = [[*row[: len(names)], *[""] * (len(names) - len(row))] for row in plan.rows[:_ROWS]]
    st.dataframe(pd.DataFrame(rows, columns=names), hide_index=True, width="stretch", alt="The first rows of the file")


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
    rows = pd.DataFrame(understood["rows"], columns=list(columns))
    config = {role: st.column_config.TextColumn(role, help=f"Column {name}") for role, name in columns.items()}
    said = f"The first rows of the file, as {', '.join(columns)}"
    st.dataframe(rows, hide_index=True, width="stretch", alt=said, column_config=config)
