"""Where, when and with what each cell of a reproduced table was computed; it stays with the cell."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from recdash import devices

RECORDED, OF_DOCUMENT, UNKNOWN = "recorded", "of the document", "unknown"
FIELDS = ("versions", "machine", "device")
CellRecord = Mapping[str, Any]


def recorded(device: str) -> dict[str, Any]:
    """Return the provenance of a cell that this process has just computed on a device, such as "cpu"."""
    return {
        "versions": devices.versions(),
        "machine": devices.machine(),
        "device": device,
        "provenance": RECORDED,
    }


def completed(cell: CellRecord, document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a cell with its provenance; where an earlier version kept none, that of the document it was kept in.

    Where the document has none either, it is unknown: the versions of today had nothing to do with it.
    """
    if "provenance" in cell:
        return dict(cell)
    found = {name: document.get(name) for name in FIELDS}
    return {**cell, **found, "provenance": OF_DOCUMENT if any(found.values()) else UNKNOWN}


def newest(*collections: Mapping[str, CellRecord]) -> dict[str, dict[str, Any]]:
    """Merge cells by name: the newest is kept, and of equally new ones that whose provenance is known."""
    found: dict[str, dict[str, Any]] = {}
    for cells in collections:
        for name, cell in cells.items():
            if name not in found or _rank(cell) > _rank(found[name]):
                found[name] = dict(cell)
    return found


def shared(cells: Mapping[str, CellRecord], name: str) -> Any:
    """Return the value of a field that all cells share; None where they differ, or where there are none."""
    values = [cell.get(name) for cell in cells.values()]
    return values[0] if values and all(value == values[0] for value in values) else None


def sources(cells: Mapping[str, CellRecord]) -> list[dict[str, Any]]:
    """Return the distinct provenances of some cells, the earliest first.

    Each has "versions", "machine", "device" and "provenance" (recorded with the cell, of the document, or unknown), its
    "dates" (days, UTC) and the "cells" that it covers.
    """
    alike: dict[str, dict[str, CellRecord]] = {}
    for name, cell in cells.items():
        alike.setdefault(json.dumps(_where(cell), sort_keys=True), {})[name] = cell
    found = [(key, _source(members)) for key, members in alike.items()]
    return [source for key, source in sorted(found, key=lambda pair: (pair[1]["dates"], pair[0]))]


def in_words(source: Mapping[str, Any], cells: int) -> str:
    """Return one of the `sources` as a line: which of so many cells, when, with which versions, on which machine."""
    versions = ", ".join(f"{name} {version}" for name, version in (source["versions"] or {}).items())
    machine = source["machine"] or {}
    where = [str(machine[name]) for name in ("processor", "system") if name in machine]
    where += [f"{machine['cores']} cores"] if "cores" in machine else []
    where += [str(source["device"])] if source["device"] else []
    which = "All cells" if len(source["cells"]) == cells else ", ".join(source["cells"])
    when = " to ".join(dict.fromkeys((source["dates"][0], source["dates"][-1])))
    told = "; ".join(filter(None, (versions, ", ".join(where)))) or "versions and machine unknown"
    note = " (recorded for the document as a whole)" if source["provenance"] == OF_DOCUMENT else ""
    return f"{which}: {when}; {told}{note}"


def _where(cell: CellRecord) -> dict[str, Any]:
    return {name: cell.get(name) for name in FIELDS} | {"provenance": cell.get("provenance", UNKNOWN)}


def _source(cells: Mapping[str, CellRecord]) -> dict[str, Any]:
    dates = sorted({str(cell["when"])[:10] for cell in cells.values()})
    return {**_where(next(iter(cells.values()))), "dates": dates, "cells": sorted(cells)}


def _rank(cell: CellRecord) -> tuple[str, bool]:
    return str(cell["when"]), cell.get("provenance", UNKNOWN) != UNKNOWN
