"""Results as text: for a terminal, a spreadsheet, a README or a paper."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from recdash.analysis import reference_figures, split_summary
from recdash.analysis.metric_info import DIVISORS, LEGEND, MARK, divisors, title
from recdash.reporting.formatting import duration
from recdash.runs.run_records import STILL_IMPROVING

if TYPE_CHECKING:
    from recdash.analysis.groups import Group, ResultRow
    from recdash.analysis.reference_figures import ReferenceRow, ReferenceTable
    from recdash.analysis.versus_best import BestComparison

SHOWN = {
    "ranking": ("ndcg@100", "recall@20", "recall@50", "precision@10", "coverage@100"),
    "rating": ("rmse", "mae", "macro_rmse"),
}
FORMS = ("table", "csv", "md", "latex")
Lines = list[list[str]]
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def text(found: Sequence[Group], form: str, metrics: list[str] | None) -> str:
    """Return groups in one of the forms; without `metrics` the usual ones of each task, in CSV all."""
    if form == "csv":
        return _csv(found, metrics)
    write: Callable[[Group, list[str]], str] = {"table": _plain, "md": _markdown, "latex": _latex}[form]
    return "\n\n".join(write(group, metrics or usual(group)) for group in found)


def columns(rows: Sequence[Sequence[str]]) -> str:
    """Return rows of words as aligned columns, the first row being the heading; numbers stand to the right."""
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    numeric = [all(_is_number(row[place]) for row in rows[1:]) for place in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(row, widths, numeric, strict=True)
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join([lines[0], "  ".join("-" * width for width in widths), *lines[1:]])


def harmless(cell: str) -> str:
    """Return a text cell that no spreadsheet takes for a formula."""
    return f"'{cell}" if cell.startswith(_FORMULA) else cell


def usual(group: Group) -> list[str]:
    """Return the columns of a group when none are named."""
    there = {name for row in group.rows for name in row.metrics}
    return [name for name in SHOWN[group.task] if name in there]


def heading(metric: str) -> str:
    """Return a metric's name as `--metrics` takes it, with the divisor of a recall behind it."""
    kind = metric.partition("@")[0]
    return f"{metric} ({DIVISORS[kind]})" if kind in DIVISORS else metric


def notes(group: Group, metrics: Sequence[str], best: str = "in bold the best of its column") -> list[str]:
    """Return the notes under a table: what the signs mean, the divisor of recall, the data, what is unsure, remarks."""
    found = _verdicts(group, metrics)
    lines = ["mean over test users ± half of the 95 % bootstrap interval"]
    if any(one.standings for one in found.values()):
        lines.append(f"{best}; {LEGEND}")
    lines += [said for said in (divisors(list(metrics)), split_summary.in_words(group)) if said]
    if group.primary in found and found[group.primary].note:
        lines.append(found[group.primary].note)
    return [*lines, *remarks(group)]


def remarks(group: Group) -> list[str]:
    """Return which trainings became unstable, which ended while still improving, and what else single runs remark.

    A line each, if any; what the line of facts says of the whole group is left out.
    """
    from recdash.analysis.groups import run_labels
    from recdash.splits import event_order

    names = run_labels(group.rows)
    unstable = [f"{names[row.run.id]} since epoch {row.run.unstable_epoch}" for row in group.rows if row.run.warning]
    improving = [names[row.run.id] for row in group.rows if row.run.still_improving]
    said = {"unstable": unstable, STILL_IMPROVING: improving}
    for row in group.rows:
        told = row.run.about_ties[0]
        if told and told != event_order.remark(group.facts):
            said.setdefault(told, []).append(names[row.run.id])
    return [f"{what}: {', '.join(who)}" for what, who in said.items() if who]


@dataclass(frozen=True)
class Marks:
    """How a form of table writes a mean with its spread, the best of a column, and what cannot be told from it."""

    value: Callable[[str, str], str]
    best: Callable[[str], str]
    tied: Callable[[str], str]
    other: Callable[[str], str]


_SIGNS = Marks(
    value=lambda mean, half: f"{mean} ± {half}" if half else mean,
    best=lambda cell: f"{cell} *",
    tied=lambda cell: f"{cell} {MARK}",
    other=lambda cell: f"{cell}  ",
)
_BOLD = Marks(
    value=lambda mean, half: f"{mean} ± {half}" if half else mean,
    best=lambda cell: f"**{cell}**",
    tied=lambda cell: f"{cell} {MARK}",
    other=lambda cell: cell,
)
_TEX = Marks(
    value=lambda mean, half: f"{mean} $\\pm$ {half}" if half else mean,
    best=lambda cell: rf"\textbf{{{cell}}}",
    tied=lambda cell: rf"{cell}$^{{\approx}}$",
    other=lambda cell: cell,
)


def _cells(row: ResultRow, metrics: Sequence[str], found: Mapping[str, BestComparison], marks: Marks) -> list[str]:
    cells = []
    for name in metrics:
        value = row.metrics.get(name)
        if value is None:
            cells.append("-")
            continue
        known = value.low is not None and value.high is not None
        half = f"{(value.high - value.low) / 2:.4f}" if known else ""  # type: ignore[operator]
        cell, verdict = marks.value(f"{value.mean:.4f}", half), found.get(name)
        if verdict is None or not verdict.standings:
            cells.append(cell)
        else:
            run_id = row.run.id
            mark = marks.best if verdict.is_best(run_id) else marks.tied if verdict.tied(run_id) else marks.other
            cells.append(mark(cell))
    return cells


