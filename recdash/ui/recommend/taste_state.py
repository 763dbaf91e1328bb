"""The visitor's taste in this session and in the URL, with undo, and the taste that the lists show.

The lists stay still until asked: a pick made inside a list changes the taste, but not the lists. Each other change
(search, tiles, the bar of picks) updates both.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import zip_longest
from typing import Any

import streamlit as st

from recdash.recommend.taste import LIKE, Mark, format_mark, parse_mark
from recdash.recommend.taste_history import Entries, TasteHistory
from recdash.reporting.formatting import plural
from recdash.ui import cache, url_state
from recdash.ui.recommend import queries

PICK, MARK = "pick", "mark"  # URL parameters: item ids in order, and their marks unless all are likes
MAX_PICKS = 200
_HISTORY, _SHOWN, _CHANGE, _DATASET = "_taste", "_shown_taste", "_taste_change", "_taste_dataset"
_CHANGES = {
    "like": "Picked {}",
    "dislike": "{} is not for you",
    "mark": "Rated {}",
    "remove": "Removed {}",
    "move": "Moved {}",
    "clear": "Cleared all picks",
    "undo": "Undone",
    "redo": "Redone",
}


def current(dataset: str) -> TasteHistory:
    """Return the taste of this session, after the URL if the visitor opened or edited that.

    When the visitor changes the dataset, picks are carried over by title and year: ids of another dataset are those of
    other items.
    """
    before = st.session_state.get(_DATASET, dataset)
    st.session_state[_DATASET] = dataset
    if before != dataset:
        _carry_over(before, dataset)
    in_url = _from_url(dataset)
    history: TasteHistory = st.session_state.get(_HISTORY) or TasteHistory(in_url)
    if history.entries != in_url:
        history = history.set(in_url, "opened")
        st.session_state.pop(_SHOWN, None)
    st.session_state[_HISTORY] = history
    return history


def entries_of(dataset: str) -> Entries:
    """Return the entries of this session if they are of this dataset, without changing anything."""
    return _from_url(dataset) if st.session_state.get(_DATASET, dataset) == dataset else ()


def session_entries(dataset: str) -> Entries:
    """Return the entries of this session if they are of this dataset, also on other pages, whose URLs have none."""
    history: TasteHistory | None = st.session_state.get(_HISTORY)
    return history.entries if history is not None and st.session_state.get(_DATASET) == dataset else ()


def shown(dataset: str) -> Entries:
    """Return the entries that the lists answer."""
    known = queries.items(dataset)
    entries: Entries = st.session_state.setdefault(_SHOWN, current(dataset).entries)
    return tuple((item_id, mark) for item_id, mark in entries if item_id in known)


def act(dataset: str, action: dict[str, Any]) -> None:
    """Apply an action of the visitor, from a callback."""
    before = current(dataset)
    after = before.apply(action)
    if len(after.entries) > max(MAX_PICKS, len(before.entries)):
        st.toast(f"There can be {MAX_PICKS} picks at most. Remove one first.", icon=":material/info:")
        return
    if action.get("source") == "list" and st.session_state.get(_SHOWN, before.entries):
        st.session_state.setdefault(_SHOWN, before.entries)
    else:  # also for a first pick in a dialog, since no list is shown yet
        st.session_state[_SHOWN] = after.entries
    if after.entries == before.entries:
        return
    _store(after)
    item = queries.items(dataset).get(str(action.get("id", "")))
    _announce(_CHANGES.get(str(action.get("kind")), "Changed {}").format(item.label if item else ""))


def replace_all(entries: Entries, change: str) -> None:
    """Replace the whole taste, from a callback: an import, a saved taste or a test user."""
    history: TasteHistory = st.session_state.get(_HISTORY) or TasteHistory()
    after = history.set(entries[:MAX_PICKS], change)
    st.session_state[_SHOWN] = after.entries
    _store(after)
    _announce(change)


def changes_since_shown(dataset: str) -> int:
    """Return how many marks differ between the taste and the one that the lists answer."""
    return n_changes(shown(dataset), current(dataset).marks)


def n_changes(entries: Entries, marks: Mapping[str, Mark]) -> int:
    """Return how many items have other marks than in some entries."""
    before = dict(entries)
    return sum(before.get(item_id) != marks.get(item_id) for item_id in before.keys() | marks.keys())


def update_lists() -> None:
    """Let the lists answer the current taste, from a callback."""
    st.session_state.pop(_SHOWN, None)


def _store(history: TasteHistory) -> None:
    st.session_state[_HISTORY] = history
    marks = [format_mark(mark) for _, mark in history.entries]
    url_state.set_value(PICK, [item_id for item_id, _ in history.entries])
    url_state.set_value(MARK, marks if any(mark != LIKE for mark in marks) else [])
    if history.entries and _DATASET in st.session_state:  # ids are of one dataset, and the default one may change
        url_state.pin("dataset", st.session_state[_DATASET])


def announcement() -> dict[str, Any]:
    """Return the last change, for the message with the button that undoes it; its number is 0 before any."""
    change: dict[str, Any] = st.session_state.get(_CHANGE, {"text": "", "number": 0})
    return change


def _announce(text: str) -> None:
    st.session_state[_CHANGE] = {"text": text, "number": announcement()["number"] + 1}


def _carry_over(before: str, dataset: str) -> None:
    """Replace the picks by the items of another dataset with the same titles and years; undo starts anew."""
    id_of = {item.label: item_id for item_id, item in queries.items(dataset).items()}
    old = queries.items(before) if before in cache.installed() else {}
    history: TasteHistory = st.session_state.get(_HISTORY) or TasteHistory()
    if tuple(url_state.value_list(PICK, unique=False)) != tuple(item_id for item_id, _ in history.entries):
        return  # the visitor opened another link: its ids are of the new dataset
    known = [(old[item_id].label, mark) for item_id, mark in history.entries if item_id in old]
    carried = {id_of[label]: mark for label, mark in known if label in id_of}
    st.session_state.pop(_SHOWN, None)
    _store(TasteHistory(tuple(carried.items())))
    if history.entries:
        _announce(f"{len(carried)} of {plural(len(history.entries), 'pick')} carried over to {dataset}")


def _from_url(dataset: str) -> Entries:
    known, (low, high, _) = queries.items(dataset), queries.star_scale(dataset)
    ids, marks = url_state.value_list(PICK, unique=False), url_state.value_list(MARK, unique=False)
    entries: dict[str, Mark] = {}
    for item_id, text in zip_longest(ids, marks[: len(ids)], fillvalue="like"):
        if item_id in known and item_id not in entries:
            entries[item_id] = _mark_in_url(text, low, high)
    return tuple(entries.items())[:MAX_PICKS]


def _mark_in_url(text: str, low: float, high: float) -> Mark:
    """Return a mark; a like if the text is none, or stars outside the scale."""
    try:
        mark = parse_mark(text)
    except ValueError:
        return LIKE
    return mark if isinstance(mark, str) or low <= mark <= high else LIKE
