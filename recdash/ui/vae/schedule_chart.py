"""The annealing schedule as planned against as run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamlit as st

from recdash.analysis import annealing
from recdash.ui.charts import altair_parts

if TYPE_CHECKING:
    from recdash.analysis.annealing import Annealing, Plan
    from recdash.services.runs import RunRecord

HEIGHT = 300  # pixels
PLANNED, RECORDED = "Planned", "As run"
_BLUE, _GREY = "#4a7ee6", "#7b8494"  # legible on light and dark backgrounds
_DEVIATION = 1e-3  # of the cap; a larger one is mentioned


@dataclass(frozen=True)
class OtherPlan:
    """The plan of a former try, drawn thin behind the current one."""

    label: str
    colour: str
    plan: Plan


def draw(run: RunRecord, found: Annealing, *, key: str) -> None:
    """Draw the planned and the recorded weight of the KL divergence of a run."""
    import altair as alt  # lazy: altair
    import pandas as pd  # lazy: pandas

    rows = [(PLANNED, epochs, beta) for epochs, beta in (found.plan.points if found.plan else ())]
    rows += [(RECORDED, epoch - 0.5, beta) for epoch, beta in found.recorded.items()]
    if not rows:
        return
    title = "Weight of the KL divergence" if found.plan is None else "Beta"
    names = [RECORDED, PLANNED] if found.plan else [RECORDED]
    colours = alt.Scale(domain=names, range=[_BLUE, _GREY][: len(names)])
    base = alt.Chart().encode(
        alt.X("epoch:Q", title="Epochs done", axis=alt.Axis(tickCount=6, format="d", tickMinStep=1, grid=False)),
        alt.Y("beta:Q", title=title, scale=alt.Scale(zero=True), axis=alt.Axis(tickCount=5, format=".3~g")),
        alt.Color("kind:N", scale=colours, legend=alt.Legend(title=None, orient="top")),
    )
    tooltip = [
        alt.Tooltip("kind:N", title="Schedule"),
        alt.Tooltip("epoch:Q", title="Epochs done", format=".1f"),
        alt.Tooltip("beta:Q", title=title, format=".4~g"),
    ]
    planned = base.transform_filter(f"datum.kind == '{PLANNED}'")
    recorded = base.transform_filter(f"datum.kind == '{RECORDED}'")
    layers = []  # Vega warns of a layer without rows
    if found.plan:
        layers.append(planned.mark_line(strokeWidth=1.5, strokeDash=[5, 4]))
    if found.recorded:
        layers.append(recorded.mark_line(strokeWidth=3, point=alt.OverlayMarkDef(size=18)))
    layers += [
        alt.Chart()
        .mark_rule(strokeWidth=1.5, strokeDash=dash, color=colour, aria=False)
        .encode(alt.X(datum=x), tooltip=alt.TooltipValue(text))
        for x, text, colour, dash in _marks(run, found)
    ]
    layers.append(base.mark_point(opacity=0, size=80, aria=False).encode(tooltip=tooltip))
    st.markdown("**Annealing, planned and as run**" if found.plan else "**Weight of the KL divergence**")
    altair_parts.show(
        alt.layer(*layers).properties(height=HEIGHT),
        pd.DataFrame(rows, columns=["kind", "epoch", "beta"]),
        key=key,
        alt=f"{title} by epochs done, planned and as run. {annealing.sentence(found)}".strip(),
    )
    st.caption(_caption(run, found))


def preview(plan: Plan, others: Sequence[OtherPlan], *, key: str) -> None:
    """Draw the plan of the current settings, with those of former tries thin behind it."""
    import altair as alt  # lazy: altair
    import pandas as pd  # lazy: pandas

    now = "These settings"
    rows = [(one.label, epochs, beta) for one in others for epochs, beta in one.plan.points]
    rows += [(now, epochs, beta) for epochs, beta in plan.points]
    domain = [*(one.label for one in others), now]
    colours = [*(one.colour for one in others), _BLUE]
    base = alt.Chart().encode(
        alt.X("epoch:Q", title="Epochs done", axis=alt.Axis(tickCount=6, format="d", tickMinStep=1, grid=False)),
        alt.Y("beta:Q", title="Beta", scale=alt.Scale(zero=True, nice=True), axis=alt.Axis(tickCount=4, format=".3~g")),
        alt.Color(
            "label:N", scale=alt.Scale(domain=domain, range=colours), legend=alt.Legend(title=None, orient="top")
        ),
        tooltip=[
            alt.Tooltip("label:N", title="Schedule"),
            alt.Tooltip("epoch:Q", title="Epochs done", format=".1f"),
            alt.Tooltip("beta:Q", title="Beta", format=".4~g"),
        ],
    )
    layers = [base.transform_filter(f"datum.label == '{now}'").mark_line(strokeWidth=3)]
    if others:
        layers.insert(0, base.transform_filter(f"datum.label != '{now}'").mark_line(strokeWidth=1.5, opacity=0.8))
    altair_parts.show(
        alt.layer(*layers).properties(height=230),
        pd.DataFrame(rows, columns=["label", "epoch", "beta"]),
        key=key,
        alt=f"Planned beta by epochs done: up to {plan.cap:g} in {plan.epochs} epochs",
    )


def _marks(run: RunRecord, found: Annealing) -> list[tuple[float, str, str, list[int]]]:
    """Return position, text, colour and dash pattern of the vertical rules."""
    marks: list[tuple[float, str, str, list[int]]] = []
    if found.plan and found.plan.reached_at:
        reached = found.plan.reached_at
        marks.append((reached, f"Cap {found.plan.cap:.3g} met after {reached:.3g} epochs", _GREY, [2, 3]))
    if run.best_epoch:
        marks.append((run.best_epoch, f"Best epoch {run.best_epoch}", "#eb6c0e", [4, 3]))
    return marks


def _caption(run: RunRecord, found: Annealing) -> str:
    if found.plan is None:
        if run.model != "recvae":
            return "The plan is not known for this run."
        gamma = run.config.get("gamma", 0)
        return (
            f"RecVAE has no annealing: each user's KL divergence has the weight gamma ({gamma:g}) times the number of "
            "items in the history. The line is the mean weight: weighted KL divergence by KL divergence."
        )
    text = f"{annealing.sentence(found)} Dotted: beta meets its cap; dashed, orange: the best epoch."
    text += " A recorded value is the mean of an epoch and stands in its middle."
    if found.largest_deviation > _DEVIATION * max(found.plan.cap, 1e-12):
        text += f" Plan and record differ by up to {found.largest_deviation:.2g}."
    return text
