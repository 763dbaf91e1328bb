"""KL divergence per latent dimension at the best epoch of each run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import streamlit as st

from recdash.analysis.run_labels import run_labels
from recdash.ui.charts import primitives

if TYPE_CHECKING:
    from recdash.services.runs import RunRecord


def kl_per_dimension(selected: Sequence[RunRecord]) -> None:
    """Draw the KL divergence of each latent dimension in descending order, for the runs that recorded it."""
    from recdash.services import curves  # lazy: sqlalchemy

    by_run = {run.id: curves.kl_by_dimension(run.id, run.best_epoch) for run in selected if run.epoch}
    spectra = {run_id: values for run_id, values in by_run.items() if values}
    if not spectra:
        return
    st.subheader("KL per latent dimension", anchor=False)
    st.caption(
        "KL divergence of each latent dimension from N(0, 1) at the best epoch, in nats per user, largest first. "
        "A dimension near 0 is unused: its value hardly depends on the user."
    )
    shown = [run for run in selected if run.id in spectra]
    labels = run_labels(shown, one_dataset=False)
    lines = primitives.run_lines(labels, [run.id for run in shown])
    st.altair_chart(_chart({labels[run_id]: values for run_id, values in spectra.items()}, lines), width="stretch")


def _chart(spectra: dict[str, tuple[float, ...]], lines: tuple[primitives.RunLine, ...]) -> Any:
    import altair as alt  # lazy: altair
    import pandas as pd  # lazy: pandas

    rows = [(label, rank, value) for label, values in spectra.items() for rank, value in enumerate(values, start=1)]
    table = pd.DataFrame(rows, columns=["label", "rank", "kl"])
    colours = alt.Scale(domain=[label for label, _, _ in lines], range=[colour for _, colour, _ in lines])
    tooltip = [
        alt.Tooltip("label:N", title="Run"),
        alt.Tooltip("rank:Q", title="Rank of the dimension"),
        alt.Tooltip("kl:Q", title="KL (nats per user)", format=".4f"),
    ]
    base = alt.Chart(table).encode(
        alt.X("rank:Q", title="Latent dimension, by rank", axis=alt.Axis(tickMinStep=1)),
        alt.Y("kl:Q", title="KL (nats per user)", axis=alt.Axis(tickCount=5, format=".3~f")),
        alt.Color("label:N", scale=colours, legend=None),
        tooltip=tooltip,
    )
    return (base.mark_line(strokeWidth=2) + base.mark_point(opacity=0, size=60)).properties(height=240)
