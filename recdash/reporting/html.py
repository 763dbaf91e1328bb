"""A report as one HTML file that needs no network: style and charts are part of the file.

This module computes plain values; the markup is in `templates/`, where every value is escaped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from recdash.analysis import reference_figures
from recdash.analysis.costs import COSTS, pareto_front
from recdash.analysis.metric_info import averaging, description, title
from recdash.analysis.versus_best import compare_with_best_by_metric
from recdash.evaluation.selection_metric import SELECTION_METRIC_NAMES, higher_is_better
from recdash.reporting import dash_patterns, markdown, seed_tables, svg, tables
from recdash.reporting.svg import Line, Mark
from recdash.reporting.table_format import alignments
from recdash.runs import run_colours

if TYPE_CHECKING:
    from recdash.analysis.costs import Cost
    from recdash.analysis.reference_figures import ReferenceTable
    from recdash.analysis.slices import SliceView
    from recdash.reporting.content import ComparisonReport, Section

_CURVES = (*SELECTION_METRIC_NAMES, "reconstruction", "kl", "loss")
_CURVE_TITLES = {
    "reconstruction": "Reconstruction loss",
    "kl": "KL divergence in nats per user",
    "loss": "Training loss",
}
_WITHOUT_MARKS = tables.CellStyle(
    value=tables.PLAIN_STYLE.value,
    best=str,
    not_significant=tables.PLAIN_STYLE.not_significant,
    other=str,
)


@dataclass(frozen=True)
class Cell:
    """One cell of a table.

    Attributes:
        text: Its text.
        colour: Colour of the run, shown as a dot.
        bold: Whether it is the best of its column.
        link: Address behind the text.
        tooltip: Text shown on hover.
    """

    text: str
    colour: str = ""
    bold: bool = False
    link: str = ""
    tooltip: str = ""


@dataclass(frozen=True)
class Table:
    """A table with its heading and the notes under it; `numeric` marks the right-aligned columns."""

    heading: list[Cell]
    rows: list[list[Cell]]
    numeric: list[bool]
    title: str = ""
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class LegendEntry:
    """One line of a chart in its legend."""

    label: str
    colour: str
    dashed: bool


@dataclass(frozen=True)
class Figure:
    """A chart with its caption and, where lines have no labels, a legend."""

    svg: Markup
    caption: str
    legend: list[LegendEntry] = field(default_factory=list)


@dataclass(frozen=True)
class SectionView:
    """What the template of a section shows."""

    title: str
    summary: str
    warning: str
    results: Table
    references: list[Table]
    reference_note: str
    quality: list[Figure]
    slices: list[Table]
    curves: list[Figure]
    facts: Table
    settings: Table
    versions: list[str]
    latex: str


def page(report: ComparisonReport) -> str:
    """Return a report as HTML."""
    return (
        _environment()
        .get_template("page.html")
        .render(
            title=report.title,
            version=report.version,
            created=report.created,
            warning=report.comparability_note,
            sections=[_section(section) for section in report.sections],
            seed_tables=_seed_tables(report),
            seed_note=f"{seed_tables.NOTE}.",
        )
    )


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("recdash.reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _section(section: Section) -> SectionView:
    comparison = section.comparison
    quality = [_interval_figure(section), *(_cost_figure(section, cost) for cost in COSTS.values())]
    curves = [_curve_figure(section, name) for name in _CURVES]
    return SectionView(
        title=section.group.label,
        summary=section.summary(),
        warning="" if comparison is None else comparison.note,
        results=_result_table(section),
        references=[_reference_table(table, section.metrics) for table in section.references],
        reference_note=reference_figures.NOTE,
        quality=[figure for figure in quality if figure is not None],
        slices=[_slice_table(section, view) for view in section.slice_views],
        curves=[figure for figure in curves if figure is not None],
        facts=_text_table([["Property", "Value"], *map(list, section.facts())]),
        settings=_text_table(section.settings_rows()),
        versions=section.versions(),
        latex=markdown.latex_of(section),
    )


def _text_table(rows: Sequence[Sequence[str]], title: str = "", notes: Sequence[str] = ()) -> Table:
    return Table(
        heading=[Cell(text) for text in rows[0]],
        rows=[[Cell(text) for text in row] for row in rows[1:]],
        numeric=[alignment == "right" for alignment in alignments(rows)],
        title=title,
        notes=list(notes),
    )


def _result_table(section: Section) -> Table:
    group, metrics = section.group, section.metrics
    rows = tables.result_rows(group, metrics, _WITHOUT_MARKS, title)
    comparisons = compare_with_best_by_metric(group, metrics)
    first = rows[0].index("Epochs") + 1  # of the metric columns
    tooltips = dict(enumerate(map(description, metrics), start=first))
    body = []
    for row, texts in zip(group.rows, rows[1:], strict=True):
        best = {
            column
            for column, metric in enumerate(metrics, start=first)
            if metric in comparisons and comparisons[metric].differences and comparisons[metric].is_best(row.run.id)
        }
        cells = [Cell(text, bold=column in best) for column, text in enumerate(texts)]
        body.append([Cell(section.labels[row.run.id], colour=run_colours.colour_of(row.run.id)), *cells[1:]])
    return Table(
        heading=[Cell(text, tooltip=tooltips.get(column, "")) for column, text in enumerate(rows[0])],
        rows=body,
        numeric=[alignment == "right" for alignment in alignments(rows)],
        notes=tables.notes(group, metrics),
    )


def _reference_table(table: ReferenceTable, first: Sequence[str]) -> Table:
    """Return the table of one published split; the columns of our own table come first."""
    metrics = list(dict.fromkeys([*table.columns(first), *table.metrics]))
    rows = [
        [
            Cell(row.title),
            *map(Cell, tables.reference_cells(row, metrics)),
            Cell(row.source, link=row.url, tooltip=row.note),
            Cell(row.status),
        ]
        for row in table.rows
    ]
    heading = [Cell("Model"), *(Cell(title(name), tooltip=description(name)) for name in metrics)]
    return Table(
        heading=[*heading, Cell("Source"), Cell("Status")],
        rows=rows,
        numeric=[False, *(True for _ in metrics), False, False],
        title=table.heading,
        notes=[table.about],
    )


def _slice_table(section: Section, view: SliceView) -> Table:
    rows = [["Model", *(f"{part.name} ({part.size:,})" for part in view.parts)]]
    for run_id, cells in view.cells.items():
        values = [
            "-" if cell.mean != cell.mean else f"{cell.mean:.4f} ± {(cell.high - cell.low) / 2:.4f}" for cell in cells
        ]
        rows.append([section.labels[run_id], *values])
    return _text_table(rows, section.slice_title(view), [section.slice_note(view)])


def _seed_tables(report: ComparisonReport) -> list[Table]:
    return [
        _text_table(seed_tables.seed_rows(table, seed_tables.available_metrics(table), title), table.label)
        for table in report.seed_tables
    ]


def _interval_figure(section: Section) -> Figure | None:
    marks = _marks(section, section.group.primary)
    if not marks:
        return None
    name = title(section.group.primary)
    axis = f"{name} (lower is better)" if higher_is_better(section.group.primary) is False else name
    caption = f"{axis}, {averaging(section.group.primary)}, {section.group.label}, with 95% bootstrap intervals."
    return Figure(Markup(svg.intervals(marks, axis)), caption)  # noqa: S704  (svg escapes every label)


def _cost_figure(section: Section, cost: Cost) -> Figure | None:
    metric = section.group.primary
    marks = _marks(section, metric, cost)
    if len(marks) < 2:
        return None
    front = pareto_front([(mark.x, mark.value) for mark in marks], lower=higher_is_better(metric) is False)
    chart = svg.scatter(
        marks, title(metric), f"{cost.unit} (logarithmic)", front=[marks[index] for index in front], log=True
    )
    caption = f"{title(metric)} on the test users against {cost.unit} (logarithmic axis). {cost.help}"
    if len(front) > 1:
        caption += " The dotted line is the Pareto front: no other run is better at lower cost."
    return Figure(Markup(chart), caption)  # noqa: S704  (svg escapes every label)


def _marks(section: Section, metric: str, cost: Cost | None = None) -> list[Mark]:
    marks = []
    for row in section.group.rows:
        value, x = row.metrics.get(metric), 0.0 if cost is None else cost.value(row)
        if value is not None and x is not None:
            low, high = (value.mean if bound is None else bound for bound in (value.low, value.high))
            x = x if cost is None else max(x, cost.minimum)
            run_id = row.run.id
            marks.append(Mark(section.labels[run_id], run_colours.colour_of(run_id), value.mean, low, high, x))
    return marks


def _curve_figure(section: Section, name: str) -> Figure | None:
    dashes = dash_patterns.dashes([curves.run.id for curves in section.curves])
    lines = [
        Line(
            section.labels[curves.run.id],
            run_colours.colour_of(curves.run.id),
            [(float(epoch), value) for epoch, value in curves.series[name]],
            curves.run.best_epoch,
            dashes[curves.run.id],
        )
        for curves in section.curves
        if name in curves.series and len(curves.series[name]) > 1
    ]
    if not lines:
        return None
    axis = _CURVE_TITLES.get(name) or title(name)
    data = "validation part" if name in SELECTION_METRIC_NAMES else "training part"
    caption = f"{axis} after each epoch, on the {data} of {section.group.label}. A ring marks the best epoch."
    legend = [LegendEntry(line.label, line.colour, bool(line.dashes)) for line in lines]
    return Figure(Markup(svg.curves(lines, axis)), caption, legend)  # noqa: S704  (svg escapes every label)
