"""The details of one item: what every list makes of it and why, similar items, and the visitor's mark."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import streamlit as st

from recdash.recommend.taste import DISLIKE, LIKE, Mark, format_mark
from recdash.reporting.formatting import escape, plural
from recdash.ui.components import component
from recdash.ui.recommend import queries, taste_state
from recdash.ui.recommend.item_view import item_view

if TYPE_CHECKING:
    from recdash.services.recommend import Recommendations

_REQUEST = "_details"
N_SIMILAR = 6
KINDS = {"contribution": "share of the score, exact", "score drop": "share of the drops when left out"}


def request(item_id: str) -> None:
    """Ask for the details of an item, from a callback."""
    st.session_state[_REQUEST] = item_id


def show_requested(dataset: str, answer: Recommendations | None, labels: Mapping[str, str]) -> None:
    """Open the details that were asked for, once."""
    item = queries.items(dataset).get(st.session_state.pop(_REQUEST, ""))
    if item is None:
        return

    @st.dialog(escape(item.label), width="large", on_dismiss="rerun")
    def dialog() -> None:
        _facts(dataset, item.id)
        _marks(dataset, item.id)
        if answer is not None and answer.lists:
            _places(answer, labels, item.id)
        _similar(dataset, answer, labels, item.id)

    dialog()


def _facts(dataset: str, item_id: str) -> None:
    item, popularity = queries.items(dataset)[item_id], queries.item_popularity(dataset)
    count, percentile = int(popularity.counts_of([item])[0]), 100 * float(popularity.percentiles_of([item])[0])
    parts = [
        escape(", ".join(item.genres)),
        f"{plural(count, 'interaction')}, more popular than {int(percentile)}% of all",
    ]
    if item.alternatives:
        parts.append(f"also known as {escape(', '.join(item.alternatives))}")
    st.caption("  \n".join(filter(None, parts)))


def _marks(dataset: str, item_id: str) -> None:
    """Draw the visitor's mark of the item."""
    low, high, step = queries.star_scale(dataset)
    stars = [f"{low + number * step:g}" for number in range(round((high - low) / step) + 1)]
    mark: Mark | None = taste_state.current(dataset).marks.get(item_id)
    key = f"mark.{item_id}"
    st.session_state[key] = None if mark is None else format_mark(mark)

    def change() -> None:
        chosen = st.session_state[key]
        action: dict[str, Any] = (
            {"kind": "mark", "id": item_id, "mark": chosen} if chosen else {"kind": "remove", "id": item_id}
        )
        taste_state.act(dataset, {**action, "source": "list"})

    icons = {LIKE: ":material/favorite: Like", DISLIKE: ":material/remove: Not for me"}
    st.segmented_control(
        "Your mark",
        [LIKE, DISLIKE, *stars],
        format_func=lambda text: icons.get(text, f"{text} ★"),
        key=key,
        on_change=change,
    )


def _places(answer: Recommendations, labels: Mapping[str, str], item_id: str) -> None:
    st.markdown("**In the lists**")
    for one in answer.lists:
        ranked = next((ranked for ranked in one.items if ranked.item.id == item_id), None)
        if ranked is None:
            st.markdown(f"{escape(labels[one.key])} :gray[not among its first {len(one.items)}]")
            continue
        scale = one.scale.about if one.scale else ""
        st.markdown(
            f"{escape(labels[one.key])} **#{ranked.rank}** :gray[score {escape(ranked.score_text)}]", help=scale or None
        )
        reasons = ranked.because
        if len(reasons) > 1:
            total = sum(reason.share for reason in reasons)
            rows = " · ".join(f"{escape(reason.pick.label)} {reason.share / total:.0%}" for reason in reasons[:6])
            st.caption(f"{KINDS[one.reason_kind].capitalize()}: {rows}")


def _similar(dataset: str, answer: Recommendations | None, labels: Mapping[str, str], item_id: str) -> None:
    """List similar items according to a model of the visitor's choice."""
    lists = [one for one in answer.lists if one.run is not None] if answer is not None else []
    chosen = None
    if len(lists) > 1:
        chosen = st.selectbox(
            "Similar according to", [one.key for one in lists], format_func=lambda key: labels[key], key="similar_by"
        )
    elif lists:
        chosen = lists[0].key
    found = queries.similar_items(dataset, chosen, item_id, N_SIMILAR)
    st.markdown("**Similar**", help=f"{found.measure}." if found.measure else None)
    if found.note:
        st.caption(escape(f"{found.note[0].upper()}{found.note[1:]}."))
    marks = taste_state.current(dataset).marks
    data = {"label": "Similar items", "items": [item_view(one.item, marks.get(one.item.id)) for one in found.items]}

    def handle(action: dict[str, Any]) -> None:
        taste_state.act(dataset, {**action, "source": "list"})

    component.mount("item_tiles", "similar_tiles", data, handle)
