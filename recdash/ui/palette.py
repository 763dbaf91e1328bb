"""The command palette: runs, titles, pages and actions by a few letters, opened with Ctrl+K on every page.

While it is closed the server does nothing for it. Open, each pause in typing reruns this fragment alone.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple
from urllib.parse import urlencode

import streamlit as st

from recdash import environment
from recdash.errors import RecdashError
from recdash.reporting.formatting import ago, escape, plural
from recdash.runs.run_colours import colour_of
from recdash.ui import background_jobs, cache, glossary
from recdash.ui.components import component

MAX_RUNS, MAX_ITEMS = 6, 6
DEMO_PRESET = "fast"
_KEY, _GO, _DONE, _JOB = "palette", "_palette_go", "_palette_done", "palette-titles-"
Pages = Mapping[str, tuple[str, str]]


class Entry(NamedTuple):
    """One line of the palette."""

    id: str
    title: str
    note: str
    score: float = 0.0
    colour: str = ""

    def view(self) -> dict[str, Any]:
        """Return what the component draws."""
        return {"id": self.id, "title": self.title, "note": self.note, "colour": self.colour}


def draw(pages: Pages, is_ready: Callable[[], bool]) -> None:
    """Mount the palette with its button.

    Args:
        pages: Title and purpose of each page that the menu shows, by name.
        is_ready: Whether titles can be searched: before, other threads still import what that needs.
    """
    st.fragment(_draw)(pages, is_ready)


def _draw(pages: Pages, is_ready: Callable[[], bool]) -> None:
    go = st.session_state.get(_GO)
    data: dict[str, Any] = {"query": "", "groups": [], "pending": False, "go": go}
    query = component.query(_KEY)  # "OPENING:TEXT", where each opening has a number of its own; empty while closed
    opening, _, text = query.partition(":")
    if query and opening != st.session_state.get(_DONE):
        groups, is_pending = _answer(text.strip(), pages, is_ready())
        data |= {
            "query": query,
            "groups": [{"title": title, "entries": [entry.view() for entry in found]} for title, found in groups],
            "pending": is_pending,
        }
    component.mount(_KEY, _KEY, data, _act)


def _answer(text: str, pages: Pages, is_ready: bool) -> tuple[list[tuple[str, list[Entry]]], bool]:
    """Return the groups of entries that fit a text, the best group first, and whether titles are still loading."""
    from recdash.services import quick_find  # lazy: import lock

    groups: list[tuple[str, list[Entry]]] = []
    try:
        active = _active_ids()
        groups.append(("Runs", [_run_entry(found) for found in quick_find.find_runs(text, MAX_RUNS)]))
    except RecdashError:
        active = []  # the page says what is wrong with the store
    items, is_pending = _items(text, is_ready)
    groups += [
        ("Titles", items),
        ("Pages", _matching(text, [Entry(f"page:{name}", title, about) for name, (title, about) in pages.items()])),
        ("Actions", _matching(text, _actions(active))),
    ]
    if text:
        fitting = set(quick_find.without_guesses([entry for _, entries in groups for entry in entries]))
        groups = [(title, [entry for entry in entries if entry in fitting]) for title, entries in groups]
    found = [(title, entries) for title, entries in groups if entries]
    if text:
        found.sort(key=lambda group: -max(entry.score for entry in group[1]))
    return found, is_pending


def _active_ids() -> list[str]:
    from recdash.services import runs  # lazy: import lock

    return [run.id for run in runs.list_runs(active=True)]


def _run_entry(found: Any) -> Entry:
    run = found.run
    best = glossary.quality(run.metrics)
    when = ago(run.finished or run.started or run.created)
    facts = [run.dataset, run.state.value, *([best] if best else []), when]
    return Entry(f"run:{run.id}", run.name, " · ".join(facts), found.score, colour_of(run.id))


def _items(text: str, is_ready: bool) -> tuple[list[Entry], bool]:
    """Return the items that fit a text, and whether a dataset is still being loaded for the search."""
    from recdash.services import quick_find  # lazy: import lock

    if not is_ready:
        return [], bool(text)
    names, busy = [], False
    for name in quick_find.searched_datasets():
        job = f"{_JOB}{cache.fingerprint(name)}"
        background_jobs.start_once(job, f"Loading {name}", partial(_load_titles, name))
        busy |= background_jobs.is_running(job)
        if not background_jobs.is_running(job):
            names.append(name)
    if len(text) < 2:
        return [], False
    found = quick_find.find_items(text, names, MAX_ITEMS)
    entries = [Entry(f"item:{one.dataset}:{one.item.id}", one.item.label, one.dataset, one.score) for one in found]
    return entries, busy


def _load_titles(name: str, report: background_jobs.JobProgress) -> None:
    from recdash.services import quick_find  # lazy: import lock

    quick_find.load_titles([name])


def _actions(active: list[str]) -> list[Entry]:
    read_only = environment.read_only()
    entries = []
    if not read_only:
        entries.append(Entry("do:train_demo", "Train all models on the demo", "Preset fast, about a minute"))
    if active:
        entries.append(Entry("do:watch", "Watch running runs", "Their curves, live"))
        if not read_only:
            entries.append(Entry("do:stop", f"Stop {plural(len(active), 'active run')}", "Can be resumed"))
    return [
        *entries,
        Entry("do:export", "Export results", "Tables as HTML, LaTeX, Markdown or CSV"),
        Entry("do:theme", "Switch between light and dark theme", "In this browser"),
        Entry("do:notify", "Notify me when runs end", "Notifications of this browser, on or off"),
        Entry("do:help", "Help: keyboard shortcuts", "Of all pages"),
    ]


def _matching(text: str, entries: list[Entry]) -> list[Entry]:
    from recdash.services import quick_find  # lazy: import lock

    if not text:
        return entries
    scored = [one._replace(score=quick_find.similarity(text, f"{one.title} {one.note}")) for one in entries]
    return quick_find.without_guesses(scored)


def _act(action: dict[str, Any]) -> None:
    """Do what was chosen, from a callback."""
    kind, _, name = str(action.get("id", "")).partition(":")
    if kind:
        st.session_state[_DONE] = str(action.get("opening", ""))
    if kind == "run":
        _go("run", id=name)
    elif kind == "page" and name:
        _go(name)
    elif kind == "item":
        dataset, _, item_id = name.partition(":")
        _go("recommend", dataset=dataset, **_picks_with(dataset, item_id))
    elif kind == "do" and name in _DO:
        try:
            _DO[name]()
        except RecdashError as error:
            st.toast(escape(str(error)), icon=":material/error:", duration="long")


def _go(page: str, **query: str | list[str]) -> None:
    """Let the component open a page as a link would, so that "back" leads to the view before.

    `st.switch_page` writes the parameters into the history entry of the page before, too.
    """
    number = st.session_state.get(_GO, {"number": 0})["number"] + 1
    parameters = f"?{urlencode(query, doseq=True)}" if query else ""
    st.session_state[_GO] = {"number": number, "address": f"{page}{parameters}"}


def _picks_with(dataset: str, item_id: str) -> dict[str, list[str]]:
    """Return the URL parameters of this session's picks on a dataset with an item added."""
    from recdash.recommend.taste import LIKE, format_mark  # lazy: torch
    from recdash.ui.recommend import taste_state  # lazy: torch

    entries = dict(taste_state.session_entries(dataset))
    entries.setdefault(item_id, LIKE)
    marks = [format_mark(mark) for mark in entries.values()]
    picks = {taste_state.PICK: list(entries)}
    return picks | ({taste_state.MARK: marks} if any(mark != LIKE for mark in entries.values()) else {})


def _train_demo() -> None:
    from recdash.services import compare  # lazy: torch

    started = compare.start(compare.requests("demo", preset=DEMO_PRESET), key=f"demo-{uuid.uuid4().hex}")
    st.session_state["_demo_ids"] = [run.id for run in started]
    _go("overview")


def _watch() -> None:
    _go("curves", run=_active_ids())


def _stop_all() -> None:
    from recdash.services import launch  # lazy: import lock

    stopped = [launch.stop(run_id) for run_id in _active_ids()]
    st.toast(f"Stopping {plural(len(stopped), 'run')} after a checkpoint", icon=":material/stop:")


_DO: dict[str, Callable[[], None]] = {
    "train_demo": _train_demo,
    "watch": _watch,
    "stop": _stop_all,
    "export": lambda: _go("results"),
}
