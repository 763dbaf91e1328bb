"""The search space in the form of a search: per model one row per setting, with the values that are tried."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamlit as st

from recdash.models import registry
from recdash.reporting.formatting import escape, plural
from recdash.services import tuning
from recdash.settings import format_setting, settings_of
from recdash.tuning import search_space

if TYPE_CHECKING:
    from recdash.services.options import ModelChoice
    from recdash.services.tuning import SearchedSetting

FORMS = "log:1e-4..1e-2, 0.1..0.7, 0.1..0.7 step 0.1 or choice:64,100,200"
_PREFIX = "space/"


@dataclass(frozen=True)
class SpaceOf:
    """What the values of a preset depend on: dataset, split and preset."""

    dataset: str
    preset: str
    protocol: str
    split_seed: int


def draw(models: Sequence[ModelChoice], of: SpaceOf) -> None:
    """Draw the rows of one model; with several models, a choice of the model whose rows are shown."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.subheader("Search space", anchor=False, width="stretch")
        changed = [model for model in models if given(model.name, of)]
        if changed:
            st.button("Reset", icon=":material/undo:", type="tertiary", key="space_reset", on_click=reset)
    if not models:
        return
    names = {model.name: model.title for model in models}
    shown = next(iter(names))
    if len(names) > 1:
        if st.session_state.get("space_model") not in names:
            st.session_state["space_model"] = shown
        shown = st.selectbox(
            "Search space of", list(names), format_func=names.__getitem__, key="space_model", width=240
        )
    st.caption(f"Clear a check mark to leave a setting at the preset's value. Values: {FORMS}.")
    rows = searched_settings(shown, of)
    usual = [row for row in rows if row.text]
    others = [row for row in rows if not row.text]
    for row in usual:
        _row(row, shown, of)
    if others:
        n_more = sum(_is_on(row, shown, of) for row in others)
        label = "More settings" + (f" ({n_more} searched)" if n_more else "")
        more = st.expander(label, key=f"space_more.{shown}", on_change="rerun", expanded=not usual, type="compact")
        if more.open:
            with more:
                for row in others:
                    _row(row, shown, of)


def given(model: str, of: SpaceOf, *, everything: bool = False) -> dict[str, str]:
    """Return the values to search by setting, as text: those that differ from the declared ones, or all of them.

    A declared setting that is left out is "off".
    """
    found: dict[str, str] = {}
    for row in searched_settings(model, of):
        is_on, text = _is_on(row, model, of), _text(row, model, of)
        if is_on and text and (everything or text != row.text):
            found[row.name] = text
        elif row.text and not (is_on and text) and not everything:
            found[row.name] = search_space.OFF
    return found


def summary(model: ModelChoice, of: SpaceOf) -> str:
    """Return which settings of a model are searched, as Markdown."""
    searched = [row.name for row in searched_settings(model.name, of) if _is_searched(row, model.name, of)]
    names = ", ".join(escape(name) for name in searched) or "nothing to search: one trial of the preset"
    return (
        f"{escape(model.title)}: {plural(len(searched), 'setting')} ({names})"
        if searched
        else f"{model.title}: {names}"
    )


def reset() -> None:
    """Let the declared values hold again, of all models; for callbacks."""
    for key in [key for key in st.session_state if str(key).startswith(_PREFIX)]:
        del st.session_state[key]


def searched_settings(model: str, of: SpaceOf) -> list[SearchedSetting]:
    """Return the settings of a model that can be searched, those searched by default first."""
    return tuning.searched_settings(model, of.dataset, preset=of.preset, protocol=of.protocol, split_seed=of.split_seed)


def _row(row: SearchedSetting, model: str, of: SpaceOf) -> None:
    label, key = row.name.replace("_", " "), _key(row.name, model, of)
    st.session_state.setdefault(f"{key}/on", bool(row.text))
    st.session_state.setdefault(key, row.text)
    preset = format_setting(row.preset_value)
    text = f"`{row.name}`: {row.help}. Value of preset {of.preset}: {preset}."
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key=f"row.{key}"):
        is_on = st.checkbox(
            label, key=f"{key}/on", help=escape(text).replace("\\`", "`"), width=185, persist_state="session"
        )
        st.text_input(
            f"Values of {label}",
            key=key,
            placeholder=f"such as {_example(row, model)}" if is_on else f"not searched: {preset}",
            label_visibility="collapsed",
            disabled=not is_on,
            persist_state="session",
            width=230,
        )
        if is_on:
            st.caption(f"preset {escape(preset)}", width="content")


def _example(row: SearchedSetting, model: str) -> str:
    """Return values that the field of a setting without declared ones takes."""
    value = row.preset_value
    kinds = {one.name: one for one in settings_of(registry.model_class(model).config_class)}
    setting = kinds[row.name]
    if setting.choices:
        return f"choice:{','.join(map(str, setting.choices))}"
    if setting.kind == "bool":
        return "choice:true,false"
    if setting.kind == "ints":
        return "choice:none,600,600-200"
    if isinstance(value, int | float) and value > 0:
        whole = setting.kind == "int"
        values = [max(1, value // 2), value, 2 * value] if whole else [value / 2, value, value * 2]
        return f"choice:{','.join(format_setting(one) for one in values)}"
    return "choice:1,2,3" if setting.kind == "int" else "0.1..0.5"


def _is_searched(row: SearchedSetting, model: str, of: SpaceOf) -> bool:
    return _is_on(row, model, of) and bool(_text(row, model, of))


def _is_on(row: SearchedSetting, model: str, of: SpaceOf) -> bool:
    return bool(st.session_state.get(f"{_key(row.name, model, of)}/on", bool(row.text)))


def _text(row: SearchedSetting, model: str, of: SpaceOf) -> str:
    return str(st.session_state.get(_key(row.name, model, of), row.text) or "").strip()


def _key(name: str, model: str, of: SpaceOf) -> str:
    return f"{_PREFIX}{of.dataset}/{of.preset}/{model}/{name}"
