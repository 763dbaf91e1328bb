"""The Data page: statistics and distributions, protocols, downloads, imports and removal of datasets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import streamlit as st

from recdash import environment
from recdash.analysis.split_summary import SPLIT_FACTS
from recdash.reporting.formatting import count, escape
from recdash.services import datasets, import_summary
from recdash.splits import event_order
from recdash.ui import background_jobs, cache, layout, url_state
from recdash.ui.charts import distributions
from recdash.ui.importing.uploads import save
from recdash.ui.widgets import run_cards

if TYPE_CHECKING:
    from recdash.data.dataset_registry import DatasetEntry

_DOWNLOADS = "get-"  # prefix of the keys of this page's background jobs
SPLIT_PARTS = {"train_users": "train", "validation_users": "validation", "test_users": "test"}


def choose(entries: Sequence[DatasetEntry]) -> str:
    """Draw the dataset selector and return the selected name."""
    ready = [entry.name for entry in entries if entry.ready]
    return str(
        st.pills(
            "Dataset",
            ready,
            required=True,
            label_visibility="collapsed",
            **url_state.bind("dataset", ready[0], options=ready),
        )
    )


def summary(name: str) -> None:
    """Show the statistics and distributions of a dataset."""
    stats = cache.describe(name)
    st.caption(
        " ".join(
            [
                f"{escape(stats['source'])}.",
                *(f"{escape(note)}." if not note.endswith(".") else escape(note) for note in stats["notes"]),
            ]
        )
    )
    with st.grid(6, min_column_width=140):
        st.metric("Users", count(stats["users"]), border=True)
        st.metric("Items", count(stats["items"]), border=True)
        st.metric("Ratings" if "ratings" in stats else "Interactions", count(stats["interactions"]), border=True)
        st.metric(
            "Density",
            f"{stats['density']:.2%}",
            border=True,
            help="Share of all user-item pairs with an interaction.",
        )
        st.metric("Median per user", count(stats["median_per_user"]), border=True)
        st.metric("Mean rating", f"{stats['mean_rating']:.2f}" if "mean_rating" in stats else "–", border=True)
    _import_decisions(name, stats)
    _distributions(name, stats)


def protocol(name: str) -> None:
    """Show the split that a protocol makes of a dataset."""
    known = {one.name: one for one in cache.protocols_of(name)}
    chosen = st.segmented_control(
        "Protocol",
        list(known),
        required=True,
        format_func=lambda p: known[p].title,
        **url_state.bind("protocol", next(iter(known)), options=known),
    )
    st.markdown(escape(known[chosen].help))
    with layout.error_boundary():
        facts = cache.split_facts(name, chosen)
        if warning := event_order.tie_warning(facts):
            st.warning(escape(warning), icon=":material/schedule:")
        _user_split(facts)
        with st.grid(4, min_column_width=170):
            for key, (label, meaning) in SPLIT_FACTS.items():
                if key in facts:
                    value = facts[key]
                    shown = (
                        value if isinstance(value, str) else f"{value:g}" if key == "positive_from" else count(value)
                    )
                    st.metric(label, shown, help=meaning, border=True)


def job_progress() -> None:
    """Show running and finished background jobs; live."""
    if background_jobs.jobs(_DOWNLOADS):
        st.fragment(_job_progress, run_every=0.7 if background_jobs.any_running(_DOWNLOADS) else None)()


@layout.with_error_boundary
def _job_progress() -> None:
    for key, job in background_jobs.jobs(_DOWNLOADS).items():
        if not job.finished:
            size = f"{job.done / 1e6:,.1f} MB" if job.done else "connecting"
            progress = f"{job.done / 1e6:,.1f} of {job.total / 1e6:,.1f} MB" if job.total else size
            st.progress(job.share, text=f"{escape(job.title)}: {progress}")
            continue
        if job.error:
            st.error(escape(job.error), icon=":material/error:", title=escape(job.title))
        else:
            st.success(f"{escape(job.title)}: finished", icon=":material/check_circle:")
        st.button("Dismiss", key=f"dismiss.{key}", type="tertiary", on_click=_dismiss, args=(key,))
    running = background_jobs.any_running(_DOWNLOADS)
    if st.session_state.get("_jobs_running", False) and not running:
        st.session_state["_jobs_running"] = False
        st.rerun()  # the whole page, so that it lists the new dataset
    st.session_state["_jobs_running"] = running


def movielens_releases(entries: Sequence[DatasetEntry]) -> None:
    """Offer the MovieLens releases that are not downloaded."""
    missing = [entry for entry in entries if not entry.ready]
    if not missing:
        st.caption("All MovieLens releases are installed.")
    with st.grid(4, min_column_width=220):
        for entry in missing:
            with st.container(border=True, gap="small", height="stretch"):
                st.markdown(f"**{escape(entry.name)}**")
                st.caption(
                    f"{count(entry.interactions)} ratings, {count(entry.users)} users, {count(entry.items)} movies"
                )
                if not environment.read_only():
                    busy = background_jobs.is_running(f"{_DOWNLOADS}{entry.name}")
                    st.button(
                        "Downloading" if busy else "Download",
                        icon=":material/download:",
                        key=f"get.{entry.name}",
                        on_click=_download,
                        args=(entry.name,),
                        disabled=busy,
                    )
    if missing and not environment.read_only():
        _from_zip([entry.name for entry in missing])
    st.caption(
        "MovieLens is published by GroupLens for research; see the README in each archive for its terms. "
        "Downloads are verified against the published checksums."
    )


def remove(name: str) -> None:
    """Draw the button that removes a dataset."""
    if name == "demo" or environment.read_only():
        return
    with st.popover("Remove this dataset", icon=":material/delete:", type="tertiary"):
        st.markdown("Deletes the files of the dataset. Runs trained on it and their results remain.")
        st.button(
            "Remove dataset",
            icon=":material/delete_forever:",
            key=f"remove.{name}",
            on_click=run_cards.run_action,
            args=(datasets.remove, name),
            kwargs={"done": f"{escape(name)} removed"},
        )


def _import_decisions(name: str, stats: Mapping[str, Any]) -> None:
    """Show what counts as positive and how events at the same time are ordered, as decided at import."""
    st.markdown(f":material/thumb_up: {escape(import_summary.feedback(stats))}")
    if stats["time_kind"] == "dates":
        times = import_summary.times({**stats, "ties": cache.distributions(name).ties})
        st.markdown(f":material/schedule: {escape(times)}")


def _distributions(name: str, stats: Mapping[str, Any]) -> None:
    data = cache.distributions(name)
    with st.grid(2, min_column_width=330, gap=("small", "large")):
        if "ratings" in stats:
            rows = [(f"{value:g}", number) for value, number in stats["ratings"]]
            _chart("Ratings", "number of ratings of each value", _histogram(rows, "Rating", "Ratings"))
        share = f"top 10% of the items have {stats['top_tenth_share']:.0%} of the interactions"
        if stats["items"] > 1:
            _chart("Long tail", share, distributions.long_tail(data.popularity))
        rows = [
            (str(low) if low == high else f"{low}–{high}", users)
            for low, high, users in _without_leading_zeros(data.activity)
        ]
        chart = _histogram(rows, "Interactions per user", "Users")
        _chart("User activity", "number of users by interactions per user", chart)
        if len(data.months) > 1:
            _chart(
                "Interactions over time",
                f"per month, {stats['from'][:10]} to {stats['to'][:10]}",
                distributions.interactions_per_month(data.months),
            )


def _chart(title: str, about: str, chart: Any) -> None:
    with st.container(gap="xsmall"):
        st.markdown(f"**{title}** :gray[:small[{about}]]")
        st.altair_chart(chart, key=f"picture.{title}", width="stretch", alt=f"{title}: {about}")


def _histogram(rows: Sequence[tuple[str, int]], x_title: str, y_title: str) -> Any:
    import pandas as pd  # lazy: pandas

    return distributions.histogram(pd.DataFrame(rows, columns=["x", "y"]), "x", "y", x_title, y_title)


def _without_leading_zeros(bins: Sequence[tuple[int, int, int]]) -> Sequence[tuple[int, int, int]]:
    """Drop the empty bins at the start."""
    return bins[next((index for index, row in enumerate(bins) if row[2]), 0) :]


def _user_split(facts: Mapping[str, Any]) -> None:
    users = [(part, int(facts[key])) for key, part in SPLIT_PARTS.items() if key in facts]
    rest = int(facts.get("users", 0)) - sum(number for _, number in users)
    if users:
        users += [("excluded", rest)] if rest > 0 else []
        counts = ", ".join(f"{number} {part}" for part, number in users)
        st.markdown("**Users by part of the split** :gray[:small[number of users]]")
        chart = distributions.user_split(users)
        st.altair_chart(chart, key="parts", width="stretch", alt=f"Users by part of the split: {counts}")


def _download(name: str) -> None:
    background_jobs.start(
        f"{_DOWNLOADS}{name}", f"Downloading {name}", lambda report: datasets.get(name, progress=report)
    )


def _from_zip(names: Sequence[str]) -> None:
    with st.expander("From a local archive", icon=":material/folder_zip:"):
        name = st.selectbox("Release", names, key="zip_release", width=240)
        given = st.file_uploader("Zip file of the release, as published", type="zip", key="zip")
        if given is not None and st.button("Import archive", key="read_zip", icon=":material/input:"):
            path = save(given)
            background_jobs.start(
                f"{_DOWNLOADS}{name}",
                f"Importing {given.name}",
                lambda report: datasets.get(name, path, progress=report),
            )
            st.rerun()


def _dismiss(key: str) -> None:
    background_jobs.dismiss(key)
