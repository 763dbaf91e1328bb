"""Layout around every page: width, heading, one-line errors, search, notices, and the tab's title."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import wraps
from importlib import import_module
from typing import Any, ParamSpec

import streamlit as st

from recdash import environment, paths
from recdash.errors import RecdashError, StoreError
from recdash.reporting.formatting import escape
from recdash.ui import cache, notices, page_title, palette, url_state
from recdash.ui.components import component

P = ParamSpec("P")
ICON = (  # inline SVG: a named icon would be fetched from the network
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="8" fill="#2f56c4"/>'
    '<path d="M8 23V9M16 23v-9M24 23V13" stroke="#fff" stroke-width="3.4" stroke-linecap="round"/></svg>'
)
PAGES = {
    "overview": ("Overview", ":material/home:", "Best models, active runs and next steps"),
    "train": ("Train", ":material/play_circle:", "Start and manage runs"),
    "curves": ("Curves", ":material/show_chart:", "Learning curves of several runs, live"),
    "results": ("Results", ":material/leaderboard:", "Test results with confidence intervals"),
    "published": ("Published", ":material/fact_check:", "Published tables: as printed, recomputed and corrected"),
    "recommend": ("Recommend", ":material/recommend:", "Pick titles and compare the models' lists"),
    "data": ("Data", ":material/database:", "Explore, download, import and remove datasets"),
    "run": ("Run", ":material/receipt_long:", "Everything that was recorded about one run"),
}
HIDDEN = ("run",)  # pages that are opened by links and not by the menu
PAGE_WIDTH = 1240  # pixels; longer text lines and wider charts are harder to read
_import_lock, _imports_done = threading.Lock(), threading.Event()
POLL_SECONDS = 2.0  # between two queries of the store while a run is active
HIDDEN_POLL_SECONDS = 10.0  # in a hidden tab, whose title shows the number of active runs


def pages() -> list[Any]:
    """Return the pages for `st.navigation`. The first is served at the root and at /overview."""
    listed: list[Any] = []
    for name, (title, icon, about) in PAGES.items():
        file = paths.RESOURCES / "pages" / f"{name}.py"
        if not listed:
            listed.append(st.Page(file, title=title, icon=icon, help=about, url_path="home", default=True))
            listed.append(st.Page(file, title=title, icon=icon, url_path=name, visibility="hidden"))
        else:
            listed.append(
                st.Page(
                    file,
                    title=title,
                    icon=icon,
                    help=about,
                    url_path=name,
                    visibility="hidden" if name in HIDDEN else "visible",
                )
            )
    return listed


def show(page: Any) -> None:
    """Run the selected page inside the layout; called by app.py.

    Until all imports are done, sessions take turns: two threads that import pandas or PyTorch at the same time can
    see a partly initialised module.
    """
    with nullcontext() if _imports_done.is_set() else _import_lock:
        _show(page)


def _show(page: Any) -> None:
    st.session_state["_inside_app"] = st.session_state["_full_rerun"] = True
    st.session_state["_running"] = ()
    with error_boundary(silent=True):
        st.session_state["_running"] = running_ids()
    page_title.enter(page.title)
    scheme = "dark" if st.context.theme.type == "dark" else "light"
    st.html(f"<style>:root {{ color-scheme: {scheme}; }}\n{component.style('page')}</style>")
    with st.container(key="frame_tools", horizontal=True, width="content", gap="small"):
        _start_polling()
        notices.draw(st.session_state["_running"])
        menu = {name: (title, about) for name, (title, _, about) in PAGES.items() if name not in HIDDEN}
        palette.draw(menu, _imports_done.is_set)
    centre = st.container(horizontal_alignment="center")
    body = centre.container(width=PAGE_WIDTH, gap="medium")
    try:
        with body, error_boundary():
            page.run()
    finally:
        page_title.leave()


def heading(title: str, about: str, *, needs_store: bool = True) -> None:
    """Start a page with its title and one sentence on its purpose. Every page calls this first.

    The page stops here with an error and a fix when an environment variable is invalid or the run store cannot be
    opened.

    Args:
        title: Title of the page.
        about: One sentence below the title.
        needs_store: Whether the page cannot work without the run store.
    """
    from recdash.services import store_access  # lazy: import lock

    _restart_in_app()
    url_state.enter_page(title)
    with st.container(gap="xsmall"):
        st.title(title, anchor=False)
        st.markdown(f":gray[{about}]")
    try:
        store_access.check_settings()
        if needs_store:
            running_ids()
    except RecdashError as error:
        _show_error(error)
        st.stop()
    if environment.read_only():
        st.badge(
            "Read-only: training and importing are disabled (RECDASH_READ_ONLY is set)",
            icon=":material/lock:",
            color="gray",
        )


def title(text: str) -> None:
    """Say in the tab's title what the page shows, such as "Mult-VAE, RecVAE: NDCG@100"; the page's name is appended.

    Args:
        text: Plain text; names of runs are allowed. Without a call the title is the page's name.
    """
    page_title.set_text(text)


def link(page: str, label: str, **query: str | list[str]) -> None:
    """Link to another page; `query` holds its URL parameters."""
    if st.session_state.get("_has_navigation"):
        icon = PAGES[page][1]
        st.page_link(f"pages/{page}.py", label=label, icon=icon, query_params=query or None)


def generated_note() -> None:
    """Mark generated ratings wherever the demo dataset is shown."""
    st.badge(
        "Demo: the movies are real, the ratings are generated",
        icon=":material/science:",
        color="orange",
        help="The demo contains no ratings by real people. For real data, open the Data page.",
    )


@contextmanager
def error_boundary(*, silent: bool = False) -> Iterator[None]:
    """Show an expected error as one line instead of a traceback, or not at all if `silent`."""
    try:
        yield
    except RecdashError as error:
        if not silent:
            _show_error(error)


def with_error_boundary(function: Callable[P, None]) -> Callable[P, None]:
    """Wrap a fragment in `error_boundary`: Streamlit reruns fragments without the layout around them."""

    @wraps(function)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> None:
        with error_boundary():
            function(*args, **kwargs)

    return wrapped


def running_ids() -> tuple[str, ...]:
    """Return the ids of all queued and running runs."""
    from recdash.services import runs  # lazy: import lock

    return tuple(sorted(run.id for run in runs.list_runs(active=True)))


def is_running() -> bool:
    """Whether any run was queued or running when the page was opened."""
    return bool(st.session_state.get("_running"))


def _restart_in_app() -> None:
    """Start over through app.py when Streamlit ran a page directly.

    Streamlit serves every file of a folder named pages/ as a page until `st.navigation` is first called. A server
    whose first request is for /train has not called it yet: call it here and rerun.
    """
    inside_app = st.session_state.pop("_inside_app", False)
    st.session_state["_has_navigation"] = inside_app
    if not inside_app and "_restarted" not in st.session_state:
        st.session_state["_restarted"] = True
        st.set_page_config(page_title="recdash", page_icon=ICON)
        st.navigation(pages(), position="top")
        st.rerun()


def _start_polling() -> None:
    """Keep the number of active runs in the tab's title current; rerun the page when a run starts or ends."""
    st.fragment(_poll)()


