"""The tries of the annealing workbook side by side: KL per dimension, KL and NDCG by epoch, on shared scales."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import streamlit as st

from recdash.analysis import posterior_collapse, schedule_effect
from recdash.evaluation.selection_metric import SELECTION_METRICS
from recdash.reporting.formatting import escape
from recdash.runs import run_colours
from recdash.ui import glossary
from recdash.ui.charts import altair_parts, theme_colours

if TYPE_CHECKING:
    from recdash.services.latent_kl import LatentHistory
    from recdash.services.runs import RunRecord

HEIGHT = 150  # pixels of each small chart
NDCG = SELECTION_METRICS["ranking"].name


@dataclass(frozen=True)
class _Scales:
    """Upper ends of the shared axes."""

    spectrum: float
    rank: int
    epochs: int
    kl: float
    ndcg: float


def draw(tries: Sequence[RunRecord]) -> None:
    """Draw one card per try, the newest last, and one sentence on what its change did."""
    from recdash.services import latent_kl  # lazy: sqlalchemy

    histories = {run.id: latent_kl.history(run) for run in tries}
    sentence = _sentence(tries, histories)
    if sentence:
        st.markdown(f":material/arrow_forward: {sentence}")
    scales = _scales(tries, histories)
    with st.grid(min(3, len(tries)), min_column_width=280, gap="small"):
        for number, run in enumerate(tries, start=1):
            with st.container(border=True, key=f"workbook.try{number}", gap="xsmall"):
                _card(number, run, histories[run.id], scales)


def _sentence(tries: Sequence[RunRecord], histories: Mapping[str, LatentHistory]) -> str:
    ended = [run for run in tries if run.state == "finished"]
    if len(ended) < 2 or ended[-1] is not tries[-1]:
        return ""
    before, after = (schedule_effect.outcome(run, histories[run.id].epochs) for run in ended[-2:])
    if before is None or after is None:
        return ""
    return f"{escape(schedule_effect.sentence(before, after))} One training seed each: small differences may be chance."


def _card(number: int, run: RunRecord, history: LatentHistory, scales: _Scales) -> None:
    config = run.config or run.settings
    dot = theme_colours.dot(run.id)
    st.markdown(
        f"{dot} **Try {number}** :gray[:small[cap {config.get('beta_cap', 0):g} at "
        f"{config.get('reach_cap_at', 0):.0%}, {config.get('epochs')} epochs, {config.get('latent')} wide]]"
    )
    if run.state == "failed":
        st.error(escape(run.error), icon=":material/error:")
        return
    if run.state != "finished":
        done = f"epoch {run.epoch} of {run.epochs}" if run.epoch else "starting"
        st.markdown(f"{glossary.state_badge(run.state.value)} :gray[:small[{done}]]")
    collapse = posterior_collapse.remark(run, history.epochs)
    found = schedule_effect.outcome(run, history.epochs)
    if found is not None:
        width = f" of {config.get('latent')} active"
        st.markdown(
            f"NDCG@100 **{found.ndcg:.3f}** · KL **{found.kl:.1f}** nats · **{found.active}**{width}"
            + (f" :orange-badge[{collapse}]" if collapse else "")
        )
    if not history.epochs:
        return
    colour, key = run_colours.colour_of(run.id), f"workbook.try{number}.{run.id}"
    if history.kl is not None:
        _, spectrum = history.kl.at(run.best_epoch)
        _line(
            list(enumerate(spectrum, start=1)),
            ("Rank of the dimension", "KL per dimension (nats)"),
            (scales.rank, scales.spectrum),
            colour,
            key=f"{key}.spectrum",
            area=True,
        )
    for name, title, top in (("kl", "KL (nats)", scales.kl), (NDCG, "NDCG@100", scales.ndcg)):
        points = [(epoch, values[name]) for epoch, values in sorted(history.epochs.items()) if name in values]
        _line(points, ("Epoch", title), (scales.epochs, top), colour, key=f"{key}.{name}")


def _line(
    points: Sequence[tuple[int, float]],
    titles: tuple[str, str],
    ends: tuple[int, float],
    colour: str,
    *,
    key: str,
    area: bool = False,
) -> None:
    import altair as alt  # lazy: altair
    import pandas as pd  # lazy: pandas

    x_title, y_title = titles
    fine = alt.Axis(tickMinStep=1, tickCount=4, format="d", grid=False, titleFontSize=11, labelFontSize=10)
    base = alt.Chart().encode(
        alt.X("x:Q", title=x_title, axis=fine, scale=alt.Scale(domain=[1, max(2, ends[0])], nice=False)),
        alt.Y(
            "y:Q",
            title=None,
            axis=alt.Axis(tickCount=3, format=".3~f", labelFontSize=10),
            scale=alt.Scale(domain=[0, ends[1]], nice=True),
        ),
        tooltip=[alt.Tooltip("x:Q", title=x_title), alt.Tooltip("y:Q", title=y_title, format=".4f")],
    )
    mark: Any = (
        base.mark_area(color=colour, opacity=0.35, line={"color": colour})
        if area
        else base.mark_line(color=colour, strokeWidth=2)
    )
    st.markdown(f":small[{y_title}]")
    altair_parts.show(
        (mark + base.mark_point(opacity=0, size=40, aria=False)).properties(height=HEIGHT),
        pd.DataFrame(points, columns=["x", "y"]),
        key=key,
        alt=f"{y_title} by {x_title.lower()}" + (f": {points[0][1]:.3g} to {points[-1][1]:.3g}" if points else ""),
    )


def _scales(tries: Sequence[RunRecord], histories: Mapping[str, LatentHistory]) -> _Scales:
    def largest(name: str) -> float:
        values = [row.get(name, 0.0) for one in histories.values() for row in one.epochs.values()]
        return max((value for value in values if value < float("inf")), default=0.0) or 1.0

    spectra = {run.id: kl.at(run.best_epoch)[1] for run in tries if (kl := histories[run.id].kl) is not None}
    return _Scales(
        spectrum=max((spectrum[0] for spectrum in spectra.values()), default=0.0) or 1.0,
        rank=max((len(spectrum) for spectrum in spectra.values()), default=1),
        epochs=max((run.epochs or 1 for run in tries), default=1),
        kl=largest("kl"),
        ndcg=largest(NDCG),
    )
