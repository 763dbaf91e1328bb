"""Selections stored in the URL, so that a view survives a reload and can be shared.

A widget takes `**bind("dataset", ...)`: its value is then `?dataset=...`, absent while it is the default.
The URL wins when it was opened, edited or reached by "back"; the widget wins when the user changes it. The URL holds
ids of runs and items, not their labels, so renaming breaks no link. (Streamlit's own binding writes labels and
drops them when another page is visited.)
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

_ECHO_SECONDS = 1.0  # seconds in which the browser may still send the URL from before our last change


@dataclass(frozen=True)
class _KnownValue:
    """The last known values of one URL parameter in this session."""

    texts: tuple[str, ...]
    previous: tuple[str, ...] = ()
    changed_at: float = 0.0


def enter_page(page: str) -> None:
    """Record which page is shown; called at the start of a page."""
    st.session_state["_page_changed"] = page != st.session_state.get("_page")
    st.session_state["_page"] = page


def bind(
    param: str,
    default: Any = None,
    *,
    options: Collection[Any] | None = None,
    many: bool = False,
    read: Callable[[str], Any] = str,
) -> dict[str, Any]:
    """Return the keyword arguments that bind a widget's value to a URL parameter.

    Args:
        param: Name of the URL parameter.
        default: Value while the URL does not have the parameter.
        options: Allowed values; others in the URL are ignored.
        many: Whether the value is a list.
        read: Converts text to a value; text for which it raises ValueError is ignored.
    """
    key = key_of(param)
    texts, changed = _current(param)
    if changed or not texts or key not in st.session_state:  # without a parameter the current default holds
        st.session_state[key] = _value(texts, default, options, many, read)
    elif options is not None:
        available = _drop_unavailable(st.session_state[key], default, options, many)
        # a choice that another table did not offer is in the URL still: it holds again where it is offered
        st.session_state[key] = _value(texts, default, options, many, read) if available == default else available
    st.session_state[f"_default.{param}"] = default
    return {"key": key, "on_change": _changed, "args": (param,)}


def key_of(param: str) -> str:
    """Return the session-state key of a parameter's widget."""
    return f"url.{param}"


def value_list(param: str, *, unique: bool = True) -> list[str]:
    """Return a list of texts stored in the URL without a widget, such as the picked items."""
    key = key_of(param)
    texts, changed = _current(param)
    if changed or key not in st.session_state:
        st.session_state[key] = _value(texts, [], None, True, str) if unique else [text for text in texts if text]
    st.session_state[f"_default.{param}"] = []
    return list(st.session_state[key])


def set_value(param: str, value: Any) -> None:
    """Set a value from a callback."""
    st.session_state[key_of(param)] = value
    _changed(param)


def forget(param: str) -> None:
    """Let the default hold again on a page that was opened by a link without this parameter."""
    if param not in st.query_params:
        _known_values()[param] = _KnownValue(())
        st.session_state.pop(key_of(param), None)


def pin(param: str, value: Any) -> None:
    """Write a widget's value to the URL even if it is the default, for a default that may be another one later."""
    _record(param, _texts(value))


def changed(params: Collection[str]) -> list[str]:
    """Return the parameters that are in the URL, which has those with another value than their default."""
    return [param for param in params if param in st.query_params]


def reset(params: Collection[str]) -> None:
    """Set parameters to their defaults, from a callback."""
    for param in changed(params):
        set_value(param, st.session_state.get(f"_default.{param}"))


def _changed(param: str) -> None:
    """Write a widget's value to the URL."""
    value = st.session_state.get(key_of(param))
    _record(param, () if value == st.session_state.get(f"_default.{param}") else _texts(value))


def _record(param: str, texts: tuple[str, ...]) -> None:
    known = _known_values().get(param, _KnownValue(()))
    _known_values()[param] = _KnownValue(texts, known.texts, time.monotonic())
    _write(param, texts)


def _current(param: str) -> tuple[tuple[str, ...], bool]:
    """Return the current values of a parameter and whether the user changed them in the URL."""
    in_url = tuple(st.query_params.get_all(param))
    known = _known_values().get(param)
    if known is None:
        _known_values()[param] = _KnownValue(in_url)
        return in_url, True
    if in_url == known.texts:
        return in_url, False
    came_back = not in_url and st.session_state.get("_page_changed", False)  # the menu opens pages without parameters
    delayed = in_url == known.previous and time.monotonic() - known.changed_at < _ECHO_SECONDS
    if came_back or delayed:
        _write(param, known.texts)
        return known.texts, False
    _known_values()[param] = _KnownValue(in_url, known.texts)
    return in_url, True


def _value(
    texts: Sequence[str], default: Any, options: Collection[Any] | None, many: bool, read: Callable[[str], Any]
) -> Any:
    if not texts:
        return list(default or []) if many else default
    values = []
    for text in texts:
        try:
            value = read(text)
        except ValueError:
            continue
        if text and (options is None or value in options) and value not in values:
            values.append(value)
    if many:  # an empty text means that nothing is chosen; if nothing of a choice is left, the default holds
        return values if values or not any(texts) else list(default or [])
    return values[-1] if values else default


def _drop_unavailable(value: Any, default: Any, options: Collection[Any], many: bool) -> Any:
    """Return the value without options that no longer exist."""
    if many:
        return [one for one in value or [] if one in options]
    return value if value in options else default


def _texts(value: Any) -> tuple[str, ...]:
    if isinstance(value, list):
        return tuple(map(str, value)) or ("",)
    if isinstance(value, tuple):  # both ends of a slider
        return (",".join(map(str, value)),)
    return (str(value),) if value is not None else ("",)


def _write(param: str, texts: tuple[str, ...]) -> None:
    if texts:
        st.query_params[param] = list(texts)
    elif param in st.query_params:
        del st.query_params[param]


def _known_values() -> dict[str, _KnownValue]:
    known: dict[str, _KnownValue] = st.session_state.setdefault("_url_values", {})
    return known


def parse_flag(text: str) -> bool:
    """Parse a boolean from the URL."""
    return text.lower() in ("true", "1", "yes")
