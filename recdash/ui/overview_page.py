"""The first page: what is here, what is best, what runs, what next."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import TYPE_CHECKING

import streamlit as st

from recdash import paths
from recdash.analysis.metric_info import HOW
from recdash.reporting.formatting import escape, listed, plural
from recdash.ui import cache, glossary, layout
from recdash.ui.charts import basic
from recdash.ui.widgets import result_tables, run_cards

if TYPE_CHECKING:
    from recdash.analysis.groups import Group
    from recdash.services.runs import RunRecord

DEMO_PRESET = "fast"
TASKS = {"ranking": "Ranking: what to show next", "rating": "Rating: how many stars"}


def welcome() -> None:
    """Greet somebody who has trained nothing yet: three ways to begin."""
    with st.grid(3, min_column_width=280, gap="medium"):
        with st.container(border=True, height="stretch"):
            st.subheader("See it work", anchor=False)
            st.markdown("Train every model on the built-in demo. No network, no GPU: about a minute on two cores.")
            start_demo("primary")
        with st.container(border=True, height="stretch"):
            st.subheader("Pick a few films", anchor=False)
            st.markdown("Before anything is trained, one model is fitted while you choose, and answers at once.")
            layout.link("recommend", "Get recommendations")
        with st.container(border=True, height="stretch"):
            st.subheader("Bring your data", anchor=False)
            st.markdown("MovieLens from 100,000 to 32 million ratings, or any CSV with users and items.")
            layout.link("data", "Get or import data")


def start_demo(kind: str = "secondary") -> None:
    """Offer to train all models on the demo, each under its default protocol; what is trained already counts."""
    if paths.read_only():
        st.caption("Training is switched off here (RECDASH_READ_ONLY).")
        return
    token = st.session_state.setdefault("_demo_press", uuid.uuid4().hex)
    if st.button("Train all models on the demo", icon=":material/play_circle:", type=kind, key="train_demo"):  # type: ignore[arg-type]
        with st.spinner("Preparing the demo and the models"):
            from recdash.services import compare

            asked = compare.requests("demo", preset=DEMO_PRESET)
            started = compare.start(asked, key=f"demo-{token}")
        st.session_state["_demo_ids"] = [run.id for run in started]
        st.session_state["_demo_press"] = uuid.uuid4().hex
        st.rerun()


def demo_progress() -> None:
    """Show how the trainings of the one button go on; live while they run."""
    if "_demo_ids" in st.session_state:
        st.fragment(_demo_progress, run_every=layout.pace())()


@layout.calm
def _demo_progress() -> None:
    from recdash.services import runs

    wanted = st.session_state["_demo_ids"]
    mine = {run.id: run for run in runs.listing(ids=wanted)}
    found = [mine[run_id] for run_id in wanted if run_id in mine]
    done = [run for run in found if run.state.is_finished()]
    with st.container(border=True):
        if len(done) == len(found):
            st.success(
                f"{plural(len(done), 'model is', 'models are')} trained on the demo.", icon=":material/check_circle:"
            )
            with st.container(horizontal=True):
                layout.link("recommend", "See what each would recommend")
                layout.link("results", "Compare the results")
            return
        st.markdown(f"**Training all models on the demo** :gray[{len(done)} of {len(found)} done]")
        run_cards.compact(found)


def numbers(found: Sequence[RunRecord]) -> None:
    """Show the four numbers of this installation."""
    finished = [run for run in found if run.state.is_finished()]
    waiting = sum(run.state == "queued" for run in found)
    busy = sum(run.state == "running" for run in found)
    with st.grid(4, min_column_width=150):
        st.metric("Finished runs", len(finished), border=True)
        st.metric("Models trained", len({run.model for run in finished}), border=True)
        st.metric("Data sets used", len({run.dataset for run in found}), border=True)
        st.metric("Running now", f"{busy}" + (f" + {waiting} waiting" if waiting else ""), border=True)


def running() -> None:
    """Show what trains now, live."""
    st.fragment(_running, run_every=layout.pace())()


@layout.calm
def _running() -> None:
    from recdash.services import runs

    shown_above = st.session_state.get("_demo_ids", ())
    active = [run for run in runs.listing(active=True) if run.id not in shown_above]
    st.subheader("Running now", anchor=False)
    if not active:
        st.caption(
            "Nothing else."
            if shown_above and layout.is_running()
            else "Nothing. Trainings go on when this page is closed, and appear here."
        )
    run_cards.compact(sorted(active, key=lambda run: (run.state == "queued", run.created))[:5])
    if len(active) > 5:
        st.caption(f"and {len(active) - 5} more on the Train page")


def best_models() -> None:
    """Show the newest comparison of each task with its intervals; on a fresh server this takes a moment."""
    st.subheader("Best so far", anchor=False)
    with st.skeleton(height=220):
        found = cache.groups()
        if not found:
            st.caption("No run is finished yet. The best model of each task will stand here, with its interval.")
        for task, title in TASKS.items():
            group = next((one for one in found if one.task == task), None)
            if group is not None:
                _best(group, title)


def _best(group: Group, title: str) -> None:
    metric, top = group.primary, group.rows[0]
    value = top.metrics.get(metric)
    st.markdown(f"**{title}** :gray[:small[{escape(group.label)}]]")
    if cache.is_generated(group.dataset):
        layout.generated_note()
    if value is not None:
        between = "" if value.low is None else f", 95 % interval {value.low:.3f} to {value.high:.3f}"
        st.markdown(
            f"{escape(top.title)} with {glossary.metric(metric)} **{value.mean:.4f}**{between} "
            f"{glossary.warning_badge(top.run)}",
            help=glossary.metric_help(metric),
        )
    judged = cache.verdicts(group, [metric]).get(metric)
    if judged is not None and (tied := result_tables.ties(group, judged)):
        st.caption(f"Cannot be told from it: {tied}.", help=HOW)
    points = result_tables.points(group, metric, most=8, one_per_model=True)
    chart = basic.intervals(points, glossary.metric(metric), result_tables.direction(metric))
    order = ", ".join(point.label for point in points)
    said = f"{glossary.metric(metric)} of each model with its 95 % interval, best first: {order}"
    st.altair_chart(chart, key=f"best.{group.task}", width="stretch", alt=said)


def next_steps(found: Sequence[RunRecord]) -> None:
    """Suggest up to three things that make sense now."""
    st.subheader("What next", anchor=False)
    for page, label, why in _steps(found)[:3]:
        with st.container(gap="xsmall"):
            layout.link(page, label)
            st.caption(why)


def _steps(found: Sequence[RunRecord]) -> list[tuple[str, str, str]]:
    finished = [run for run in found if run.state.is_finished()]
    halted = [run for run in found if run.state.can_resume()]
    steps = []
    if halted and not paths.read_only():
        states = listed(sorted({run.state.value for run in halted}))
        why = f"{plural(len(halted), 'run')} {states}: what was learned so far is kept."
        steps.append(("train", "Resume what was left", why))
    if finished:
        steps.append(("recommend", "Pick films", "See every trained model's list side by side, and why."))
    if len(finished) > 1:
        steps.append(("results", "Compare the results", "Which differences are larger than chance?"))
    if any(run.epoch > 1 for run in found):
        steps.append(("curves", "Look at the curves", "Watch the KL divergence rise while beta anneals."))
    if {run.dataset for run in found} <= {"demo"}:
        steps.append(("data", "Use real data", "MovieLens, or a CSV of your own."))
    if not paths.read_only():
        steps.append(("train", "Train another model", "Other settings, another protocol, more seeds."))
    return steps


def latest(found: Sequence[RunRecord]) -> None:
    """List the last runs, whatever became of them."""
    st.subheader("Latest runs", anchor=False)
    st.dataframe(
        result_tables.latest(found[:6]),
        hide_index=True,
        width="stretch",
        key="latest",
        alt="The latest runs, newest first",
        column_config=result_tables.LATEST_COLUMNS,
    )
