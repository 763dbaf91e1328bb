"""The best trial of a study: its settings, its validation and test figures, and what can be done with it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import streamlit as st

from recdash import environment
from recdash.errors import RecdashError
from recdash.models import registry
from recdash.reporting.formatting import escape, plural
from recdash.services import presets, tuning
from recdash.services.tuning_studies import MAX_TRIALS
from recdash.settings import format_setting
from recdash.ui import glossary, layout
from recdash.ui.charts import theme_colours
from recdash.ui.tune import studies_list
from recdash.ui.widgets import run_cards

if TYPE_CHECKING:
    import pandas as pd

    from recdash.services.tuning import Study
    from recdash.services.tuning_studies import Trial

_OTHER_SEEDS = "1-3"
_TEST_SECONDS = 60.0  # in which the test results of a winner are expected after the last trial


def awaits_test(study: Study) -> bool:
    """Return whether the process that trained the last trial is still to evaluate the best one on the test part."""
    ended = [trial.run.finished or 0.0 for trial in study.trials if trial.run is not None and trial.is_ended]
    is_due = study.state == "complete" or study.spec.trials >= MAX_TRIALS
    return is_due and study.best is not None and study.winner is None and time.time() - max(ended) < _TEST_SECONDS


def draw(study: Study) -> None:
    """Draw the best trial; says so if there is none yet."""
    st.subheader("Best trial", anchor=False)
    best = study.best
    if best is None or best.run is None:
        st.caption("No trial is complete yet.")
        return
    with st.container(border=True, gap="small", key="best_trial"):
        st.markdown(_validation_text(study, best))
        st.markdown(_test_text(study))
        table = _settings_table(study, best)
        if not table.empty:
            st.dataframe(
                table, hide_index=True, width="stretch", height="content", key="best.settings",
                alt=f"Settings of trial {best.number} next to those of preset {study.spec.preset}",
            )  # fmt: skip
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            layout.link("run", "Open its run", id=best.run.id)
            if not environment.read_only():
                st.button(
                    "Train with other seeds", icon=":material/casino:", type="tertiary", key="other_seeds",
                    help=f"Fill the form for new runs in with these settings and seeds {_OTHER_SEEDS}",
                    on_click=run_cards.fill_form_from, args=(best.run.id, _OTHER_SEEDS),
                )  # fmt: skip
                _save(study)


def _validation_text(study: Study, best: Trial) -> str:
    metric, run = glossary.metric(study.metric.name), best.run
    dot = "" if run is None else f"{theme_colours.dot(run.id)} "
    change = studies_list.change_text(study)
    counted = f"best of {plural(study.n_tried, 'trial')}" + (f", {change}" if change else "")
    return f"{dot}**Trial {best.number}**: validation {metric} **{best.value:.4f}**, {escape(counted)}"


def _test_text(study: Study) -> str:
    """Return the figure of the test part, which is read for the best trial only, and when."""
    winner, metric = study.winner, study.metric.name
    if winner is None and awaits_test(study):
        return ":gray[The test part is being read for this trial.]"
    if winner is None:
        when = "when the study is complete" if study.state != "complete" else "when the study goes on"
        return f":gray[The test part was not read yet. It is read once, for the best trial, {when}.]"
    value = winner.metrics.get(metric)
    span = winner.intervals.get(metric)
    text = f"Test {glossary.metric(metric)} **{value:.4f}**" if value is not None else "Test part read"
    if span is not None:
        text += f" :gray[95% interval {span[0]:.4f} to {span[1]:.4f}]"
    return f"{text}, {escape(winner.trials_note)}; the test part was read once, for this trial"


def _settings_table(study: Study, best: Trial) -> pd.DataFrame:
    import pandas as pd  # lazy: pandas

    of_preset = study.of_preset.params if study.of_preset else {}
    rows = [
        (name, format_setting(value), format_setting(of_preset[name]) if name in of_preset else "–")
        for name, value in best.params.items()
    ]
    return pd.DataFrame(rows, columns=["Setting", "Best trial", f"Preset {study.spec.preset}"])


def _save(study: Study) -> None:
    """Draw the form that saves the settings as a preset of the user's own."""
    with st.popover("Save as preset", icon=":material/bookmark_add:", key="ask_preset"):
        usual = presets.default_name(study.spec.name)
        name = st.text_input(
            "Name of the preset", usual, max_chars=60, key=f"preset_name.{study.spec.name}",
            help="Letters, digits, dots, dashes and underscores",
        )  # fmt: skip
        title = registry.model_class(study.spec.model).title
        known = name.strip() in registry.presets_of(study.spec.model)
        st.caption(
            f"{escape(title)} has a preset of this name: it is replaced."
            if known
            else "It is offered with the others on the Train page and by `--preset`."
        )
        st.button("Save", icon=":material/save:", key="save_preset", on_click=_press, args=(study.spec.name, name))


def _press(study: str, name: str) -> None:
    try:
        saved = tuning.save_preset(study, name.strip() or None)
    except RecdashError as error:
        st.toast(escape(str(error)), icon=":material/error:", duration="long")
        return
    text = f"Preset {escape(saved.name)} saved: choose it under Preset in the form for new runs"
    st.toast(text, icon=":material/check_circle:", duration="long")
