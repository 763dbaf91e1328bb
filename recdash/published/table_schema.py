"""What a published table is made of: cells to compute, and rows whose columns come from the cells."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from recdash.published.context import CellContext, CellResult
from recdash.published.figures import published_values
from recdash.published.row_notes import Cells, Note, RowValues

RECIPE_VERSION = 1  # goes up when a cell computes something else, so that no outdated result is shown


@dataclass(frozen=True)
class TableCell:
    """One computation, saved when it is done.

    Args:
        name: name of the cell; its file has it.
        model: name of the model, by which the user selects cells.
        about: short description, shown as progress.
        run: the function that computes it.
        own_process: whether to run in its own process: its updates are too small for a second thread, so another cell
            can use that core.
    """

    name: str
    model: str
    about: str
    run: Callable[[CellContext], CellResult]
    own_process: bool = False


@dataclass(frozen=True)
class TableRow:
    """One metric of a table. A column names its source as (cell, column of the cell).

    Args:
        model: name of the model.
        title: title of the row.
        metric: name of the metric.
        note: returns the sentence about what was wrong.
        on: whose metric was printed: "test", "validation" or "training users".
        variant: variant of the published figure; None: any.
        as_published: source of this column.
        corrected: source of this column.
        common: source of this column.
        tolerance: largest expected difference between the printed number and ours; None: nothing was printed.
    """

    model: str
    title: str
    metric: str
    note: Note
    on: str = "test"
    variant: str | None = None
    as_published: tuple[str, str] | None = None
    corrected: tuple[str, str] | None = None
    common: tuple[str, str] | None = None
    tolerance: float | None = None


@dataclass(frozen=True)
class PublishedTable:
    """A published table.

    Args:
        name: name on the command line.
        title: title for people.
        url: where it was published.
        dataset: the dataset that it was made on.
        protocols: protocols of its published figures.
        cells: what is computed.
        rows: what is shown.
        rehearsal_datasets: datasets to use where its own is not installed, the largest first.
    """

    name: str
    title: str
    url: str
    dataset: str
    protocols: tuple[str, ...]
    cells: tuple[TableCell, ...]
    rows: tuple[TableRow, ...]
    rehearsal_datasets: tuple[str, ...] = ()

    def models(self) -> tuple[str, ...]:
        """Return the models in the order of the rows."""
        return tuple(dict.fromkeys(row.model for row in self.rows))


def build_rows(table: PublishedTable, cells: Cells, *, rehearsal: bool = False) -> list[dict[str, Any]]:
    """Return the rows of a table as plain values, with None for what is not computed.

    Args:
        table: the table.
        cells: saved cells by name, with "columns" and "facts".
        rehearsal: whether the data or the number of epochs differ from the table's; then no tolerance applies.
    """
    return [_build_row(table, row, cells, rehearsal) for row in table.rows]


def published_value(table: PublishedTable, row: TableRow) -> float | None:
    """Return the printed number of a row, or None if there is none."""
    if row.as_published is None or row.tolerance is None:
        return None
    found = [
        figure
        for figure in published_values(
            model=row.model, dataset=table.dataset, metric=row.metric, on=row.on, as_published=True
        )
        if figure.protocol in table.protocols and (row.variant is None or figure.variant == row.variant)
    ]
    return found[0].value if found else None


def _build_row(table: PublishedTable, row: TableRow, cells: Cells, rehearsal: bool) -> dict[str, Any]:
    values = RowValues(
        metric=row.metric,
        published=published_value(table, row),
        as_published=_value(row.as_published, row.metric, cells),
        corrected=_value(row.corrected, row.metric, cells),
        common=_value(row.common, row.metric, cells),
    )
    within = None
    tolerance = None if rehearsal else row.tolerance
    if tolerance is not None and values.published is not None and values.as_published is not None:
        within = abs(values.as_published - values.published) <= tolerance
    return {
        "model": row.model,
        "metric": row.metric,
        "published": values.published,
        "as_published": values.as_published,
        "corrected": values.corrected,
        "common": values.common,
        "what_was_wrong": row.note(values, cells),
        "title": row.title,
        "on": row.on,
        "tolerance": row.tolerance,
        "within_tolerance": within,
    }


def _value(source: tuple[str, str] | None, metric: str, cells: Cells) -> float | None:
    if source is None or source[0] not in cells:
        return None
    found = cells[source[0]]["columns"].get(source[1], {}).get(metric)
    return None if found is None else float(found)
