"""Means over seeds as text: for a terminal, a README or a paper."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from recdash.analysis.metric_info import divisors, title
from recdash.reporting import formatting, tables
from recdash.settings import as_names

if TYPE_CHECKING:
    from recdash.analysis.seeds import SeedTable, Spread

NOTE = (
    "mean of the splits' means ± standard deviation over splits / over training seeds within a split; "
    "- where one seed tells nothing. With one training per split the first holds the noise of training as well"
)


def text(found: Sequence[SeedTable], form: str, metrics: str | Sequence[str] | None = None) -> str:
    """Return tables over seeds in one of the forms "table", "md" and "latex"."""
    return "\n\n".join(_text(table, form, columns_of(table, metrics)) for table in found)


def columns_of(table: SeedTable, metrics: str | Sequence[str] | None = None) -> list[str]:
    """Return those of the metrics, by default of the usual ones, that the table has."""
    there = {name for row in table.rows for name in row.metrics}
    return [name for name in as_names(metrics or tables.SHOWN[table.task]) if name in there]


def cell(spread: Spread | None) -> str:
    """Return a mean with both of its standard deviations."""
    if spread is None:
        return "-"
    over = [f"±{value:.4f}" if value is not None else "-" for value in (spread.over_splits, spread.over_trainings)]
    return f"{spread.mean:.4f} {over[0]} / {over[1]}"


def lines(table: SeedTable, metrics: Sequence[str], name: Callable[[str], str]) -> list[list[str]]:
    """Return heading and rows of a table over seeds as cells; `name` writes a metric."""
    rows = [["Model", "Preset", "Splits", "Trainings", *map(name, metrics), "Runtime"]]
    for row in table.rows:
        own = ", ".join(f"{setting}={value}" for setting, value in row.settings.items())
        words = [
            row.title,
            f"{row.preset}, {own}" if own else row.preset,
            str(len(row.split_seeds)),
            str(row.trainings),
        ]
        cells = [cell(row.metrics.get(metric)) for metric in metrics]
        rows.append([*words, *cells, formatting.duration(row.runtime_s, none="-")])
    return rows


def _text(table: SeedTable, form: str, metrics: Sequence[str]) -> str:
    rows = lines(table, metrics, tables.heading if form == "table" else title)
    under = [said for said in (NOTE, divisors(list(metrics))) if said]
    if form == "latex":
        escaped = [[tables.tex(part).replace("±", "$\\pm$") for part in line] for line in rows]
        return tables.latex(escaped, [table.label, *under])
    if form == "md":
        return "\n".join(
            [f"**{table.label}**", "", tables.markdown(rows), "", *(f"{said}  " for said in under)]
        ).rstrip()
    return "\n".join([table.label, tables.columns(rows), *under])
