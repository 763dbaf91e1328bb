"""Which runs a page shows: read from the URL, and changed by actions of the sidebar."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamlit as st

from recdash.analysis import run_filter
from recdash.ui import url_state

if TYPE_CHECKING:
    from recdash.services.runs import RunRecord

PIN, QUERY = "pin", "q"


@dataclass(frozen=True)
class Selection:
    """What the sidebar selects.

    Attributes:
        visible: Ids of the shown runs, in order: pinned ones first.
        pinned: Ids of the pinned runs that exist.
        matching: Ids of the runs that the filter leaves, in the order of the records.
        query: The valid filter in force; empty for none.
        unknown: Ids in the URL that name no run offered here, for example because it was deleted.
        error: Why the text in the field is not a valid filter, in one line; the last valid one stays in force.
    """

    visible: tuple[str, ...] = ()
    pinned: tuple[str, ...] = ()
    matching: tuple[str, ...] = ()
    query: str = ""
    unknown: tuple[str, ...] = ()
    error: str = ""


@dataclass(frozen=True)
class PageRules:
    """How a page selects.

    Attributes:
        shown: URL parameter with the ids of the shown runs.
        hidden: URL parameter with the ids not shown, on a page that shows everything that matches; "" elsewhere.
        floats: Whether a choice equal to the default leaves the URL and follows the default.
        limit: Most runs shown at once.
        noun: What a run is on the page, in the plural.
    """

    shown: str
    hidden: str = ""
    floats: bool = False
    limit: int = 100_000
    noun: str = "runs"


PAGES: Mapping[str, PageRules] = {
    "curves": PageRules("run", limit=40),
    "results": PageRules("only", hidden="hide"),
    "recommend": PageRules("list", floats=True, limit=8, noun="lists"),
}


def read(
    page: str, records: Sequence[RunRecord], default: Collection[str] | None, *, archived: bool = False
) -> Selection:
    """Return the selection that the URL holds.

    Args:
        page: Key of `PAGES`.
        records: The runs to select from.
        default: Ids shown until the user chooses.
        archived: Whether archived runs match as others do.
    """
    rules, known = PAGES[page], {run.id for run in records}
    url_state.bind(rules.shown, list(default or []), options=known if rules.floats else None, many=True)
    chosen = list(st.session_state[url_state.key_of(rules.shown)])
    pins = [run_id for run_id in url_state.value_list(PIN) if run_id in known]
    explicit = shows_listed(page)
    hidden = set(url_state.value_list(rules.hidden)) if rules.hidden else set()
    shown_now = [run_id for run_id in chosen if run_id in known] if explicit else list(known - hidden)
    matching, query, error = _filtered(page, records, pins, shown_now, archived)
    if not explicit:
        shown_now = [run_id for run_id in _first(pins, matching) if run_id not in hidden]
    in_url = [run_id for run_id in st.query_params.get_all(rules.shown) if run_id] if explicit else []
    unknown = [run_id for run_id in dict.fromkeys(in_url) if run_id not in known]
    visible = [run_id for run_id in pins if run_id in shown_now]
    visible += [run_id for run_id in shown_now if run_id not in pins]
    return Selection(tuple(visible), tuple(pins), tuple(matching), query, tuple(unknown), error)


def shows_listed(page: str) -> bool:
    """Whether a page shows the runs that the URL lists, rather than everything that matches."""
    rules = PAGES[page]
    return not rules.hidden or rules.shown in st.query_params


def query_text() -> str:
    """Return the text in the filter field, valid or not."""
    url_state.bind(QUERY, "")
    return str(st.session_state[url_state.key_of(QUERY)] or "")


def set_query(text: str) -> None:
    """Change the filter, from a callback."""
    url_state.set_value(QUERY, text[: run_filter.MAX_LENGTH])


def show(page: str, selection: Selection, ids: Collection[str], on: bool) -> bool:
    """Show or hide runs, from a callback; returns whether all could be shown."""
    rules = PAGES[page]
    if not shows_listed(page):
        hidden = [run_id for run_id in url_state.value_list(rules.hidden) if run_id not in ids]
        url_state.set_value(rules.hidden, hidden if on else hidden + list(ids))
        return True
    before = [run_id for run_id in st.session_state[url_state.key_of(rules.shown)] if run_id in selection.visible]
    return _write(page, _first(before, ids) if on else [run_id for run_id in before if run_id not in ids])


def show_exactly(page: str, ids: Iterable[str]) -> bool:
    """Show these runs and no others, from a callback; returns whether all could be shown."""
    return _write(page, list(dict.fromkeys(ids)))


def show_matching(page: str, selection: Selection) -> bool:
    """Show everything that matches and the pinned runs, from a callback; returns whether all could be shown."""
    rules = PAGES[page]
    if rules.hidden:
        url_state.set_value(rules.hidden, [])
        url_state.set_value(rules.shown, [])
        return True
    return _write(page, _first(selection.pinned, selection.matching))


def pin(run_id: str, on: bool) -> None:
    """Pin a run or not, from a callback."""
    pins = [other for other in url_state.value_list(PIN) if other != run_id]
    url_state.set_value(PIN, [*pins, run_id] if on else pins)


def _write(page: str, ids: list[str]) -> bool:
    rules = PAGES[page]
    limited = ids[: rules.limit]
    if rules.floats:
        url_state.set_value(rules.shown, limited)
    else:  # the default may be another one later, for example when a run starts
        st.session_state[url_state.key_of(rules.shown)] = limited
        url_state.pin(rules.shown, limited)
    return len(limited) == len(ids)


def _filtered(
    page: str, records: Sequence[RunRecord], pins: Collection[str], shown: Collection[str], archived: bool
) -> tuple[list[str], str, str]:
    """Return the matching ids, the filter in force and the error of the text in the field."""
    text, error = query_text(), ""
    valid_key = f"_runs_filter.{page}"
    for query in (text, st.session_state.get(valid_key, ""), ""):
        try:
            found = run_filter.filter_runs(query, records, pinned=pins, shown=shown, archived=archived)
        except run_filter.FilterError as invalid:
            error = error or str(invalid)
            continue
        st.session_state[valid_key] = query
        return [run.id for run in found], query, error
    return [run.id for run in records], "", error


def _first(first: Iterable[str], ids: Iterable[str]) -> list[str]:
    """Return the ids after those of `first`, each once."""
    return list(dict.fromkeys([*first, *ids]))
