"""Cards of runs: progress, what happened, and buttons to stop, resume, train again and delete."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import streamlit as st

from recdash import environment
from recdash.errors import RecdashError
from recdash.reporting.formatting import ago, byte_size, duration, escape, plural
from recdash.runs.run_records import STILL_IMPROVING
from recdash.services import housekeeping, launch, runs
from recdash.splits.split_options import describe_options
from recdash.ui import glossary, layout, url_state
from recdash.ui.charts import theme_colours
from recdash.ui.widgets import resource_text, settings_form

if TYPE_CHECKING:
    from recdash.services.runs import RunRecord

LOWER_RATE = "Train again with a lower learning rate"


def compact_list(selected: Sequence[RunRecord]) -> None:
    """Show one line per run, with a progress bar while it trains, and what ended it without results."""
    for run in selected:
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.markdown(_name(run), width="content")
            st.markdown(glossary.badges(run), width="content")
            st.caption(_age(run), width="content")
        if run.state == "running":
            st.progress(_progress_share(run), text=_progress_text(run))
        elif happened := outcome(run):
            with st.container(horizontal=True, vertical_alignment="center", gap="small"):
                st.caption(escape(happened), width="content")
                if not environment.read_only():
                    resume_button(run)


def cards(selected: Sequence[RunRecord], mark: Callable[[RunRecord], None] | None = None) -> None:
    """Show one card per run, with all its actions.

    Args:
        selected: The runs.
        mark: Draws what stands before the name of each run, such as a checkbox.
    """
    for run in selected:
        with st.container(border=True, key=f"card.{run.id}", gap="small"):
            _card(run, mark)


def run_action(function: Callable[..., Any], *args: Any, done: str, **options: Any) -> None:
    """Call a service from a button and show the outcome as a toast: `done`, or the error."""
    try:
        function(*args, **options)
    except RecdashError as error:
        st.toast(escape(str(error)), icon=":material/error:", duration="long")
        return
    st.toast(done, icon=":material/check_circle:")
    st.rerun()


def _card(run: RunRecord, mark: Callable[[RunRecord], None] | None) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        if mark is not None:
            mark(run)
        st.markdown(f"{_name(run)} {glossary.badges(run)}", help=glossary.badge_help(run), width="stretch")
        _buttons(run)
    st.caption(facts(run))
    progress(run)
    if happened := outcome(run):
        show = st.error if run.state == "failed" else st.warning
        show(escape(happened), icon=":material/error:" if run.state == "failed" else ":material/warning:")
    if run.note:
        st.markdown(f":gray[:material/notes:] {escape(run.note)}")
    more = st.expander("Details", key=f"more.{run.id}", on_change="rerun", type="compact")
    if more.open:
        with more:
            _details(run)


def progress(run: RunRecord) -> None:
    """Show how far an active run is and what it uses; nothing for any other run."""
    if run.state.is_active():
        st.progress(_progress_share(run), text=_progress_text(run))
        if use := resource_text.line(run.id):
            st.caption(use)


def outcome(run: RunRecord) -> str:
    """Return what ended a run without results and what to do, in a few sentences; "" for any other run."""
    if run.state != "interrupted":
        return run.error
    when = (
        f"It ended after epoch {run.epoch} of at most {run.epochs}."
        if run.epoch
        else "It ended before its first epoch."
    )
    cause = run.error or "Its process was killed, or the machine was switched off."
    advice = "" if "esume" in cause else " Resume continues from the last checkpoint."
    return f"{when} {cause}{advice}"


def _buttons(run: RunRecord) -> None:
    if "run" in layout.PAGES:
        layout.link("run", "Open", id=run.id)
    if environment.read_only():
        return
    name = escape(run.name)
    if run.state.is_active():
        done = f"Stopping {name} after a checkpoint"
        action_button(run, "Stop", ":material/stop:", launch.stop, done, run.stopping)
    if run.diverged:
        clone_button(run, LOWER_RATE)
    else:
        resume_button(run)
        if run.state.can_resume():
            action_button(run, "Retry", ":material/replay:", launch.retry, f"{name} queued as a new run")
        if not runs.is_curve_import(run):
            clone_button(run)
    if not run.state.is_active():
        st.button(
            "Delete",
            icon=":material/delete:",
            key=f"Delete.{run.id}",
            type="tertiary",
            help="Move the run to the trash, from which it can be restored for 24 hours",
            on_click=trash,
            args=([run.id],),
        )


def resume_button(run: RunRecord) -> None:
    """Draw what continues a run that ended early: "Resume", or for a diverged one a new training with changes."""
    if run.diverged:
        layout.link("train", LOWER_RATE, **{"from": run.id})
    elif run.state.can_resume():
        action_button(run, "Resume", ":material/play_arrow:", launch.resume, f"{escape(run.name)} resumed")


def action_button(
    run: RunRecord, label: str, icon: str, function: Callable[..., Any], done: str, disabled: bool = False
) -> None:
    """Draw a button that calls a service with the run's id and reports the outcome as a toast."""
    st.button(
        "Stopping" if disabled else label,
        icon=icon,
        key=f"{label}.{run.id}",
        type="tertiary",
        disabled=disabled,
        on_click=run_action,
        args=(function, run.id),
        kwargs={"done": done},
    )


