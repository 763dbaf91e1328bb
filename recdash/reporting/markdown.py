"""A report as Markdown, and its tables as LaTeX."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recdash.analysis.metric_info import METRICS, title
from recdash.evaluation.selection_metric import SELECTION_METRIC_NAMES
from recdash.reporting import seed_tables, tables
from recdash.reporting.svg import sparkline
from recdash.reporting.table_format import markdown_table

if TYPE_CHECKING:
    from recdash.reporting.content import ComparisonReport, Section

_CURVES = (*SELECTION_METRIC_NAMES, "loss")


def page(report: ComparisonReport) -> str:
    """Return the whole report as Markdown."""
    parts = [f"# {report.title}", f"recdash {report.version}, {report.created}"]
    if report.not_comparable:
        parts.append(f"> {report.comparability_note}")
    for section in report.sections:
        parts += _section(section)
    if report.seed_tables:
        parts += ["## Means over seeds", seed_tables.render(report.seed_tables, "md")]
    return "\n\n".join(part for part in parts if part) + "\n"


def latex(report: ComparisonReport) -> str:
    """Return every table of the report as LaTeX for the package booktabs."""
    parts = [latex_of(section) for section in report.sections]
    parts += [seed_tables.render(report.seed_tables, "latex")] if report.seed_tables else []
    return "\n\n".join(parts) + "\n"


def latex_of(section: Section) -> str:
    """Return the table of one section as LaTeX."""
    return tables.render([section.group], "latex", section.metrics)


def _section(section: Section) -> list[str]:
    comparison = section.comparison
    return [
        f"## {section.group.label}",
        section.summary(),
        f"> {comparison.note}" if comparison is not None and comparison.note else "",
        tables.render([section.group], "md", section.metrics),
        _curves(section),
        *_slices(section),
        "### Data and split",
        markdown_table([["Property", "Value"], *map(list, section.facts())]),
        "### Settings, seeds, devices",
        markdown_table(section.settings_rows()),
        *section.versions(),
        "### The table in LaTeX",
        f"```latex\n{latex_of(section)}\n```",
    ]


def _curves(section: Section) -> str:
    rows = [["Model", "Value", "Curve", "First epoch", "Best epoch", "Last epoch"]]
    for curves in section.curves:
        for name in _CURVES:
            values = [value for _, value in curves.series.get(name, ())]
            if len(values) > 1:
                label = title(name) if name in METRICS or "@" in name else name.capitalize()
                first, last = (f"{values[index]:.4f}" for index in (0, -1))
                best = str(curves.run.best_epoch or "-")
                rows.append([section.labels[curves.run.id], label, sparkline(values), first, best, last])
    return f"### Learning curves\n\n{markdown_table(rows)}" if len(rows) > 1 else ""


def _slices(section: Section) -> list[str]:
    parts = []
    for view in section.slice_views:
        rows = [["Model", *(f"{part.name} ({part.size:,})" for part in view.parts)]]
        for run_id, cells in view.cells.items():
            rows.append([section.labels[run_id], *("-" if c.mean != c.mean else f"{c.mean:.4f}" for c in cells)])
        parts += [f"### {section.slice_title(view)}", markdown_table(rows), section.slice_note(view)]
    return parts
