"""The Overview page: first steps, run counts, best models, active runs and latest runs."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import TYPE_CHECKING

import streamlit as st

from recdash import environment
from recdash.analysis import curve_groups
from recdash.analysis.metric_info import COMPARISON_METHOD, averaging
from recdash.reporting.formatting import ago, duration, escape, listed, plural
from recdash.services import compare, runs
from recdash.ui import cache, glossary, layout
from recdash.ui.charts import intervals
from recdash.ui.widgets import live, result_tables, run_cards

if TYPE_CHECKING:
    from recdash.analysis.groups import Group
    from recdash.services.runs import RunRecord

DEMO_PRESET = "fast"
MAX_LATEST = 6
TASKS = {"ranking": "Ranking", "rating": "Rating prediction"}
_BATCH_SECONDS = 60.0  # runs of one click are queued within this time


def welcome() -> None:
    """Show three first steps while no run exists."""
    with st.grid(3, min_column_width=280, gap="medium"):
        with st.container(border=True, height="stretch"):
            st.header("Pick movies", anchor=False)
            st.markdown(
                "Tap a few movies and see what a model makes of your taste, and why. It answers at once: no training."
            )
            layout.link("recommend", "Pick movies")
        with st.container(border=True, height="stretch"):
            st.header("Try the demo", anchor=False)
            st.markdown(
                "Train every model on the demo with preset fast: about a minute on two CPU cores, no network needed."
            )
            start_demo("primary")
        with st.container(border=True, height="stretch"):
            st.header("Use your own data", anchor=False)
            st.markdown(
                "Download MovieLens, from 100,000 to 32 million ratings, or import a file with users and items."
            )
            layout.link("data", "Add a dataset")


def start_demo(kind: str = "secondary") -> None:
    """Draw the button that trains all models on the demo; models that are trained already are skipped."""
    if environment.read_only():
        return  # the heading says so
    token = st.session_state.setdefault("_demo_press", uuid.uuid4().hex)
    if st.button("Train all models on the demo", icon=":material/play_circle:", type=kind, key="train_demo"):  # type: ignore[arg-type]
        with st.spinner("Queueing runs"):
            requests = compare.requests("demo", preset=DEMO_PRESET)
            started = compare.start(requests, key=f"demo-{token}")
        st.session_state["_demo_ids"] = [run.id for run in started]
        st.session_state["_demo_press"] = uuid.uuid4().hex
        st.rerun()


def demo_progress(records: Sequence[RunRecord]) -> None:
    """Show the progress of the demo runs, live; also in other tabs and after a reload, as long as they run.

    Args:
        records: All runs.
    """
    ids = st.session_state.get("_demo_ids") or _active_batch(records)
    if ids:
        live.fragment("demo", _demo_progress, ids)


def _active_batch(records: Sequence[RunRecord]) -> list[str]:
    """Return the ids of the demo runs that were queued together and of which some are still active."""
    batch = [run for run in records if (run.dataset, run.preset) == ("demo", DEMO_PRESET)]
    started = min((run.created for run in batch if run.state.is_active()), default=None)
    together = [] if started is None else [run.id for run in batch if run.created > started - _BATCH_SECONDS]
    if len(together) < 2:
        return []
    st.session_state["_demo_ids"] = together[::-1]
    return together[::-1]


def _demo_progress(ids: Sequence[str]) -> None:
    by_id = {run.id: run for run in runs.list_runs(ids=ids)}
    demo_runs = [by_id[run_id] for run_id in ids if run_id in by_id]
    if not demo_runs:  # deleted meanwhile
        return
    done = [run for run in demo_runs if not run.state.is_active()]
    failed = [run for run in done if not run.state.is_finished()]
    with st.container(border=True, key="demo_progress"):
        if len(done) == len(demo_runs):
            if failed:
                states = listed(sorted({run.state.value for run in failed}))
                text = f"{plural(len(done) - len(failed), 'model')} trained on the demo, {len(failed)} {states}"
                st.warning(text, icon=":material/warning:")
            else:
                st.success(f"{plural(len(done), 'model')} trained on the demo", icon=":material/check_circle:")
            with st.container(horizontal=True):
                layout.link("recommend", "Compare recommendations")
                layout.link("results", "Compare results")
                _watch_link(demo_runs, "See the curves")
            return
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            text = f"**Training all models on the demo** :gray[{len(done)} of {len(demo_runs)} done]"
            st.markdown(text, width="content")
            _watch_link(demo_runs, "Watch live")
        st.progress(len(done) / len(demo_runs), text=f"{len(done)} of {len(demo_runs)} runs")
        run_cards.compact_list(sorted(demo_runs, key=lambda run: (not run.state.is_active(), run.state == "queued")))


def _watch_link(demo_runs: Sequence[RunRecord], label: str) -> None:
    """Link to the curves of the batch, where each run appears as it starts."""
    with_epochs = [run for run in demo_runs if curve_groups.has_curves(run)]
    if with_epochs:
        layout.link("curves", label, batch=with_epochs[0].id)


def run_counts(records: Sequence[RunRecord]) -> None:
    """Show the number of finished runs, models, datasets and active runs."""
    records = [run for run in records if not runs.is_curve_import(run)]
    finished = [run for run in records if run.state.is_finished()]
    queued = sum(run.state == "queued" for run in records)
    training = sum(run.state == "running" for run in records)
    with st.grid(4, min_column_width=150):
        st.metric("Finished runs", len(finished), border=True)
        st.metric("Models trained", len({run.model for run in finished}), border=True)
        st.metric("Datasets used", len({run.dataset for run in records}), border=True)
        st.metric("Running now", f"{training}" + (f" + {queued} queued" if queued else ""), border=True)


def running_now() -> None:
    """Show active runs, live."""
    live.fragment("running", _running)


def _running() -> None:
    shown_above = st.session_state.get("_demo_ids", ())
    active = [run for run in runs.list_runs(active=True) if run.id not in shown_above]
    st.header("Running now", anchor=False)
    if not active:
        st.caption(
            "No other run is active."
            if shown_above and layout.is_running()
            else "No run is active. Training continues when this page is closed."
        )
    run_cards.compact_list(sorted(active, key=lambda run: (run.state == "queued", run.created))[:5])
    if len(active) > 5:
        st.caption(f"{len(active) - 5} more on the Train page")


def best_models() -> None:
    """Show the newest comparison of each task. A skeleton covers the second that a fresh server needs for it."""
    st.header("Best models", anchor=False)
    with st.skeleton(height=220):
        found = cache.groups()
        if not found:
            st.caption("No run is finished yet. The best model of each task will appear here.")
        newest = {task: next((one for one in found if one.task == task), None) for task in TASKS}
        shown = [group for group in newest.values() if group is not None]
        generated = [cache.is_generated(group.dataset) for group in shown]
        if shown and all(generated):  # said once for all of them
            layout.generated_note()
        for group, is_generated in zip(shown, generated, strict=True):
            _best_of_task(group, TASKS[group.task], mark=is_generated and not all(generated))


def _best_of_task(group: Group, title: str, *, mark: bool) -> None:
    metric, top = group.primary, group.rows[0]
    value = top.metrics.get(metric)
    about = f"{escape(group.label)}; best run of each model, {averaging(metric)}"
    st.markdown(f"**{title}** :gray[:small[{about}]]")
    if mark:
        layout.generated_note()
    if value is not None:
        interval = "" if value.low is None else f", 95% interval {value.low:.3f} to {value.high:.3f}"
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            layout.link("run", escape(top.title), id=top.run.id)
            st.markdown(
                f"{glossary.metric(metric)} **{value.mean:.4f}**{interval} {glossary.warning_badge(top.run)}",
                help=glossary.metric_help(metric),
                width="content",
            )
    comparison = cache.best_comparisons(group, [metric]).get(metric)
    if comparison is not None and (not_different := result_tables.not_different_from_best(group, comparison)):
        st.caption(f"Not significantly different from the best: {not_different}.", help=COMPARISON_METHOD)
    points = result_tables.points(group, metric, max_points=8, one_per_model=True)
    chart = intervals.interval_chart(points, glossary.metric(metric), result_tables.direction_label(metric))
    order = ", ".join(point.label for point in points)
    alt = f"{glossary.metric(metric)} of each model with its 95% interval, best first: {order}"
    st.altair_chart(chart, key=f"best.{group.task}", width="stretch", alt=alt)


def next_steps(records: Sequence[RunRecord]) -> None:
    """Suggest up to three next steps."""
    st.header("Next steps", anchor=False)
    for page, label, why in _suggestions(records)[:3]:
        with st.container(gap="xsmall"):
            layout.link(page, label)
            st.caption(why)


def _suggestions(records: Sequence[RunRecord]) -> list[tuple[str, str, str]]:
    finished = [run for run in records if run.state.is_finished()]
    resumable = [run for run in records if run.state.can_resume() and not run.diverged]
    why = (
        "Every trained model's list side by side, with explanations."
        if finished
        else "EASE answers before any training."
    )
    steps = [("recommend", "Pick movies" if not finished else "Get recommendations", why)]
    if resumable and not environment.read_only():
        states = listed(sorted({run.state.value for run in resumable}))
        details = f"{plural(len(resumable), 'run')} {states}; training continues from the last checkpoint."
        steps.append(("train", "Resume runs", details))
    if len(finished) > 1:
        steps.append(("results", "Compare results", "Test metrics with intervals and significance."))
    if any(run.epoch > 1 for run in records):
        steps.append(("curves", "Open the curves", "Losses and validation metrics by epoch."))
    if {run.dataset for run in records} <= {"demo"}:
        steps.append(("data", "Add a dataset", "MovieLens or a file of your own."))
    if not environment.read_only():
        steps.append(("train", "Train another model", "With other settings, protocols or seeds."))
    return steps


def latest_runs(records: Sequence[RunRecord]) -> None:
    """List the latest runs in any state, each with a link to its own page."""
    st.header("Latest runs", anchor=False)
    with st.container(gap="xsmall", key="latest"):
        for run in records[:MAX_LATEST]:
            with st.container(horizontal=True, vertical_alignment="center", gap="small", key=f"latest.{run.id}"):
                layout.link("run", escape(run.name), id=run.id)
                st.markdown(glossary.badges(run), width="content")
                st.caption(_facts(run), width="content")


def _facts(run: RunRecord) -> str:
    if runs.is_curve_import(run):
        return run_cards.facts(run)
    epochs = f"{run.epoch} of {run.epochs} epochs" if run.epochs and run.epochs > 1 else ""
    seconds = run.runtime_s if run.runtime_s is not None else run.elapsed_s
    trained = f"trained in {duration(seconds)}" if run.state.is_finished() and seconds is not None else ""
    when = ago(run.finished or run.started or run.created)
    parts = [escape(run.dataset), escape(run.protocol), glossary.quality(run.metrics), epochs, trained, when]
    return " · ".join(filter(None, parts))