def lines(
    group: Group, metrics: Sequence[str], marks: Marks, name: Callable[[str], str], plain: Callable[[str], str] = str
) -> Lines:
    """Return heading and rows of a group's table as cells; `name` writes a metric, `plain` makes words safe."""
    found = _verdicts(group, metrics)
    heads = ["Model", "Preset", "Seed", "Epochs", *(plain(name(metric)) for metric in metrics), "Runtime"]
    rows = [heads]
    for row in group.rows:
        own = ", ".join(f"{name}={value}" for name, value in row.run.settings.items())
        preset = f"{row.run.preset}, {own}" if own else row.run.preset
        epochs = "-" if row.epochs_run is None else str(row.epochs_run)
        cells = _cells(row, metrics, found, marks)
        words = [plain(row.title), plain(preset), str(row.run.seed), epochs]
        rows.append([*words, *cells, duration(row.run.runtime_s, none="-")])
    return rows


def _verdicts(group: Group, metrics: Sequence[str]) -> Mapping[str, BestComparison]:
    from recdash.analysis import versus_best

    return versus_best.compare_with_best_by_metric(group, metrics)


def published_lines(table: ReferenceTable, metrics: Sequence[str], name: Callable[[str], str]) -> Lines:
    """Return what others have published for one split, as heading and rows of cells; `name` writes a metric."""
    shown = table.columns(metrics)
    heads = ["Published model", *map(name, shown), "Source", "Status"]
    return [heads, *([row.title, *figures_of(row, shown), row.source, row.status] for row in table.rows)]


def figures_of(row: ReferenceRow, metrics: Sequence[str]) -> list[str]:
    """Return the published figures of a row as cells."""
    return [f"{row.values[metric]:.3f}" if metric in row.values else "-" for metric in metrics]


def _plain(group: Group, metrics: list[str]) -> str:
    parts = [
        group.label,
        columns(lines(group, metrics, _SIGNS, heading)),
        *notes(group, metrics, "* best of its column"),
    ]
    for table in (beside := reference_figures.beside(group, metrics)):
        parts += ["", table.heading, columns(published_lines(table, metrics, heading)), table.about]
    return "\n".join([*parts, *([reference_figures.NOTE] if beside else [])])


def _markdown(group: Group, metrics: list[str]) -> str:
    under = [f"{said}  " for said in notes(group, metrics)]
    parts = [f"**{group.label}**", "", markdown(lines(group, metrics, _BOLD, title)), "", *under]
    for table in (beside := reference_figures.beside(group, metrics)):
        parts += ["", f"**{table.heading}**", "", markdown(published_lines(table, metrics, title)), "", table.about]
    parts += ["", f"{reference_figures.NOTE}  "] if beside else []
    return "\n".join(parts).rstrip()


def markdown(rows: Lines) -> str:
    """Return rows of cells as a Markdown table, the first row being the heading."""
    safe = [["\\|".join(cell.split("|")) for cell in row] for row in rows]
    written = [f"| {' | '.join(row)} |" for row in safe]
    return "\n".join([written[0], "|" + " --- |" * len(rows[0]), *written[1:]])


def _latex(group: Group, metrics: list[str]) -> str:
    parts = [latex(lines(group, metrics, _TEX, title, tex), [group.label, *notes(group, metrics)])]
    for table in reference_figures.beside(group, metrics):
        cells = [[tex(cell) for cell in row] for row in published_lines(table, metrics, title)]
        parts.append(latex(cells, [table.heading, table.about, reference_figures.NOTE]))
    return "\n\n".join(parts)


def latex(rows: Lines, said: Sequence[str]) -> str:
    """Return rows of LaTeX cells as a tabular for the package booktabs; `said` stands before it as comments."""
    written = [" & ".join(row) + r" \\" for row in rows]
    head = [*(f"% {line}" for line in said), rf"\begin{{tabular}}{{{'l' * 2}{'r' * (len(rows[0]) - 2)}}}", r"\toprule"]
    return "\n".join([*head, written[0], r"\midrule", *written[1:], r"\bottomrule", r"\end{tabular}"])


def _csv(found: Sequence[Group], metrics: list[str] | None) -> str:
    from recdash.analysis.groups import metric_names

    chosen = metrics or metric_names(found)
    parts = [f"{name}{part}" for name in chosen for part in ("", " low", " high")]
    ends = ["unstable_epoch", "still_improving"]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(
        ["run", "name", "model", "dataset", "protocol", "split", "seed", "preset", "epochs", "runtime_s", *parts, *ends]
    )
    for group in found:
        for row in group.rows:
            run = row.run
            words = [run.id, run.name, run.model, Path(run.dataset).name, run.protocol, run.split_fingerprint]
            numbers: list[object] = [run.seed, run.preset, row.epochs_run, run.runtime_s]
            for name in chosen:
                value = row.metrics.get(name)
                numbers += [None, None, None] if value is None else [value.mean, value.low, value.high]
            writer.writerow([*map(harmless, words), *numbers, run.unstable_epoch, run.still_improving])
    return out.getvalue().rstrip("\n")


_FOR_TEX = {sign: f"\\{sign}" for sign in "&%$#_{}"} | {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
}


def tex(text: str) -> str:
    """Return text in which LaTeX takes no sign for its own."""
    return "".join(_FOR_TEX.get(sign, sign) for sign in text)


def _is_number(cell: str) -> bool:
    return cell == "-" or cell[:1].isdigit()
