"""Tells the visitor when runs end: a message on the page, and a notification of the browser where that is allowed.

The messages are drawn by the page's own component: Streamlit's toasts have no accessible name, and open links in a new
tab.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import streamlit as st

from recdash.errors import RecdashError
from recdash.reporting.formatting import listed
from recdash.ui import glossary
from recdash.ui.components import component

if TYPE_CHECKING:
    from recdash.services.runs import RunRecord

MAX_MESSAGES = 3  # runs that end at the same time and have a message each; more are counted
_SEEN, _LOOKED, _VERSION, _NOTICE = "_notice_active", "_notice_time", "_notice_version", "_notice"


def draw(active: tuple[str, ...]) -> None:
    """Announce the runs that ended since the last look of this session, and mount the button for notifications.

    Args:
        active: Ids of the queued and running runs.
    """
    try:
        ended = _ended(frozenset(active))
    except RecdashError:
        ended = []  # the page shows the error
    if ended:
        number = st.session_state.get(_NOTICE, {"number": 0})["number"] + 1
        st.session_state[_NOTICE] = {"number": number, "messages": _messages(ended)}
    data = {"active": bool(active), "notice": st.session_state.get(_NOTICE)}
    component.mount("notice", "notice", data, _ignore)


def address(run_id: str) -> str:
    """Return the relative address of a run's page."""
    return f"run?{urlencode({'id': run_id})}"


def _ended(active: frozenset[str]) -> list[RunRecord]:
    """Return the runs that ended since the last look of this session, oldest first."""
    from recdash.services import runs  # lazy: import lock

    seen: frozenset[str] = st.session_state.get(_SEEN, active)
    looked: float = st.session_state.get(_LOOKED, time.time())
    st.session_state[_SEEN], st.session_state[_LOOKED] = active, time.time()
    version = runs.version()
    if version == st.session_state.get(_VERSION) or st.session_state.setdefault(_VERSION, version) == version:
        return []
    st.session_state[_VERSION] = version
    # an import is no training that ended, and a search has many trials, which its page shows
    trained_here = [run for run in runs.list_runs(active=False) if not run.source and not run.trial]
    ended = [run for run in trained_here if run.id in seen or (run.finished or 0.0) > looked]
    return sorted(ended, key=lambda run: run.finished or 0.0)


def _messages(ended: list[RunRecord]) -> list[dict[str, str]]:
    """Return name, outcome and address of each run, or of all together if there are many."""
    if len(ended) > MAX_MESSAGES:
        states = [run.state.value for run in ended]
        counted = listed(f"{states.count(state)} {state}" for state in dict.fromkeys(states))
        return [{"title": f"{len(ended)} runs ended", "text": counted, "address": "train", "state": "finished"}]
    return [
        {"title": run.name, "text": _outcome(run), "address": address(run.id), "state": run.state.value}
        for run in ended
    ]


def _outcome(run: RunRecord) -> str:
    quality = glossary.quality(run.metrics) if run.state.is_finished() else ""
    return f"{run.state.value}{f': {quality}' if quality else ''}"


def _ignore(action: dict[str, Any]) -> None:
    """Nothing is sent to the server."""
