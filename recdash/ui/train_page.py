"""The Train page: form for new runs, active runs with live curves, and earlier runs."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import streamlit as st

from recdash import environment
from recdash.errors import RecdashError
from recdash.reporting.formatting import escape, listed, plural
from recdash.services import compare, datasets, launch, runs, tie_warnings, training_requests
from recdash.settings import DEFAULT_SPLIT_SEED
from recdash.ui import cache, glossary, layout, url_state
from recdash.ui.charts import curve_panels
from recdash.ui.widgets import run_cards, settings_form

if TYPE_CHECKING:
    from recdash.runs.run_records import Request
    from recdash.services.options import ModelChoice
    from recdash.services.runs import RunRecord

PER_PAGE = 6  # cards
TRAINING_CURVES = ("reconstruction", "kl", "ndcg@100", "loss", "rmse")


def form() -> None:
    """Draw the form for new runs and start them."""
    with st.container(horizontal=True, vertical_alignment="top"):
        dataset = _dataset()
        protocol = _protocol(dataset)
    if cache.is_generated(dataset):
        layout.generated_note()
    offered = [model for model in cache.models() if model.task == protocol.task]
    chosen = _models(offered)
    with st.container(horizontal=True, vertical_alignment="top"):
        preset = _preset(chosen)
        seeds = st.text_input(
            "Seeds",
            **url_state.bind("seeds", "0"),
            width=150,
            help="One run per seed, for example 0 or 1, 2, 3 or 1-5. The seed sets the initial weights and the batch "
            "order.",
        )
    split = settings_form.split_fields(protocol, datasets.entry(dataset))
    changes = settings_form.settings_form(chosen, dataset, preset)
    settings_form.show_changes(chosen, changes, dataset, preset)
    if any(changes.values()):
        st.button("Reset to preset", icon=":material/undo:", type="tertiary", on_click=settings_form.reset_changes)
    _start(dataset, protocol.name, [model.name for model in chosen], preset, seeds, changes, split)


def live_runs() -> None:
    """Show running and queued runs with their actions; live."""
    st.fragment(_live_runs, run_every=layout.refresh_interval())()


@layout.with_error_boundary
def _live_runs() -> None:
    active = sorted(runs.list_runs(active=True), key=lambda run: (run.state == "queued", run.created))
    st.subheader("Running and queued", anchor=False)
    if not active:
        st.caption("No run is active. Training runs in a separate process; closing this page does not stop it.")
    elif any(run.state == "queued" for run in active):
        st.caption(
            f"At most {plural(environment.max_runs(), 'run')} at a time (RECDASH_MAX_RUNS); the others are queued."
        )
    run_cards.cards(active[:PER_PAGE])
    if len(active) > PER_PAGE:
        st.caption(f"{len(active) - PER_PAGE} more queued")


def live_curves() -> None:
    """Draw the curves of the active runs, or of the last ones started on this page; live."""
    st.fragment(_live_curves, run_every=layout.refresh_interval())()


@layout.with_error_boundary
def _live_curves() -> None:
    active = runs.list_runs(active=True)
    known = st.session_state.get("_watched", ())
    if active and not any(run.id in known for run in active):
        st.session_state["_watched"] = [run.id for run in active]
    shown = runs.list_runs(ids=st.session_state.get("_watched", ()))
    shown = [run for run in shown if (run.epochs or 2) > 1][:6]
    if not shown:
        return
    st.subheader("Learning curves", anchor=False)
    curve_panels.legend(curve_panels.with_stability("train", shown))
    if not any(run.epoch for run in shown):
        st.caption("Waiting for the first epoch.")
    available = curve_panels.epoch_reader("train", [run.id for run in shown]).names()
    names = [
        name for name in TRAINING_CURVES if name in available and (name != "loss" or "reconstruction" not in available)
    ]
    curve_panels.draw("train", shown, names or TRAINING_CURVES[:3], curve_panels.CurveOptions(height=200), columns=3)


def past_runs() -> None:
    """List earlier runs, page by page."""
    earlier = runs.list_runs(active=False)
    if not earlier:
        return
    st.subheader("Earlier runs", anchor=False)
    states = sorted({run.state.value for run in earlier})
    if len(states) > 1:
        wanted = st.pills(
            "State",
            states,
            selection_mode="multi",
            **url_state.bind("state", [], options=states, many=True),
            label_visibility="collapsed",
        )
        earlier = [run for run in earlier if not wanted or run.state.value in wanted]
    _paged(earlier)


@st.fragment
@layout.with_error_boundary
def _paged(earlier: Sequence[RunRecord]) -> None:
    pages = -(-len(earlier) // PER_PAGE)  # rounded up
    page = st.session_state.get("past_page", 1) if pages > 1 else 1
    with st.grid(2, min_column_width=380, gap="small"):
        for run in earlier[(min(page, pages) - 1) * PER_PAGE : min(page, pages) * PER_PAGE]:
            with st.container():
                run_cards.cards([run])
    if pages > 1:
        st.pagination(pages, key="past_page")


def _dataset() -> str:
    ready = cache.installed()
    return str(st.selectbox("Dataset", ready, **url_state.bind("dataset", ready[0] if ready else None, options=ready)))


def _protocol(dataset: str) -> Any:
    known = {protocol.name: protocol for protocol in cache.protocols_of(dataset)}
    about = "\n\n".join(f"**{escape(one.title)}** ({escape(name)}): {escape(one.help)}" for name, one in known.items())
    name = st.selectbox(
        "Protocol",
        list(known),
        format_func=lambda name: f"{known[name].title} ({name})",
        help=about,
        **url_state.bind("protocol", next(iter(known)), options=known),
    )
    return known[name]


def _models(offered: Sequence[ModelChoice]) -> list[ModelChoice]:
    by_name = {model.name: model for model in offered}
    about = "\n".join(
        f"- **{escape(model.title)}** ({escape(model.source)}): {escape(model.about)}" for model in offered
    )
    default = [name for name in ("ease", "multvae") if name in by_name] or list(by_name)[:1]
    chosen = st.pills(
        "Models",
        list(by_name),
        selection_mode="multi",
        format_func=lambda name: by_name[name].title,
        help=about,
        **url_state.bind("model", default, options=by_name, many=True),
    )
    return [by_name[name] for name in by_name if name in chosen]


def _preset(chosen: Sequence[ModelChoice]) -> str:
    common = [preset for preset in glossary.PRESETS if chosen and all(preset in model.presets for model in chosen)] or [
        "auto"
    ]
    return str(
        st.segmented_control(
            "Preset",
            common,
            required=True,
            help=glossary.preset_help(tuple(common)),
            **url_state.bind("preset", "auto", options=common),
        )
    )


def _start(
    dataset: str,
    protocol: str,
    models: Sequence[str],
    preset: str,
    seeds: str,
    changes: Mapping[str, Mapping[str, Any]],
    split: Mapping[str, str],
) -> None:
    if environment.read_only():
        st.info("Training is disabled (RECDASH_READ_ONLY is set).", icon=":material/lock:")
        return
    try:
        requests = _requests(dataset, protocol, models, preset, seeds, changes, split)
        _warn_about_ties(requests)
    except RecdashError as error:
        st.error(escape(str(error)), icon=":material/error:")
        requests = []
    new = _only_new(requests) if requests else []
    label = f"Start {plural(len(new), 'run')}" if new else "Start training"
    token = st.session_state.setdefault("_press", uuid.uuid4().hex)
    if st.button(label, icon=":material/play_arrow:", type="primary", disabled=not new, key="start"):
        with st.spinner("Queueing"):
            started = launch.train(new, key=f"train-{token}")
        st.session_state["_press"] = uuid.uuid4().hex
        st.session_state["_watched"] = [run.id for run in started]
        st.toast(f"{plural(len(started), 'run')} queued", icon=":material/check_circle:")
        st.rerun()


def _warn_about_ties(requests: Sequence[Request]) -> None:
    """Warn before a run starts if ties in time affect its results."""
    for sentence in tie_warnings.warnings_for(requests):
        st.warning(escape(sentence), icon=":material/schedule:")


def _requests(
    dataset: str,
    protocol: str,
    models: Sequence[str],
    preset: str,
    seeds: str,
    changes: Mapping[str, Mapping[str, Any]],
    split: Mapping[str, str],
) -> list[Request]:
    if not models:
        st.caption("Choose at least one model.")
        return []
    options = settings_form.parse_split_options(split)
    return [
        request
        for seed in settings_form.parse_seeds(seeds)
        for model in models
        for request in training_requests.build_requests(
            [model],
            dataset,
            protocol=protocol,
            preset=preset,
            settings=changes.get(model, {}),
            seed=seed,
            split_seed=DEFAULT_SPLIT_SEED,
            options=options,
        )
    ]


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
