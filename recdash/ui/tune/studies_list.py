"""All studies, one line each: state, number of trials, best validation value; live while one is driven."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from recdash.models import registry
from recdash.reporting.formatting import ago, escape, plural
from recdash.services import tuning
from recdash.services.tuning_studies import MAX_TRIALS
from recdash.ui import glossary, url_state
from recdash.ui.tune import study_starts
from recdash.ui.widgets import live

if TYPE_CHECKING:
    from recdash.services.tuning import Study

SHOWN = 6  # studies listed at first
STATES = {
    "running": ("blue", ":material/play_arrow:", "A process trains its trials; closing this page does not stop it."),
    "complete": ("green", ":material/check:", "All its trials have ended. More can be added."),
    "stopped": ("orange", ":material/stop:", "It can go on; no trial is lost."),
}


def draw() -> None:
    """Draw the list; nothing without studies."""
    if tuning.studies():
        live.fragment("studies", _list, active=_any_active)


def badge(study: Study) -> str:
    """Return the state of a study as a badge in Markdown."""
    colour, icon, _ = STATES[study.state]
    return f":{colour}-badge[{icon} {study.state}]"


def progress_text(study: Study) -> str:
    """Return how many trials have ended, and the best value against that of the preset, as Markdown."""
    ended = f"{study.n_tried} of {plural(study.spec.trials, 'trial')}"
    if study.spec.trials >= MAX_TRIALS:
        ended = plural(study.n_tried, "trial")
    if study.best is None or study.best.value is None:
        return ended
    text = f"{ended}, best validation {glossary.metric(study.metric.name)} {study.best.value:.4f}"
    return f"{text} ({change})" if (change := change_text(study)) else text


def change_text(study: Study) -> str:
    """Return the best value relative to that of the preset, such as "+1.2% on preset auto"; "" if not known."""
    best, of_preset = study.best, study.of_preset
    if best is None or of_preset is None or not best.value or not of_preset.value:
        return ""
    if best.number == of_preset.number:
        return f"preset {study.spec.preset} itself"
    return f"{best.value / of_preset.value - 1:+.1%} on preset {study.spec.preset}"


def _any_active() -> bool:
    return bool(study_starts.expected()) or any(study.state == "running" for study in tuning.studies())


def _list() -> None:
    found = tuning.studies()
    for study in found:
        if study.is_driven:
            study_starts.forget_expected(study.spec.name)
    everything = bool(st.session_state.get("_all_studies"))
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.header("Studies", anchor=False, width="stretch")
        if len(found) > SHOWN:
            label = "Show fewer" if everything else f"Show all {len(found)}"
            st.button(label, type="tertiary", key="more_studies", on_click=_toggle)
    with st.container(border=True, gap="small", key="studies"):
        for study in found if everything else found[:SHOWN]:
            _line(study)


def _line(study: Study) -> None:
    spec = study.spec
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        # a link to the page that is open would not change the address
        st.button(
            f"**{escape(spec.name)}**", type="tertiary", key=f"open.{spec.name}", on_click=_open, args=(spec.name,)
        )
        st.markdown(badge(study), width="content", help=STATES[study.state][2])
        st.caption(
            f"{escape(registry.model_class(spec.model).title)} on {escape(spec.dataset)} ({escape(spec.protocol)}) · "
            f"{escape(progress_text(study))} · {ago(spec.created)}",
            width="content",
        )


def _open(name: str) -> None:
    url_state.set_value("study", [name])
    st.rerun()  # the whole page, not only the live part


def _toggle() -> None:
    st.session_state["_all_studies"] = not st.session_state.get("_all_studies")
