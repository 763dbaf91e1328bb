"""What a run uses while it trains, as a line of text and as small charts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import streamlit as st

from recdash.reporting.formatting import byte_size
from recdash.services import resource_use

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
            st.metric(f"{label} ({unit})", f"{values[-1]:,.0f}", chart_data=values, chart_type="area", height="content")


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
