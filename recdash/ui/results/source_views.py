"""Views on where figures come from: published figures, and what the protocol measures and leaks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import streamlit as st

from recdash.analysis import protocol_notes, reference_figures
from recdash.reporting.formatting import escape
from recdash.ui.results import table_choice
from recdash.ui.widgets import result_tables

if TYPE_CHECKING:
    from recdash.analysis.groups import Group


def draw_published(group: Group, columns: Sequence[str]) -> None:
    """Show published figures for this dataset and protocol, one table per published split."""
    found = reference_figures.for_group(group, list(dict.fromkeys([group.primary, *columns])))
    for table in found:
        st.markdown(f"**{escape(table.heading)}** :gray[:small[{escape(table.about)}]]")
        shown, config = result_tables.published_table(table)
        st.dataframe(
            shown,
            column_config=config,
            hide_index=True,
            width="stretch",
            height="content" if len(table.rows) <= 6 else 245,
            key=f"published.{table.split}",
            placeholder="–",
            alt=f"Published figures for {group.label}, not rerun. {table.title}",
        )
    st.caption(escape(f"{reference_figures.NOTE[0].upper()}{reference_figures.NOTE[1:]}."))


def draw_protocol(group: Group) -> None:
    """Show what the protocol measures, what it leaks, and what its figures cannot be compared with."""
    note = protocol_notes.note_on(group.protocol)
    st.markdown(f"**What {escape(group.protocol)} measures, and what it leaks**")
    if note is None:
        st.caption("This protocol is not part of this version.")
        return
    st.markdown(
        f"- **Measures.** {escape(note.measures)}\n- **Leaks.** {escape(note.leaks)}\n- **Caution.** "
        f"{escape(note.caution)}"
    )
    about = table_choice.protocol_help([group.protocol])
    if about:
        st.caption(about)
