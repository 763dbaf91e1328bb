"""EASE with another ridge penalty, solved in the background while its list stays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import streamlit as st

from recdash.reporting.formatting import escape
from recdash.ui import background_jobs, layout, url_state
from recdash.ui.recommend import queries

if TYPE_CHECKING:
    from recdash.recommend.taste_history import Entries
    from recdash.services.recommend import Recommendations
    from recdash.services.runs import RunRecord
    from recdash.ui.recommend.choice import Choice

L2 = "l2"  # URL parameter: the penalty; absent for that of the run
FACTORS = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)  # of the trained penalty
_JOBS = "ease-"


def choose(runs: Sequence[RunRecord]) -> float | None:
    """Draw the slider of the penalty if EASE is among the lists; None for the trained penalty."""
    run = _ease_run(runs)
    if run is None:
        return None
    trained = float(run.config.get("l2", 500.0))
    offered = sorted({float(f"{factor * trained:.3g}") for factor in FACTORS} | {trained})
    chosen = st.select_slider(
        "EASE l2",
        offered,
        format_func=lambda value: f"{value:g}" + (", trained" if value == trained else ""),
        help="Ridge penalty of EASE. A larger one trusts only pairs of items that many users share. EASE is solved "
        "again in the background, on the training data of its run.",
        **url_state.bind(L2, trained, options=offered, read=float),
    )
    return None if chosen == trained else float(chosen)


def apply(choice: Choice, answer: Recommendations, entries: Entries) -> Recommendations:
    """Return the lists with that of EASE under another penalty, or unchanged while it is being solved."""
    run, l2 = _ease_run(choice.runs), choice.ease_l2
    if run is None or l2 is None:
        return answer
    from recdash.services import ease_refits  # lazy: torch

    key = f"{_JOBS}{run.id}-{l2:g}"
    job = background_jobs.jobs(_JOBS).get(key)
    if job is None or (job.finished and job.error):
        if job is not None:
            st.error(escape(job.error), icon=":material/error:")
            background_jobs.dismiss(key)
            return answer
        background_jobs.start(key, f"EASE with l2 = {l2:g}", lambda report: ease_refits.refit_ease(run, l2))
    if background_jobs.is_running(key):
        st.fragment(_wait, run_every=0.4)(key, l2)
        return answer
    found = queries.refitted_list(choice.dataset, entries, run, l2, choice.lists)
    return replace(answer, lists=tuple(found if one.key == run.id else one for one in answer.lists))


@layout.with_error_boundary
def _wait(key: str, l2: float) -> None:
    if not background_jobs.is_running(key):
        st.rerun()
    st.caption(f":material/progress_activity: Solving EASE with l2 = {l2:g}; its list will follow.")


def _ease_run(runs: Sequence[RunRecord]) -> RunRecord | None:
    return next((run for run in runs if run.model == "ease"), None)
