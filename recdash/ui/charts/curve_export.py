"""Charts of the curve board as files: SVG and PNG (Vega-Lite, drawn by vl-convert), and exact values as CSV."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from recdash.errors import UsageError
from recdash.reporting.table_format import escape_formula
from recdash.runs.run_records import iso
from recdash.ui.charts import curve_series

if TYPE_CHECKING:
    from recdash.ui.charts.curve_options import BoardOptions, Panel
    from recdash.ui.charts.curve_series import Line, Points
    from recdash.ui.charts.epoch_reader import EpochReader

MEDIA_TYPES = {"svg": "image/svg+xml", "png": "image/png", "csv": "text/csv"}
X_TITLES = {
    "epoch": "Epoch",
    "update": "Update",
    "relative": "Training time (s)",
    "clock": "Time (UTC)",
}
_WIDTH, _HEIGHT, _PNG_SCALE = 560, 340, 3.0  # pixels; a PNG of 1,680 pixels is 300 dpi in a column of 14 cm
_RAW_OPACITY = 0.35  # of the raw line behind a smoothed one


@dataclass(frozen=True)
class File:
    """A file to download."""

    name: str
    media_type: str
    content: bytes


def file(panel: Panel, lines: Sequence[Line], reader: EpochReader, options: BoardOptions, file_format: str) -> File:
    """Return a panel as "svg", "png" or "csv".

    Raises:
        UsageError: If the format is unknown, there are no values yet, or vl-convert is not installed.
    """
    if file_format not in MEDIA_TYPES:
        raise UsageError(f'Format "{file_format}" is unknown. Known: {", ".join(MEDIA_TYPES)}.')
    if file_format == "csv":
        content = values_csv(panel, lines, reader).encode()
    else:
        every = [(line, curve_series.points(line, panel, reader, options)) for line in lines]
        found = [(line, points) for line, points in every if points is not None]
        if not found:
            raise UsageError(f"{panel.title} has no values yet. Export it after the first epoch.")
        spec = vega_spec(panel, found, options)
        content = svg(spec).encode() if file_format == "svg" else png(spec)
    stem = re.sub(r"[^a-z0-9@]+", "-", f"{panel.facet} {panel.metric}".lower()).strip("-")
    return File(f"{stem or 'curve'}.{file_format}", MEDIA_TYPES[file_format], content)


def values_csv(panel: Panel, lines: Sequence[Line], reader: EpochReader) -> str:
    """Return the exact recorded values of a panel, one row per run and epoch, with every horizontal axis."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["run", "name", "seed", "epoch", "update", "seconds", "recorded", escape_formula(panel.metric)])
    for run in (run for line in lines for run in line.runs if run.id in panel.run_ids):
        epochs = reader.arrays(run.id)
        if panel.metric not in epochs.values:
            continue
        for row in epochs.has[panel.metric].nonzero()[0]:
            recorded = epochs.recorded[row]
            when = iso(float(recorded)) if math.isfinite(recorded) else ""
            numbers = int(epochs.epoch[row]), int(epochs.update[row]), float(epochs.seconds[row]), when
            writer.writerow(
                [run.id, escape_formula(run.name), run.seed, *numbers, float(epochs.values[panel.metric][row])]
            )
    return out.getvalue()


