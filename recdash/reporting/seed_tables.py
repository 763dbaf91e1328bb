"""Tables of means over seeds as text: for a terminal, a README or a paper."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from recdash.analysis.metric_info import divisor_notes, title
from recdash.reporting.formatting import duration
from recdash.reporting.table_format import escape_latex, latex_table, markdown_table, plain_table
from recdash.reporting.tables import DEFAULT_METRICS, metric_heading
from recdash.settings import name_list

if TYPE_CHECKING:
    from recdash.analysis.seeds import SeedTable, Spread

NOTE = (
    'mean over splits ± standard deviation over splits / over training seeds within a split; "-" for a single '
    "seed. With one run per split, the first also includes the variation over training seeds"
)


def render(tables: Sequence[SeedTable], file_format: str, metrics: str | Sequence[str] | None = None) -> str:
    """Return tables over seeds as "table", "md" or "latex" text."""
    return "\n\n".join(_render(table, file_format, available_metrics(table, metrics)) for table in tables)


def available_metrics(table: SeedTable, metrics: str | Sequence[str] | None = None) -> list[str]:
    """Return those of the metrics, by default those of its task, that a table has."""
    available = {name for row in table.rows for name in row.metrics}
    return [name for name in name_list(metrics or DEFAULT_METRICS[table.task]) if name in available]


def spread_cell(spread: Spread | None) -> str:
    """Return a mean with its two standard deviations: over splits / over training seeds."""
    if spread is None:
        return "-"
    over_splits, over_trainings = (
        "-" if deviation is None else f"± {deviation:.4f}" for deviation in (spread.over_splits, spread.over_trainings)
    )
    return f"{spread.mean:.4f} {over_splits} / {over_trainings}"


def seed_rows(table: SeedTable, metrics: Sequence[str], name: Callable[[str], str]) -> list[list[str]]:
    """Return the heading and the rows of a table over seeds; `name` returns the heading of a metric."""
    rows = [["Model", "Preset", "Splits", "Runs", *map(name, metrics), "Training time"]]
    for row in table.rows:
        given = ", ".join(f"{setting}={value}" for setting, value in row.settings.items())
        preset = f"{row.preset}, {given}" if given else row.preset
        preset += "" if row.trials is None else f" (best of {row.trials} trials)"
        cells = [spread_cell(row.metrics.get(metric)) for metric in metrics]
        runtime = duration(row.runtime_s, none="-")
        rows.append([row.title, preset, str(len(row.split_seeds)), str(row.trainings), *cells, runtime])
    return rows


def _render(table: SeedTable, file_format: str, metrics: Sequence[str]) -> str:
    rows = seed_rows(table, metrics, metric_heading if file_format == "table" else title)
    notes = [note for note in (NOTE, divisor_notes(metrics)) if note]
    if file_format == "latex":
        escaped = [[escape_latex(cell).replace("±", "$\\pm$") for cell in row] for row in rows]
        return latex_table(escaped, [table.label, *notes])
    if file_format == "md":
        parts = [f"**{table.label}**", "", markdown_table(rows), "", *(f"{note}  " for note in notes)]
        return "\n".join(parts).rstrip()
    return "\n".join([table.label, plain_table(rows), *notes])
