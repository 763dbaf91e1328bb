"""Earlier runs: a filter, cards, and actions on several runs at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import streamlit as st

from recdash import environment
from recdash.analysis import run_filter
from recdash.errors import RecdashError
from recdash.reporting.formatting import byte_size, escape, plural
from recdash.services import housekeeping, runs
from recdash.settings import name_list
from recdash.ui import layout, url_state
from recdash.ui.widgets import run_cards

if TYPE_CHECKING:
    from recdash.services.runs import RunRecord

PER_PAGE = 6  # cards
_PICKED = "_picked_runs"


def draw() -> None:
    """Draw the list."""
    run_cards.undo_bar()
    every = runs.list_runs(active=False, archived=None)
    if not every:
        st.caption("No run has ended yet.")
        return
    shown = _filtered(every)
    _paged([run.id for run in shown])


def _filtered(every: Sequence[RunRecord]) -> list[RunRecord]:
    """Draw the filter; returns the runs that it leaves. Trials of searches are left out unless asked for."""
    n_trials = sum(run.is_untested_trial for run in every)
    states = sorted({run.state.value for run in every})
    with st.container(horizontal=True, vertical_alignment="bottom"):
        text = st.text_input(
            "Filter",
            placeholder="multvae ndcg@100>0.3 tag:x",
            help="\n".join(f"- `{example}`: {escape(about)}" for example, about in run_filter.HELP),
            **url_state.bind("q", ""),
        )
        state = url_state.bind("state", [], options=states, many=True)
        wanted = st.pills("State", states, selection_mode="multi", **state) if len(states) > 1 else []
        n_archived = sum(run.archived is not None for run in every)
        archived = bool(n_archived) and st.toggle(
            "Archived too", **url_state.bind("archived", False, read=url_state.parse_flag)
        )
        with_trials = bool(n_trials) and st.toggle(
            f"Trials too ({n_trials})",
            help="Trials of searches, which the Tune tab shows by study",
            **url_state.bind("with_trials", n_trials == len(every), read=url_state.parse_flag),
        )
    every = [run for run in every if with_trials or not run.is_untested_trial]
    try:
        left = run_filter.filter_runs(text, every, archived=archived)
    except RecdashError as error:
        st.error(escape(str(error)), icon=":material/error:")
        left = [run for run in every if archived or run.archived is None]
    return [run for run in left if not wanted or run.state.value in wanted]


@st.fragment
@layout.with_error_boundary
def _paged(ids: Sequence[str]) -> None:
    shown = runs.list_runs(ids=ids) if ids else []
    shown = [run for run in shown if not run.state.is_active()]
    known = {run.id for run in shown}
    picked = [run_id for run_id in st.session_state.get(_PICKED, ()) if run_id in known]
    _bulk(shown, picked)
    if not shown:
        st.caption("No run matches.")
        return
    pages = -(-len(shown) // PER_PAGE)  # rounded up
    page = st.session_state.get("past_page", 1) if pages > 1 else 1
    with st.grid(2, min_column_width=380, gap="small"):
        for run in shown[(min(page, pages) - 1) * PER_PAGE : min(page, pages) * PER_PAGE]:
            with st.container():
                run_cards.cards([run], None if environment.read_only() else _checkbox)
    if pages > 1:
        st.pagination(pages, key="past_page")


def _checkbox(run: RunRecord) -> None:
    key = f"pick.{run.id}"
    st.session_state[key] = run.id in st.session_state.get(_PICKED, ())
    st.checkbox(
        f"Select {run.name}",
        key=key,
        on_change=_pick,
        args=(run.id, key),
        label_visibility="collapsed",
        width="content",
    )


def _pick(run_id: str, key: str) -> None:
    others = [one for one in st.session_state.get(_PICKED, ()) if one != run_id]
    st.session_state[_PICKED] = [*others, run_id] if st.session_state[key] else others


def _bulk(shown: Sequence[RunRecord], picked: Sequence[str]) -> None:
    """Draw what can be done with the selected runs."""
    if environment.read_only() or not shown:
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="bulk"):
        st.markdown(f"**{len(picked)} selected** of {plural(len(shown), 'run')}", width="content")
        if len(picked) < len(shown):
            label = "Select all"
            st.button(label, type="tertiary", key="pick_all", on_click=_set_picked, args=([run.id for run in shown],))
        if not picked:
            return
        st.button("Select none", type="tertiary", key="pick_none", on_click=_set_picked, args=([],))
        layout.link("curves", "Watch on Curves", run=list(picked))
        with st.popover("Tag", icon=":material/label:", type="tertiary", key="ask_tag"):
            tag = st.text_input("Tag", placeholder="baseline", max_chars=40, key="bulk_tag")
            for label, argument in (("Add", "add"), ("Remove", "remove")):
                done = f"Tag {'added to' if argument == 'add' else 'removed from'} {plural(len(picked), 'run')}"
                st.button(
                    f"{label} tag",
                    key=f"tag_{argument}",
                    disabled=not tag.strip(),
                    on_click=run_cards.run_action,
                    args=(housekeeping.tag, picked),
                    kwargs={"done": done, argument: name_list(tag)},
                )
        chosen = [run for run in shown if run.id in picked]
        if any(run.archived is None for run in chosen):
            done = f"{plural(len(picked), 'run')} archived"
            _bulk_button("Archive", ":material/archive:", housekeeping.archive, picked, done)
        if any(run.archived is not None for run in chosen):
            done = f"{plural(len(picked), 'run')} in the list again"
            _bulk_button("Unarchive", ":material/unarchive:", housekeeping.unarchive, picked, done)
        size = sum(housekeeping.disk_bytes(picked).values())
        st.button(
            f"Delete (frees {byte_size(size)})",
            icon=":material/delete:",
            type="tertiary",
            key="bulk_delete",
            on_click=run_cards.trash,
            args=(picked,),
        )


def _bulk_button(label: str, icon: str, function: Callable[..., Any], picked: Sequence[str], done: str) -> None:
    st.button(
        label,
        icon=icon,
        type="tertiary",
        key=f"bulk_{label}",
        on_click=run_cards.run_action,
        args=(function, picked),
        kwargs={"done": done},
    )


def _set_picked(ids: Sequence[str]) -> None:
    st.session_state[_PICKED] = list(ids)
