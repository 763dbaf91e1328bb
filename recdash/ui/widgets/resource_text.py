"""What a run uses while it trains, as a line of text and as small charts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import streamlit as st

from recdash.reporting.formatting import byte_size
from recdash.services import resource_use
from recdash.ui.charts import altair_parts

if TYPE_CHECKING:
    from recdash.services.resource_use import ResourceSample

_POINTS = 60  # of a small chart
_MEBIBYTE = 1 << 20


def line(run_id: str) -> str:
    """Return the present use with its maximum: "CPU 180% (max 195%), memory 410 MiB (max 430 MiB)"; often empty."""
    samples = resource_use.samples(run_id)
    if not samples:
        return ""
    now = samples[-1]
    parts = [
        f"CPU {now.cpu_percent:.0f}% (max {max(one.cpu_percent for one in samples):.0f}%)",
        f"memory {byte_size(now.memory_bytes)} (max {byte_size(max(one.memory_bytes for one in samples))})",
    ]
    if now.gpu_percent is not None:
        parts.append(f"GPU {now.gpu_percent:.0f}% (max {max(one.gpu_percent or 0.0 for one in samples):.0f}%)")
    if now.gpu_memory_bytes is not None:
        most = max(one.gpu_memory_bytes or 0 for one in samples)
        parts.append(f"GPU memory {byte_size(now.gpu_memory_bytes)} (max {byte_size(most)})")
    return ", ".join(parts)


def charts(run_id: str) -> None:
    """Draw the use over time: one small chart each for processor, memory and GPU; nothing without samples."""
    samples = resource_use.samples(run_id)[-_POINTS:]
    if len(samples) < 2:
        return
    with st.grid(3, min_column_width=150):
        for label, values, unit in _series(samples):
            with st.container(gap="xsmall"):
                st.metric(f"{label} ({unit})", f"{values[-1]:,.0f}")
                _area_chart([one.time - samples[0].time for one in samples], values, f"{label} ({unit})", run_id)


def _area_chart(seconds: list[float], values: list[float], title: str, run_id: str) -> None:
    import altair as alt  # lazy: altair
    import pandas as pd  # lazy: pandas

    table = pd.DataFrame({"seconds": seconds, "value": values})
    chart = (
        alt.Chart()
        .mark_area(line=True, opacity=0.25)
        .encode(
            alt.X("seconds:Q", title="Seconds", axis=alt.Axis(tickCount=4, grid=False)),
            alt.Y("value:Q", title=None, axis=alt.Axis(tickCount=3)),
            tooltip=[alt.Tooltip("seconds:Q", format=".0f"), alt.Tooltip("value:Q", title=title, format=",.0f")],
        )
        .properties(height=60)
    )
    alt_text = f"{title} over the last {seconds[-1]:.0f} s, at most {max(values):,.0f}"
    altair_parts.show(chart, table, key=f"resources.{run_id}.{title}", alt=alt_text)


def _series(samples: Sequence[ResourceSample]) -> list[tuple[str, list[float], str]]:
    found = [
        ("CPU", [one.cpu_percent for one in samples], "% of one core"),
        ("Memory", [one.memory_bytes / _MEBIBYTE for one in samples], "MiB"),
    ]
    if samples[-1].gpu_percent is not None:
        found.append(("GPU", [one.gpu_percent or 0.0 for one in samples], "%"))
    if samples[-1].gpu_memory_bytes is not None:
        found.append(("GPU memory", [(one.gpu_memory_bytes or 0) / _MEBIBYTE for one in samples], "MiB"))
    return found
