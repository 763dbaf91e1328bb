"""The Results page: one table of comparable runs at a time, views on it, and exports."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import streamlit as st

from recdash.analysis import split_summary
from recdash.analysis.run_labels import run_labels
from recdash.reporting.formatting import escape
from recdash.ui import cache, glossary, layout
from recdash.ui.results import chart_views, table_view
from recdash.ui.widgets import runs_sidebar

if TYPE_CHECKING:
    from recdash.analysis.groups import Group


def runs_shown(group: Group) -> Group | None:
    """Draw the sidebar with the runs of a table; returns the table without hidden runs, None if none is left."""
    selection = runs_sidebar.draw("results", [row.run for row in group.rows], default=None)
    return with_runs(group, selection.visible)


def with_runs(group: Group, run_ids: Collection[str]) -> Group | None:
    """Return a table with only some of its runs, in its order; None if none is left."""
    wanted = set(run_ids)
    rows = tuple(row for row in group.rows if row.run.id in wanted)
    return replace(group, rows=rows) if rows else None


def draw_table(group: Group, whole: Group) -> None:
    """Draw facts and table. `whole` has the runs that the sidebar hides, too: each can be the baseline."""
    facts = split_summary.describe(group)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        if facts:
            st.caption(escape(facts), width="content")
        if cache.is_generated(group.dataset):
            layout.generated_note()
    layout.title(f"{group.label}: {glossary.metric(group.primary)}")
    _unstable(group)
    with st.container(gap="small", key="results"):
        st.fragment(table_view.draw)(group, whole)


def draw_views(group: Group, groups: Sequence[Group]) -> None:
    """Draw the views of the runs shown; `groups` are all tables, for means over split seeds."""
    st.fragment(chart_views.draw)(group, groups)


def _unstable(group: Group) -> None:
    """List the runs of a group whose training became unstable."""
    unstable = [row for row in group.rows if row.run.warning]
    if unstable:
        names = run_labels([row.run for row in group.rows])
        marks = [f"{escape(names[row.run.id])} {glossary.warning_badge(row.run)}" for row in unstable[:8]]
        more = f" and {len(unstable) - 8} more" if len(unstable) > 8 else ""
        st.markdown(f"{' '.join(marks)}{more}", help=glossary.UNSTABLE)
