"""One study: its progress, live; what can be done with it; its best trial, charts and table of trials."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import streamlit as st

from recdash import environment
from recdash.errors import RecdashError
from recdash.models import registry
from recdash.reporting.formatting import duration, escape, plural
from recdash.services import study_log, tuning, tuning_studies
from recdash.services.tuning_studies import MAX_TRIALS
from recdash.settings import DEFAULT_SPLIT_SEED
from recdash.splits.split_options import describe_options
from recdash.tuning import samplers
from recdash.ui import glossary, layout, url_state
from recdash.ui.charts import theme_colours
from recdash.ui.tune import best_trial, studies_list, study_charts, study_starts, trials_table
from recdash.ui.widgets import live

if TYPE_CHECKING:
    from recdash.services.tuning import Study
    from recdash.services.tuning_studies import Trial

_MOST_ACTIVE = 8  # trials listed while they train
_DRAWN = "_study_drawn"


def draw(study: Study) -> None:
    """Draw a study."""
    name = study.spec.name
    st.session_state[_DRAWN] = _ended(study)
    live.fragment("study.progress", _progress, name, active=lambda: _is_active(name))
    if not any(trial.is_ended for trial in study.trials):
        st.caption("Charts and the table of trials follow when the first trial has ended.")
        return
    best_trial.draw(study)
    st.subheader("What was tried", anchor=False)
    st.caption("Every figure of a trial is of the validation part. The test part is read once, for the best trial.")
    study_charts.draw(study)
    st.subheader("Trials", anchor=False)
    trials_table.draw(study)


def _is_active(name: str) -> bool:
    with suppress(RecdashError):
        study = tuning.study(name)
        is_expected = study.state == "stopped" and name in study_starts.expected()
        return is_expected or study.state == "running" or best_trial.awaits_test(study)
    return False


def _ended(study: Study) -> tuple[object, ...]:
    """Return what the parts below the progress depend on."""
    ended = tuple((trial.number, trial.state, trial.value) for trial in study.trials if trial.is_ended)
    return study.spec.name, study.state, ended, study.winner is not None, best_trial.awaits_test(study)


def _progress(name: str) -> None:
    """Draw state, progress and running trials; redraws the page when a trial has ended."""
    study = tuning.study(name)
    if study.is_driven:
        study_starts.forget_expected(name)
    if st.session_state.get(_DRAWN) != _ended(study):
        st.rerun()
    is_starting = study.state == "stopped" and name in study_starts.expected()
    state = ":blue-badge[:material/hourglass_empty: starting]" if is_starting else studies_list.badge(study)
    st.markdown(f"{state} {_facts(study)}", help=studies_list.STATES[study.state][2])
    _numbers(study)
    active = [trial for trial in study.trials if trial.is_active]
    for trial in active[:_MOST_ACTIVE]:
        _running(trial, study)
    if study.state == "stopped" and not is_starting and (problem := study_log.last_problem(study)):
        st.warning(f"The last process ended with: {escape(problem)}", icon=":material/warning:")
    if not environment.read_only():
        with st.container(horizontal=True, vertical_alignment="bottom", gap="small", key="study_actions"):
            _actions(study, is_starting)


def _facts(study: Study) -> str:
    spec = study.spec
    parts = [f"{registry.model_class(spec.model).title} on {spec.dataset}", spec.protocol]
    parts += [f"split seed {spec.split_seed}"] if spec.split_seed != DEFAULT_SPLIT_SEED else []
    parts += [describe_options(spec.options)] if spec.options else []
    parts.append(f"preset {spec.preset} first")
    parts.append("TPE sampler" if spec.sampler == "tpe" else f"{spec.sampler} sampler")
    parts.append("no pruning" if spec.pruning.rule == "none" else f"{spec.pruning.rule} pruning")
    text = " · ".join(map(escape, parts))
    return f"{text} · {glossary.settings_text(dict(spec.settings))}" if spec.settings else text


def _numbers(study: Study) -> None:
    best, of_preset = study.best, study.of_preset
    metric = glossary.metric(study.metric.name)
    limited = study.spec.trials < MAX_TRIALS
    target = f" of {study.spec.trials}" if limited else ""
    with st.grid(4, min_column_width=150, gap="small"):
        st.metric("Trials ended", f"{study.n_tried}{target}", help=_ended_help(study))
        st.metric(
            f"Best validation {metric}",
            _value(best),
            None if not (change := studies_list.change_text(study)) else change,
            delta_color="off" if best is not None and best.number == 0 else _good_change(study),
            help="Of the complete trials; pruned ones do not count.",
        )
        st.metric(f"Preset {study.spec.preset}", _value(of_preset), help="The first trial: the preset unchanged.")
        seconds = sum(trial.seconds or 0.0 for trial in study.trials)
        st.metric("Training time", duration(seconds) if seconds else "–", help="Of all trials, validation included.")
    if limited and study.state == "running":
        share = min(1.0, study.n_tried / study.spec.trials)
        running = sum(trial.state == "running" for trial in study.trials)
        text = f"Trial {min(study.n_tried + 1, study.spec.trials)} of {study.spec.trials}"
        st.progress(share, text=text + (f", {running} at once" if running > 1 else ""))


def _good_change(study: Study) -> Literal["normal", "inverse"]:
    """Return which sign of a change is good, as `st.metric` names it."""
    return "normal" if study.metric.higher_is_better else "inverse"


def _ended_help(study: Study) -> str:
    counts = {
        state: sum(trial.state == state for trial in study.trials)
        for state in ("complete", "pruned", "failed", "stopped")
    }
    text = ", ".join(f"{number} {state}" for state, number in counts.items() if number) or "none yet"
    deleted = study.n_tried - sum(trial.is_ended for trial in study.trials)
    return f"{text}; {plural(deleted, 'more')} whose runs were deleted" if deleted > 0 else text


def _value(trial: Trial | None) -> str:
    return "–" if trial is None or trial.value is None else f"{trial.value:.4f}"


def _running(trial: Trial, study: Study) -> None:
    """Draw one line of a trial that waits or trains, with a link to its run."""
    run = trial.run
    if run is None:
        return
    if trial.state == "queued" or not trial.epoch:
        state = "queued" if trial.state == "queued" else "starting" if (trial.epochs or 0) > 1 else "training"
    else:
        state = f"epoch {trial.epoch} of at most {trial.epochs}"
    value = "" if trial.value is None else f", {glossary.metric(study.metric.name)} {trial.value:.4f} so far"
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(theme_colours.dot(run.id), width="content")
        layout.link("run", f"Trial {trial.number}", id=run.id)
        st.caption(f"{state}{value} · {glossary.settings_text(dict(trial.params))}", width="stretch")


def _actions(study: Study, is_starting: bool) -> None:
    name = study.spec.name
    if study.state == "running" or is_starting:
        is_stopping = study.is_driven and tuning_studies.path_of(name, ".stop").exists()
        st.button(
            "Stopping" if is_stopping else "Stop", icon=":material/stop:", key="stop_study",
            disabled=is_stopping or is_starting,
            help="The trials save their state; Continue goes on from there", on_click=_stop, args=(name,),
        )  # fmt: skip
    else:
        ended = study.n_tried
        limited = study.spec.trials < MAX_TRIALS
        target = study.spec.trials if limited and study.spec.trials > ended else ended + 10
        trials = st.number_input(
            "Trials in all", 1, MAX_TRIALS, min(target, MAX_TRIALS), key=f"study_trials.{name}.{ended}",
            width=140,
        )  # fmt: skip
        minutes = st.number_input(
            "Minutes", 1, 100_000, None, placeholder="no limit", key=f"study_minutes.{name}", width=140,
            help="After this time no trial starts.",
        )  # fmt: skip
        lacks = study.spec.sampler == "tpe" and not samplers.has_optuna()
        st.button(
            "Continue", icon=":material/play_arrow:", type="primary", key="continue_study",
            disabled=lacks or (int(trials) <= ended and study.state == "complete"),
            help="Optuna, which this study samples with, is not installed" if lacks else "Train the remaining trials",
            on_click=_continue, args=(study, int(trials), minutes),
        )  # fmt: skip
    st.download_button(
        "JSON", lambda: json.dumps(study.to_dict(), indent=1, default=str), file_name=f"{name}.json",
        mime="application/json", icon=":material/download:", type="tertiary", on_click="ignore",
        help="The study with all its trials", key="study_json",
    )  # fmt: skip
    if not study.is_driven:
        with st.popover("Forget", icon=":material/delete:", type="tertiary", key="ask_forget"):
            st.markdown("The study is removed from the list. The runs of its trials stay.")
            st.button("Forget this study", key="forget_study", on_click=_forget, args=(name,))


def _stop(name: str) -> None:
    try:
        tuning.stop(name)
    except RecdashError as error:
        st.toast(escape(str(error)), icon=":material/error:", duration="long")
        return
    study_starts.forget_expected(name)


def _continue(study: Study, trials: int, minutes: float | None) -> None:
    name = study.spec.name
    try:
        if trials != study.spec.trials:
            tuning.create([replace(study.spec, trials=trials)])
        tuning.start([name], minutes=minutes)
    except RecdashError as error:
        st.toast(escape(str(error)), icon=":material/error:", duration="long")
        return
    study_starts.expect([name])


def _forget(name: str) -> None:
    try:
        tuning.remove(name)
    except RecdashError as error:
        st.toast(escape(str(error)), icon=":material/error:", duration="long")
        return
    url_state.set_value("study", [])
    st.rerun()  # the whole page, not only the part with the button