def vega_spec(panel: Panel, found: Sequence[tuple[Line, Points]], options: BoardOptions) -> dict[str, Any]:
    """Return a Vega-Lite specification of a panel with its data, on white, with title and legend."""
    names = [line.name for line, _ in found]
    log_y = options.log_y and panel.log_allowed
    log_x = options.log_x and options.x != "clock"
    rows = [row for line, points in found for row in _rows(line, points, log_x, log_y)]
    x_type = "temporal" if options.x == "clock" else "quantitative"
    x_axis: dict[str, Any] = {"title": X_TITLES[options.x], "grid": False}
    if options.x in ("epoch", "update"):
        x_axis |= {"format": ",d", "tickMinStep": 1}
    x_scale = {"type": "log"} if log_x else {"type": "utc"} if options.x == "clock" else {"zero": False, "nice": False}
    x = {"field": "x", "type": x_type, "axis": x_axis, "scale": x_scale}
    y_scale = {"type": "log", "nice": False} if log_y else {"zero": False}
    y_title = f"{panel.title} ({panel.unit})" if panel.unit else panel.title
    y = {"type": "quantitative", "scale": y_scale, "axis": {"title": y_title, "format": ".4~g"}}
    colours = {"domain": names, "range": [line.colour for line, _ in found]}
    dashes = {"domain": names, "range": [list(line.dash) or [1, 0] for line, _ in found]}
    legend = {"title": None, "labelLimit": 320, "symbolType": "stroke", "symbolStrokeWidth": 2, "symbolOpacity": 1}
    colour = {"field": "name", "type": "nominal", "scale": colours, "legend": legend}
    dash = {"field": "name", "type": "nominal", "scale": dashes, "legend": legend}
    smooth = any(points.smooth is not None for _, points in found)
    layers: list[dict[str, Any]] = []
    if any(points.low is not None for _, points in found):
        edges = {"y": {**y, "field": "low"}, "y2": {"field": "high"}}
        layers.append({"mark": {"type": "area", "opacity": 0.18}, "encoding": {"x": x, "color": colour, **edges}})
    if smooth:
        raw = {"type": "line", "opacity": _RAW_OPACITY, "strokeWidth": 1, "invalid": "break-paths-show-domains"}
        layers.append({"mark": raw, "encoding": {"x": x, "y": {**y, "field": "raw"}, "color": colour}})
    main = {"type": "line", "strokeWidth": 1.8, "invalid": "break-paths-show-domains"}
    layers.append(
        {"mark": main, "encoding": {"x": x, "y": {**y, "field": "value"}, "color": colour, "strokeDash": dash}}
    )
    diamond = {"type": "point", "shape": "diamond", "filled": True, "size": 70, "opacity": 1}
    transform = [{"filter": "datum.best"}]
    layers.append(
        {"mark": diamond, "transform": transform, "encoding": {"x": x, "y": {**y, "field": "raw"}, "color": colour}}
    )
    subtitle = "; ".join(
        filter(None, (panel.facet, _smoothing_note(options) if smooth else "", _band_note(found, options)))
    )
    title = {"text": panel.title, "subtitle": subtitle, "anchor": "start"} if subtitle else panel.title
    font = {"font": "sans-serif", "background": "white", "view": {"stroke": None}}
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "title": title,
        "width": _WIDTH,
        "height": _HEIGHT,
        "data": {"values": rows},
        "layer": layers,
        "config": font,
    }


def svg(spec: dict[str, Any]) -> str:
    """Return a specification drawn as SVG."""
    return str(_converter().vegalite_to_svg(json.dumps(spec)))


def png(spec: dict[str, Any], scale: float = _PNG_SCALE) -> bytes:
    """Return a specification drawn as PNG.

    Args:
        spec: Vega-Lite specification.
        scale: Pixels of the image per pixel of the specification.
    """
    return bytes(_converter().vegalite_to_png(json.dumps(spec), scale=scale))


def _rows(line: Line, points: Points, log_x: bool, log_y: bool) -> list[dict[str, Any]]:
    def number(value: float, log: bool = log_y) -> float | None:
        return float(value) if math.isfinite(value) and (value > 0 or not log) else None

    rows = []
    for index, epoch in enumerate(points.epoch):
        if number(points.x[index], log_x) is None:
            continue
        row = {"name": line.name, "epoch": int(epoch), "x": float(points.x[index]), "raw": number(points.y[index])}
        row["value"] = row["raw"] if points.smooth is None else number(points.smooth[index])
        row["best"] = int(epoch) == line.best_epoch and row["raw"] is not None
        if points.low is not None and points.high is not None:
            row |= {"low": number(points.low[index]), "high": number(points.high[index])}
        rows.append(row)
        if _pauses_after(points, index):
            rows.append({**row, "raw": None, "value": None, "best": False})
    return rows


def _pauses_after(points: Points, index: int) -> bool:
    """Whether the run paused between a point and the next one."""
    if points.pauses is None or index + 1 >= len(points.x):
        return False
    return bool(((points.pauses >= points.x[index]) & (points.pauses < points.x[index + 1])).any())


def _smoothing_note(options: BoardOptions) -> str:
    kinds = {
        "exponential": "exponential moving average",
        "gaussian": "centred Gaussian average",
        "mean": "centred mean",
    }
    return f"{kinds.get(options.smoothing, '')}, weight {options.weight:.2f}, over the raw line"


def _band_note(found: Sequence[tuple[Line, Points]], options: BoardOptions) -> str:
    if not any(points.low is not None for _, points in found):
        return ""
    spread = "lowest to highest seed" if options.bands == "range" else "one standard deviation over seeds"
    return f"shaded: {spread}"


def _converter() -> Any:
    try:
        import vl_convert  # lazy: 50 MB, and only for an export
    except ImportError as error:
        raise UsageError(
            "SVG and PNG need vl-convert-python, which is not installed. Run: pip install vl-convert-python"
        ) from error
    return vl_convert