def clone_button(run: RunRecord, label: str = "Copy") -> None:
    """Draw a button that opens the Train form with the run's data, model and settings."""
    st.button(
        label,
        icon=":material/content_copy:",
        key=f"Clone.{run.id}",
        type="tertiary",
        help="Fill the form in from this run, to train it again with changes",
        on_click=fill_form,
        args=(run.id,),
    )


def fill_form(run_id: str) -> None:
    """Open the Train form with a run's data, model and settings; for callbacks on the Train page."""
    fill_form_from(run_id)
    st.rerun()  # the whole page, also from a live part of it


def fill_form_from(run_id: str, seeds: str = "") -> None:
    """Let the Train form start from a run; for callbacks outside live parts. `seeds` replaces the run's seed."""
    url_state.reset(("dataset", "protocol", "model", "preset", "seeds", "sweep", *settings_form.SPLIT_FIELDS))
    st.session_state.pop("_prefilled", None)
    url_state.set_value("from", [run_id])
    url_state.set_value("view", "new")
    if seeds:
        url_state.set_value("seeds", seeds)


def trash(run_ids: Sequence[str]) -> None:
    """Move runs to the trash and offer to undo it; for callbacks."""
    try:
        freed = housekeeping.trash(run_ids)
    except RecdashError as error:
        st.toast(escape(str(error)), icon=":material/error:", duration="long")
        return
    st.session_state["_trashed"] = (freed.runs, freed.bytes)
    st.rerun()


def undo_bar() -> None:
    """Show what was moved to the trash last, with a button to undo it; nothing otherwise."""
    ids, n_bytes = st.session_state.get("_trashed", ((), 0))
    if not ids:
        return
    with st.container(horizontal=True, vertical_alignment="center", border=True, key="undo_bar"):
        st.markdown(
            f":material/delete: {plural(len(ids), 'run')} deleted; {byte_size(n_bytes)} of disk space are freed "
            "in 24 hours, or by emptying the trash.",
            width="stretch",
        )
        st.button("Undo", icon=":material/undo:", key="undo_trash", on_click=_undo_trash)
        st.button("Empty the trash", type="tertiary", key="empty_trash", on_click=_empty_trash)
        st.button("Hide", type="tertiary", icon=":material/close:", key="hide_undo", on_click=_forget_trash)


def _undo_trash() -> None:
    ids, _ = st.session_state.pop("_trashed", ((), 0))
    try:
        restored = housekeeping.restore(ids)
    except RecdashError as error:
        st.toast(escape(str(error)), icon=":material/error:", duration="long")
        return
    st.toast(f"{plural(len(restored), 'run')} restored", icon=":material/check_circle:")


