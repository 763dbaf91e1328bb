"""Tables of results as text: for a terminal, a spreadsheet, a README or a paper."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from recdash.analysis import reference_figures, split_summary, versus_best
from recdash.analysis.groups import metric_names
from recdash.analysis.metric_info import (
    DIVISORS,
    NOT_SIGNIFICANT_LEGEND,
    NOT_SIGNIFICANT_MARK,
    averaging,
    divisor_notes,
    title,
)
from recdash.analysis.run_labels import run_labels
from recdash.reporting.formatting import duration
from recdash.reporting.table_format import escape_formula, escape_latex, latex_table, markdown_table, plain_table
from recdash.runs.run_records import STILL_IMPROVING
from recdash.splits import event_order

if TYPE_CHECKING:
    from recdash.analysis.groups import Group, ResultRow
    from recdash.analysis.reference_figures import ReferenceRow, ReferenceTable
    from recdash.analysis.versus_best import BestComparison

DEFAULT_METRICS = {
    "ranking": ("ndcg@100", "recall@20", "recall@50", "precision@10", "coverage@100"),
    "rating": ("rmse", "mae", "macro_rmse"),
}
FORMATS = ("table", "csv", "md", "latex")


@dataclass(frozen=True)
class CellStyle:
    """How a format writes a mean with half the width of its interval, and marks the best and those not different."""

    value: Callable[[str, str], str]
    best: Callable[[str], str]
    not_significant: Callable[[str], str]
    other: Callable[[str], str]


def _with_interval(mean: str, half: str) -> str:
    return f"{mean} ± {half}" if half else mean


PLAIN_STYLE = CellStyle(
    value=_with_interval,
    best=lambda cell: f"{cell} *",
    not_significant=lambda cell: f"{cell} {NOT_SIGNIFICANT_MARK}",
    other=lambda cell: f"{cell}  ",  # as wide as a marked cell, so that the digits stay aligned
)
MARKDOWN_STYLE = CellStyle(
    value=_with_interval,
    best=lambda cell: f"**{cell}**",
    not_significant=lambda cell: f"{cell} {NOT_SIGNIFICANT_MARK}",
    other=lambda cell: cell,
)
LATEX_STYLE = CellStyle(
    value=lambda mean, half: f"{mean} $\\pm$ {half}" if half else mean,
    best=lambda cell: rf"\textbf{{{cell}}}",
    not_significant=lambda cell: rf"{cell}$^{{\approx}}$",
    other=lambda cell: cell,
)


def render(groups: Sequence[Group], file_format: str, metrics: list[str] | None) -> str:
    """Return the tables of groups as text.

    Args:
        groups: Groups of comparable runs, one table each.
        file_format: One of `FORMATS`.
        metrics: The columns; by default `DEFAULT_METRICS` of each task, in CSV all metrics.
    """
    if file_format == "csv":
        return _csv(groups, metrics)
    write: Callable[[Group, list[str]], str] = {"table": _plain, "md": _markdown, "latex": _latex}[file_format]
    return "\n\n".join(write(group, metrics or default_metrics(group)) for group in groups)


def default_metrics(group: Group) -> list[str]:
    """Return those of `DEFAULT_METRICS` that a group has."""
    available = {name for row in group.rows for name in row.metrics}
    return [name for name in DEFAULT_METRICS[group.task] if name in available]


def metric_heading(metric: str) -> str:
    """Return a metric's name as `--metrics` takes it; a recall is followed by its divisor."""
    kind = metric.partition("@")[0]
    return f"{metric} ({DIVISORS[kind]})" if kind in DIVISORS else metric


def notes(group: Group, metrics: Sequence[str], best: str = "best of its column in bold") -> list[str]:
    """Return the notes under a table: marks, divisors of recall, data and split, warnings, remarks on runs."""
    comparisons = versus_best.compare_with_best_by_metric(group, metrics)
    lines = [f"{averaging(group.primary)} ± half the width of the 95% bootstrap interval"]
    if any(comparison.differences for comparison in comparisons.values()):
        lines.append(f"{best}; {NOT_SIGNIFICANT_LEGEND}")
    lines += [note for note in (divisor_notes(metrics), split_summary.describe(group)) if note]
    if group.primary in comparisons and comparisons[group.primary].note:
        lines.append(comparisons[group.primary].note)
    return [*lines, *remarks(group)]


def remarks(group: Group) -> list[str]:
    """Return remarks on single runs: unstable, still improving at the end, ties in time; one line per remark.

    A remark on ties that holds for the whole group is left out, since the split summary contains it.
    """
    labels = run_labels([row.run for row in group.rows])
    unstable = [f"{labels[row.run.id]} since epoch {row.run.unstable_epoch}" for row in group.rows if row.run.warning]
    improving = [labels[row.run.id] for row in group.rows if row.run.still_improving]
    runs_by_remark = {"unstable": unstable, STILL_IMPROVING: improving}
    for row in group.rows:
        if row.run.trials_note:
            runs_by_remark.setdefault(f"settings are the {row.run.trials_note}", []).append(labels[row.run.id])
        tie_note = row.run.tie_notes[0]
        if tie_note and tie_note != event_order.tie_note(group.facts):
            runs_by_remark.setdefault(tie_note, []).append(labels[row.run.id])
    return [f"{remark}: {', '.join(runs)}" for remark, runs in runs_by_remark.items() if runs]


