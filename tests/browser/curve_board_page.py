"""A page with nothing but a curve board, for tests/browser/test_curve_board.py; its URL says what is drawn."""

from __future__ import annotations

from typing import Any

import streamlit as st

from recdash.services import runs
from recdash.ui import glossary
from recdash.ui.charts import curve_board, epoch_reader
from recdash.ui.components import component

PAGE = "test_board"


def on_action(action: dict[str, Any]) -> None:
    """Keep the actions of the visitor; a picked run is pinned, as on the Curves page."""
    st.session_state.setdefault("actions", []).append(action)
    pinned = set(st.session_state.get("pinned", ()))
    st.session_state["pinned"] = sorted(
        pinned | set(action["runs"]) if action["picked"] else pinned - set(action["runs"])
    )


def live(panels: list[curve_board.Panel], options: curve_board.BoardOptions) -> None:
    """The live part, which refreshes five times a second."""
    component.timer("pulse", 0.2)
    records = sorted(runs.list_runs(), key=lambda run: run.created)
    reader = epoch_reader.epoch_reader(PAGE, [run.id for run in records])
    curve_board.data(PAGE, records, reader, panels, options)
    st.session_state["draws"] = st.session_state.get("draws", 0) + 1


st.set_page_config(layout="wide")
st.title("Board")
query = st.query_params
chosen = curve_board.BoardOptions(
    x=query.get("x", "epoch"),
    log_x="logx" in query,
    log_y="logy" in query,
    smoothing=query.get("smoothing", "none"),
    weight=float(query.get("weight", "0.6")),
    bands=query.get("bands", "off"),
    shared_y="shared" in query,
)
everything = sorted(runs.list_runs(), key=lambda run: run.created)
by_facet: dict[str, list[str]] = {}
for record in everything:
    by_facet.setdefault(record.dataset, []).append(record.id)
names = query.get_all("show") or ["reconstruction", "kl", "beta", "ndcg@100"]
charts = []
for dataset, ids in by_facet.items():
    for name in names:
        title, unit, meaning = glossary.curve(name)
        decimals = 4 if "@" in name else None
        key = f"{dataset}.{name}"
        flags = {"log_allowed": "@" not in name, "smooth": name != "beta"}
        charts.append(
            curve_board.Panel(key, title, unit, name, dataset, tuple(ids), decimals=decimals, meaning=meaning, **flags)
        )
curve_board.board(PAGE, charts, chosen, on_action, pinned=st.session_state.get("pinned", ()))
st.fragment(live)(charts, chosen)
st.markdown("Below the board")
st.json(st.session_state.get("actions", []))
