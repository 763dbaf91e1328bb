"""Selections that live in the page's address, so that a view survives a reload and can be sent to somebody.

A widget takes `**bind("dataset", ...)`: its value is then `?dataset=...`, absent while it is the default.
The address wins when it was opened, edited or reached by "back"; the widget wins when somebody uses it. Ids of runs
and films are what is written there, not the words that are shown, so renaming breaks no link. (Streamlit's own
binding writes the words, and forgets them when another page is visited.)
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

_LATE = 1.0  # seconds in which a browser may still send the address from before our last change


@dataclass(frozen=True)
class _Kept:
    """What the address says about one parameter, as this session knows it."""

    texts: tuple[str, ...]
    before: tuple[str, ...] = ()
    since: float = 0.0


def enter(page: str) -> None:
    """Say which page is being shown, at its beginning."""
    st.session_state["_entering"] = page != st.session_state.get("_page")
    st.session_state["_page"] = page


def bind(
    param: str,
    default: Any = None,
    *,
    options: Collection[Any] | None = None,
    many: bool = False,
    read: Callable[[str], Any] = str,
) -> dict[str, Any]:
    """Prepare a widget whose value lives in the address; pass the result on to it.

    options: what may be chosen; anything else in the address is passed over.  many: the value is a list.
    read: turns text into a value; ValueError passes it over.
    """
    key = key_of(param)
    texts, changed = _current(param)
    if changed or not texts or key not in st.session_state:  # an address that says nothing means the default of now
        st.session_state[key] = _value(texts, default, options, many, read)
    elif options is not None:
        st.session_state[key] = _still_there(st.session_state[key], default, options, many)
    st.session_state[f"_default.{param}"] = default
    return {"key": key, "on_change": _changed, "args": (param,)}


def key_of(param: str) -> str:
    """Return the name of a parameter's widget in the session."""
    return f"url.{param}"


def value_list(param: str, options: Collection[str] | None = None) -> list[str]:
    """Return a list of texts that lives in the address without a widget, such as the picked films."""
    key = key_of(param)
    texts, changed = _current(param)
    if changed or key not in st.session_state:
        st.session_state[key] = _value(texts, [], options, True, str)
    st.session_state[f"_default.{param}"] = []
    return list(st.session_state[key])


def put(param: str, value: Any) -> None:
    """Change a value from a callback."""
    st.session_state[key_of(param)] = value
    _changed(param)


def _changed(param: str) -> None:
    """Write a widget's value into the address."""
    value = st.session_state.get(key_of(param))
    texts = () if value == st.session_state.get(f"_default.{param}") else _texts(value)
    kept = _memory().get(param, _Kept(()))
    _memory()[param] = _Kept(texts, kept.texts, time.monotonic())
    _write(param, texts)


def _current(param: str) -> tuple[tuple[str, ...], bool]:
    """Return what the address means now, and whether that came from outside."""
    address = tuple(st.query_params.get_all(param))
    kept = _memory().get(param)
    if kept is None:
        _memory()[param] = _Kept(address)
        return address, True
    if address == kept.texts:
        return address, False
    came_back = not address and st.session_state.get("_entering", False)  # the menu opens pages without parameters
    late = address == kept.before and time.monotonic() - kept.since < _LATE
    if came_back or late:
        _write(param, kept.texts)
        return kept.texts, False
    _memory()[param] = _Kept(address, kept.texts)
    return address, True


def _value(
    texts: Sequence[str], default: Any, options: Collection[Any] | None, many: bool, read: Callable[[str], Any]
) -> Any:
    if not texts:
        return list(default or []) if many else default
    found = []
    for text in texts:
        try:
            value = read(text)
        except ValueError:
            continue
        if text and (options is None or value in options) and value not in found:
            found.append(value)
    if many:
        return found
    return found[-1] if found else default


def _still_there(value: Any, default: Any, options: Collection[Any], many: bool) -> Any:
    """Return the value without what is no longer offered."""
    if many:
        return [one for one in value or [] if one in options]
    return value if value in options else default


def _texts(value: Any) -> tuple[str, ...]:
    if isinstance(value, (list, tuple)):
        return tuple(map(str, value)) or ("",)
    return (str(value),) if value is not None else ("",)


def _write(param: str, texts: tuple[str, ...]) -> None:
    if texts:
        st.query_params[param] = list(texts)
    elif param in st.query_params:
        del st.query_params[param]


def _memory() -> dict[str, _Kept]:
    found: dict[str, _Kept] = st.session_state.setdefault("_address", {})
    return found


def flag(text: str) -> bool:
    """Read a yes or no from the address."""
    return text.lower() in ("true", "1", "yes")
