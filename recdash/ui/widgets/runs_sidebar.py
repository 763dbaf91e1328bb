"""The runs sidebar of Curves, Results and Recommend: which runs a page shows, found, grouped and toggled.

    selection = runs_sidebar.draw("curves", records, default=[...])
    shown = [by_id[run_id] for run_id in selection.visible]

The choices are URL parameters, written after a click only: `run` (Curves) or `list` (Recommend), the ids of the shown
runs; on Results, where everything that matches is shown, `hide`, the ids that are not, or `only` after "Show only
this"; `pin`, ids; `q`, the filter (`recdash.analysis.run_filter`); `group`. Order, folded groups and the length of the
list are of the session.

The script, the rows and the live parts of active rows are three messages, so that typing in the filter sends rows only,
and a second in which nothing happened sends a few bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import streamlit as st

from recdash import environment, paths
from recdash.analysis import run_filter, run_groups
from recdash.ui import layout, url_state
from recdash.ui.components import component
from recdash.ui.widgets import bulk_actions, live, run_rows, run_selection
from recdash.ui.widgets.run_rows import ListState
from recdash.ui.widgets.run_selection import Selection

if TYPE_CHECKING:
    from recdash.services.runs import RunRecord

__all__ = ["Selection", "draw"]

WIDTHS = {"recommend": 260}  # pixels; four lists have to fit next to it on a screen of 1440
WIDTH = 330  # pixels, on other pages
_STYLE = (  # on phones the sidebar covers the page anyway, and long names need the width; else the page needs it
    "<style>@media (max-width: 640px) "
    "{ [data-testid='stSidebar'] { width: 90vw !important; z-index: 999992; } } @media (min-width: 641px) "
    "{ [data-testid='stMainBlockContainer'] { padding-left: 2rem; padding-right: 2rem; } }</style>"
)
GROUP = "group"
_KEY = "runs_sidebar"
_OPEN = "_open_run"
# Actions after which the page itself changes; after others only the list is drawn again.
_PAGE_ACTIONS = ("show", "only", "all", "none", "pin", "open", "undo", *bulk_actions.ACTIONS)


def draw(page: str, records: Sequence[RunRecord], default: Collection[str] | None = None) -> Selection:
    """Draw the sidebar, and return what it selects. Call it once per page run, before what depends on it.

    A run stays selected while its state changes; only the user takes it out.

    Args:
        page: "curves", "results" or "recommend".
        records: The runs to offer, newest first; archived ones are listed only on request.
        default: Ids shown until the user toggles a run; on Results everything that matches is shown. None means none.
    """
    if run_id := st.session_state.pop(_OPEN, ""):
        st.switch_page("pages/run.py", query_params={"id": run_id})
    archived = {run.id for run in records if run.archived is not None}
    default = [run_id for run_id in default or () if run_id not in archived]
    if not records:
        return run_selection.read(page, records, default)
    st.set_page_config(initial_sidebar_state=WIDTHS.get(page, WIDTH))
    with st.sidebar:
        st.html(_STYLE)
        st.fragment(_draw_list)(page, records, default)
        active = [run.id for run in records if run.state.is_active()]
        if active:
            live.fragment("runs_sidebar", _draw_live, page, active)
    state = _state(page)
    selection = run_selection.read(page, records, default, archived=state.archived)
    just_deleted = {run_id for name, given in state.undo if name == "restore" for run_id in given["ids"]}
    return replace(selection, unknown=tuple(one for one in selection.unknown if one not in just_deleted))


@layout.with_error_boundary
def _draw_list(page: str, records: Sequence[RunRecord], default: Collection[str] | None) -> None:
    state = _state(page)
    selection = run_selection.read(page, records, default, archived=state.archived)
    frame = {
        "page": page,
        "canOpen": _can_open(),
        "canEdit": not environment.read_only(),
        "noun": run_selection.PAGES[page].noun,
        "help": [list(line) for line in run_filter.HELP],
    }
    component.mount(_KEY, _KEY, frame, partial(_apply, page, records, default))
    rows = run_rows.view(records, selection, _group(records), state)
    view = {"page": page, "query": run_selection.query_text(), **rows}
    component.mount("run_rows", f"{_KEY}.rows", {"view": view}, _ignore)


def _draw_live(page: str, active: Sequence[str]) -> None:
    from recdash.services import runs  # lazy: import lock

    parts = {run.id: run_rows.live_part(run) for run in runs.list_runs(ids=active)}
    component.mount("run_rows", f"{_KEY}.live", {"live": parts}, _ignore)


def _apply(page: str, records: Sequence[RunRecord], default: Collection[str] | None, action: dict[str, Any]) -> None:
    """Apply actions of the user; the browser repeats those that it does not know to be applied."""
    state, kinds = _state(page), []
    for one in action.get("actions") or [action]:
        number = float(one.get("n") or 0)
        if number and number <= state.done:
            continue
        selection = run_selection.read(page, records, default, archived=state.archived)
        kinds.append(str(one.get("kind")))
        if handle := _HANDLERS.get(kinds[-1]):
            handle(_Call(page, records, selection, state, one))
        elif kinds[-1] in bulk_actions.ACTIONS or kinds[-1] == "undo":
            bulk_actions.apply(kinds[-1], list(selection.visible), one, state)
        state.done = max(state.done, number)
    if any(kind in _PAGE_ACTIONS for kind in kinds) or (run_selection.PAGES[page].hidden and kinds):
        st.rerun()


class _Call:
    """An action, with what it is applied to."""

    def __init__(
        self,
        page: str,
        records: Sequence[RunRecord],
        selection: Selection,
        state: ListState,
        action: dict[str, Any],
    ) -> None:
        self.page, self.records, self.selection, self.state, self.action = page, records, selection, state, action
        self.id, self.on = str(action.get("id", "")), bool(action.get("on"))

    def known(self) -> list[str]:
        """Return the ids that the action names: runs on offer, or the members of a group."""
        if "group" in self.action:
            return run_rows.members(self.records, self.selection, _group(self.records), str(self.action["group"]))
        return [run.id for run in self.records if run.id == self.id]


def _show(call: _Call) -> None:
    _warn(call.page, run_selection.show(call.page, call.selection, call.known(), call.on))


def _only(call: _Call) -> None:
    if ids := call.known():
        run_selection.show_exactly(call.page, ids)


def _all(call: _Call) -> None:
    _warn(call.page, run_selection.show_matching(call.page, call.selection))


def _none(call: _Call) -> None:
    run_selection.show_exactly(call.page, [])


def _pin(call: _Call) -> None:
    for run_id in call.known():
        run_selection.pin(run_id, call.on)


def _query(call: _Call) -> None:
    run_selection.set_query(str(call.action.get("text", "")))
    call.state.rows = run_rows.ROWS


def _set_group(call: _Call) -> None:
    by = str(call.action.get("by", ""))
    if by in run_groups.KINDS or by in run_groups.differing_settings(call.records):
        url_state.set_value(GROUP, by)
        call.state.folded.clear()


def _set_order(call: _Call) -> None:
    if (order := str(call.action.get("by", ""))) in run_groups.ORDERS:
        call.state.order = order


def _fold(call: _Call) -> None:
    (call.state.folded.add if call.on else call.state.folded.discard)(str(call.action.get("group", "")))


def _more(call: _Call) -> None:
    call.state.rows += run_rows.ROWS


def _archived(call: _Call) -> None:
    call.state.archived = call.on


def _open(call: _Call) -> None:
    if call.known() and _can_open():
        st.session_state[_OPEN] = call.id


_HANDLERS: dict[str, Callable[[_Call], None]] = {
    "show": _show,
    "only": _only,
    "all": _all,
    "none": _none,
    "pin": _pin,
    "query": _query,
    "group": _set_group,
    "order": _set_order,
    "fold": _fold,
    "more": _more,
    "archived": _archived,
    "open": _open,
}


def _warn(page: str, complete: bool) -> None:
    if not complete:
        rules = run_selection.PAGES[page]
        st.toast(f"At most {rules.limit} {rules.noun} are shown. Hide one first.", icon=":material/info:")


def _group(records: Sequence[RunRecord]) -> str:
    """Return how the list is grouped; a setting in which these runs do not differ groups nothing."""
    url_state.bind(GROUP, "")
    by = str(st.session_state[url_state.key_of(GROUP)] or "")
    return by if by in run_groups.KINDS or by in run_groups.differing_settings(records) else ""


def _state(page: str) -> ListState:
    state: ListState = st.session_state.setdefault(f"_runs_list.{page}", ListState())
    return state


def _can_open() -> bool:
    return bool(st.session_state.get("_has_navigation")) and (paths.RESOURCES / "pages" / "run.py").is_file()


def _ignore(action: dict[str, Any]) -> None:
    """Rows send no actions."""
