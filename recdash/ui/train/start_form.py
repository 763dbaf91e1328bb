"""The form for new runs: data, models, settings, sweep, plan and start."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import streamlit as st

from recdash import environment
from recdash.errors import RecdashError
from recdash.reporting.formatting import escape, listed, plural
from recdash.services import (
    compare,
    datasets,
    housekeeping,
    launch,
    sweeps,
    tie_warnings,
    training_plan,
    training_requests,
)
from recdash.ui import cache, layout, url_state
from recdash.ui.train import plan_view, prefill, request_fields, sweep_fields
from recdash.ui.widgets import settings_form

if TYPE_CHECKING:
    from streamlit.delta_generator import DeltaGenerator

    from recdash.models.data_shape import DataShape
    from recdash.runs.run_records import Request
    from recdash.services.options import ModelChoice

_MOST_NAMED = 3  # models in the label of the start button


@dataclass(frozen=True)
class _Choice:
    """What is chosen in the form.

    Attributes:
        models: Chosen models.
        dataset, protocol, preset: Their names.
        seeds: Text of the field with the seeds.
        changes: Settings that differ from the preset, by model.
        split: Texts of the split options.
        given: The run that the form starts from.
    """

    models: Sequence[ModelChoice]
    dataset: str
    protocol: str
    preset: str
    seeds: str
    changes: Mapping[str, Mapping[str, Any]]
    split: Mapping[str, str]
    given: prefill.Prefill


def draw() -> None:
    """Draw the form and start what it asks for."""
    given = prefill.read()
    left, right = st.columns([5, 3], gap="large")
    with left:
        with st.container(horizontal=True, vertical_alignment="top"):
            dataset = request_fields.dataset_field(given.dataset)
            protocol = request_fields.protocol_field(dataset, given.protocol)
        if cache.is_generated(dataset):
            layout.generated_note()
        offered = [model for model in cache.models() if model.task == protocol.task]
        chosen = request_fields.models_field(offered, _usual_models(offered, given))
        layout.title(f"{', '.join(model.title for model in chosen) or 'New run'} on {dataset}")
        with st.container(horizontal=True, vertical_alignment="top"):
            preset = request_fields.preset_field(chosen, given.preset)
            seeds = st.text_input(
                "Seeds",
                **url_state.bind("seeds", given.seeds),
                width=150,
                help="One run per seed, for example 0 or 1, 2, 3 or 1-5. The seed sets the initial weights and the "
                "batch order.",
            )
        split = settings_form.split_fields(protocol, datasets.entry(dataset), given.options)
        of = settings_form.PresetOf(dataset, preset, _training_shape(dataset, protocol.name, split, given))
        changes = settings_form.settings_form(chosen, of)
        settings_form.show_changes(chosen, changes, of)
        if any(changes.values()):
            st.button("Reset to preset", icon=":material/undo:", type="tertiary", on_click=settings_form.reset_changes)
        sweep = st.container()
    with right:
        _sweep_and_start(sweep, _Choice(chosen, dataset, protocol.name, preset, seeds, changes, split, given))


def _usual_models(offered: Sequence[ModelChoice], given: prefill.Prefill) -> list[str]:
    names = [model.name for model in offered]
    return [name for name in given.models or () if name in names] or ["ease", "multvae"]


def _training_shape(dataset: str, protocol: str, split: Mapping[str, str], given: prefill.Prefill) -> DataShape | None:
    """Return the size of the training part, on which presets depend; None if it is not known or cannot be made."""
    try:
        options = settings_form.parse_split_options(split).to_dict()
        return training_plan.training_shape(dataset, protocol, split_seed=given.split_seed, options=options)
    except RecdashError:  # shown where the plan is
        return None


def _sweep_and_start(sweep: DeltaGenerator, choice: _Choice) -> None:
    if environment.read_only():
        st.info("Training is disabled (RECDASH_READ_ONLY is set).", icon=":material/lock:")
        return
    new: list[Request] = []
    grid: dict[str, Any] = {}
    may_start = False
    if not choice.models:
        st.caption("Choose at least one model.")
    try:
        if choice.models:
            with sweep:
                grid = sweep_fields.draw([model.name for model in choice.models])
            requests = _requests(choice, grid)
            for sentence in tie_warnings.warnings_for(requests):
                st.warning(escape(sentence), icon=":material/schedule:")
            new = _only_new(requests)
            may_start = bool(new) and plan_view.draw(training_plan.plan(new))
    except RecdashError as error:
        st.error(escape(str(error)), icon=":material/error:")
    st.button(
        start_label(new),
        icon=":material/play_arrow:",
        type="primary",
        width="stretch",
        disabled=not may_start,
        key="start",
        on_click=_press,
        args=(new, grid),
    )


def start_label(requests: Sequence[Request]) -> str:
    """Return the label of the start button, which names the models: "Start 2 runs: EASE, Mult-VAE"."""
    if not requests:
        return "Start training"
    by_name = {model.name: model.title for model in cache.models()}
    titles = list(dict.fromkeys(by_name[request.model] for request in requests))
    more = len(titles) - _MOST_NAMED
    named = ", ".join(titles) if more <= 0 else f"{', '.join(titles[:_MOST_NAMED])} and {more} more"
    return f"Start {plural(len(requests), 'run')}: {named}"


def _press(requests: Sequence[Request], grid: Mapping[str, Any]) -> None:
    """Queue the runs, tag those of a sweep, and show the queue; a repeated click gives the same runs."""
    token = st.session_state.setdefault("_press", uuid.uuid4().hex)
    try:
        started = launch.train(requests, key=f"train-{token}")
        ids = [run.id for run in started]
        if grid:
            housekeeping.tag(ids, add=[sweeps.tag_of(grid, token)])
    except RecdashError as error:
        st.toast(escape(str(error)), icon=":material/error:", duration="long")
        return
    st.session_state["_press"] = uuid.uuid4().hex
    st.session_state["_watched"] = ids
    url_state.set_value("view", "queue")
    st.toast(f"{plural(len(started), 'run')} queued", icon=":material/check_circle:")


def _requests(choice: _Choice, grid: sweeps.Grid) -> list[Request]:
    numbers = settings_form.parse_seeds(choice.seeds)
    options = settings_form.parse_split_options(choice.split)
    bases = [
        base
        for model in choice.models
        for base in training_requests.build_requests(
            [model.name],
            choice.dataset,
            protocol=choice.protocol,
            preset=choice.preset,
            settings=choice.changes.get(model.name, {}),
            seed=numbers[0],
            split_seed=choice.given.split_seed,
            device=choice.given.device,
            options=options,
        )
    ]
    return sweeps.of_requests(bases, grid, numbers)


def _only_new(requests: list[Request]) -> list[Request]:
    """Return the requests without an existing run of the same settings and seed; all of them if the user asks."""
    comparison = compare.find_runs(requests)
    pairs = zip(comparison.requests, comparison.runs, strict=True)
    known = {id(request): run for request, run in pairs if run is not None}
    if not known:
        return requests
    states = listed(sorted({run.state.value for run in known.values()}))
    existing = f"{len(known)} of {plural(len(requests), 'run')} already {'exists' if len(known) == 1 else 'exist'}"
    st.caption(f":material/check: {existing} ({states}) with the same data, settings and seed.")
    again = st.checkbox("Train again anyway", key="again")
    return requests if again else [request for request in requests if id(request) not in known]
