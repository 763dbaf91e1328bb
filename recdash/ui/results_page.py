"""The Results page: one table per group of comparable runs, significance, charts, means over seeds, exports."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import streamlit as st

from recdash.analysis import groups, reference_figures, split_summary
from recdash.analysis.metric_info import COMPARISON_METHOD
from recdash.analysis.run_labels import run_labels
from recdash.reporting import render
from recdash.reporting.formatting import escape, plural
from recdash.services import report, results
from recdash.ui import cache, glossary, layout, url_state
from recdash.ui.charts import result_charts
from recdash.ui.widgets import result_tables

if TYPE_CHECKING:
    from recdash.analysis.groups import Group
    from recdash.analysis.versus_best import BestComparison

MAX_DRAWN = 2  # groups whose charts are drawn at once; with many split seeds, more would slow the page down
FORMATS = {
    "csv": ("CSV", "text/csv", "csv"),
    "md": ("Markdown", "text/markdown", "md"),
    "latex": ("LaTeX", "text/x-tex", "tex"),
}


def filter_groups(found: Sequence[Group]) -> tuple[list[Group], list[str]]:
    """Draw the filters for dataset, protocol and columns; returns the remaining groups and metrics."""
    datasets = ["", *dict.fromkeys(group.dataset for group in found)]
    first, second, third = st.columns([2, 2, 6], vertical_alignment="top")
    with first:
        dataset = st.selectbox(
            "Dataset",
            datasets,
            format_func=lambda name: name or "All datasets",
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
    """Draw the column selector; by default the columns of the published table and a few more."""
    names = groups.metric_names(found)
    default = [name for name in (*result_tables.PUBLISHED_COLUMNS, *result_tables.EXTRA_COLUMNS) if name in names]
    chosen = st.multiselect(
        "Columns",
        names,
        format_func=glossary.metric,
        placeholder="Choose metrics",
        wrap=True,
        **url_state.bind("metric", default, options=names, many=True),
    )
    return chosen or default


def explain_separate_tables(found: Sequence[Group]) -> None:
    """Explain why the runs are in several tables."""
    reasons = groups.why_not_comparable(found)
    if reasons:
        tables = plural(len(found), "table")
        st.caption(f":material/info: {tables}, because these runs are not comparable. {escape(' '.join(reasons))}")


def group(one: Group, columns: Sequence[str], *, drawn: bool = True) -> None:
    """Show the table, significance, published figures and charts of one group; `drawn` charts need no click."""
    shown = [name for name in columns if any(name in row.metrics for row in one.rows)]
    comparisons = cache.best_comparisons(one, list(dict.fromkeys([one.primary, *shown])))
    with st.container(key=f"group.{_group_key(one)}", gap="small"):
        st.subheader(escape(one.label), anchor=False, help=_protocol_help([one.protocol]))
        st.caption(escape(split_summary.describe(one)))
        if cache.is_generated(one.dataset):
            layout.generated_note()
        _best_sentence(one, comparisons.get(one.primary))
        _unstable(one)
        styled, config = result_tables.results_table(one, shown, comparisons)
        event = st.dataframe(
            styled,
            column_config=config,
            hide_index=True,
            width="stretch",
            key=f"table.{_group_key(one)}",
            placeholder="–",
            on_select="rerun",
            selection_mode="multi-row",
            alt=f"Results on {one.label}, best first",
        )
        _selected(one, event)
        _published(one, shown)
        if drawn:
            result_charts.draw_tabs(one, shown, _group_key(one))
            return
        more = st.expander("Charts", icon=":material/bar_chart:", key=f"more.{_group_key(one)}", on_change="rerun")
        if more.open:
            with more:
                result_charts.draw_tabs(one, shown, _group_key(one))


def _best_sentence(one: Group, comparison: BestComparison | None) -> None:
    """State the best run, the runs tied with it, and whether there are too few test users."""
    if comparison is None:
        return
    if comparison.standings:
        name = escape(run_labels([row.run for row in one.rows])[comparison.best])
        tied = result_tables.tied_with_best(one, comparison)
        others = f"not significantly different: {tied}" if tied else "all others are significantly different"
        st.markdown(f"**{name}** is best by {glossary.metric(comparison.metric)}; {others}.", help=COMPARISON_METHOD)
    if comparison.note:
        st.caption(f":material/info: {escape(comparison.note)}")


def _unstable(one: Group) -> None:
    """List the runs of a group whose training became unstable."""
    names = run_labels([row.run for row in one.rows])
    unstable = [f"{escape(names[row.run.id])} {glossary.warning_badge(row.run)}" for row in one.rows if row.run.warning]
    if unstable:
        st.markdown(" ".join(unstable), help=glossary.UNSTABLE)


def _published(one: Group, columns: Sequence[str]) -> None:
    """Show published figures for this dataset and protocol, one table per published split."""
    found = reference_figures.for_group(one, list(dict.fromkeys([one.primary, *columns])))
    for table in found:
        st.markdown(f"**{escape(table.heading)}** :gray[:small[{escape(table.about)}]]")
        shown, config = result_tables.published_table(table)
        st.dataframe(
            shown,
            column_config=config,
            hide_index=True,
            width="stretch",
            height="content" if len(table.rows) <= 8 else 320,
            key=f"published.{_group_key(one)}.{table.split}",
            placeholder="–",
            alt=f"Published figures for {one.label}, not rerun. {table.title}",
        )
    if found:
        st.caption(escape(f"{reference_figures.NOTE[0].upper()}{reference_figures.NOTE[1:]}."))


def over_seeds(found: Sequence[Group], columns: Sequence[str]) -> None:
    """Show means over seeds if a training was repeated with other seeds."""
    repeated = cache.seed_tables(found)
    if not repeated:
        return
    st.subheader("Over seeds", anchor=False, help="Each table contains only runs on the same splits.")
    st.caption(
        "Mean of the metric over splits. The first ± is the standard deviation over splits (different test users), the "
        "second over training seeds within a split. With one training per split, the first includes training noise."
    )
    for number, table in enumerate(repeated):
        st.markdown(f"**{escape(table.label)}**")
        st.dataframe(
            result_tables.seed_table(table, columns),
            hide_index=True,
            width="stretch",
            key=f"seeds.{number}.{table.protocol}",
            column_config={name: glossary.metric(name) for name in columns},
            alt=f"Means over seeds of {table.label}",
        )


def export(found: Sequence[Group], columns: Sequence[str]) -> None:
    """Draw the buttons that export the tables shown."""
    st.subheader("Export", anchor=False)
    with st.container(horizontal=True):
        for form, (label, mime, ending) in FORMATS.items():
            st.download_button(
                f"Export {label}",
                partial(_export, found, form, columns),
                file_name=f"recdash-results.{ending}",
                mime=mime,
                icon=":material/download:",
                on_click="ignore",
                key=f"export.{form}",
            )
        st.download_button(
            "Export report",
            partial(_report, found),
            file_name="recdash-report.html",
            mime="text/html",
            icon=":material/article:",
            on_click="ignore",
            key="export.report",
            help="One HTML file with tables, charts, settings, data, versions and LaTeX; works without a network",
        )
    st.caption(
        "Means with 95 % bootstrap intervals over test users. Text that a spreadsheet would interpret as a formula is "
        "escaped."
    )


def _selected(one: Group, event: Any) -> None:
    rows = [one.rows[index] for index in event["selection"]["rows"] if index < len(one.rows)]
    if not rows:
        st.caption("Select rows to open their curves or recommendations. Hover over a column name for its definition.")
        return
    with st.container(horizontal=True):
        with_epochs = [row.run.id for row in rows if (row.run.epochs or 1) > 1]
        if with_epochs:
            layout.link("curves", f"Curves of {plural(len(with_epochs), 'run')}", run=with_epochs)
        layout.link(
            "recommend",
            f"Recommendations of {plural(len(rows), 'run')}",
            run=[row.run.id for row in rows],
            dataset=one.dataset,
        )


def _export(found: Sequence[Group], form: str, columns: Sequence[str]) -> str:
    known = groups.metric_names(found)
    return results.export(found, form, [name for name in columns if name in known] or None)


def _report(found: Sequence[Group]) -> str:
    return render.render(report.from_groups(found), "html")


def _protocol_help(names: Sequence[str]) -> str | None:
    known = {protocol.name: protocol for protocol in cache.protocols()}
    listed = [known[name] for name in names if name in known]
    return "\n\n".join(f"**{escape(one.title)}** ({escape(one.name)}): {escape(one.help)}" for one in listed) or None


def _group_key(one: Group) -> str:
    """Return a key that identifies a group on the page."""
    return f"{one.protocol}.{one.split_fingerprint}"
