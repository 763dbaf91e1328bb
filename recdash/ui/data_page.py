"""The Data page: what is here, what it looks like, what a protocol makes of it; get, import, remove."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import streamlit as st

from recdash import paths
from recdash.reporting.formatting import count, escape
from recdash.services import import_summary
from recdash.ui import background_jobs, cache, layout, url_state
from recdash.ui.charts import basic
from recdash.ui.widgets import run_cards

if TYPE_CHECKING:
    from recdash.data.dataset_registry import Entry

PARTS = {"train_users": "train", "validation_users": "validation", "test_users": "test"}
FACTS = {
    "positive_from": ("Liked means a rating of at least", "Everything below is left out."),
    "eligible_users": (
        "Users with enough likes",
        "At least five unless the import said otherwise; others are not used.",
    ),
    "items": ("Items", "In ranking, those that at least one training user likes: only they can be recommended."),
    "train_ratings": ("Training ratings", "What a model learns from."),
    "validation_ratings": ("Validation ratings", "Epochs and settings are chosen on them."),
    "test_ratings": ("Test ratings", "To be predicted, at the very end."),
    "train_positives": ("Training entries", "Likes of the training users."),
    "test_targets": ("Test entries to find", "Held-out likes of the test users: what a model must rank high."),
    "removed_held_out_entries": ("Entries left out", "Likes of held-out users for items that no training user likes."),
    "unscored_test_users": ("Test users without a target", "Their histories are too short; they leave the mean."),
}


def choose(entries: Sequence[Entry]) -> str:
    """Let somebody choose a data set to look at."""
    ready = [entry.name for entry in entries if entry.ready]
    return str(
        st.pills(
            "Data set",
            ready,
            required=True,
            label_visibility="collapsed",
            **url_state.bind("dataset", ready[0], options=ready),
        )
    )


def look(name: str) -> None:
    """Show the numbers and distributions of a data set."""
    told = cache.describe(name)
    st.caption(
        " ".join(
            [
                f"{escape(told['source'])}.",
                *(f"{escape(note)}." if not note.endswith(".") else escape(note) for note in told["notes"]),
            ]
        )
    )
    with st.grid(6, min_column_width=140):
        st.metric("Users", count(told["users"]), border=True)
        st.metric("Items", count(told["items"]), border=True)
        st.metric("Ratings" if "ratings" in told else "Interactions", count(told["interactions"]), border=True)
        st.metric(
            "Density",
            f"{told['density']:.2%}",
            border=True,
            help="Share of all pairs of a user and an item that are there.",
        )
        st.metric("Median per user", count(told["median_per_user"]), border=True)
        st.metric("Mean rating", f"{told['mean_rating']:.2f}" if "mean_rating" in told else "–", border=True)
    _meaning(name, told)
    _distributions(name, told)


def protocol(name: str) -> None:
    """Show what a protocol makes of a data set."""
    known = {one.name: one for one in cache.protocols_of(name)}
    chosen = st.segmented_control(
        "Protocol",
        list(known),
        required=True,
        format_func=lambda p: known[p].title,
        **url_state.bind("protocol", next(iter(known)), options=known),
    )
    from recdash.splits import event_order

    st.markdown(escape(known[chosen].help))
    with layout.errors():
        facts = cache.protocol_facts(name, chosen)
        if said := event_order.warning(facts):
            st.warning(escape(said), icon=":material/schedule:")
        _parts(facts)
        with st.grid(4, min_column_width=170):
            for key, (label, meaning) in FACTS.items():
                if key in facts:
                    value = facts[key]
                    shown = (
                        value if isinstance(value, str) else f"{value:g}" if key == "positive_from" else count(value)
                    )
                    st.metric(label, shown, help=meaning, border=True)


def progress() -> None:
    """Show work that is going on, and how work ended; live."""
    if background_jobs.listed():
        st.fragment(_progress, run_every=0.7 if background_jobs.going_on() else None)()


@layout.calm
def _progress() -> None:
    for key, job in background_jobs.listed().items():
        if not job.finished:
            size = f"{job.done / 1e6:,.1f} MB" if job.done else "connecting"
            said = f"{job.done / 1e6:,.1f} of {job.total / 1e6:,.1f} MB" if job.total else size
            st.progress(job.share, text=f"{escape(job.title)}: {said}")
            continue
        if job.error:
            st.error(escape(job.error), icon=":material/error:", title=escape(job.title))
        else:
            st.success(f"{escape(job.title)}: done", icon=":material/check_circle:")
        st.button("Dismiss", key=f"dismiss.{key}", type="tertiary", on_click=_dismiss, args=(key,))
    going = background_jobs.going_on()
    if st.session_state.get("_jobs_going", False) and not going:
        st.session_state["_jobs_going"] = False
        st.rerun()
    st.session_state["_jobs_going"] = going


def releases(entries: Sequence[Entry]) -> None:
    """Offer the MovieLens releases that are not here yet."""
    missing = [entry for entry in entries if not entry.ready]
    if not missing:
        st.caption("Every release is here.")
    with st.grid(4, min_column_width=220):
        for entry in missing:
            with st.container(border=True, gap="small", height="stretch"):
                st.markdown(f"**{escape(entry.name)}**")
                st.caption(
                    f"{count(entry.interactions)} ratings, {count(entry.users)} users, {count(entry.items)} films"
                )
                if not paths.read_only():
                    busy = background_jobs.is_going_on(f"get-{entry.name}")
                    st.button(
                        "Getting" if busy else "Get",
                        icon=":material/download:",
                        key=f"get.{entry.name}",
                        on_click=_get,
                        args=(entry.name,),
                        disabled=busy,
                    )
    if missing and not paths.read_only():
        _from_zip([entry.name for entry in missing])
    st.caption(
        "MovieLens is published by GroupLens for research; its terms are in the README inside each archive. "
        "Archives are held against the published checksums."
    )


def remove(name: str) -> None:
    """Offer to remove a data set."""
    if name == "demo" or paths.read_only():
        return
    from recdash.services import datasets

    with st.popover("Remove this data set", icon=":material/delete:", type="tertiary"):
        st.markdown("Its files go. Runs trained on it stay, with their results.")
        st.button(
            "Remove it",
            icon=":material/delete_forever:",
            key=f"remove.{name}",
            on_click=run_cards.act,
            args=(datasets.remove, name),
            kwargs={"said": f"{escape(name)} is removed"},
        )


def _meaning(name: str, told: Mapping[str, Any]) -> None:
    """Say what was decided when the data came in: what counts as liked, and what orders events at the same time."""
    st.markdown(f":material/thumb_up: {escape(import_summary.feedback(told))}")
    if told["time_kind"] == "dates":
        said = import_summary.times({**told, "ties": cache.portrait(name).ties})
        st.markdown(f":material/schedule: {escape(said)}")


def _distributions(name: str, told: Mapping[str, Any]) -> None:
    seen = cache.portrait(name)
    with st.grid(2, min_column_width=330, gap=("small", "large")):
        if "ratings" in told:
            rows = [(f"{value:g}", number) for value, number in told["ratings"]]
            _picture("Ratings", "how many of each value", _bars(rows, "Rating", "Ratings"))
        share = f"the most popular tenth has {told['top_tenth_share']:.0%} of all"
        if told["items"] > 1:
            _picture("Long tail", share, basic.long_tail(seen.popularity))
        rows = [
            (str(low) if low == high else f"{low}–{high}", users) for low, high, users in _from_first(seen.activity)
        ]
        _picture("Activity", "users by their number of interactions", _bars(rows, "Interactions of a user", "Users"))
        if len(seen.months) > 1:
            _picture("Over time", f"{told['from'][:10]} to {told['to'][:10]}", basic.over_time(seen.months))


def _picture(title: str, about: str, chart: Any) -> None:
    with st.container(gap="xsmall"):
        st.markdown(f"**{title}** :gray[:small[{about}]]")
        st.altair_chart(chart, key=f"picture.{title}", width="stretch", alt=f"{title}: {about}")


def _bars(rows: Sequence[tuple[str, int]], x_title: str, y_title: str) -> Any:
    import pandas as pd

    return basic.bars(pd.DataFrame(rows, columns=["x", "y"]), "x", "y", x_title, y_title)


def _from_first(bins: Sequence[tuple[int, int, int]]) -> Sequence[tuple[int, int, int]]:
    """Drop the empty bins before the first user."""
    return bins[next((place for place, row in enumerate(bins) if row[2]), 0) :]


def _parts(facts: Mapping[str, Any]) -> None:
    users = [(part, int(facts[key])) for key, part in PARTS.items() if key in facts]
    rest = int(facts.get("users", 0)) - sum(number for _, number in users)
    if users:
        users += [("not used", rest)] if rest > 0 else []
        said = ", ".join(f"{number} {part}" for part, number in users)
        st.markdown("**Who is held out** :gray[:small[users of each part]]")
        st.altair_chart(basic.parts(users), key="parts", width="stretch", alt=f"Users: {said}")


def _get(name: str) -> None:
    from recdash.services import datasets

    background_jobs.start(f"get-{name}", f"Getting {name}", lambda note: datasets.get(name, progress=note))


def _from_zip(names: Sequence[str]) -> None:
    with st.expander("From a local archive", icon=":material/folder_zip:"):
        name = st.selectbox("Release", names, key="zip_release", width=240)
        given = st.file_uploader("Its zip, as published", type="zip", key="zip")
        if given is not None and st.button("Read it", key="read_zip", icon=":material/input:"):
            from recdash.services import datasets
            from recdash.ui.importing.uploads import kept

            path = kept(given)
            background_jobs.start(
                f"get-{name}", f"Reading {given.name}", lambda note: datasets.get(name, path, progress=note)
            )
            st.rerun()


def _dismiss(key: str) -> None:
    background_jobs.dismiss(key)
