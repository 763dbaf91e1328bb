"""The charts of a study, one at a time: history, parallel coordinates, importance of settings, contour of two."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import streamlit as st

from recdash.errors import RecdashError
from recdash.reporting.formatting import escape, listed, plural
from recdash.services import tuning
from recdash.tuning.importance import FEWEST_TRIALS
from recdash.ui import glossary, layout, url_state
from recdash.ui.charts import altair_parts, parallel_coordinates, theme_colours
from recdash.ui.tune import trial_figures
from recdash.ui.widgets import result_tables

if TYPE_CHECKING:
    from recdash.services.tuning import Study
    from recdash.services.tuning_studies import Trial

PLOTS = {
    "history": "History",
    "parallel": "Parallel coordinates",
    "importance": "Importance of settings",
    "contour": "Two settings",
}
_PLOTLY = {"displaylogo": False}


def draw(study: Study) -> None:
    """Draw the selector of charts and the chosen one; a fragment, so that a choice redraws only this."""
    st.fragment(_draw)(study)


@layout.with_error_boundary
def _draw(study: Study) -> None:
    chosen = st.segmented_control(
        "Chart",
        list(PLOTS),
        required=True,
        format_func=PLOTS.__getitem__,
        label_visibility="collapsed",
        wrap=True,
        **url_state.bind("plot", "history", options=PLOTS),
    )
    views: Mapping[str, Callable[[Study], None]] = {
        "history": _history,
        "parallel": _parallel,
        "importance": _importance,
        "contour": _contour,
    }
    with st.container(key=f"plot.{chosen}", gap="small"):
        views[str(chosen)](study)


def valued(study: Study) -> list[Trial]:
    """Return the ended trials with a validation value."""
    return [trial for trial in study.trials if trial.is_ended and trial.value is not None]


def _history(study: Study) -> None:
    trials = valued(study)
    if not trials:
        st.caption("No trial has a validation value yet.")
        return
    metric = glossary.metric(study.metric.name)
    better = result_tables.direction_label(study.metric.name)
    st.markdown(f"**Validation {metric} by trial** :gray[:small[{better}; the line is the best complete trial so far]]")
    table, n_clipped = trial_figures.history_table(study, trials)
    chart = trial_figures.history_chart(metric, study.spec.preset, theme_colours.current_theme())
    altair_parts.show(
        chart, table, key="chart.history",
        alt=f"Validation {metric} of {plural(len(trials), 'trial')} of study {study.spec.name}, by number",
    )  # fmt: skip
    notes = ["Pruned trials ended early, so their values are those of fewer epochs."] if _any_pruned(trials) else []
    if n_clipped:
        notes.append(f"{plural(n_clipped, 'trial')} far from the others at the edge; point at one for its value.")
    if notes:
        st.caption(" ".join(notes))


def _any_pruned(trials: list[Trial]) -> bool:
    return any(trial.state == "pruned" for trial in trials)


def _parallel(study: Study) -> None:
    trials = valued(study)
    if len(trials) < 2 or not study.spec.dimensions:
        st.caption("Two trials with a validation value are needed.")
        return
    metric = glossary.metric(study.metric.name)
    st.markdown(
        f"**Settings and validation {metric} of {plural(len(trials), 'trial')}** :gray[:small[one line per trial, "
        f"{result_tables.direction_label(study.metric.name)}]]",
        help="Drag along an axis to select a range; drag a heading to move an axis; click an axis to clear it.",
    )
    names = _by_importance(study)[: parallel_coordinates.MAX_AXES]
    axes = [parallel_coordinates.Coordinate(name, [trial.params.get(name) for trial in trials]) for name in names]
    values = [float(trial.value or 0.0) for trial in trials]
    figure = parallel_coordinates.figure(
        axes, metric, values, lower=not study.metric.higher_is_better, theme=theme_colours.current_theme()
    )
    alt = f"Validation {metric} of {plural(len(trials), 'trial')} by {listed(names)}"
    st.plotly_chart(figure, key="chart.trials", width="stretch", config=_PLOTLY, alt=alt)
    pruned = " Pruned trials are included." if _any_pruned(trials) else ""
    st.caption(f"Drag along an axis to keep only the trials in that range.{pruned}")


def _importance(study: Study) -> None:
    found = tuning.importances(study)
    if not found:
        st.caption(
            f"At least {FEWEST_TRIALS} trials with a validation value are needed, and settings that separate them; "
            f"there are {len(valued(study))}."
        )
        return
    st.markdown("**Importance of settings** :gray[:small[share of what separates the best quarter of the trials]]")
    table = trial_figures.importance_table(found)
    chart = trial_figures.importance_chart(len(found), theme_colours.current_theme())
    text = ", ".join(f"{name} {share:.0%}" for name, share in found.items())
    altair_parts.show(chart, table, key="chart.importance", alt=f"Importance of settings: {text}")
    st.caption(
        "PED-ANOVA (Watanabe et al., 2023): how much the values of a setting differ between the best quarter of the "
        "trials and all of them. With few trials it is a rough guide."
    )


def _contour(study: Study) -> None:
    names = _by_importance(study)
    if len(names) < 2:
        st.caption("Two searched settings are needed.")
        return
    with st.container(horizontal=True):
        first = st.selectbox("Setting along x", names, width=220, **url_state.bind("plot_x", names[0], options=names))
        others = [name for name in names if name != first]
        second = st.selectbox(
            "Setting along y", others, width=220, **url_state.bind("plot_y", others[0], options=others)
        )
    try:
        found = tuning.contour(study, str(first), str(second))
    except RecdashError as error:
        st.warning(escape(str(error)), icon=":material/warning:")
        return
    if found is None:
        st.caption("Three trials with a validation value are needed.")
        return
    metric = glossary.metric(study.metric.name)
    st.markdown(f"**Validation {metric} over {escape(str(first))} and {escape(str(second))}**")
    figure = trial_figures.contour_figure(study, found, str(first), str(second), metric, theme_colours.current_theme())
    alt = f"Validation {metric} over {first} and {second}, interpolated between {plural(len(valued(study)), 'trial')}"
    st.plotly_chart(figure, key="chart.contour", width="stretch", config=_PLOTLY, alt=alt)
    st.caption("Interpolated between the trials (dots) by inverse distance; the other settings vary, too.")


def _by_importance(study: Study) -> list[str]:
    """Return the searched settings, the most important first where that is known."""
    names = [dimension.name for dimension in study.spec.dimensions]
    ranked = list(tuning.importances(study))
    return [*ranked, *(name for name in names if name not in ranked)]
