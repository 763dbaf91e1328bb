"""Mounts the page's own components: HTML and JavaScript for what Streamlit's widgets cannot do.

Each is a pair of files NAME.js and NAME.css next to this one. They draw what `data` says, with text as text nodes, and
answer with actions such as {"kind": "like", "id": "260"}; they keep no state that matters.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import streamlit as st

_FOLDER = Path(__file__).parent
_HTML = '<div class="root"></div>'
_SMALL = {"pulse": ("turns",), "curve_data": (), "run_rows": ()}  # sent every second, so without shared.js
_LIBRARIES = {"curve_board": ("vendor/uplot/uplot.min",)}  # sent with the component's own script
Handler = Callable[[dict[str, Any]], None]


def mount(name: str, key: str, data: Mapping[str, Any], on_action: Handler, *, reruns_page: bool = False) -> None:
    """Draw a component; `on_action` gets each action of the visitor before the page reruns.

    Args:
        name: Name of the component, such as "ranked_lists".
        key: Key of this instance.
        data: JSON values to draw.
        on_action: Called with the action, from a callback.
        reruns_page: Whether an action inside a fragment reruns the whole page.
    """

    def handle() -> None:
        action = st.session_state[key].get("action")
        if action:
            on_action(dict(action))
            if reruns_page:
                st.rerun()

    # Streamlit looks for tables in lists, and imports pandas for that, but not in tuples. Both are the same JSON.
    plain = {name: tuple(value) if isinstance(value, list) else value for name, value in data.items()}
    _renderer(name)(key=key, data=plain, on_action_change=handle, on_query_change=_ignore)


def timer(key: str, seconds: float, hidden_seconds: float = 0) -> None:
    """Mount "pulse", a timer in the browser that reruns the fragment around it.

    Args:
        key: Key of the timer, unique on the page.
        seconds: Seconds from an answer to the next request.
        hidden_seconds: The same while the tab is hidden; 0 stops the timer until the tab is shown.
    """
    count = st.session_state[f"_pulse.{key}"] = st.session_state.get(f"_pulse.{key}", 0) + 1
    data = {"milliseconds": round(1000 * seconds), "hidden": round(1000 * hidden_seconds)}
    with st.container(key=f"pulse.{key}", height=1, border=False):
        # The count makes every answer a new one, which starts the timer again.
        _renderer("pulse")(key=f"pulse.{key}.timer", data={**data, "count": count}, on_tick_change=_ignore)


def query(key: str) -> str:
    """Return the text in the search field of an instance of "title_search"."""
    state = st.session_state.get(key) or {}
    return str(state.get("query") or "")


@st.cache_resource(show_spinner=False)
def style(name: str) -> str:
    """Return the text of a style sheet in this folder."""
    return (_FOLDER / f"{name}.css").read_text(encoding="utf-8")


def _ignore() -> None:
    """A changed query, or a tick, only reruns the fragment."""


@st.cache_resource(show_spinner=False)
def _renderer(name: str) -> Any:
    parts = (*_SMALL.get(name, ("turns", "shared", *_LIBRARIES.get(name, ()))), name)
    script = "\n".join((_FOLDER / f"{part}.js").read_text(encoding="utf-8") for part in parts)
    css = "\n".join(style(part) for part in parts if part != "turns")
    if name in _SMALL:
        script = "\n".join(line for line in map(str.strip, script.splitlines()) if line and not line.startswith("//"))
    return st.components.v2.component(f"recdash_{name}", html=_HTML, css=css, js=script)
