"""The frame around every page: its width, its errors in words, and the note in the tab's title while something runs."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import wraps
from importlib import import_module
from typing import Any, ParamSpec

import streamlit as st

from recdash import paths
from recdash.errors import RecdashError, StoreError
from recdash.reporting.formatting import escape
from recdash.ui import cache, url_state

P = ParamSpec("P")
ICON = (  # drawn here: an icon by name would be fetched from the network
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="8" fill="#2f56c4"/>'
    '<path d="M8 23V9M16 23v-9M24 23V13" stroke="#fff" stroke-width="3.4" stroke-linecap="round"/></svg>'
)
PAGES = {
    "overview": ("Overview", ":material/home:", "What is here, what is best, what next"),
    "train": ("Train", ":material/play_circle:", "Start trainings and look after them"),
    "curves": ("Curves", ":material/show_chart:", "Learning curves, live and side by side"),
    "results": ("Results", ":material/leaderboard:", "What the models reached, with intervals"),
    "published": ("Published", ":material/fact_check:", "Public tables: as printed, as computed, as they should be"),
    "recommend": ("Recommend", ":material/movie:", "Pick films, see every model's list"),
    "data": ("Data", ":material/database:", "Data sets: get, import, look, remove"),
}
WIDTH = 1240  # pixels; text lines and charts get no easier to read beyond it
_one_by_one, _warm = threading.Lock(), threading.Event()
ASK_EVERY = 2.0  # seconds between looks at the store while something runs


def pages() -> list[Any]:
    """Return the pages for `st.navigation`; the first is at the root, and at /overview as well."""
    found: list[Any] = []
    for name, (title, icon, about) in PAGES.items():
        file = paths.PROJECT / "pages" / f"{name}.py"
        if not found:
            found.append(st.Page(file, title=title, icon=icon, help=about, url_path="home", default=True))
            found.append(st.Page(file, title=title, icon=icon, url_path=name, visibility="hidden"))
        else:
            found.append(st.Page(file, title=title, icon=icon, help=about, url_path=name))
    return found


def show(page: Any) -> None:
    """Run the chosen page inside the frame; called by app.py.

    Until everything is imported, runs go one by one: two threads that import pandas or PyTorch at the same time can
    see half of a module.
    """
    with nullcontext() if _warm.is_set() else _one_by_one:
        _show(page)


def _show(page: Any) -> None:
    st.session_state["_framed"] = st.session_state["_whole_run"] = True
    st.session_state["_running"] = ()
    with errors(aloud=False):
        st.session_state["_running"] = running_ids()
    _watch(page.title)
    with st.container(horizontal_alignment="center"), st.container(width=WIDTH, gap="medium"), errors():
        page.run()


def heading(title: str, about: str, *, needs_store: bool = True) -> None:
    """Open a page: its name and one sentence on what it is for. The first thing that any page does.

    The page ends here, with the way to mend it, when a setting of the environment means nothing or, with needs_store,
    when the store of runs cannot be used.
    """
    from recdash.services import store_access

    _hand_over()
    url_state.enter(title)
    with st.container(gap="xsmall"):
        st.title(title, anchor=False)
        st.markdown(f":gray[{about}]")
    try:
        store_access.check_settings()
        if needs_store:
            running_ids()
    except RecdashError as error:
        _say(error)
        st.stop()
    if paths.read_only():
        st.badge("Look and recommend only: RECDASH_READ_ONLY is set", icon=":material/lock:", color="gray")


def link(page: str, label: str, **query: str | list[str]) -> None:
    """Link to another page."""
    if st.session_state.get("_linked"):
        icon = PAGES[page][1]
        st.page_link(f"pages/{page}.py", label=label, icon=icon, query_params=query or None)


def generated_note() -> None:
    """Say what has to be said wherever the demo is shown."""
    st.badge(
        "Demo: the films are real, the tastes are generated",
        icon=":material/science:",
        color="orange",
        help="Nobody's real ratings are part of it. What holds for real people needs real data: see the Data page.",
    )


@contextmanager
def errors(*, aloud: bool = True) -> Iterator[None]:
    """Show what can go wrong as one line, never as a traceback."""
    try:
        yield
    except RecdashError as error:
        if aloud:
            _say(error)


def calm(function: Callable[P, None]) -> Callable[P, None]:
    """Give a fragment the same manners: it is run again without the frame around it."""

    @wraps(function)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> None:
        with errors():
            function(*args, **kwargs)

    return wrapped


def running_ids() -> tuple[str, ...]:
    """Return the ids of all queued and running runs."""
    from recdash.services import runs

    return tuple(sorted(run.id for run in runs.listing(active=True)))


def is_running() -> bool:
    """Whether anything was queued or running when the page was opened."""
    return bool(st.session_state.get("_running"))


def pace() -> float | None:
    """How often live parts look again: once a second while something runs, not at all at rest."""
    return 1.0 if is_running() else None


def _hand_over() -> None:
    """Let app.py draw the frame when Streamlit ran a page without it.

    Streamlit takes a folder called pages/ for pages of its own until `st.navigation` is first called. On a server
    that was first asked for /train, say, nobody has called it: do so here, and start over.
    """
    framed = st.session_state.pop("_framed", False)
    st.session_state["_linked"] = framed
    if not framed and "_handed_over" not in st.session_state:
        st.session_state["_handed_over"] = True
        st.set_page_config(page_title="recdash", page_icon=ICON)
        st.navigation(pages(), position="top")
        st.rerun()


def _watch(title: str) -> None:
    """Keep the tab's title true; when runs begin or end, run the whole page again."""
    st.fragment(_look, run_every=ASK_EVERY if is_running() or not _warm.is_set() else None)(title)


def _look(title: str) -> None:
    if not st.session_state.pop("_whole_run", False) and not _warm.is_set():
        _warm_up()  # the timer's first call: the page is drawn, and nobody waits
    ids: tuple[str, ...] = st.session_state.get("_running", ())
    with errors(aloud=False):
        from recdash.services import launch

        ids = running_ids()
        if ids:
            launch.keep_going()
    if ids != st.session_state.get("_running", ()):
        st.rerun()
    note = f"({len(ids)} running) " if ids else ""
    st.set_page_config(page_title=f"{note}{title} · recdash")


def _say(error: RecdashError) -> None:
    if not isinstance(error, StoreError):
        st.error(escape(str(error)), icon=":material/error:")
        return
    st.error(escape(str(error)), icon=":material/database_off:", title="The store of runs cannot be used")
    st.markdown(
        "Nothing is lost: every run keeps its weights, curves and results in a folder of its own. "
        "`recdash doctor` says what is wrong, `recdash doctor --mend` moves a damaged store aside and rebuilds it "
        "from those folders."
    )
    if "damaged" in str(error) and not paths.read_only():
        st.button("Rebuild the store now", icon=":material/healing:", on_click=_mend, type="primary")


def _mend() -> None:
    from recdash.services import doctor

    try:
        st.toast(escape(doctor.mend_store()), icon=":material/check_circle:", duration="long")
    except RecdashError as error:
        st.toast(escape(str(error)), icon=":material/error:", duration="long")


def _warm_up() -> None:
    """Import what the other pages will need, once per server."""
    with _one_by_one, errors(aloud=False):
        for name in ("options", "datasets", "recommend"):
            import_module(f"recdash.services.{name}")
        cache.models()
        cache.protocols()
        gc.freeze()  # what was imported stays; looking through it again and again would cost each page 0.1 s
        _warm.set()
