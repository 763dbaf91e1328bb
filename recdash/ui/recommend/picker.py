"""Finding items and the visitor's picks: search, tiles, the bar of picks, and other ways to start."""

from __future__ import annotations

from typing import Any

import streamlit as st

from recdash.recommend.taste import Mark
from recdash.ui import layout
from recdash.ui.components import component
from recdash.ui.recommend import details, queries, taste_state
from recdash.ui.recommend.item_view import item_view

MAX_FOUND, N_TILES = 7, 12
_SEARCH, _TILES, _BAR = "title_search", "item_tiles", "taste_bar"
_MARKS = {"like": "picked", "dislike": "not for you"}


@st.fragment
@layout.with_error_boundary
def search(dataset: str) -> None:
    """Draw the search field; while the visitor types, only this fragment reruns."""
    history, words = taste_state.current(dataset), queries.item_words(dataset)
    text = component.query(_SEARCH).strip()
    found = queries.find_items(dataset, text, MAX_FOUND) if text else []
    marks = history.marks
    data = {
        "label": f"Search {words.plural}",
        "placeholder": f"Search {words.plural} by title. Typos are fine, Enter takes the first.",
        "nothing": f"No {words.singular} has a title like “{text[:60]}”.",
        "query": text,
        "results": [
            {**item_view(item), "mark": _MARKS.get(str(marks.get(item.id, "")), "rated" if item.id in marks else "")}
            for item in found
        ],
        "focus": True,
        "canUndo": bool(history.past),
        "canRedo": bool(history.future),
        "message": taste_state.announcement(),
    }
    component.mount(_SEARCH, _SEARCH, data, _taste_action(dataset), reruns_page=True)


def tiles(dataset: str, marks: dict[str, Mark]) -> None:
    """Draw popular and different items to tap."""
    words = queries.item_words(dataset)
    items = queries.starter_items(dataset, N_TILES)
    data = {
        "label": f"Popular {words.plural} to start with",
        "items": [item_view(item, marks.get(item.id)) for item in items],
    }
    component.mount(_TILES, _TILES, data, _taste_action(dataset))


def taste_bar(dataset: str) -> None:
    """Draw the picks in their order, with undo and redo."""
    history, known = taste_state.current(dataset), queries.items(dataset)
    low, high, step = queries.star_scale(dataset)
    data = {
        "title": "Your picks",
        "note": f"{len(history.entries)}, tap for options" if len(history.entries) > 1 else "",
        "entries": [
            {**item_view(known[item_id], mark), "label": known[item_id].label}
            for item_id, mark in history.entries
            if item_id in known
        ],
        "scale": {"low": low, "high": high, "step": step},
        "canUndo": bool(history.past),
        "canRedo": bool(history.future),
    }
    component.mount(_BAR, _BAR, data, _taste_action(dataset))


def _taste_action(dataset: str) -> component.Handler:
    def handle(action: dict[str, Any]) -> None:
        if action.get("kind") == "details":
            details.request(str(action.get("id", "")))
        else:
            taste_state.act(dataset, action)

    return handle
