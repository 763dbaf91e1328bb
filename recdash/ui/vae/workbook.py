"""The annealing workbook: move the schedule of a small Mult-VAE, train it in seconds, and see what the KL answers."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import streamlit as st

from recdash import environment
from recdash.analysis import annealing
from recdash.errors import RecdashError
from recdash.reporting.formatting import escape
from recdash.runs import run_colours
from recdash.services import annealing_tries, launch
from recdash.services.annealing_tries import Schedule, TryData
from recdash.ui import layout, url_state
from recdash.ui.components import component
from recdash.ui.vae import schedule_chart, try_cards

if TYPE_CHECKING:
    from recdash.analysis.annealing import Plan
    from recdash.services.runs import RunRecord

CAPS = (0.0, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0)
WIDTHS = (8, 16, 32, 64, 128, 200)
MAX_EPOCHS, MAX_TRIES = 60, 6
PRESETS = {
    "linear": ("Linear to 0.2", 0.2, 0.5),
    "linear_1": ("Linear to 1", 1.0, 0.5),
    "constant": ("Constant 1", 1.0, 0.0),
    "none": ("No KL", 0.0, 0.0),
}  # label, cap, share of training at which it is met
_REFRESH_SECONDS = 0.5  # while a try trains
_TRIES, _ERROR, _KEY = "wb_try", "_workbook.error", "_workbook.key"


def draw(run: RunRecord | None) -> None:
    """Draw the workbook in an expander, open if its settings are in the URL.

    Args:
        run: The chosen VAE, on whose split tries train if that takes seconds; otherwise they train on the demo.
    """
    in_url = bool(url_state.changed([_TRIES, "wb_cap", "wb_reach", "wb_epochs", "wb_latent"]))
    fold = st.expander(
        "Annealing workbook", expanded=in_url, icon=":material/experiment:", key="workbook", on_change="rerun"
    )
    if fold.open:
        with fold:
            st.fragment(_workbook)(annealing_tries.data_for(run))


@layout.with_error_boundary
def _workbook(data: TryData) -> None:
    st.caption(
        f"Change how beta, the weight of the KL divergence, rises, and train a small Mult-VAE on "
        f"{escape(data.dataset)} ({data.protocol}) to see how the latent code answers."
        + (f" Tries use the demo: {escape(data.refused)}." if data.refused else "")
    )
    launch.prepare()  # while the visitor moves the sliders
    left, right = st.columns([2, 3], gap="large")
    with left:
        schedule = _settings()
    tries = annealing_tries.tries(url_state.value_list(_TRIES))
    with right:
        schedule_chart.preview(_plan(schedule, data), _former_plans(tries), key="workbook.preview")
        _train_button(schedule, data, tries)
    if any(run.state.is_active() for run in tries):
        component.timer("workbook.pulse", _REFRESH_SECONDS)
    else:
        annealing_tries.archive_ended()
    if tries:
        try_cards.draw(tries)


def _settings() -> Schedule:
    default, above = Schedule(), st.container()
    cap = st.select_slider(
        "Cap of beta",
        CAPS,
        format_func=lambda value: f"{value:g}",
        help="Largest weight of the KL divergence (beta_cap)",
        **url_state.bind("wb_cap", default.beta_cap, options=CAPS, read=float),
    )
    reach = st.slider(
        "Share of training at which the cap is met",
        0,
        100,
        step=5,
        format="%d%%",
        help="0%: beta is at its cap from the first update (reach_cap_at)",
        **url_state.bind("wb_reach", round(100 * default.reach_cap_at), options=range(0, 101, 5), read=int),
    )
    with st.container(horizontal=True):
        epochs = st.slider(
            "Epochs",
            5,
            MAX_EPOCHS,
            step=5,
            **url_state.bind("wb_epochs", default.epochs, options=range(5, MAX_EPOCHS + 1, 5), read=int),
        )
        latent = st.select_slider(
            "Latent width",
            WIDTHS,
            help="Number of latent dimensions",
            **url_state.bind("wb_latent", default.latent, options=WIDTHS, read=int),
        )
    schedule = Schedule(float(cap), reach / 100, int(epochs), int(latent))
    with above:
        _presets(schedule)
    return schedule


def _presets(schedule: Schedule) -> None:
    """Draw the presets; the one that equals the settings is selected."""
    shape = (schedule.beta_cap, schedule.reach_cap_at)
    same = (name for name, (_, cap, reach) in PRESETS.items() if (cap, reach) == shape)
    st.session_state["workbook.preset"] = next(same, None)
    st.pills(
        "Schedules",
        list(PRESETS),
        format_func=lambda name: PRESETS[name][0],
        key="workbook.preset",
        on_change=_apply_preset,
        help="Shapes that Mult-VAE supports. The linear ones meet their cap after half of the training.",
    )


def _apply_preset() -> None:
    name = st.session_state.get("workbook.preset")
    if name in PRESETS:
        _, cap, reach = PRESETS[name]
        url_state.set_value("wb_cap", cap)
        url_state.set_value("wb_reach", round(100 * reach))


def _plan(schedule: Schedule, data: TryData) -> Plan:
    config, updates_per_epoch = annealing_tries.config_of(schedule, data)
    plan = annealing.planned(config, updates_per_epoch)
    if plan is None:
        raise AssertionError("Mult-VAE has a schedule")
    return plan


def _former_plans(tries: list[RunRecord]) -> list[schedule_chart.OtherPlan]:
    plans = []
    for number, run in enumerate(tries, start=1):
        config = annealing.config_of(run)
        plan = None if config is None else annealing.planned(config, 25)  # the number does not change its shape
        if plan is not None:
            plans.append(schedule_chart.OtherPlan(f"Try {number}", run_colours.colour_of(run.id), plan))
    return plans


def _train_button(schedule: Schedule, data: TryData, tries: list[RunRecord]) -> None:
    if environment.read_only():
        st.caption(":material/lock: Training is disabled (RECDASH_READ_ONLY is set).")
        return
    key = st.session_state.setdefault(_KEY, uuid.uuid4().hex)  # of one click: a double click trains once
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            "Train",
            type="primary",
            icon=":material/play_arrow:",
            key="workbook.train",
            on_click=_train,
            args=(schedule, data, key),
            disabled=any(run.state.is_active() for run in tries),
        )
        if tries:
            st.button("Clear tries", type="tertiary", key="workbook.clear", on_click=_clear)
        st.caption("Takes seconds, in a process of its own. A try with equal settings is shown at once.")
    error = st.session_state.get(_ERROR)
    if error:
        st.error(escape(error), icon=":material/error:")


def _train(schedule: Schedule, data: TryData, key: str) -> None:
    st.session_state.pop(_KEY, None)
    st.session_state[_ERROR] = ""
    try:
        run = annealing_tries.train(annealing_tries.request(schedule, data), key)
    except RecdashError as error:
        st.session_state[_ERROR] = str(error)
        return
    others: list[Any] = [one for one in url_state.value_list(_TRIES) if one != run.id]
    url_state.set_value(_TRIES, [*others, run.id][-MAX_TRIES:])


def _clear() -> None:
    url_state.set_value(_TRIES, [])
