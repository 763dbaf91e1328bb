"""Provenance of each cell of a reproduced table: date, versions, machine and device. It is saved with the cell."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from recdash import devices

RECORDED, OF_DOCUMENT, UNKNOWN = "recorded", "of the document", "unknown"
FIELDS = ("versions", "machine", "device")
CellRecord = Mapping[str, Any]


def record(device: str) -> dict[str, Any]:
    """Return the provenance of a cell that this process has just computed; device: such as "cpu"."""
    return {
        "versions": devices.versions(),
        "machine": devices.machine_info(),
        "device": device,
        "provenance": RECORDED,
    }


def with_provenance(cell: CellRecord, document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a cell with its provenance.

    Earlier versions saved none with a cell. Then it is that of the document; if the document has none either, it is
    unknown, never that of today.
    """
    if "provenance" in cell:
        return dict(cell)
    found = {name: document.get(name) for name in FIELDS}
    return {**cell, **found, "provenance": OF_DOCUMENT if any(found.values()) else UNKNOWN}


def merge_newest(*collections: Mapping[str, CellRecord]) -> dict[str, dict[str, Any]]:
    """Merge cells by name: the newest wins, and among equally new ones the one with a known provenance."""
    found: dict[str, dict[str, Any]] = {}
    for cells in collections:
        for name, cell in cells.items():
            if name not in found or _rank(cell) > _rank(found[name]):
                found[name] = dict(cell)
    return found


def shared_value(cells: Mapping[str, CellRecord], name: str) -> Any:
    """Return the value of a field if all cells share it, else None."""
    values = [cell.get(name) for cell in cells.values()]
    return values[0] if values and all(value == values[0] for value in values) else None


def sources(cells: Mapping[str, CellRecord]) -> list[dict[str, Any]]:
    """Return the distinct provenances of cells, the earliest first.

    Returns:
        Mappings with "versions", "machine", "device", "provenance" (recorded with the cell, of the document, or
        unknown), "dates" (days, UTC) and "cells" (names).
    """
    groups: dict[str, dict[str, CellRecord]] = {}
    for name, cell in cells.items():
        groups.setdefault(json.dumps(_key(cell), sort_keys=True), {})[name] = cell
    found = [(key, _source(members)) for key, members in groups.items()]
    return [source for key, source in sorted(found, key=lambda pair: (pair[1]["dates"], pair[0]))]


def describe(source: Mapping[str, Any], n_cells: int) -> str:
    """Return one of the `sources` as a line of text; n_cells: number of cells in the document."""
    versions = ", ".join(f"{name} {version}" for name, version in (source["versions"] or {}).items())
    machine = source["machine"] or {}
    where = [str(machine[name]) for name in ("processor", "system") if name in machine]
    where += [f"{machine['cores']} cores"] if "cores" in machine else []
    where += [str(source["device"])] if source["device"] else []
    cells = "All cells" if len(source["cells"]) == n_cells else ", ".join(source["cells"])
    dates = " to ".join(dict.fromkeys((source["dates"][0], source["dates"][-1])))
    details = "; ".join(filter(None, (versions, ", ".join(where)))) or "versions and machine unknown"
    note = " (recorded for the whole document)" if source["provenance"] == OF_DOCUMENT else ""
    return f"{cells}: {dates}; {details}{note}"


def _key(cell: CellRecord) -> dict[str, Any]:
    return {name: cell.get(name) for name in FIELDS} | {"provenance": cell.get("provenance", UNKNOWN)}


def _source(cells: Mapping[str, CellRecord]) -> dict[str, Any]:
    dates = sorted({str(cell["when"])[:10] for cell in cells.values()})
    return {**_key(next(iter(cells.values()))), "dates": dates, "cells": sorted(cells)}


def _rank(cell: CellRecord) -> tuple[str, bool]:
    return str(cell["when"]), cell.get("provenance", UNKNOWN) != UNKNOWN
