"""The Results page: one table per group of comparable runs, significance, charts, means over seeds, exports."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import streamlit as st

from recdash.analysis import reference_figures, split_summary
from recdash.analysis.groups import metric_names, why_not_comparable
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

MAX_GROUPS_WITH_CHARTS = (
    2  # groups whose charts are drawn at once; with many split seeds, more would slow the page down
)
FORMATS = {
    "csv": ("CSV", "text/csv", "csv"),
    "md": ("Markdown", "text/markdown", "md"),
    "latex": ("LaTeX", "text/x-tex", "tex"),
}


def filter_groups(groups: Sequence[Group]) -> tuple[list[Group], list[str]]:
    """Draw the filters for dataset, protocol and columns; returns the remaining groups and metrics."""
    datasets = ["", *dict.fromkeys(group.dataset for group in groups)]
    first, second, third = st.columns([2, 2, 6], vertical_alignment="top")
    with first:
        dataset = st.selectbox(
            "Dataset",
            datasets,
            format_func=lambda name: name or "All datasets",
            **url_state.bind("dataset", "", options=datasets),
        )
    left = [group for group in groups if not dataset or group.dataset == dataset]
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


def _metrics(groups: Sequence[Group]) -> list[str]:
    """Draw the column selector; by default the columns of the published table and a few more."""
    names = metric_names(groups)
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


def explain_separate_tables(groups: Sequence[Group]) -> None:
    """Explain why the runs are in several tables."""
    reasons = why_not_comparable(groups)
    if reasons:
        tables = plural(len(groups), "table")
        st.caption(f":material/info: {tables}, because these runs are not comparable. {escape(' '.join(reasons))}")


def draw_group(group: Group, columns: Sequence[str], *, show_charts: bool = True) -> None:
    """Show table, significance, published values and charts of one group; `show_charts` opens the charts at once."""
    shown = [name for name in columns if any(name in row.metrics for row in group.rows)]
    comparisons = cache.best_comparisons(group, list(dict.fromkeys([group.primary, *shown])))
    with st.container(key=f"group.{_group_key(group)}", gap="small"):
        st.subheader(escape(group.label), anchor=False, help=_protocol_help([group.protocol]))
        st.caption(escape(split_summary.describe(group)))
        if cache.is_generated(group.dataset):
            layout.generated_note()
        _best_sentence(group, comparisons.get(group.primary))
        _unstable(group)
        styled, config = result_tables.results_table(group, shown, comparisons)
        event = st.dataframe(
            styled,
            column_config=config,
            hide_index=True,
            width="stretch",
            key=f"table.{_group_key(group)}",
            placeholder="–",
            on_select="rerun",
            selection_mode="multi-row",
            alt=f"Results on {group.label}, best first",
        )
        _selected(group, event)
        _published(group, shown)
        if show_charts:
            result_charts.draw_tabs(group, shown, _group_key(group))
            return
        more = st.expander("Charts", icon=":material/bar_chart:", key=f"more.{_group_key(group)}", on_change="rerun")
        if more.open:
            with more:
                result_charts.draw_tabs(group, shown, _group_key(group))


def _best_sentence(group: Group, comparison: BestComparison | None) -> None:
    """State the best run, the runs not significantly different from it, and whether there are too few test users."""
    if comparison is None:
        return
    if comparison.differences:
        name = escape(run_labels([row.run for row in group.rows])[comparison.best])
        not_different = result_tables.not_different_from_best(group, comparison)
        others = (
            f"not significantly different: {not_different}"
            if not_different
            else "all others are significantly different"
        )
        st.markdown(f"**{name}** is best by {glossary.metric(comparison.metric)}; {others}.", help=COMPARISON_METHOD)
    if comparison.note:
        st.caption(f":material/info: {escape(comparison.note)}")


def _unstable(group: Group) -> None:
    """List the runs of a group whose training became unstable."""
    names = run_labels([row.run for row in group.rows])
    unstable = [
        f"{escape(names[row.run.id])} {glossary.warning_badge(row.run)}" for row in group.rows if row.run.warning
    ]
    if unstable:
        st.markdown(" ".join(unstable), help=glossary.UNSTABLE)


def _published(group: Group, columns: Sequence[str]) -> None:
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
            height="content" if len(table.rows) <= 8 else 320,
            key=f"published.{_group_key(group)}.{table.split}",
            placeholder="–",
            alt=f"Published figures for {group.label}, not rerun. {table.title}",
        )
    if found:
        st.caption(escape(f"{reference_figures.NOTE[0].upper()}{reference_figures.NOTE[1:]}."))


def over_seeds(groups: Sequence[Group], columns: Sequence[str]) -> None:
    """Show means over seeds if a training was repeated with other seeds."""
    repeated = cache.seed_tables(groups)
    if not repeated:
        return
    st.subheader("Means over seeds", anchor=False, help="Each table contains only runs on the same splits.")
    st.caption(
        "Mean of the metric over splits. The first ± is the standard deviation over splits (different test users), the "
        "second over training seeds within a split. With one run per split, the first includes training noise."
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


def export(groups: Sequence[Group], columns: Sequence[str]) -> None:
    """Draw the buttons that export the tables shown."""
    st.subheader("Export", anchor=False)
    with st.container(horizontal=True):
        for form, (label, mime, ending) in FORMATS.items():
            st.download_button(
                f"Export {label}",
                partial(_export, groups, form, columns),
                file_name=f"recdash-results.{ending}",
                mime=mime,
                icon=":material/download:",
                on_click="ignore",
                key=f"export.{form}",
            )
        st.download_button(
            "Export report",
            partial(_report, groups),
            file_name="recdash-report.html",
            mime="text/html",
            icon=":material/article:",
            on_click="ignore",
            key="export.report",
            help="One HTML file with tables, charts, settings, data, versions and LaTeX; works without a network",
        )
    st.caption(
        "Means with 95% bootstrap intervals over test users. Text that a spreadsheet would interpret as a formula is "
        "escaped."
    )


def _selected(group: Group, event: Any) -> None:
    rows = [group.rows[index] for index in event["selection"]["rows"] if index < len(group.rows)]
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
            dataset=group.dataset,
        )


def _export(groups: Sequence[Group], file_format: str, columns: Sequence[str]) -> str:
    known = metric_names(groups)
    return results.export(groups, file_format, [name for name in columns if name in known] or None)


def _report(groups: Sequence[Group]) -> str:
    return render.render(report.from_groups(groups), "html")


def _protocol_help(names: Sequence[str]) -> str | None:
    known = {protocol.name: protocol for protocol in cache.protocols()}
    listed = [known[name] for name in names if name in known]
    return "\n\n".join(f"**{escape(one.title)}** ({escape(one.name)}): {escape(one.help)}" for one in listed) or None


def _group_key(group: Group) -> str:
    """Return a key that identifies a group on the page."""
    return f"{group.protocol}.{group.split_fingerprint}"
