"""A run's own page: what it is, what it is doing, its results, and everything that was recorded about it."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import streamlit as st

from recdash import environment
from recdash.analysis import curve_groups
from recdash.analysis.groups import group_runs
from recdash.errors import RecdashError, UsageError
from recdash.reporting.formatting import escape
from recdash.services import housekeeping, launch, quick_find, runs, tuning_studies
from recdash.ui import glossary, layout, url_state
from recdash.ui.charts import theme_colours
from recdash.ui.results import table_choice
from recdash.ui.run import record_view, results_view, training_view
from recdash.ui.widgets import live, run_cards

if TYPE_CHECKING:
    from recdash.services.runs import RunRecord

PARTS = {
    "results": "Results",
    "curves": "Curves",
    "settings": "Settings",
    "environment": "Data and environment",
    "log": "Log and events",
    "files": "Files and exports",
}


def title() -> str:
    """Return the name of the run that the URL names, as Markdown; "Run" if there is none."""
    reference = str(st.query_params.get("id") or st.session_state.get(url_state.key_of("id")) or "")
    if reference:
        with suppress(RecdashError):
            return escape(runs.find(reference).name)
    return "Run"


def requested_run() -> RunRecord | None:
    """Return the run that the URL names; None after saying what to do if there is none."""
    url_state.bind("id", "")
    reference = str(st.session_state[url_state.key_of("id")] or "")
    if not reference:
        st.info("No run is named in the address. Choose one below.", icon=":material/search:")
        _search("")
        return None
    try:
        return runs.find(reference)
    except UsageError as error:
        trashed = _trashed(reference)
        if trashed is not None:
            text = f"{trashed.name} is in the trash."
        elif "matches several" in str(error):
            text = str(error)
        else:
            text = f"No run has the id or name {reference!r}. Search for it, or choose one below."
        st.warning(escape(text), icon=":material/warning:")
        run_cards.undo_bar()
        if trashed is not None:
            _restore_offer(trashed)
        _search("" if trashed is not None else reference)
        return None


def draw(run: RunRecord) -> None:
    """Draw the page of a run."""
    run_cards.undo_bar()
    live.fragment("run.head", _head, run.id)
    _actions(run)
    part = st.segmented_control(
        "Part",
        list(PARTS),
        required=True,
        format_func=PARTS.__getitem__,
        label_visibility="collapsed",
        **url_state.bind("part", "results" if run.metrics else "curves", options=PARTS),
    )
    with st.container(key=f"part.{part}", gap="medium"):
        if part == "results":
            results_view.draw(run)
        elif part == "curves":
            training_view.draw(run)
        elif part == "settings":
            record_view.draw_settings(run)
        elif part == "environment":
            record_view.draw_environment(run)
        elif part == "log":
            training_view.draw_log(run)
        else:
            record_view.draw_files(run)


def _head(run_id: str) -> None:
    """Draw state, progress and facts; live while the run is active."""
    found = runs.list_runs(ids=[run_id])
    if not found:
        return
    run = found[0]
    st.markdown(
        f"{theme_colours.dot(run.id)} {glossary.badges(run)} {run_cards.facts(run)} · `{run.id}`",
        help=glossary.badge_help(run),
    )
    run_cards.progress(run)
    if happened := run_cards.outcome(run):
        show = st.error if run.state == "failed" else st.warning
        show(escape(happened), icon=":material/error:" if run.state == "failed" else ":material/warning:")
    if run.note:
        st.markdown(f":gray[:material/notes:] {escape(run.note)}")


def _actions(run: RunRecord) -> None:
    """Draw links to the other pages, and buttons that change the run."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        if curve_groups.has_curves(run):
            layout.link("curves", "Curves", run=[run.id])
        if run.trial and tuning_studies.exists(str(run.trial["study"])):
            study = str(run.trial["study"])
            layout.link("train", f"Study {escape(study)}", view="tune", study=study)
        groups = group_runs([run]) if run.metrics else []
        if groups:
            layout.link("results", "Results", select=[run.id], comparison=table_choice.table_id(groups[0]))
            layout.link("recommend", "Recommend", list=[run.id], dataset=run.dataset)
        if environment.read_only():
            return
        trainable = not runs.is_curve_import(run)
        if trainable and not run.diverged:
            layout.link("train", "Train again with changes", **{"from": run.id})
        name = escape(run.name)
        if run.state.is_active():
            done = f"Stopping {name} after a checkpoint"
            run_cards.action_button(run, "Stop", ":material/stop:", launch.stop, done, run.stopping)
        run_cards.resume_button(run)
        if trainable and not run.state.is_active() and not run.diverged:
            run_cards.action_button(run, "Retry", ":material/replay:", launch.retry, f"{name} queued as a new run")
        if not run.state.is_active():
            if run.archived is None:
                run_cards.action_button(run, "Archive", ":material/archive:", housekeeping.archive, f"{name} archived")
            else:
                done = f"{name} is listed again"
                run_cards.action_button(run, "Unarchive", ":material/unarchive:", housekeeping.unarchive, done)
            st.button(
                "Delete",
                icon=":material/delete:",
                key=f"Delete.{run.id}",
                type="tertiary",
                help="Move the run to the trash, from which it can be restored for 24 hours",
                on_click=run_cards.trash,
                args=([run.id],),
            )
        with st.popover("Edit", icon=":material/edit:", key=f"edit.{run.id}"):
            record_view.draw_edit(run)


def _trashed(reference: str) -> RunRecord | None:
    """Return the run in the trash that the URL names."""
    return next((run for run in runs.list_runs(trashed=True) if run.id == reference), None)


def _restore_offer(run: RunRecord) -> None:
    """Offer to restore a run, unless the bar above offers it already."""
    if not environment.read_only() and run.id not in st.session_state.get("_trashed", ((), 0))[0]:
        run_cards.action_button(run, "Restore", ":material/undo:", housekeeping.restore, f"{escape(run.name)} restored")


def _search(reference: str) -> None:
    """Draw a search for runs, and those whose names or ids resemble the text."""
    text = st.text_input("Search runs", reference, placeholder="Name, model, dataset, tag or id", key="run.search")
    found = quick_find.find_runs(text, limit=8) or quick_find.find_runs("", limit=8)
    if not found:
        st.caption("There are no runs yet. Start one on the Train page.")
        layout.link("train", "Train a model")
        return
    for run, _ in found:
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            layout.link("run", escape(run.name), id=run.id)
            st.caption(f"{escape(run.id)} · {escape(run.dataset)} · {run.state.value}", width="content")
