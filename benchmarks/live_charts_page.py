"""The page that benchmarks/live_charts.py measures: 8 charts of 20 runs, drawn by the library named in the URL."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from recdash.analysis import curve_lines
from recdash.runs import run_colours
from recdash.runs.run_records import EpochRow, RunRecord
from recdash.runs.states import State
from recdash.ui.charts import curve_board
from recdash.ui.charts.epoch_reader import EpochReader

METRICS = ("loss", "reconstruction", "kl", "beta", "lr", "examples/s", "ndcg@100", "recall@50")
RUNS, EPOCHS, WEIGHT = 20, 200, 0.6
OPTIONS = curve_board.BoardOptions(smoothing="exponential", weight=WEIGHT)


def records(active: int) -> list[RunRecord]:
    """20 runs; the last `active` ones still train."""
    common = {"model": "multvae", "dataset": "ml-1m", "protocol": "strong", "preset": "auto", "settings": {}}
    common |= {"split_seed": 1, "device": "cpu", "epochs": 2 * EPOCHS}
    states = [State.RUNNING if number >= RUNS - active else State.FINISHED for number in range(RUNS)]
    return [
        RunRecord(id=f"multvae-{number:08x}", name=f"Mult-VAE {number}", seed=number, state=state, **common)
        for number, state in enumerate(states)
    ]


def add_epoch(reader: EpochReader, run: RunRecord, epoch: int) -> None:
    """Add one epoch with eight values."""
    random = np.random.default_rng([epoch, run.seed])
    values = {name: float(rank + 90 / (epoch + run.seed) + random.normal()) for rank, name in enumerate(METRICS, 1)}
    reader.add(EpochRow(run.id, epoch, reader.seq + 1, 40 * epoch, 1.5 * epoch, values, None))


def panels(runs: list[RunRecord]) -> list[curve_board.Panel]:
    """One chart per value, of all runs."""
    ids = tuple(run.id for run in runs)
    return [curve_board.Panel(name, name, "", name, "ml-1m", ids) for name in METRICS]


def board(runs: list[RunRecord], reader: EpochReader) -> None:
    """The curve board; its charts are mounted outside the live part."""
    curve_board.data("bench", runs, reader, panels(runs), OPTIONS)


def lines_of(runs: list[RunRecord], reader: EpochReader, metric: str) -> list[tuple[RunRecord, Any, Any, Any]]:
    """Run, epochs, raw and smoothed values of each line of a chart."""
    found = [(run, reader.arrays(run.id)) for run in runs]
    return [
        (run, part.epoch, part.values[metric], curve_lines.smoothed(part.values[metric], WEIGHT)) for run, part in found
    ]


def vega(runs: list[RunRecord], reader: EpochReader) -> None:
    """st.vega_lite_chart as the Curves page had it, with a zoom."""
    names = [run.name for run in runs]
    scale = {"domain": names, "range": [run_colours.colour_of(run.id) for run in runs]}
    colour = {"field": "label", "type": "nominal", "scale": scale, "legend": None}
    axis = {"field": "epoch", "type": "quantitative", "scale": {"nice": False}}
    y = {"type": "quantitative", "scale": {"zero": False}, "title": None}
    near = {"name": "near", "select": {"type": "point", "nearest": True, "on": "pointerover", "fields": ["epoch"]}}
    zoom = {"name": "zoom", "select": {"type": "interval", "encodings": ["x"]}, "bind": "scales"}
    tooltip = [{"field": name, "type": kind} for name, kind in (("label", "nominal"), ("raw", "quantitative"))]
    opacity = {"condition": {"param": "near", "value": 1, "empty": False}, "value": 0}
    spec: dict[str, Any] = {
        "height": 240,
        "encoding": {"x": axis, "color": colour},
        "layer": [
            {"mark": {"type": "line", "opacity": 0.35}, "encoding": {"y": {**y, "field": "raw"}}, "params": [zoom]},
            {"mark": "line", "encoding": {"y": {**y, "field": "value"}}},
            {
                "mark": {"type": "point", "filled": True},
                "encoding": {"y": {**y, "field": "value"}, "opacity": opacity, "tooltip": tooltip},
                "params": [near],
            },
        ],
    }
    for column, metric in zip(grid(), METRICS, strict=True):
        parts = [
            pd.DataFrame({"label": run.name, "epoch": epoch, "raw": raw, "value": smooth})
            for run, epoch, raw, smooth in lines_of(runs, reader, metric)
        ]
        column.vega_lite_chart(pd.concat(parts), spec, key=f"vega.{metric}", width="stretch")


def plotly(runs: list[RunRecord], reader: EpochReader) -> None:
    """st.plotly_chart; `uirevision` keeps the zoom."""
    for column, metric in zip(grid(), METRICS, strict=True):
        figure = go.Figure()
        for run, epoch, raw, smooth in lines_of(runs, reader, metric):
            line = {"color": run_colours.colour_of(run.id)}
            figure.add_scatter(x=epoch, y=raw, mode="lines", line=line, opacity=0.35, hoverinfo="skip")
            figure.add_scatter(x=epoch, y=smooth, mode="lines", line=line, name=run.name)
        layout = {"height": 240, "showlegend": False, "hovermode": "x unified", "uirevision": "same"}
        figure.update_layout(**layout, margin={"l": 40, "r": 10, "t": 10, "b": 30}, dragmode="zoom")
        column.plotly_chart(figure, key=f"plotly.{metric}")


def echarts(runs: list[RunRecord], reader: EpochReader) -> None:
    """st.echarts_chart on canvas, with a zoom."""
    for column, metric in zip(grid(), METRICS, strict=True):
        series: list[dict[str, Any]] = []
        for run, epoch, raw, smooth in lines_of(runs, reader, metric):
            style = {"type": "line", "showSymbol": False, "itemStyle": {"color": run_colours.colour_of(run.id)}}
            faint = {"lineStyle": {"width": 1, "opacity": 0.35}}
            series.append({**style, **faint, "data": np.column_stack([epoch, raw]).tolist()})
            series.append({**style, "name": run.name, "data": np.column_stack([epoch, smooth]).tolist()})
        slider = {"type": "slider", "left": 40, "right": 40, "bottom": 4, "height": 16}
        spec: dict[str, Any] = {
            "xAxis": {"type": "value"},
            "yAxis": {"scale": True},
            "series": series,
            "animation": False,
        }
        spec |= {"tooltip": {"trigger": "axis"}, "dataZoom": [slider]}
        column.echarts_chart(spec, height=240, key=f"echarts.{metric}")


def nothing(runs: list[RunRecord], reader: EpochReader) -> None:
    """No charts: what Streamlit itself costs."""
    del runs, reader


def grid() -> list[Any]:
    """Places of eight charts in two columns."""
    return [column for _ in range(4) for column in st.columns(2)]


LIBRARIES: dict[str, Callable[[list[RunRecord], EpochReader], None]] = {
    "board": board,
    "vega_lite": vega,
    "plotly": plotly,
    "echarts": echarts,
    "nothing": nothing,
}


def live(library: str, runs: list[RunRecord]) -> None:
    """The live part: a button adds an epoch to each active run, or draws again what is there."""
    reader = st.session_state["reader"]
    with st.container(horizontal=True):
        if st.button("Add an epoch"):
            st.session_state["epoch"] += 1
            for run in runs:
                if run.state == State.RUNNING:
                    add_epoch(reader, run, st.session_state["epoch"])
        st.button("Nothing new")
        place = st.empty()
    started = time.perf_counter()
    LIBRARIES[library](runs, reader)
    st.session_state["draws"] = st.session_state.get("draws", 0) + 1
    place.text(f"drawn {st.session_state['draws']} in {1000 * (time.perf_counter() - started):.2f} ms")


st.set_page_config(layout="wide")
chosen, training = st.query_params.get("library", "board"), records(int(st.query_params.get("active", "3")))
if "reader" not in st.session_state:
    first = EpochReader(tuple(run.id for run in training))
    for record in training:
        for number in range(1, EPOCHS + 1):
            add_epoch(first, record, number)
    st.session_state.update(reader=first, epoch=EPOCHS)
if chosen == "board":
    curve_board.board("bench", panels(training), OPTIONS, lambda action: None)
st.fragment(live)(chosen, training)