def result_rows(
    group: Group,
    metrics: Sequence[str],
    style: CellStyle,
    name: Callable[[str], str],
    escape: Callable[[str], str] = str,
) -> list[list[str]]:
    """Return the heading and the rows of a group's table.

    Args:
        group: The group.
        metrics: The metric columns.
        style: How values are written and marked.
        name: Returns the heading of a metric.
        escape: Makes text safe for the format.
    """
    comparisons = versus_best.compare_with_best_by_metric(group, metrics)
    rows = [["Model", "Preset", "Seed", "Epochs", *(escape(name(metric)) for metric in metrics), "Training time"]]
    for row in group.rows:
        given = ", ".join(f"{setting}={value}" for setting, value in row.run.settings.items())
        preset = f"{row.run.preset}, {given}" if given else row.run.preset
        epochs = "-" if row.epochs_run is None else str(row.epochs_run)
        cells = [metric_cell(row, metric, comparisons.get(metric), style) for metric in metrics]
        runtime = duration(row.run.runtime_s, none="-")
        rows.append([escape(row.title), escape(preset), str(row.run.seed), epochs, *cells, runtime])
    return rows


def metric_cell(row: ResultRow, metric: str, comparison: BestComparison | None, style: CellStyle) -> str:
    """Return one metric of one run, marked by its comparison with the best; "-" if the run does not have it."""
    value = row.metrics.get(metric)
    if value is None:
        return "-"
    half = "" if value.low is None or value.high is None else f"{(value.high - value.low) / 2:.4f}"
    cell = style.value(f"{value.mean:.4f}", half)
    if comparison is None or not comparison.differences:
        return cell
    if comparison.is_best(row.run.id):
        return style.best(cell)
    return style.not_significant(cell) if comparison.not_different_from_best(row.run.id) else style.other(cell)


def reference_rows(table: ReferenceTable, metrics: Sequence[str], name: Callable[[str], str]) -> list[list[str]]:
    """Return the heading and the rows of a table of published results; `name` returns the heading of a metric."""
    columns = table.columns(metrics)
    heading = ["Published model", *map(name, columns), "Source", "Status"]
    return [heading, *([row.title, *reference_cells(row, columns), row.source, row.status] for row in table.rows)]


def reference_cells(row: ReferenceRow, metrics: Sequence[str]) -> list[str]:
    """Return the published values of a row; "-" where the source has none."""
    return [f"{row.values[metric]:.3f}" if metric in row.values else "-" for metric in metrics]


def _plain(group: Group, metrics: list[str]) -> str:
    table = plain_table(result_rows(group, metrics, PLAIN_STYLE, metric_heading))
    parts = [group.label, table, *notes(group, metrics, "* best of its column")]
    references = reference_figures.for_group(group, metrics)
    for reference in references:
        table = plain_table(reference_rows(reference, metrics, metric_heading))
        parts += ["", reference.heading, table, reference.about]
    return "\n".join([*parts, *([reference_figures.NOTE] if references else [])])


def _markdown(group: Group, metrics: list[str]) -> str:
    table = markdown_table(result_rows(group, metrics, MARKDOWN_STYLE, title))
    parts = [f"**{group.label}**", "", table, "", *(f"{note}  " for note in notes(group, metrics))]
    references = reference_figures.for_group(group, metrics)
    for reference in references:
        table = markdown_table(reference_rows(reference, metrics, title))
        parts += ["", f"**{reference.heading}**", "", table, "", reference.about]
    parts += ["", f"{reference_figures.NOTE}  "] if references else []
    return "\n".join(parts).rstrip()


def _latex(group: Group, metrics: list[str]) -> str:
    rows = result_rows(group, metrics, LATEX_STYLE, title, escape_latex)
    parts = [latex_table(rows, [group.label, *notes(group, metrics)])]
    for reference in reference_figures.for_group(group, metrics):
        rows = [[escape_latex(cell) for cell in row] for row in reference_rows(reference, metrics, title)]
        parts.append(latex_table(rows, [reference.heading, reference.about, reference_figures.NOTE]))
    return "\n\n".join(parts)


def _csv(groups: Sequence[Group], metrics: list[str] | None) -> str:
    chosen = metrics or metric_names(groups)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(
        ["run", "name", "model", "dataset", "protocol", "split", "seed", "preset", "epochs", "runtime_s"]
        + [f"{name}{part}" for name in chosen for part in ("", " low", " high")]
        + ["unstable_epoch", "still_improving", "trials"]
    )
    for group in groups:
        for row in group.rows:
            run = row.run
            texts = [run.id, run.name, run.model, Path(run.dataset).name, run.protocol, run.split_fingerprint]
            values: list[object] = [run.seed, run.preset, row.epochs_run, run.runtime_s]
            for name in chosen:
                value = row.metrics.get(name)
                values += [None, None, None] if value is None else [value.mean, value.low, value.high]
            writer.writerow([*map(escape_formula, texts), *values, run.unstable_epoch, run.still_improving, run.trials])
    return out.getvalue().rstrip("\n")
