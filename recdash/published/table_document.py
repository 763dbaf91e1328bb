"""A reproduced table as one JSON document: written, read, and merged with cells that were computed elsewhere."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from recdash.errors import DataError
from recdash.published import provenance
from recdash.published.table_definitions import TABLES
from recdash.published.table_schema import (
    RECIPE_VERSION,
    PublishedTable,
    build_rows,
)

_CELL_FIELDS: dict[str, type | tuple[type, ...]] = {
    "columns": dict,
    "facts": dict,
    "seconds": (int, float),
    "when": str,
}
_RENAMED_FACTS = {  # names up to version 0.2
    "honest_last": "leak_free_last",
    "honest_best": "leak_free_best",
    "honest_best_epoch": "leak_free_best_epoch",
}


@dataclass(frozen=True)
class TableDocument:
    """The computed cells of a table.

    Args:
        table: the table.
        dataset: name of the data.
        fingerprint: fingerprint of the data.
        epochs: maximum number of epochs in each run, in a trial run; None: as many as published.
        cells: by name, with "columns", "facts", "seconds", "when", "about" and their provenance.
    """

    table: PublishedTable
    dataset: str
    fingerprint: str
    epochs: int | None = None
    cells: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def rehearsal(self) -> bool:
        """Whether it is not comparable with the published figures: other data, or fewer epochs."""
        return self.dataset != self.table.dataset or self.epochs is not None

    @property
    def when(self) -> str | None:
        """The date of the newest cell."""
        return max((str(cell["when"]) for cell in self.cells.values()), default=None)

    def difference(self, other: TableDocument) -> str:
        """Return why the cells of another document cannot be merged into this one; "" if they can."""
        if other.table.name != self.table.name:
            return f"the table {other.table.name}"
        if other.fingerprint != self.fingerprint:
            return f"the table {other.table.name} on other data ({other.dataset}, fingerprint {other.fingerprint})"
        if other.epochs != self.epochs:
            runs = "full training runs" if other.epochs is None else f"runs of at most {other.epochs} epochs"
            return f"the table {other.table.name} with {runs}"
        return ""

    def merged(self, other: TableDocument | None) -> TableDocument:
        """Return this document with the cells of another one on the same data; the newest of each cell wins."""
        if other is None or self.difference(other):
            return self
        return replace(self, cells=provenance.merge_newest(self.cells, other.cells))

    def to_dict(self) -> dict[str, Any]:
        """Return the document as plain values; the rows are built from the cells by this version of recdash.

        Returns:
            Among others "rows" (see `table_schema.build_rows`), "missing" (names of cells to compute), "versions" and
            "machine" (None where cells differ), and "provenance" (the distinct ones, with their cells).
        """
        names = [cell.name for cell in self.table.cells]
        cells = {name: dict(self.cells[name]) for name in names if name in self.cells}
        return {
            "table": self.table.name,
            "title": self.table.title,
            "url": self.table.url,
            "dataset": self.dataset,
            "dataset_fingerprint": self.fingerprint,
            "published_on": self.table.dataset,
            "rehearsal": self.rehearsal,
            "epochs_at_most": self.epochs,
            "recipe": RECIPE_VERSION,
            "when": self.when,
            "seconds": round(sum(cell["seconds"] for cell in cells.values()), 1),
            "versions": provenance.shared_value(cells, "versions"),
            "machine": provenance.shared_value(cells, "machine"),
            "provenance": provenance.sources(cells),
            "missing": [name for name in names if name not in cells],
            "rows": build_rows(self.table, cells, rehearsal=self.rehearsal),
            "cells": cells,
        }


def read_document(path: Path) -> TableDocument:
    """Read a document; raises DataError if the file has other content, or cells of an earlier recipe."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if found["recipe"] != RECIPE_VERSION:
            raise DataError(f"{path} was computed by another version of recdash, whose cells differ.")
        table = TABLES[found["table"]]
        known = {cell.name for cell in table.cells}
        cells = {name: cell for name, saved in found["cells"].items() if name in known and (cell := parse_cell(saved))}
        return TableDocument(
            table,
            found["dataset"],
            found["dataset_fingerprint"],
            found["epochs_at_most"],
            {name: provenance.with_provenance(cell, found) for name, cell in cells.items()},
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{path} holds no reproduced table.") from error


def parse_cell(saved: Any) -> dict[str, Any] | None:
    """Return a saved cell with today's names of facts, or None if it is not a cell."""
    if not isinstance(saved, dict) or not all(isinstance(saved.get(name), kind) for name, kind in _CELL_FIELDS.items()):
        return None
    facts = {_RENAMED_FACTS.get(name, name): value for name, value in saved["facts"].items()}
    return {**saved, "facts": facts}
