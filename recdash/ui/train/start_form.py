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
from recdash.ui import cache, glossary, layout, url_state
from recdash.ui.train import plan_view, prefill, sweep_fields
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
            dataset = _dataset(given)
            protocol = _protocol(dataset, given)
        if cache.is_generated(dataset):
            layout.generated_note()
        offered = [model for model in cache.models() if model.task == protocol.task]
        chosen = _models(offered, given)
        layout.title(f"{', '.join(model.title for model in chosen) or 'New run'} on {dataset}")
        with st.container(horizontal=True, vertical_alignment="top"):
            preset = _preset(chosen, given)
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


def _dataset(given: prefill.Prefill) -> str:
    ready = cache.installed()
    default = given.dataset if given.dataset in ready else (ready[0] if ready else None)
    return str(st.selectbox("Dataset", ready, **url_state.bind("dataset", default, options=ready)))


def _protocol(dataset: str, given: prefill.Prefill) -> Any:
    known = {protocol.name: protocol for protocol in cache.protocols_of(dataset)}
    about = "\n\n".join(f"**{escape(one.title)}** ({escape(name)}): {escape(one.help)}" for name, one in known.items())
    default = given.protocol if given.protocol in known else next(iter(known))
    name = st.selectbox(
        "Protocol",
        list(known),
        format_func=lambda name: f"{known[name].title} ({name})",
        help=about,
        **url_state.bind("protocol", default, options=known),
    )
    return known[name]


def _models(offered: Sequence[ModelChoice], given: prefill.Prefill) -> list[ModelChoice]:
    by_name = {model.name: model for model in offered}
    about = "\n".join(
        f"- **{escape(model.title)}** ({escape(model.source)}): {escape(model.about)}" for model in offered
    )
    usual = [name for name in ("ease", "multvae") if name in by_name] or list(by_name)[:1]
    default = [name for name in given.models or () if name in by_name] or usual
    chosen = st.pills(
        "Models",
        list(by_name),
        selection_mode="multi",
        format_func=lambda name: by_name[name].title,
        help=about,
        wrap=True,  # on a phone the chosen ones would be out of sight otherwise
        **url_state.bind("model", default, options=by_name, many=True),
    )
    return [by_name[name] for name in by_name if name in chosen]


def _preset(chosen: Sequence[ModelChoice], given: prefill.Prefill) -> str:
    common = [preset for preset in glossary.PRESETS if chosen and all(preset in model.presets for model in chosen)] or [
        "auto"
    ]
    default = given.preset if given.preset in common else "auto"
    return str(
        st.segmented_control(
            "Preset",
            common,
            required=True,
            wrap=True,
            help=glossary.preset_help(tuple(common)),
            **url_state.bind("preset", default, options=common),
        )
    )


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
