"""Messages of the curve board to the browser: arrays as base64, each array once."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import numpy as np

from recdash.ui.charts import curve_series

if TYPE_CHECKING:
    import numpy.typing as npt

    from recdash.ui.charts.curve_options import BoardOptions, Panel
    from recdash.ui.charts.curve_series import Line, Points
    from recdash.ui.charts.epoch_reader import EpochReader

    FloatArray = npt.NDArray[np.float64]

_LEAST_HASHED = 10_500  # bytes; Streamlit sends an unchanged message from 10,000 bytes on as a hash only
_LEAST_PADDED = 800  # bytes; smaller messages cost less than they are worth


class ArrayTable:
    """Arrays of one message; equal arrays are stored once."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self._numbers: dict[str, int] = {}

    def add(self, values: FloatArray | None) -> int:
        """Return the number of an array in `texts`; -1 for None."""
        if values is None:
            return -1
        text = encode(values)
        if text not in self._numbers:
            self._numbers[text] = len(self.texts)
            self.texts.append(text)
        return self._numbers[text]


def encode(values: FloatArray) -> str:
    """Return an array as text: "r1,200" for 1 to 200, "f..." and "d..." for little-endian floats of 4 and 8 bytes.

    Four bytes are used where seven digits are enough: not for numbers beyond their range, nor for values that differ by
    little of their size.
    """
    if _counts_up(values):
        return f"r{int(values[0])},{len(values)}"
    code, kind = ("f", "<f4") if _fits_float32(values[np.isfinite(values)]) else ("d", "<f8")
    return code + base64.b64encode(values.astype(kind).tobytes()).decode()


def part(
    board: str,
    name: str,
    lines: Sequence[tuple[int, Line]],
    reader: EpochReader,
    panels: Sequence[Panel],
    options: BoardOptions,
) -> dict[str, Any]:
    """Return the message with these lines and their points in all panels.

    Args:
        board: Key of the board.
        name: Name of the part; the browser replaces the part of the same name.
        lines: Lines, each with its place in the order of all.
        reader: Reader of their epochs.
        panels: Panels of the board.
        options: How they are drawn.
    """
    arrays, series = ArrayTable(), {}
    for panel in panels:
        found = [(number, curve_series.points(line, panel, reader, options)) for number, (_, line) in enumerate(lines)]
        series[panel.key] = [_row(number, points, arrays) for number, points in found if points is not None]
    described = [describe(place, line) for place, line in lines]
    plan = planned_end([line for _, line in lines], reader, options)
    content = {"lines": described, "series": series, "arrays": arrays.texts, "plan": plan}
    version = blake2b(json.dumps(content).encode(), digest_size=8).hexdigest()
    return padded({"board": board, "part": name, "version": version, **content})


def layout(board: str, panels: Sequence[Panel], options: BoardOptions, pinned: Sequence[str]) -> dict[str, Any]:
    """Return the message that says which charts there are and how they are drawn."""
    facets: dict[str, list[dict[str, Any]]] = {}
    for panel in panels:
        plain: dict[str, Any] = {"key": panel.key, "title": panel.title, "unit": panel.unit, "metric": panel.metric}
        plain |= {"log": panel.log_allowed, "smooth": panel.smooth, "decimals": panel.decimals}
        facets.setdefault(panel.facet, []).append({**plain, "meaning": panel.meaning})
    listed = [{"title": title, "panels": charts} for title, charts in facets.items()]
    return {"board": board, "part": "layout", "facets": listed, "options": vars(options), "pinned": list(pinned)}


def describe(place: int, line: Line) -> dict[str, Any]:
    """Return name and looks of a line."""
    run = line.runs[0]
    plain: dict[str, Any] = {
        "id": line.id,
        "place": place,
        "name": line.name,
        "colour": line.colour,
        "dash": list(line.dash),
    }
    plain |= {"active": line.active, "best": line.best_epoch, "seeds": len(line.runs)}
    return {**plain, "runs": [member.id for member in line.runs], "note": run.warning if len(line.runs) == 1 else ""}


def planned_end(lines: Sequence[Line], reader: EpochReader, options: BoardOptions) -> float | None:
    """Return where the longest active run will end on the horizontal axis; None if unknown, or none is active."""
    if options.x not in ("epoch", "update"):
        return None
    ends = []
    for run in (run for line in lines for run in line.runs if run.state.is_active() and run.epochs):
        epochs = reader.arrays(run.id)
        updates = epochs.update[-1] / epochs.epoch[-1] if len(epochs.epoch) else 0.0
        ends.append(float(run.epochs or 0) * (updates if options.x == "update" else 1.0))
    return max(ends, default=0.0) or None


def padded(message: dict[str, Any]) -> dict[str, Any]:
    """Return the message, large enough to travel as a hash when it has not changed."""
    size = len(message["arrays"]) * 4 + sum(map(len, message["arrays"]))
    if _LEAST_PADDED < size < _LEAST_HASHED:
        message["padding"] = " " * (_LEAST_HASHED - size)
    return message


def _counts_up(values: FloatArray) -> bool:
    if not len(values) or not float(values[0]).is_integer() or abs(values[0]) >= 2**53:
        return False
    return bool((values == values[0] + np.arange(len(values))).all())


def _fits_float32(finite: FloatArray) -> bool:
    size = np.abs(finite[finite != 0])
    if not len(size):
        return True
    return bool(size.max() < 1e38 and size.min() > 1e-37 and np.ptp(finite) > 1e-4 * size.max())


def _row(number: int, points: Points, arrays: ArrayTable) -> list[int]:
    parts = points.epoch, points.x, points.y, points.smooth, points.low, points.high, points.pauses
    return [number, *(arrays.add(values) for values in parts)]
