"""Results as text: for a terminal, a spreadsheet, a README or a paper."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from recdash.services.results import Group, Row

SHOWN = {
    "ranking": ("ndcg@100", "recall@20", "recall@50", "precision@10", "coverage@100"),
    "rating": ("rmse", "mae", "macro_rmse"),
}
FORMS = ("table", "csv", "md", "latex")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def text(found: Sequence[Group], form: str, metrics: list[str] | None) -> str:
    """Return groups in one of the forms; without `metrics` the usual ones of each task, in CSV all."""
    if form == "csv":
        return _csv(found, metrics)
    write: Callable[[Group, list[str]], str] = {"table": _plain, "md": _markdown, "latex": _latex}[form]
    return "\n\n".join(write(group, metrics or _usual(group)) for group in found)


def seconds_in_words(seconds: float | None) -> str:
    """Return a duration as people say it, such as "0.4 s", "12 s", "3 min 5 s" or "2 h 10 min"."""
    if seconds is None:
        return "-"
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min"


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


def _usual(group: Group) -> list[str]:
    there = {name for row in group.rows for name in row.metrics}
    return [name for name in SHOWN[group.task] if name in there]


def _cells(row: Row, metrics: Sequence[str], plus_minus: str) -> list[str]:
    found = []
    for name in metrics:
        value = row.metrics.get(name)
        if value is None:
            found.append("-")
        elif value.low is None or value.high is None:
            found.append(f"{value.mean:.4f}")
        else:
            found.append(f"{value.mean:.4f} {plus_minus} {(value.high - value.low) / 2:.4f}")
    return found


def _lines(group: Group, metrics: list[str], plus_minus: str) -> list[list[str]]:
    heading = ["Model", "Preset", "Seed", "Epochs", *metrics, "Runtime"]
    lines = [heading]
    for row in group.rows:
        own = ", ".join(f"{name}={value}" for name, value in row.run.settings.items())
        preset = f"{row.run.preset}, {own}" if own else row.run.preset
        epochs = "-" if row.epochs_run is None else str(row.epochs_run)
        cells = _cells(row, metrics, plus_minus)
        lines.append([row.title, preset, str(row.run.seed), epochs, *cells, seconds_in_words(row.run.runtime_s)])
    return lines


def _plain(group: Group, metrics: list[str]) -> str:
    under = "mean over test users ± half of the 95 % bootstrap interval"
    return f"{group.label}\n{columns(_lines(group, metrics, '±'))}\n{under}"


def _markdown(group: Group, metrics: list[str]) -> str:
    lines = [["\\|".join(cell.split("|")) for cell in line] for line in _lines(group, metrics, "±")]
    rows = [f"| {' | '.join(line)} |" for line in lines]
    rule = "|" + " --- |" * len(lines[0])
    return "\n".join([f"**{group.label}**", "", rows[0], rule, *rows[1:]])


def _latex(group: Group, metrics: list[str]) -> str:
    lines = [[_tex(cell) for cell in line] for line in _lines(group, metrics, "PLUSMINUS")]
    rows = [" & ".join(line).replace("PLUSMINUS", "$\\pm$") + r" \\" for line in lines]
    head = [f"% {group.label}", rf"\begin{{tabular}}{{{'l' * 2}{'r' * (len(lines[0]) - 2)}}}", r"\toprule"]
    return "\n".join([*head, rows[0], r"\midrule", *rows[1:], r"\bottomrule", r"\end{tabular}"])


def _csv(found: Sequence[Group], metrics: list[str] | None) -> str:
    from recdash.services.results import metric_names

    chosen = metrics or metric_names(found)
    parts = [f"{name}{part}" for name in chosen for part in ("", " low", " high")]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(
        ["run", "name", "model", "dataset", "protocol", "split", "seed", "preset", "epochs", "runtime_s", *parts]
    )
    for group in found:
        for row in group.rows:
            run = row.run
            words = [run.id, run.name, run.model, Path(run.dataset).name, run.protocol, run.split_fingerprint]
            numbers: list[object] = [run.seed, run.preset, row.epochs_run, run.runtime_s]
            for name in chosen:
                value = row.metrics.get(name)
                numbers += [None, None, None] if value is None else [value.mean, value.low, value.high]
            writer.writerow([*map(harmless, words), *numbers])
    return out.getvalue().rstrip("\n")


def _tex(cell: str) -> str:
    for sign in "&%$#_{}":
        cell = cell.replace(sign, f"\\{sign}")
    return cell


def _is_number(cell: str) -> bool:
    return cell == "-" or cell[:1].isdigit()
