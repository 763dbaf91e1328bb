"""The plan above the start button: runs, time, memory and disk space, and why a start is refused."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from recdash.reporting.formatting import byte_size, duration, escape

if TYPE_CHECKING:
    from recdash.services.training_plan import Problem, TrainingPlan

_MOST_ROWS = 200


def draw(plan: TrainingPlan) -> bool:
    """Show a plan; returns whether it may be started."""
    with st.container(border=True, gap="small", key="plan"):
        st.markdown(f":material/schedule: **{escape(plan.time_text())}**")
        st.markdown(f":material/memory: {escape(plan.memory_text())} · {escape(plan.disk_text())}")
        if len(plan.runs) > 1 or plan.not_measured:
            more = st.expander("Plan per run", key="plan_open", on_change="rerun", type="compact")
            if more.open:
                with more:
                    st.dataframe(_table(plan), hide_index=True, width="stretch")
    return draw_problems(plan.problems)


def draw_problems(problems: Sequence[Problem]) -> bool:
    """Show the reasons not to start; returns whether there is none, or the user starts anyway."""
    certain = [problem for problem in problems if problem.certain]
    for problem in certain:
        st.error(escape(problem.text), icon=":material/error:")
    possible = [problem for problem in problems if not problem.certain]
    for problem in possible:
        st.warning(escape(problem.text), icon=":material/warning:")
    if certain:
        return False
    return not possible or st.checkbox("Start anyway", key="start_anyway")


def _table(plan: TrainingPlan) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "Run": one.request.name,
                "Epochs": f"{one.epochs} of {one.most_epochs}" if one.epochs else f"up to {one.most_epochs}",
                "Time": duration(one.seconds, none="unknown"),
                "At most": duration(one.at_most_seconds, none="unknown"),
                "From": one.basis,
                "Memory": byte_size(one.memory_bytes),
                "Memory from": "earlier runs" if one.memory_is_measured else "sizes",
                "GPU memory": "–" if one.gpu_bytes is None else byte_size(one.gpu_bytes),
                "Disk": byte_size(one.disk_bytes),
            }
            for one in plan.runs[:_MOST_ROWS]
        ]
    )