def _empty_trash() -> None:
    st.session_state.pop("_trashed", None)
    try:
        freed = housekeeping.purge_trash(older_than_s=0)
    except RecdashError as error:
        st.toast(escape(str(error)), icon=":material/error:", duration="long")
        return
    st.toast(f"{byte_size(freed.bytes)} freed", icon=":material/check_circle:")


def _forget_trash() -> None:
    st.session_state.pop("_trashed", None)


def _details(run: RunRecord) -> None:
    device = escape(str(run.details.get("device", run.device)))
    st.markdown(f"`{run.id}` :gray[:small[attempt {run.attempts}, {run.threads or '–'} threads, device {device}]]")
    for event in runs.events(run.id)[-8:]:
        st.caption(f"{ago(event.time)}: {escape(event.kind)} {escape(event.text)}")
    resource_text.charts(run.id)
    st.code(runs.log(run.id, 40) or "The log is empty", language=None, height=200, wrap_lines=True)
    if environment.read_only():
        return
    with st.form(f"edit.{run.id}", border=False), st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.text_input("Name", run.name, max_chars=120, key=f"name.{run.id}")
        note = st.text_input("Note", run.note, max_chars=4000, key=f"note.{run.id}")
        if st.form_submit_button("Save"):
            if name != run.name:
                runs.rename(run.id, name)
            runs.annotate(run.id, note)
            st.rerun()


def _name(run: RunRecord) -> str:
    return f"{theme_colours.dot(run.id)} **{escape(run.name)}**"


def facts(run: RunRecord) -> str:
    """Return data, protocol, preset, seed, changed settings, tags, and quality if it is finished, as Markdown."""
    if runs.is_curve_import(run):
        parts = [f"curves imported from {escape(run.source)}", f"{run.epoch} epochs"]
    else:
        parts = [escape(run.dataset), escape(run.protocol), f"preset {escape(run.preset)}", f"seed {run.seed}"]
    if run.settings:
        parts.append(glossary.settings_text(dict(run.settings)))
    if run.options:
        parts.append(escape(describe_options(run.options)))
    if run.state == "finished":
        parts += [glossary.quality(run.metrics)]
        if run.runtime_s is not None:
            parts.append(f"trained in {duration(run.runtime_s)}")
    if run.is_untested_trial:
        parts.append("a trial, compared on the validation part alone")
    parts.append(run.trials_note)
    if run.still_improving:
        parts.append(STILL_IMPROVING)
    if run.tags:
        parts.append(", ".join(f"tag {escape(tag)}" for tag in run.tags))
    if run.archived:
        parts.append("archived")
    return " · ".join(filter(None, [*parts, _age(run)]))


def _age(run: RunRecord) -> str:
    if run.state == "queued":
        return f"queued {ago(run.created)}"
    if run.state == "running":
        return f"started {ago(run.started)}"
    return ago(run.finished or run.created)


def _progress_share(run: RunRecord) -> float:
    return min(1.0, run.epoch / run.epochs) if run.epochs else 0.0


def _progress_text(run: RunRecord) -> str:
    if run.state == "queued":
        return "Queued; starts automatically"
    if run.stopping:
        return "Stopping: writing a checkpoint"
    if not run.epoch:
        return "Starting: loading the data and building the split"
    if run.epochs and run.epoch >= run.epochs:
        return "Saving the model" if run.trial else "Evaluating on the test users"
    seconds = runs.remaining_s(run)
    left = "" if seconds is None else f", at most {duration(seconds)} left"
    best = (
        f", best validation value {run.best_value:.4f} in epoch {run.best_epoch}" if run.best_value is not None else ""
    )
    return f"Epoch {run.epoch} of at most {run.epochs}{left}{best}"