def _poll() -> None:
    if is_running() or not _imports_done.is_set():
        component.timer("poll", POLL_SECONDS, HIDDEN_POLL_SECONDS)
    if not st.session_state.pop("_full_rerun", False) and not _imports_done.is_set():
        _import_services()  # first timer tick: the page is on screen, so no user waits for the imports
    ids: tuple[str, ...] = st.session_state.get("_running", ())
    with error_boundary(silent=True):
        from recdash.services import launch  # lazy: import lock

        ids = running_ids()
        if ids:
            launch.ensure_supervisor()
    if ids != st.session_state.get("_running", ()):
        st.rerun()
    page_title.write()


def _show_error(error: RecdashError) -> None:
    if not isinstance(error, StoreError):
        st.error(escape(str(error)), icon=":material/error:")
        return
    st.error(escape(str(error)), icon=":material/database_off:", title="The run store cannot be opened")
    st.markdown(
        "No results are lost: the weights, curves and results of each run are stored in a separate folder. "
        "`recdash doctor` diagnoses the problem; `recdash doctor --fix` moves a damaged store aside and rebuilds it "
        "from these folders."
    )
    if "damaged" in str(error) and not environment.read_only():
        st.button("Rebuild the store", icon=":material/healing:", on_click=_rebuild_store, type="primary")


def _rebuild_store() -> None:
    from recdash.services import doctor  # lazy: import lock

    try:
        st.toast(escape(doctor.rebuild_store()), icon=":material/check_circle:", duration="long")
    except RecdashError as error:
        st.toast(escape(str(error)), icon=":material/error:", duration="long")


def _import_services() -> None:
    """Import what the other pages need, once per server."""
    with _import_lock, error_boundary(silent=True):
        for name in ("pandas", "scipy.sparse", "scipy.special"):  # else imported by functions, maybe two at once
            import_module(name)
        for name in ("options", "datasets", "recommend"):
            import_module(f"recdash.services.{name}")
        cache.models()
        cache.protocols()
        gc.freeze()  # imported modules stay in memory; scanning them in every collection costs a page 0.1 s
        _imports_done.set()
