"""A report as Markdown, and its tables as LaTeX."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recdash.analysis.metric_info import METRICS, title
from recdash.evaluation.criterion import DECIDING
from recdash.reporting import seed_tables, svg, tables

if TYPE_CHECKING:
    from recdash.reporting.content import ComparisonReport, Section

CURVES = (*DECIDING, "loss")


def page(report: ComparisonReport) -> str:
    """Return the whole report as Markdown."""
    parts = [f"# {report.title}", f"recdash {report.version}, {report.made}"]
    if report.apart:
        parts.append(f"> {len(report.sections)} tables, which may not be compared. {' '.join(report.apart)}")
    for section in report.sections:
        parts += _section(section)
    if report.over_seeds:
        parts += ["## Over seeds", seed_tables.text(report.over_seeds, "md")]
    return "\n\n".join(part for part in parts if part) + "\n"


def latex(report: ComparisonReport) -> str:
    """Return every table of the report as LaTeX for the package booktabs."""
    parts = [latex_of(section) for section in report.sections]
    parts += [seed_tables.text(report.over_seeds, "latex")] if report.over_seeds else []
    return "\n\n".join(parts) + "\n"


def latex_of(section: Section) -> str:
    """Return one table as LaTeX."""
    return tables.text([section.group], "latex", section.metrics)


def _section(section: Section) -> list[str]:
    verdict = section.verdict
    return [
        f"## {section.group.label}",
        section.sentence(),
        f"> {verdict.note}" if verdict is not None and verdict.note else "",
        tables.text([section.group], "md", section.metrics),
        _curves(section),
        *_parts(section),
        "### Data and split",
        tables.markdown([["Fact", "Value"], *map(list, section.facts())]),
        "### Settings, seeds, devices",
        tables.markdown(section.settings()),
        *section.versions(),
        f"```latex\n{latex_of(section)}\n```",
    ]


def _curves(section: Section) -> str:
    rows = [["Model", "Value", "Curve", "First", "Best epoch", "Last"]]
    for one in section.curves:
        for name in CURVES:
            values = [value for _, value in one.series.get(name, ())]
            if len(values) > 1:
                ends = [f"{values[0]:.4f}", str(one.run.best_epoch or "-"), f"{values[-1]:.4f}"]
                rows.append(
                    [
                        section.names[one.run.id],
                        title(name) if name in METRICS or "@" in name else name.capitalize(),
                        svg.sparkline(values),
                        *ends,
                    ]
                )
    return f"### Curves\n\n{tables.markdown(rows)}" if len(rows) > 1 else ""


def _parts(section: Section) -> list[str]:
    found = []
    for view in section.views:
        what = "interactions of the user" if view.by == "activity" else "training users of the item"
        rows = [["Model", *(f"{part.name} ({part.size:,})" for part in view.parts)]]
        for run_id, cells in view.cells.items():
            rows.append([section.names[run_id], *("-" if c.mean != c.mean else f"{c.mean:.4f}" for c in cells)])
        found += [f"### {title(view.metric)} by {what}", tables.markdown(rows)]
    return found
