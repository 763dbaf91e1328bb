"""KL divergence per latent dimension: over time as a heat map, its spectrum in one epoch, and active units."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from recdash.analysis import kl_over_time
from recdash.analysis.run_labels import run_labels
from recdash.reporting.formatting import escape, plural
from recdash.ui.charts import altair_parts, primitives, theme_colours

if TYPE_CHECKING:
    from recdash.analysis.kl_over_time import KlOverTime
    from recdash.services.runs import RunRecord

HEIGHT = 400  # pixels, of the heat map
_CANVAS = {"embedOptions": {"renderer": "canvas"}}  # as SVG, 16,000 cells would be as many elements of the page
_LOWEST = 1e-3  # nats; the colour scale is logarithmic and ends here


def heat_map(run: RunRecord, kl: KlOverTime, *, key: str) -> None:
    """Draw the KL divergence of each dimension by epoch, dimensions in the order of the newest epoch."""
    import altair as alt  # lazy: altair
    import pandas as pd  # lazy: pandas

    best = run.best_epoch or 0
    cells = kl_over_time.heat_map(kl, [best])
    columns, rows = cells.values.shape
    # A column reaches from its epoch to the next one shown.
    ends = np.append(cells.epochs[1:], cells.epochs[-1] + 1)
    rank = np.arange(rows) * cells.dimensions_per_row  # (rows,)
    table = pd.DataFrame(
        {
            "epoch": np.repeat(cells.epochs, rows).astype(np.uint32),
            "end": np.repeat(ends, rows).astype(np.uint32),
            "rank": np.tile(rank, columns).astype(np.uint16),
            "kl": cells.values.ravel(),
        }
    )
    top = max(0.1, float(cells.values.max()))
    group = cells.dimensions_per_row
    x = altair_parts.epoch_axis("left:Q")
    y = alt.Y(
        "rank:Q",
        title="Dimension, by newest KL",
        scale=alt.Scale(reverse=True, nice=False, domain=[0, rows * group]),
        axis=alt.Axis(grid=False, tickMinStep=1, format="d"),
    )
    scale = alt.Scale(type="log", domain=[_LOWEST, top], clamp=True, nice=False)
    colour = alt.Color(
        "shown:Q",
        scale=scale,
        legend=alt.Legend(title="KL (nats)", format=".2~g", values=[0.001, 0.01, 0.1, 1], gradientLength=HEIGHT - 140),
    )
    tooltip = [
        alt.Tooltip("epoch:Q", title="Epoch"),
        alt.Tooltip("first:Q", title="Rank of the dimension" if group == 1 else f"First of {group} ranks"),
        alt.Tooltip("kl:Q", title="KL (nats per user)", format=".4f"),
    ]
    cell = (
        alt.Chart()
        .mark_rect(strokeWidth=0)
        .encode(x, alt.X2("right:Q"), y, alt.Y2("below:Q"), colour, tooltip=tooltip)
        .transform_calculate(
            left="datum.epoch - 0.5",
            right="datum.end - 0.46",  # cells overlap a little, or seams would show
            below=f"datum.rank + {1.1 * group}",
            first="datum.rank + 1",
            shown=f"max(datum.kl, {_LOWEST})",
        )
    )
    layers = [cell]
    is_marked = bool(cells.epochs[0] <= best < ends[-1])
    if is_marked:  # Vega warns of a layer without rows; KL is not recorded in every epoch
        mark = alt.Chart().transform_filter(f"datum.epoch <= {best} && {best} < datum.end && datum.rank == 0")
        layers.append(
            mark.mark_rule(color="#eb6c0e", strokeWidth=2, strokeDash=[4, 3], aria=False).encode(alt.X(datum=best))
        )
    st.markdown("**KL per latent dimension, by epoch**")
    about = f"{plural(len(kl.epochs), 'epoch')}, {plural(kl.values.shape[1], 'dimension')}"
    active = kl.active_units()
    altair_parts.show(
        alt.layer(*layers).properties(height=HEIGHT, usermeta=_CANVAS),
        table,
        key=key,
        alt=f"Heat map of the KL divergence per latent dimension by epoch: {about}; "
        f"{active[-1]} active dimensions in epoch {kl.epochs[-1]}",
    )
    reduced = "" if group == 1 else f" Each row is the largest of {group} dimensions of neighbouring rank."
    marked = f" Dashed: the best epoch, {best}." if is_marked else ""
    st.caption(
        "Divergence of each dimension from N(0, 1) in nats per user, mean over the training users of an epoch."
        f"{reduced}{marked} A dimension below 0.01 nats is unused: its value hardly depends on the user."
    )


def spectra(runs: Sequence[RunRecord], histories: Mapping[str, KlOverTime], *, key: str) -> None:
    """Draw the KL divergence of each dimension in descending order, in the best epoch of each run.

    Args:
        runs: The runs.
        histories: KL divergence over time by run id; runs without are left out.
        key: Key of the chart.
    """
    import altair as alt  # lazy: altair
    import pandas as pd  # lazy: pandas

    shown = [run for run in runs if run.id in histories]
    if not shown:
        return
    labels, epochs, rows = run_labels(shown, one_dataset=False), {}, []
    for run in shown:
        epochs[run.id], values = histories[run.id].at(run.best_epoch)
        rows += [(labels[run.id], rank, value) for rank, value in enumerate(values, start=1)]
    lines = primitives.run_lines(labels, [run.id for run in shown])
    colours = alt.Scale(domain=[label for label, _, _ in lines], range=[colour for _, colour, _ in lines])
    patterns = alt.Scale(domain=[label for label, _, _ in lines], range=[list(dash) or [1, 0] for _, _, dash in lines])
    tooltip = [
        alt.Tooltip("label:N", title="Run"),
        alt.Tooltip("rank:Q", title="Rank of the dimension"),
        alt.Tooltip("kl:Q", title="KL (nats per user)", format=".4f"),
    ]
    base = alt.Chart().encode(
        alt.X("rank:Q", title="Rank of the dimension", axis=alt.Axis(tickMinStep=1, grid=False)),
        alt.Y("kl:Q", title="KL (nats)", axis=alt.Axis(tickCount=5, format=".3~f")),
        alt.Color("label:N", scale=colours, legend=None),
        tooltip=tooltip,
    )
    line = base.mark_line(strokeWidth=2).encode(alt.StrokeDash("label:N", scale=patterns, legend=None))
    st.markdown("**Spectrum in the best epoch**")
    altair_parts.show(
        (line + base.mark_point(opacity=0, size=60, aria=False)).properties(height=220),
        pd.DataFrame(rows, columns=["label", "rank", "kl"]),
        key=key,
        alt=f"KL divergence per latent dimension, largest first, of {plural(len(shown), 'run')}",
    )
    names = [f"{theme_colours.dot(run.id)} {escape(labels[run.id])}, epoch {epochs[run.id]}" for run in shown]
    st.caption(" &nbsp; ".join(names))


def active_units(kl: KlOverTime, *, key: str) -> None:
    """Draw the number of active units by epoch."""
    import altair as alt  # lazy: altair
    import pandas as pd  # lazy: pandas

    counts, width = kl.active_units(), kl.values.shape[1]
    table = pd.DataFrame({"epoch": kl.epochs, "units": counts})
    base = alt.Chart().encode(
        altair_parts.epoch_axis(),
        alt.Y(
            "units:Q",
            title="Active",
            scale=alt.Scale(domain=[0, width], nice=False),
            axis=alt.Axis(tickCount=4, format="d", tickMinStep=1),
        ),
    )
    tooltip = [alt.Tooltip("epoch:Q", title="Epoch"), alt.Tooltip("units:Q", title=f"Active of {width}")]
    line = base.mark_line(strokeWidth=2, point=alt.OverlayMarkDef(size=14))
    st.markdown("**Active dimensions**")
    altair_parts.show(
        (line + altair_parts.hover_rule(base, "epoch", tooltip)).properties(height=170),
        table,
        key=key,
        alt=f"Active latent dimensions by epoch: {counts[-1]} of {width} in epoch {kl.epochs[-1]}",
    )
    st.caption("Dimensions with a mean KL divergence above 0.01 nats.")
