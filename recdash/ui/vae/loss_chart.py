"""The loss of a variational autoencoder as the sum of its parts, by epoch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import streamlit as st

from recdash.ui.charts import altair_parts

if TYPE_CHECKING:
    from recdash.analysis.loss_parts import LossParts

HEIGHT = 300  # pixels
_HEADROOM = 0.08  # of the range, below the lowest value
RECONSTRUCTION, KL, DECODER = "Reconstruction", "Weighted KL", "Decoder updates"


def draw(parts: Sequence[LossParts], model: str, *, key: str) -> None:
    """Draw reconstruction loss and weighted KL divergence, stacked to the loss."""
    import altair as alt  # lazy: altair
    import pandas as pd  # lazy: pandas

    if not parts:
        return
    low = min(min(one.reconstruction, one.decoder_reconstruction or one.reconstruction) for one in parts)
    high = max(one.loss for one in parts)
    table = pd.DataFrame(
        {
            "epoch": [one.epoch for one in parts],
            "reconstruction": [one.reconstruction for one in parts],
            "weighted_kl": [one.weighted_kl for one in parts],
            "loss": [one.loss for one in parts],
            "share": [one.kl_share for one in parts],
            "decoder": [one.decoder_reconstruction for one in parts],
        }
    ).assign(floor=low - _HEADROOM * max(high - low, 1e-6))
    with_decoder = parts[-1].decoder_reconstruction is not None
    names = [RECONSTRUCTION, KL, *([DECODER] if with_decoder else [])]
    colour = alt.Scale(domain=names)
    scale = alt.Scale(zero=False, nice=False)
    base = alt.Chart().encode(altair_parts.epoch_axis())

    def area(lower: str, upper: str, name: str, opacity: float) -> Any:
        y = alt.Y(f"{lower}:Q", title="Nats per step" if model == "svae" else "Nats per user", scale=scale)
        legend = alt.Legend(title=None, orient="top", symbolOpacity=1, labelLimit=280)
        return base.mark_area(opacity=opacity).encode(
            y, alt.Y2(f"{upper}:Q"), alt.Color(datum=name, scale=colour, legend=legend)
        )

    def line(field: str, name: str, dash: list[int]) -> Any:
        y, points = alt.Y(f"{field}:Q", scale=scale), alt.OverlayMarkDef(size=12)
        return base.mark_line(strokeWidth=1.5, strokeDash=dash, point=points if len(parts) < 3 else False).encode(
            y, alt.Color(datum=name, scale=colour)
        )

    tooltip = [
        alt.Tooltip("epoch:Q", title="Epoch"),
        alt.Tooltip("loss:Q", title="Loss", format=",.3f"),
        alt.Tooltip("reconstruction:Q", title=RECONSTRUCTION, format=",.3f"),
        alt.Tooltip("weighted_kl:Q", title=KL, format=",.3f"),
        alt.Tooltip("share:Q", title="KL's share of the loss", format=".1%"),
    ]
    layers = [
        area("floor", "reconstruction", RECONSTRUCTION, 0.3),
        area("reconstruction", "loss", KL, 0.75),
        line("reconstruction", RECONSTRUCTION, [1, 0]),
        line("loss", KL, [1, 0]),
    ]
    if with_decoder:
        layers.append(line("decoder", DECODER, [4, 3]))
        tooltip.append(alt.Tooltip("decoder:Q", title=DECODER, format=",.3f"))
    layers.append(altair_parts.hover_rule(base, "epoch", tooltip))
    last = parts[-1]
    st.markdown("**What the model optimises**")
    altair_parts.show(
        alt.layer(*layers).properties(height=HEIGHT),
        table,
        key=key,
        alt=f"Loss by epoch as reconstruction plus weighted KL divergence; in epoch {last.epoch} "
        f"{last.reconstruction:.4g} plus {last.weighted_kl:.3g} nats",
    )
    st.caption(_caption(parts, model))


def _caption(parts: Sequence[LossParts], model: str) -> str:
    weight = "gamma times the history's length" if model == "recvae" else "beta"
    text = (
        f"The upper edge is the loss: reconstruction loss plus the KL divergence times {weight}. The vertical axis "
        f"does not start at 0. In epoch {parts[-1].epoch} the KL part is {parts[-1].kl_share:.1%} of the loss."
    )
    if parts[-1].decoder_reconstruction is not None:
        text += " Dashed: the reconstruction loss in the decoder's updates, without dropout and without a KL part."
    if any(one.derived for one in parts):
        text += " This run did not record the KL part; it is the loss minus the reconstruction loss."
    missing = [one for one in parts if one.missing]
    if missing:
        worst = max(missing, key=lambda one: abs(one.missing))
        text += f" The parts do not add up: {worst.missing:+.3g} nats are missing in epoch {worst.epoch}."
    return text
