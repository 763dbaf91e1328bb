"""The board of learning curves: any runs by any values in a grid of charts that share zoom, rule and tooltip.

The board itself (`recdash/ui/components/curve_board.js`, drawn with uPlot) is mounted once, outside the live part of
the page. The live part mounts only data: one message for ended runs, which travels once and then as a hash, and one
for active runs.
"""

from __future__ import annotations

import base64
import math
import re
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import streamlit as st

from recdash.errors import RecdashError
from recdash.reporting.formatting import escape
from recdash.ui.charts import curve_export, curve_messages, curve_series
from recdash.ui.charts.curve_options import Bands, BoardOptions, Panel, Smoothing, X
from recdash.ui.components import component

if TYPE_CHECKING:
    from recdash.services.runs import RunRecord
    from recdash.ui.charts.curve_series import Line
    from recdash.ui.charts.epoch_reader import EpochReader

__all__ = ["Bands", "BoardOptions", "Panel", "Smoothing", "X", "board", "data"]

_BAR, _CAPTION, _GAP, _HEADING = 34, 28, 14, 42  # pixels, as in curve_board.css
_FILE_SECONDS = 20.0  # for which an exported file stays mounted


def board(
    key: str,
    panels: Sequence[Panel],
    options: BoardOptions,
    on_action: Callable[[dict[str, Any]], None],
    *,
    pinned: Sequence[str] = (),
) -> None:
    """Mount a board; call it outside the live part of the page. It reserves the space of all panels at once.

    Args:
        key: Key of the board, unique on the page; `data` is called with the same one.
        panels: Charts, in order.
        options: How they are drawn.
        on_action: Called with {"kind": "pick", "id": run id, "runs": [run ids], "picked": bool} when a line is picked
            or let go. Several run ids are the seeds of a band. Exports are handled by the board and `data`.
        pinned: Runs drawn stronger than the others.
    """

    def handle(action: dict[str, Any]) -> None:
        if action.get("kind") == "export":
            st.session_state[_request_key(key)] = action
        else:
            on_action(action)

    st.html(_reserved_space(key, panels, options))
    with st.container(key=f"board.{key}", gap=None):
        with st.container(key=f"board.{key}.setup", height=1, border=False):
            # Small, and apart from the board's script, which therefore travels once.
            layout = curve_messages.layout(key, panels, options, pinned)
            component.mount("curve_data", f"board.{key}.layout", layout, _ignore)
        component.mount("curve_board", f"board.{key}.charts", {"board": key}, handle)


def data(
    key: str, runs: Sequence[RunRecord], reader: EpochReader, panels: Sequence[Panel], options: BoardOptions
) -> None:
    """Hand the curves to a mounted board; call it inside the live part of the page.

    Args:
        key: Key of the board.
        runs: Records of all runs of the panels; their order is that of the legend, and decides who gets a dashed line
            where colours are equal.
        reader: Reader that has read their epochs (`recdash.ui.charts.epoch_reader.epoch_reader`).
        panels: The panels given to `board`.
        options: The options given to `board`.
    """
    lines = list(enumerate(curve_series.lines(runs, options)))
    sent = st.session_state.setdefault(f"_curve_board.{key}.messages", {})
    with st.container(key=f"board.{key}.data", height=1, border=False, gap=None):
        for name, active in (("ended", False), ("active", True)):
            chosen = [(place, line) for place, line in lines if line.active == active]
            state = _state(chosen, reader), tuple(panels), options
            if name not in sent or sent[name][0] != state:
                sent[name] = state, curve_messages.part(key, name, chosen, reader, panels, options)
            component.mount("curve_data", f"board.{key}.{name}", sent[name][1], _ignore)
        request = st.session_state.pop(_request_key(key), None)
        panel = next((panel for panel in panels if request and panel.key == request["panel"]), None)
        if request and panel:
            _export(key, request, panel, [line for _, line in lines], reader, options)
        until, message = st.session_state.get(_file_key(key), (0.0, {}))
        if time.monotonic() < until:
            component.mount("curve_data", f"board.{key}.file", message, _ignore)


def _export(
    key: str, request: dict[str, Any], panel: Panel, lines: list[Line], reader: EpochReader, options: BoardOptions
) -> None:
    """Make a file that the browser saves; it stays mounted for a while, in case the browser is slow."""
    try:
        file = curve_export.file(panel, lines, reader, options, str(request["format"]))
    except RecdashError as error:
        st.toast(escape(str(error)), icon=":material/error:")
        return
    content = base64.b64encode(file.content).decode()
    message = {"board": key, "part": "file", "number": request["number"], "name": file.name, "type": file.media_type}
    st.session_state[_file_key(key)] = time.monotonic() + _FILE_SECONDS, {**message, "content": content}


def _reserved_space(key: str, panels: Sequence[Panel], options: BoardOptions) -> str:
    """Return a style that gives the board its height before its script has arrived (the sizes of curve_board.css)."""
    outer, inner = (
        f".st-key-{re.sub('[^a-zA-Z0-9_-]', '-', name)}" for name in (f"board.{key}", f"board.{key}.charts")
    )
    counts = [sum(panel.facet == facet for panel in panels) for facet in dict.fromkeys(panel.facet for panel in panels)]
    rules = [f"{outer} {{ container-type: inline-size; }}"]
    for columns in range(1, options.columns + 1):
        rows = [math.ceil(count / columns) for count in counts]
        height = _BAR + sum(row * (options.height + _CAPTION) + (row - 1) * _GAP for row in rows)
        height += _HEADING * len(counts) if len(counts) > 1 else 0
        rules.append(f"@container (min-width: {columns * 320 - 20}px) {{ {inner} {{ min-height: {height}px; }} }}")
    return f"<style>{' '.join(rules)}</style>"


def _state(lines: Sequence[tuple[int, Line]], reader: EpochReader) -> tuple[object, ...]:
    """Return what the message with these lines depends on, besides panels and options."""
    return tuple(
        (place, line.name, line.dash, line.best_epoch, line.active, _run_state(line, reader)) for place, line in lines
    )


def _run_state(line: Line, reader: EpochReader) -> tuple[object, ...]:
    return tuple((run.id, run.warning, run.epochs, reader.arrays(run.id).seq) for run in line.runs)


def _request_key(key: str) -> str:
    return f"_curve_board.{key}.export"


def _file_key(key: str) -> str:
    return f"_curve_board.{key}.file"


def _ignore(action: dict[str, Any]) -> None:
    """Data have no actions."""
