"""Starts of searches from the page, and which studies wait for the process that works on them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import streamlit as st

from recdash.errors import RecdashError
from recdash.reporting.formatting import escape
from recdash.services import tuning, tuning_studies
from recdash.ui import url_state

if TYPE_CHECKING:
    from recdash.services.tuning_studies import StudySpec

_WAIT = 45.0  # seconds in which a process that was started begins to work


def press(specs: Sequence[StudySpec], minutes: float | None) -> None:
    """Store the studies, start them and show them; a second press, or one in another tab, starts no second search."""
    names = [spec.name for spec in specs]
    try:
        new = [spec for spec in specs if not tuning_studies.exists(spec.name) or _goes_on(spec)]
        tuning.create(new)
        tuning.start(names, minutes=minutes)
    except RecdashError as error:
        st.toast(escape(str(error)), icon=":material/error:", duration="long")
        return
    expect(names)
    url_state.set_value("study_name", "")
    url_state.set_value("study", names if len(names) == 1 else [])
    text = f"Study {names[0]} started" if len(names) == 1 else f"{len(names)} studies started"
    st.toast(escape(text), icon=":material/check_circle:")


def _goes_on(spec: StudySpec) -> bool:
    """Whether this is the stored study with another number of trials, and no other one of the same name."""
    return tuning_studies.read(spec.name).created == spec.created


def expect(names: Sequence[str]) -> None:
    """Note that processes that work on studies were started: pages wait for their first trials."""
    until = time.time() + _WAIT
    st.session_state["_studies_expected"] = {**expected(), **dict.fromkeys(names, until)}


def expected() -> dict[str, float]:
    """Return until when each study that was started in this session may still have no process, in seconds of 1970."""
    now = time.time()
    return {name: until for name, until in st.session_state.get("_studies_expected", {}).items() if until > now}


def forget_expected(name: str) -> None:
    """Note that the process of a study was seen, or that it was stopped."""
    st.session_state.get("_studies_expected", {}).pop(name, None)
