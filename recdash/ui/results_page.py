"""The Results page: comparable runs in one table each, who cannot be told from the best, means over seeds, exports."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import streamlit as st

from recdash.analysis import split_summary
from recdash.analysis.metric_info import HOW
from recdash.reporting.formatting import escape, plural
from recdash.ui import cache, glossary, layout, url_state
from recdash.ui.charts import result_charts
from recdash.ui.widgets import result_tables

if TYPE_CHECKING:
    from recdash.analysis.groups import Group
    from recdash.analysis.versus_best import BestComparison

DRAWN = 2  # groups whose pictures are drawn at once; with many split seeds the page stays quick

FORMS = {
    "csv": ("CSV", "text/csv", "csv"),
    "md": ("Markdown", "text/markdown", "md"),
    "latex": ("LaTeX", "text/x-tex", "tex"),
}


def choose(found: Sequence[Group]) -> tuple[list[Group], list[str]]:
    """Let somebody choose data, protocol and columns; returns the groups and metrics that are left."""
    datasets = ["", *dict.fromkeys(group.dataset for group in found)]
    first, second, third = st.columns([2, 2, 6], vertical_alignment="top")
    with first:
        dataset = st.selectbox(
            "Data set",
            datasets,
            format_func=lambda name: name or "All data sets",
            **url_state.bind("dataset", "", options=datasets),
        )
    left = [group for group in found if not dataset or group.dataset == dataset]
    protocols = ["", *dict.fromkeys(group.protocol for group in left)]
    with second:
        protocol = st.selectbox(
            "Protocol",
            protocols,
            format_func=lambda name: name or "All protocols",
            help=_protocol_help(protocols),
            **url_state.bind("protocol", "", options=protocols),
        )
    left = [group for group in left if not protocol or group.protocol == protocol]
    with third:
        return left, _metrics(left)


def _metrics(found: Sequence[Group]) -> list[str]:
    """Let somebody choose the columns; by default those of the published table and a few more."""
    from recdash.analysis import groups

    names = groups.metric_names(found)
    usual = [name for name in (*result_tables.PUBLISHED, *result_tables.MORE) if name in names]
    chosen = st.multiselect(
        "Columns",
        names,
        format_func=glossary.metric,
        placeholder="Choose metrics",
        wrap=True,
        **url_state.bind("metric", usual, options=names, many=True),
    )
    return chosen or usual


def why_apart(found: Sequence[Group]) -> None:
    """Say why several tables are not one."""
    from recdash.analysis import groups

    said = groups.why_not_comparable(found)
    if said:
        several = plural(len(found), "table")
        st.caption(f":material/info: {several}, because these runs are not comparable. {escape(' '.join(said))}")


def group(one: Group, columns: Sequence[str], *, drawn: bool = True) -> None:
    """Show one group: its table, who cannot be told from its best, and its pictures, at once or when asked for."""
    shown = [name for name in columns if any(name in row.metrics for row in one.rows)]
    found = cache.verdicts(one, list(dict.fromkeys([one.primary, *shown])))
    with st.container(key=f"group.{_place(one)}", gap="small"):
        st.subheader(escape(one.label), anchor=False, help=_protocol_help([one.protocol]))
        st.caption(escape(split_summary.in_words(one)))
        if cache.is_generated(one.dataset):
            layout.generated_note()
        _verdict(one, found.get(one.primary))
        _unstable(one)
        styled, config = result_tables.results(one, shown, found)
        event = st.dataframe(
            styled,
            column_config=config,
            hide_index=True,
            width="stretch",
            key=f"table.{_place(one)}",
            placeholder="–",
            on_select="rerun",
            selection_mode="multi-row",
            alt=f"Results on {one.label}, best first",
        )
        _selected(one, event)
        _published(one, shown)
        if drawn:
            result_charts.show(one, shown, _place(one))
            return
        more = st.expander("Pictures", icon=":material/bar_chart:", key=f"more.{_place(one)}", on_change="rerun")
        if more.open:
            with more:
                result_charts.show(one, shown, _place(one))


def _verdict(one: Group, found: BestComparison | None) -> None:
    """Say in a sentence who is best, who cannot be told from it, and whether there are users enough to tell."""
    if found is None:
        return
    if found.standings:
        best = f"**{escape(result_tables.labels(one.rows)[found.best])}** is best by {glossary.metric(found.metric)}"
        ties = result_tables.ties(one, found)
        others = f"{ties} cannot be told from it" if ties else "no other run comes close enough to be chance"
        st.markdown(f"{best}; {others}.", help=HOW)
    if found.note:
        st.caption(f":material/info: {escape(found.note)}")


def _unstable(one: Group) -> None:
    """Show which runs of a group became unstable while they were trained."""
    names = result_tables.labels(one.rows)
    said = [f"{escape(names[row.run.id])} {glossary.warning_badge(row.run)}" for row in one.rows if row.run.warning]
    if said:
        st.markdown(" ".join(said), help=glossary.UNSTABLE)


def _published(one: Group, columns: Sequence[str]) -> None:
    """Show what others have published for this data and protocol: one table per split, marked as what it is."""
    from recdash.analysis import reference_figures

    found = reference_figures.beside(one, list(dict.fromkeys([one.primary, *columns])))
    for table in found:
        st.markdown(f"**{escape(table.heading)}** :gray[:small[{escape(table.about)}]]")
        shown, config = result_tables.published(table)
        st.dataframe(
            shown,
            column_config=config,
            hide_index=True,
            width="stretch",
            height="content" if len(table.rows) <= 8 else 320,
            key=f"published.{_place(one)}.{table.split}",
            placeholder="–",
            alt=f"Published figures for {one.label}, not rerun. {table.title}",
        )
    if found:
        st.caption(escape(f"{reference_figures.NOTE[0].upper()}{reference_figures.NOTE[1:]}."))


def over_seeds(found: Sequence[Group], columns: Sequence[str]) -> None:
    """Show means over seeds where something was repeated."""
    repeated = cache.over_seeds(found)
    if not repeated:
        return
    st.subheader("Over seeds", anchor=False, help="A table holds only what was measured on the very same splits.")
    st.caption(
        "Mean of the splits' means. The first ± is the standard deviation over splits (other users), the second over "
        "training seeds within a split; with one training per split the first holds the noise of training as well."
    )
    for number, table in enumerate(repeated):
        st.markdown(f"**{escape(table.label)}**")
        st.dataframe(
            result_tables.over_seeds(table, columns),
            hide_index=True,
            width="stretch",
            key=f"seeds.{number}.{table.protocol}",
            column_config={name: glossary.metric(name) for name in columns},
            alt=f"Means over seeds of {table.label}",
        )


def export(found: Sequence[Group], columns: Sequence[str]) -> None:
    """Offer all shown tables as files."""
    st.subheader("Take it along", anchor=False)
    with st.container(horizontal=True):
        for form, (label, mime, ending) in FORMS.items():
            st.download_button(
                label,
                partial(_export, found, form, columns),
                file_name=f"recdash-results.{ending}",
                mime=mime,
                icon=":material/download:",
                on_click="ignore",
                key=f"export.{form}",
            )
        st.download_button(
            "Report",
            partial(_report, found),
            file_name="recdash-report.html",
            mime="text/html",
            icon=":material/article:",
            on_click="ignore",
            key="export.report",
            help="One HTML file that opens without a network: tables, pictures, settings, data, versions, LaTeX.",
        )
    st.caption(
        "Means with 95 % bootstrap intervals over test users. Text that a spreadsheet would run as a formula is made "
        "harmless."
    )


def _selected(one: Group, event: Any) -> None:
    rows = [one.rows[place] for place in event["selection"]["rows"] if place < len(one.rows)]
    if not rows:
        st.caption("Select rows to see their curves. Hover over a column's name for what it means.")
        return
    with st.container(horizontal=True):
        learned = [row.run.id for row in rows if (row.run.epochs or 1) > 1]
        if learned:
            layout.link("curves", f"Curves of {plural(len(learned), 'run')}", run=learned)
        layout.link(
            "recommend",
            f"Recommendations of {plural(len(rows), 'run')}",
            run=[row.run.id for row in rows],
            dataset=one.dataset,
        )


def _export(found: Sequence[Group], form: str, columns: Sequence[str]) -> str:
    from recdash.analysis import groups
    from recdash.services import results

    known = groups.metric_names(found)
    return results.export(found, form, [name for name in columns if name in known] or None)


def _report(found: Sequence[Group]) -> str:
    from recdash.reporting import render
    from recdash.services import report

    return render.text(report.of_groups(found), "html")


def _protocol_help(names: Sequence[str]) -> str | None:
    told = {protocol.name: protocol for protocol in cache.protocols()}
    lines = [
        f"**{escape(told[name].title)}** ({escape(name)}): {escape(told[name].help)}" for name in names if name in told
    ]
    return "\n\n".join(lines) or None


def _place(one: Group) -> str:
    """Return what tells this group from the others on the page."""
    return f"{one.protocol}.{one.split_fingerprint}"
