"""The Train page: choose, start, and look after what runs."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import streamlit as st

from recdash import paths
from recdash.errors import RecdashError
from recdash.reporting.formatting import escape, listed, plural
from recdash.settings import DEFAULT_SPLIT_SEED
from recdash.ui import cache, glossary, layout, url_state
from recdash.ui.charts import curve_panels
from recdash.ui.widgets import run_cards, settings_form

if TYPE_CHECKING:
    from recdash.runs.run_records import Request
    from recdash.services.options import ModelChoice
    from recdash.services.runs import RunRecord

PER_PAGE = 6
WATCHED = ("reconstruction", "kl", "ndcg@100", "loss", "rmse")


def form() -> None:
    """Draw the form of a new training, and start it."""
    from recdash.services import datasets

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
            help="One training per seed: 0, or 1, 2, 3, or 1-5. Weights and order are drawn from it.",
        )
    split = settings_form.split_fields(protocol, datasets.entry(dataset))
    changes = settings_form.settings_form(chosen, dataset, preset)
    settings_form.say_changes(chosen, changes, dataset, preset)
    if any(changes.values()):
        st.button("Back to the preset", icon=":material/undo:", type="tertiary", on_click=settings_form.forget_changes)
    _start(dataset, protocol.name, [model.name for model in chosen], preset, seeds, changes, split)


def live_runs() -> None:
    """Show what runs and waits, with what can be done to it; live."""
    st.fragment(_live_runs, run_every=layout.pace())()


@layout.calm
def _live_runs() -> None:
    from recdash.services import runs

    active = sorted(runs.listing(active=True), key=lambda run: (run.state == "queued", run.created))
    st.subheader("Running and waiting", anchor=False)
    if not active:
        st.caption("Nothing runs. What you start trains in a process of its own: this page may be closed at any time.")
    elif any(run.state == "queued" for run in active):
        st.caption(
            f"At most {plural(paths.max_runs(), 'training')} at once (RECDASH_MAX_RUNS); the rest waits its turn."
        )
    run_cards.cards(active[:PER_PAGE])
    if len(active) > PER_PAGE:
        st.caption(f"and {len(active) - PER_PAGE} more waiting")


def live_curves() -> None:
    """Draw the curves of what runs now, or of what ran last on this page; live."""
    st.fragment(_live_curves, run_every=layout.pace())()


@layout.calm
def _live_curves() -> None:
    from recdash.services import runs

    active = runs.listing(active=True)
    known = st.session_state.get("_watched", ())
    if active and not any(run.id in known for run in active):
        st.session_state["_watched"] = [run.id for run in active]
    shown = runs.listing(ids=st.session_state.get("_watched", ()))
    shown = [run for run in shown if (run.epochs or 2) > 1][:6]
    if not shown:
        return
    st.subheader("Curves of this training" if len(shown) == 1 else "Curves of these trainings", anchor=False)
    curve_panels.legend(curve_panels.judged("train", shown))
    if not any(run.epoch for run in shown):
        st.caption("The first epoch is on its way.")
    there = curve_panels.feed("train", [run.id for run in shown]).names()
    names = [name for name in WATCHED if name in there and (name != "loss" or "reconstruction" not in there)]
    curve_panels.draw("train", shown, names or WATCHED[:3], curve_panels.Look(height=200), columns=3)


def past_runs() -> None:
    """List what is over, page by page."""
    from recdash.services import runs

    over = runs.listing(active=False)
    if not over:
        return
    st.subheader("Earlier runs", anchor=False)
    states = sorted({run.state.value for run in over})
    if len(states) > 1:
        wanted = st.pills(
            "State",
            states,
            selection_mode="multi",
            **url_state.bind("state", [], options=states, many=True),
            label_visibility="collapsed",
        )
        over = [run for run in over if not wanted or run.state.value in wanted]
    _paged(over)


@st.fragment
@layout.calm
def _paged(over: Sequence[RunRecord]) -> None:
    pages = -(-len(over) // PER_PAGE)
    page = st.session_state.get("past_page", 1) if pages > 1 else 1
    with st.grid(2, min_column_width=380, gap="small"):
        for run in over[(min(page, pages) - 1) * PER_PAGE : min(page, pages) * PER_PAGE]:
            with st.container():
                run_cards.cards([run])
    if pages > 1:
        st.pagination(pages, key="past_page")


def _dataset() -> str:
    ready = cache.ready()
    return str(st.selectbox("Data set", ready, **url_state.bind("dataset", ready[0] if ready else None, options=ready)))


def _protocol(dataset: str) -> Any:
    known = {protocol.name: protocol for protocol in cache.protocols_of(dataset)}
    told = "\n\n".join(f"**{escape(one.title)}** ({escape(name)}): {escape(one.help)}" for name, one in known.items())
    name = st.selectbox(
        "Protocol",
        list(known),
        format_func=lambda name: f"{known[name].title} ({name})",
        help=told,
        **url_state.bind("protocol", next(iter(known)), options=known),
    )
    return known[name]


def _models(offered: Sequence[ModelChoice]) -> list[ModelChoice]:
    by_name = {model.name: model for model in offered}
    told = "\n".join(
        f"- **{escape(model.title)}** ({escape(model.source)}): {escape(model.about)}" for model in offered
    )
    usual = [name for name in ("ease", "multvae") if name in by_name] or list(by_name)[:1]
    chosen = st.pills(
        "Models",
        list(by_name),
        selection_mode="multi",
        format_func=lambda name: by_name[name].title,
        help=told,
        **url_state.bind("model", usual, options=by_name, many=True),
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
            help=glossary.preset_captions(tuple(common)),
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
    if paths.read_only():
        st.info("Training is switched off here: RECDASH_READ_ONLY is set.", icon=":material/lock:")
        return
    try:
        wanted = _requests(dataset, protocol, models, preset, seeds, changes, split)
        _say_ties(wanted)
    except RecdashError as error:
        st.error(escape(str(error)), icon=":material/error:")
        wanted = []
    fresh = _without_known(wanted) if wanted else []
    label = f"Start {plural(len(fresh), 'training')}" if fresh else "Start"
    token = st.session_state.setdefault("_press", uuid.uuid4().hex)
    if st.button(label, icon=":material/play_arrow:", type="primary", disabled=not fresh, key="start"):
        from recdash.services import launch

        with st.spinner("Queueing"):
            started = launch.train(fresh, key=f"train-{token}")
        st.session_state["_press"] = uuid.uuid4().hex
        st.session_state["_watched"] = [run.id for run in started]
        st.toast(f"{plural(len(started), 'training')} queued", icon=":material/check_circle:")
        st.rerun()


def _say_ties(wanted: Sequence[Request]) -> None:
    """Say, before anything starts, what ties in time will mean for the figures."""
    from recdash.services import tie_warnings

    for sentence in tie_warnings.ahead(wanted):
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
    from recdash.services import launch

    if not models:
        st.caption("Choose at least one model.")
        return []
    options = settings_form.read_split(split)
    return [
        request
        for seed in settings_form.read_seeds(seeds)
        for model in models
        for request in launch.plan(
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


def _without_known(wanted: list[Request]) -> list[Request]:
    """Return what is to be trained: what is there already, with the same settings and seed, only when asked."""
    from recdash.services import compare

    looked = compare.look(wanted)
    known = {id(request): run for request, run in zip(looked.requests, looked.runs, strict=True) if run is not None}
    if not known:
        return wanted
    states = listed(sorted({run.state.value for run in known.values()}))
    there = f"{len(known)} of {plural(len(wanted), 'training')} {'is' if len(known) == 1 else 'are'} there already"
    st.caption(f":material/check: {there} ({states}), with the same data, settings and seed.")
    again = st.checkbox("Train them again all the same", key="again")
    return wanted if again else [request for request in wanted if id(request) not in known]
