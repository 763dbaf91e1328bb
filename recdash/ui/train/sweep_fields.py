"""The sweep section of the form: settings to vary, each with its list of values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from recdash.reporting.formatting import escape, plural
from recdash.services import sweeps
from recdash.settings import format_setting
from recdash.ui import url_state

_MOST_SHOWN = 8  # values in the caption below a field


def draw(models: Sequence[str]) -> dict[str, tuple[Any, ...]]:
    """Draw the section; returns the values of each swept setting, empty without a sweep.

    Raises:
        UsageError: A list is invalid.
    """
    known = sweeps.sweepable(models)
    chosen = url_state.value_list("sweep")
    fold = st.expander("Sweep", icon=":material/grid_on:", key="sweep_open", on_change="rerun", expanded=bool(chosen))
    if not fold.open and not chosen:
        return {}
    texts: dict[str, str] = {}
    with fold:
        st.caption(
            "One run per combination of values. A list: 64, 128, 256. A range: 0.1..0.5 step 0.1. Equal ratios: "
            "1e-4..1e-2 log 5."
        )
        names = st.multiselect(
            "Settings to vary",
            list(known),
            placeholder="Choose settings",
            **url_state.bind("sweep", [], options=known, many=True),
        )
        with st.grid(2, min_column_width=220):
            for name in names:
                with st.container(gap="xsmall"):
                    texts[name] = _values(name, known[name].help)
    grid = sweeps.parse(models, {name: text for name, text in texts.items() if text.strip()})
    for name in names:
        if name not in grid:
            fold.caption(f"{escape(name)}: enter values, or it keeps the value of the settings above.")
    if grid:
        shown = "; ".join(f"{escape(name)} {_listed(values)}" for name, values in grid.items())
        fold.caption(f"{plural(sweeps.count(models, grid), 'run')} per seed: {shown}")
    return grid


def _values(name: str, about: str) -> str:
    label = f"Values of {name.replace('_', ' ')}"
    field = url_state.bind(f"sweep.{name}", "")
    return str(st.text_input(label, placeholder="64, 128, 256", help=escape(f"{name}: {about}."), **field))


def _listed(values: Sequence[Any]) -> str:
    shown = ", ".join(escape(format_setting(value)) for value in values[:_MOST_SHOWN])
    return shown + (f" and {len(values) - _MOST_SHOWN} more" if len(values) > _MOST_SHOWN else "")
