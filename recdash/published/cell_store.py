"""The cells of a table on disk: one JSON file each, so that nothing is computed twice."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from recdash.atomic_files import write_json
from recdash.data.dataset import Dataset
from recdash.json_values import json_safe
from recdash.published import provenance
from recdash.published.context import CellResult
from recdash.published.table_document import TableDocument, parse_cell
from recdash.published.table_schema import (
    RECIPE_VERSION,
    PublishedTable,
    TableCell,
)


@dataclass(frozen=True)
class CellStore:
    """The saved cells of a table on some data.

    Args:
        root: the folder of all tables.
        table: the table.
        data: the data.
        epochs: maximum number of epochs in each run; a trial run has a folder of its own.
    """

    root: Path
    table: PublishedTable
    data: Dataset
    epochs: int | None = None

    @property
    def folder(self) -> Path:
        """The folder of the cells; other data and other recipes have other folders."""
        trial = "" if self.epochs is None else f"-at-most-{self.epochs}-epochs"
        return self.root / f"{self.table.name}-{self.data.fingerprint}-{RECIPE_VERSION}{trial}"

    def load(self) -> TableDocument:
        """Return the cells that can be read, with their provenance."""
        cells = {}
        for cell in self.table.cells:
            with suppress(OSError, ValueError):
                saved = parse_cell(json.loads(self._path(cell).read_text(encoding="utf-8")))
                if saved is not None:
                    cells[cell.name] = provenance.with_provenance(saved, {})
        return TableDocument(self.table, self.data.name, self.data.fingerprint, self.epochs, cells)

    def save(self, cell: TableCell, result: CellResult, *, seconds: float, when: str, device: str) -> None:
        """Save a cell that this process has just computed.

        Args:
            cell: the cell.
            result: its result.
            seconds: how long it took.
            when: the time, UTC, ISO 8601.
            device: description of the device that computed it, such as "cpu".
        """
        saved = {
            "columns": {name: dict(column) for name, column in result.columns.items()},
            "facts": dict(result.facts),
            "seconds": round(seconds, 1),
            "when": when,
            "about": cell.about,
            **provenance.record(device),
        }
        write_json(self._path(cell), json_safe(saved))

    def _path(self, cell: TableCell) -> Path:
        return self.folder / f"{cell.name}.json"
