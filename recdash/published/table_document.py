"""A reproduced table as one JSON document: written, read back, and merged with what was computed elsewhere."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from recdash.atomic_files import write_json
from recdash.data.dataset import Dataset
from recdash.errors import DataError
from recdash.json_values import json_safe
from recdash.published import provenance
from recdash.published.context import Found
from recdash.published.table_definitions import (
    RECIPE,
    TABLES,
    PublicTable,
    TableCell,
    rows_of,
)

_OF_A_CELL: dict[str, type | tuple[type, ...]] = {"columns": dict, "facts": dict, "seconds": (int, float), "when": str}


@dataclass(frozen=True)
class Document:
    """What was computed of a table.

    dataset, fingerprint: the data.  epochs: at most so many in each training, None as published.  cells: by name, with
    "columns", "facts", "seconds", "when", "about" and their provenance.
    """

    table: PublicTable
    dataset: str
    fingerprint: str
    epochs: int | None = None
    cells: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def rehearsal(self) -> bool:
        """Whether it does not compare with the published figures: other data, or trainings cut short."""
        return self.dataset != self.table.dataset or self.epochs is not None

    @property
    def when(self) -> str | None:
        """The date of the newest cell."""
        return max((str(cell["when"]) for cell in self.cells.values()), default=None)

    def difference(self, other: Document) -> str:
        """Return in words why the cells of another document may not join these; empty where they may."""
        if other.table.name != self.table.name:
            return f"the table {other.table.name}"
        if other.fingerprint != self.fingerprint:
            return f"the table {other.table.name} on other data ({other.dataset}, fingerprint {other.fingerprint})"
        if other.epochs != self.epochs:
            told = "complete trainings" if other.epochs is None else f"trainings of at most {other.epochs} epochs"
            return f"the table {other.table.name} with {told}"
        return ""

    def merged(self, other: Document | None) -> Document:
        """Return this document with the cells of another one on the same data; of each cell the newest is kept."""
        if other is None or self.difference(other):
            return self
        return replace(self, cells=provenance.newest(self.cells, other.cells))

    def to_dict(self) -> dict[str, Any]:
        """Return plain values; rows and sentences are made from the cells, so they are those of this version.

        rows: {"model", "metric", "published", "as_published", "corrected", "common", "what_was_wrong", ...}, None for
        what is not computed yet.  missing: cells still to be computed.  versions, machine: those of all cells, None
        where the cells differ.  provenance: the distinct ones, with the cells that each covers.
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
            "recipe": RECIPE,
            "when": self.when,
            "seconds": round(sum(cell["seconds"] for cell in cells.values()), 1),
            "versions": provenance.shared(cells, "versions"),
            "machine": provenance.shared(cells, "machine"),
            "provenance": provenance.sources(cells),
            "missing": [name for name in names if name not in cells],
            "rows": rows_of(self.table, cells, rehearsal=self.rehearsal),
            "cells": cells,
        }


def read(path: Path) -> Document:
    """Read a document; raises DataError where the file holds something else, or cells of an earlier recipe."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if found["recipe"] != RECIPE:
            raise DataError(f"{path} was computed by another version of recdash, whose cells differ.")
        table = TABLES[found["table"]]
        return Document(
            table, found["dataset"], found["dataset_fingerprint"], found["epochs_at_most"], _cells(table, found)
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{path} holds no reproduced table.") from error


@dataclass(frozen=True)
class CellFolder:
    """Where the cells of a table on some data are kept, one file each, so that nothing is computed twice.

    home: of all tables.  epochs: at most so many in each training; a trial has a folder of its own.
    """

    home: Path
    table: PublicTable
    data: Dataset
    epochs: int | None = None

    @property
    def path(self) -> Path:
        """The folder, which an earlier recipe does not share."""
        trial = "" if self.epochs is None else f"-at-most-{self.epochs}-epochs"
        return self.home / f"{self.table.name}-{self.data.fingerprint}-{RECIPE}{trial}"

    def document(self) -> Document:
        """Return the cells that can be read, with their provenance."""
        found = {}
        for cell in self.table.cells:
            with suppress(OSError, ValueError):
                kept = json.loads((self.path / f"{cell.name}.json").read_text(encoding="utf-8"))
                if _is_cell(kept):
                    found[cell.name] = provenance.completed(kept, {})
        return Document(self.table, self.data.name, self.data.fingerprint, self.epochs, found)

    def keep(self, cell: TableCell, found: Found, *, seconds: float, when: str, device: str) -> None:
        """Keep a cell that this process has just computed on a device, such as "cpu"."""
        kept = {
            "columns": {name: dict(column) for name, column in found.columns.items()},
            "facts": dict(found.facts),
            "seconds": round(seconds, 1),
            "when": when,
            "about": cell.about,
            **provenance.recorded(device),
        }
        write_json(self.path / f"{cell.name}.json", json_safe(kept))


def _cells(table: PublicTable, found: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    known = {cell.name for cell in table.cells}
    return {
        name: provenance.completed(cell, found)
        for name, cell in found["cells"].items()
        if name in known and _is_cell(cell)
    }


def _is_cell(found: Any) -> bool:
    return isinstance(found, dict) and all(isinstance(found.get(name), kind) for name, kind in _OF_A_CELL.items())
