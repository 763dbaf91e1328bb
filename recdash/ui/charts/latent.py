"""How much each latent dimension says: the KL divergence by dimension, at the best epoch of each run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import streamlit as st

from recdash.ui.charts import basic, curve_panels

if TYPE_CHECKING:
    from recdash.services.runs import RunRecord


def dimensions(found: Sequence[RunRecord]) -> None:
    """Draw the latent dimensions of the chosen runs in falling order; nothing where none of them has any."""
    from recdash.services import curves

    by_run = {run.id: curves.kl_by_dimension(run.id, run.best_epoch) for run in found if run.epoch}
    spectra = {run_id: values for run_id, values in by_run.items() if values}
    if not spectra:
        return
    st.subheader("What the latent dimensions say", anchor=False)
    st.caption(
        "KL divergence of each dimension from N(0, 1) at the best epoch, largest first. A dimension near 0 is unused: "
        "it says the same of everybody."
    )
    shown = [run for run in found if run.id in spectra]
    labels = curve_panels.labels(shown)
    lines = basic.lines_of(labels, [run.id for run in shown])
    st.altair_chart(_chart({labels[run_id]: values for run_id, values in spectra.items()}, lines), width="stretch")


def _chart(spectra: dict[str, tuple[float, ...]], lines: tuple[basic.RunLine, ...]) -> Any:
    import altair as alt
    import pandas as pd

    rows = [(label, rank, value) for label, values in spectra.items() for rank, value in enumerate(values, start=1)]
    table = pd.DataFrame(rows, columns=["label", "rank", "kl"])
    ink = alt.Scale(domain=[label for label, _, _ in lines], range=[colour for _, colour, _ in lines])
    says = [
        alt.Tooltip("label:N", title="Run"),
        alt.Tooltip("rank:Q", title="Dimension, by size"),
        alt.Tooltip("kl:Q", title="KL in nats", format=".4f"),
    ]
    base = alt.Chart(table).encode(
        alt.X("rank:Q", title="Dimensions, largest first", axis=alt.Axis(tickMinStep=1)),
        alt.Y("kl:Q", title="nats per user", axis=alt.Axis(tickCount=5, format=".3~f")),
        alt.Color("label:N", scale=ink, legend=None),
        tooltip=says,
    )
    return (base.mark_line(strokeWidth=2) + base.mark_point(opacity=0, size=60)).properties(height=240)
