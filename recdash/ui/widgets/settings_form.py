"""Forms made from the settings that models declare: bounds, units, help, and what differs from the preset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import streamlit as st

from recdash.errors import UsageError, shown
from recdash.reporting.formatting import escape, setting
from recdash.ui import url_state

if TYPE_CHECKING:
    from recdash.data.dataset_registry import Entry
    from recdash.services.options import ModelChoice
    from recdash.settings import Setting
    from recdash.splits.protocols import Protocol
    from recdash.splits.split_options import SplitOptions

MOST_SEEDS = 20
_SAFE = float(2**53 - 1)  # the largest whole number a browser holds exactly


def settings_form(models: Sequence[ModelChoice], dataset: str, preset: str) -> dict[str, dict[str, Any]]:
    """Draw one tab per model, folded away, and return the settings that differ from the preset, by model."""
    fold = st.expander("Settings", icon=":material/tune:", key="settings_open", on_change="rerun")
    if fold.open and models:
        with fold:
            st.caption(f"What you leave as it is follows preset {escape(preset)} on this data.")
            for tab, model in zip(st.tabs([escape(model.title) for model in models]), models, strict=True):
                with tab:
                    _fields(model.name, dataset, preset)
    return {model.name: changed(model.name, dataset, preset) for model in models}


def split_fields(protocol: Protocol, entry: Entry) -> dict[str, str]:
    """Draw what can be said about a split of these data besides its protocol, folded away; returns the texts."""
    fields = {}
    if protocol.takes_threshold and entry.scale is not None:
        fields["positive_from"] = ("Liked from", "usual", "Lowest rating that counts as liked.")
    if protocol.draws_users:
        fields["min_positives"] = ("Likes per user", "usual", "Fewest likes of a user who is used.")
    if entry.scale is not None:
        low, high = entry.scale
        fields["scale"] = ("Scale", f"{low:g}..{high:g}", "Lowest and highest possible rating.")
        fields["ignore_ratings"] = ("Ratings to ignore", "none", 'Ratings that mean "not rated", such as 0.')
    tied = protocol.reads_order and entry.tied_share > 0
    if not fields and not tied:
        return {}
    with st.expander("Split options", icon=":material/content_cut:"), st.grid(3, min_column_width=170):
        texts = {
            name: st.text_input(label, placeholder=usual, help=told, **url_state.bind(name, ""))
            for name, (label, usual, told) in fields.items()
        }
        if tied:
            texts["ties"] = _tie_rule()
    return {name: text for name, text in texts.items() if text.strip()}


def _tie_rule() -> str:
    """Return the rule for events at the same time, "" for that of the data set."""
    told = {"usual": "as imported", "file": "order of the file", "random": "chance"}
    chosen = st.selectbox(
        "Events at the same time",
        list(told),
        format_func=told.__getitem__,
        help="What orders the events of one user at the same time. The order of the file counts where the file is "
        "in the order of time; elsewhere, and with chance, the split seed decides.",
        **url_state.bind("ties", "usual", options=told),
    )
    return "" if chosen == "usual" else str(chosen)


def read_split(texts: Mapping[str, str]) -> SplitOptions:
    """Read what `split_fields` returned; raises UsageError for a text that means nothing."""
    from recdash.splits.split_options import SplitOptions

    found: dict[str, Any] = dict(texts)
    for name, kind, example in (("positive_from", float, "4"), ("min_positives", int, "5")):
        if name in found:
            try:
                found[name] = kind(found[name])
            except ValueError:
                raise UsageError(f"{name}: {shown(found[name])} is no number. Write for example {example}.") from None
    return SplitOptions(**found)


def changed(model: str, dataset: str, preset: str) -> dict[str, Any]:
    """Return the settings of a model that were changed in the form, as values."""
    if not any(str(key).startswith(_key(model, dataset, preset, "")) for key in st.session_state):
        return {}
    found = {}
    for declared, usual in _declared(model, dataset, preset):
        key = _key(model, dataset, preset, declared.name)
        if key in st.session_state and (value := _read(declared, st.session_state[key])) != usual:
            found[declared.name] = value
    return found


def say_changes(models: Sequence[ModelChoice], changes: dict[str, dict[str, Any]], dataset: str, preset: str) -> None:
    """Say in words what differs from the preset."""
    for model in models:
        if changes.get(model.name):
            usual = {declared.name: value for declared, value in _declared(model.name, dataset, preset)}
            told = ", ".join(
                f"{escape(name)} = **{escape(setting(value))}** :gray[(preset {escape(setting(usual[name]))})]"
                for name, value in changes[model.name].items()
            )
            st.markdown(f":material/edit: {escape(model.title)}: {told}")


def forget_changes() -> None:
    """Go back to the preset everywhere."""
    for key in [key for key in st.session_state if str(key).startswith("set/")]:
        del st.session_state[key]


def read_seeds(text: str) -> list[int]:
    """Read "0" or "1, 2, 3" or "1-5"; raises UsageError with the way to write it."""
    found: list[int] = []
    for part in text.replace(";", ",").split(","):
        first, _, last = part.strip().partition("-")
        if not first.isdigit() or (last and not last.strip().isdigit()):
            raise UsageError(f"Seeds {text!r}: write whole numbers, for example 0, or 1, 2, 3, or 1-5.")
        found += range(int(first), int(last or first) + 1) if int(last or first) - int(first) < 1000 else []
    seeds = list(dict.fromkeys(found))
    if not 1 <= len(seeds) <= MOST_SEEDS:
        raise UsageError(f"Seeds {text!r} are {len(seeds)} seeds; at most {MOST_SEEDS} at once. Write for example 1-5.")
    return seeds


def _fields(model: str, dataset: str, preset: str) -> None:
    declared = _declared(model, dataset, preset)
    if not declared:
        st.caption("This model has no settings.")
        return
    with st.grid(3, min_column_width=170, vertical_alignment="bottom"):
        for one, usual in declared:
            _field(one, usual, _key(model, dataset, preset, one.name))


def _field(one: Setting, usual: Any, key: str) -> None:
    words = one.name.replace("_", " ")
    label = escape(words) + (f" :gray[({escape(one.unit)})]" if one.unit and one.unit not in words else "")
    bounds = f" Between {one.bounds()}." if one.kind in ("int", "float", "ints") else ""
    empty = " Empty: off." if one.optional else ""
    told = escape(f"`{one.name}`: {one.help}.{bounds}{empty} Preset: {setting(usual)}.").replace("\\`", "`")
    if one.choices:
        st.selectbox(label, one.choices, index=one.choices.index(usual), key=key, help=told, persist_state="session")
    elif one.kind == "bool":
        st.toggle(label, value=usual, key=key, help=told, persist_state="session")
    elif one.kind in ("int", "float"):
        _number(one, usual, key, label, told)
    else:
        st.text_input(label, value=setting(usual), key=key, help=told, persist_state="session")


def _number(one: Setting, usual: Any, key: str, label: str, told: str) -> None:
    kind = int if one.kind == "int" else float
    low, high = (None if bound is None else kind(max(-_SAFE, min(_SAFE, bound))) for bound in (one.low, one.high))
    st.number_input(
        label,
        min_value=low,
        max_value=high,
        value=None if usual is None else kind(usual),
        step=_step(one, usual),
        format=None if kind is int else "%g",
        key=key,
        help=told,
        placeholder="off",
        persist_state="session",
    )


def _step(one: Setting, usual: Any) -> Any:
    """A step that changes something but not everything: about a tenth of the value, rounded down to 1, 10, 0.1, ..."""
    size = abs(usual or one.default or 1)
    if one.kind == "int":
        return max(1, 10 ** (len(str(int(size))) - 2))
    step = 1.0
    while step > size / 5 and step > 1e-9:
        step /= 10
    return round(step, 10)


def _read(one: Setting, value: Any) -> Any:
    """Return what a widget holds as the setting's value."""
    if isinstance(value, str):
        return one.parse("" if value == "none" and one.kind == "ints" else value)
    return value


@st.cache_data(max_entries=64, show_spinner="Reading the settings")
def _declared(model: str, dataset: str, preset: str) -> list[tuple[Setting, Any]]:
    from recdash.services import options

    return options.settings(model, dataset, preset)


def _key(model: str, dataset: str, preset: str, name: str) -> str:
    return f"set/{dataset}/{preset}/{model}/{name}"
