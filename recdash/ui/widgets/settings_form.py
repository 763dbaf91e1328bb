"""Forms generated from the settings that models declare, and from the options of a split."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import streamlit as st

from recdash.errors import UsageError, short_repr
from recdash.models import registry, user_presets
from recdash.reporting.formatting import escape
from recdash.services import options, sweeps
from recdash.settings import format_setting
from recdash.splits.split_options import SplitOptions
from recdash.ui import url_state

if TYPE_CHECKING:
    from recdash.data.dataset_registry import DatasetEntry
    from recdash.models.data_shape import DataShape
    from recdash.services.options import ModelChoice
    from recdash.settings import Setting
    from recdash.splits.protocols import Protocol
    from recdash.splits.split_options import SplitOptions

MAX_SEEDS = 20
_SEEDS = re.compile(r"([0-9]{1,9})(?:\s*-\s*([0-9]{1,9}))?")
SPLIT_FIELDS = ("positive_from", "min_positives", "scale", "ignore_ratings", "ties")
_LABELS = {"newcomer": "new-user vector (newcomer)"}
_MAX_SAFE_INTEGER = float(2**53 - 1)  # largest integer that JavaScript represents exactly


@dataclass(frozen=True)
class PresetOf:
    """What the values of a preset depend on.

    Attributes:
        dataset: Name of the dataset.
        preset: Name of the preset.
        shape: Size of the training part; None if it is not known, and that of the dataset stands in.
    """

    dataset: str
    preset: str
    shape: DataShape | None = None


def settings_form(models: Sequence[ModelChoice], of: PresetOf) -> dict[str, dict[str, Any]]:
    """Draw one tab per model in an expander; returns the settings that differ from the preset, by model."""
    fold = st.expander("Settings", icon=":material/tune:", key="settings_open", on_change="rerun")
    if fold.open and models:
        with fold:
            part = "the size of the whole dataset" if of.shape is None else "the size of the training part"
            st.caption(f"Unchanged settings follow preset {escape(of.preset)}, for {part}.")
            for tab, model in zip(st.tabs([escape(model.title) for model in models]), models, strict=True):
                with tab:
                    _fields(model.name, of)
    return {model.name: changed_settings(model.name, of) for model in models}


def split_fields(protocol: Protocol, entry: DatasetEntry, defaults: Mapping[str, str] | None = None) -> dict[str, str]:
    """Draw the split options that apply to a dataset in an expander.

    Args:
        protocol: The protocol.
        entry: The dataset.
        defaults: Texts by option that the fields start from; "" by default.

    Returns:
        The texts by option.
    """
    given = defaults or {}
    fields = {}
    if protocol.uses_threshold and entry.scale is not None:
        fields["positive_from"] = ("Positive from", "default", "Lowest rating that counts as positive")
    if protocol.samples_users:
        fields["min_positives"] = ("Minimum positives", "default", "Minimum number of positives per user")
    if entry.scale is not None:
        low, high = entry.scale
        fields["scale"] = ("Scale", f"{low:g}..{high:g}", "Lowest and highest possible rating")
        fields["ignore_ratings"] = ("Ratings to ignore", "none", 'Ratings that mean "not rated", such as 0')
    tied = protocol.reads_order and entry.tied_share > 0
    if not fields and not tied:
        return {}
    with st.expander("Split options", icon=":material/content_cut:"), st.grid(3, min_column_width=170):
        texts = {
            name: st.text_input(label, placeholder=default, help=help_text, **url_state.bind(name, given.get(name, "")))
            for name, (label, default, help_text) in fields.items()
        }
        if tied:
            texts["ties"] = _tie_rule(given.get("ties", "usual"))
    return {name: text for name, text in texts.items() if text.strip()}


def _tie_rule(default: str) -> str:
    """Draw the choice of the rule for events at the same time, and return it; "" for that of the dataset."""
    rules = {"usual": "as imported", "file": "file order", "random": "random order"}
    chosen = st.selectbox(
        "Order of tied events",
        list(rules),
        format_func=rules.__getitem__,
        help="Order of a user's events with equal times. File order applies if the file is sorted by time; otherwise, "
        "and with random order, the split seed decides.",
        **url_state.bind("ties", default, options=rules),
    )
    return "" if chosen == "usual" else str(chosen)


def parse_split_options(texts: Mapping[str, str]) -> SplitOptions:
    """Parse the texts of `split_fields`; raises UsageError for invalid text."""
    values: dict[str, Any] = dict(texts)
    for name, kind, example in (("positive_from", float, "4"), ("min_positives", int, "5")):
        if name in values:
            try:
                values[name] = kind(values[name])
            except ValueError:
                raise UsageError(
                    f"{name}: {short_repr(values[name])} is not a number. Enter, for example, {example}."
                ) from None
    return SplitOptions(**values)


def changed_settings(model: str, of: PresetOf) -> dict[str, Any]:
    """Return the settings of a model that differ from the preset, by name."""
    if not any(str(key).startswith(_key(model, of.dataset, of.preset, "")) for key in st.session_state):
        return {}
    changes = {}
    for declared, default in _declared(model, of):
        key = _key(model, of.dataset, of.preset, declared.name)
        _follow_preset(declared, default, key)
        value = _read(declared, st.session_state[key], default) if key in st.session_state else default
        if value != default:
            changes[declared.name] = value
    return changes


def show_changes(models: Sequence[ModelChoice], changes: dict[str, dict[str, Any]], of: PresetOf) -> None:
    """List the settings that differ from the preset."""
    for model in models:
        if changes.get(model.name):
            defaults = {one.name: format_setting(value) for one, value in _declared(model.name, of)}
            changed = ", ".join(
                f"{escape(name)} = **{escape(format_setting(value))}** :gray[(preset {escape(defaults[name])})]"
                for name, value in changes[model.name].items()
            )
            st.markdown(f":material/edit: {escape(model.title)}: {changed}")


def reset_changes() -> None:
    """Reset all settings to the preset."""
    for key in [key for key in st.session_state if str(key).startswith("set/")]:
        del st.session_state[key]


def fill(model: str, dataset: str, preset: str, settings: Mapping[str, Any]) -> None:
    """Put settings into the fields of a model, as if a user had entered them; those it does not have are left out."""
    for declared in sweeps.sweepable([model]).values():
        if declared.name in settings:
            key = _key(model, dataset, preset, declared.name)
            st.session_state[key] = _field_value(declared, settings[declared.name])


def parse_seeds(text: str) -> list[int]:
    """Parse seeds written as "0", "1, 2, 3" or "1-5"; raises UsageError with an example."""
    numbers: list[int] = []
    for part in text.replace(";", ",").split(","):
        found = _SEEDS.fullmatch(part.strip())
        if found is None:
            raise UsageError(
                f"Seeds {short_repr(text)} are not whole numbers of at most 9 digits. "
                "Enter, for example, 0 or 1, 2, 3 or 1-5."
            )
        first, last = int(found[1]), int(found[2] or found[1])
        if last < first:
            raise UsageError(f"Seeds {part.strip()!r} start above their end. Enter {last}-{first}.")
        numbers += range(first, min(last, first + MAX_SEEDS) + 1)  # one too many is enough for a refusal
    seeds = list(dict.fromkeys(numbers))
    if len(seeds) > MAX_SEEDS:
        raise UsageError(f"Seeds {short_repr(text)} are more than {MAX_SEEDS} seeds. Enter, for example, 1-5.")
    return seeds


def _fields(model: str, of: PresetOf) -> None:
    declared = _declared(model, of)
    if not declared:
        st.caption("This model has no settings.")
        return
    with st.grid(3, min_column_width=170, vertical_alignment="bottom"):
        for one, default in declared:
            _field(one, default, _key(model, of.dataset, of.preset, one.name))


def _field(setting: Setting, default: Any, key: str) -> None:
    name = _LABELS.get(setting.name, setting.name.replace("_", " "))
    label = name + (f" ({setting.unit})" if setting.unit and setting.unit not in name else "")  # also read aloud: plain
    _follow_preset(setting, default, key)
    # Through the state, not as a default: the value may come from an earlier run, and Streamlit warns about both.
    st.session_state.setdefault(key, _field_value(setting, default))
    bounds = f" Range: {setting.bounds()}." if setting.kind in ("int", "float", "ints") else ""
    empty = " Empty: off." if setting.optional else ""
    text = f"`{setting.name}`: {setting.help}.{bounds}{empty} Preset: {format_setting(default)}."
    help_text = escape(text).replace("\\`", "`")  # the setting's name is shown as code
    if setting.choices:
        st.selectbox(
            label,
            setting.choices,
            key=key,
            help=help_text,
            persist_state="session",
        )
    elif setting.kind == "bool":
        st.toggle(label, key=key, help=help_text, persist_state="session")
    elif setting.kind in ("int", "float"):
        _number(setting, default, key, label, help_text)
    else:
        st.text_input(label, key=key, help=help_text, persist_state="session")


def _follow_preset(setting: Setting, default: Any, key: str) -> None:
    """Let a field that was left at the preset's value follow it when another split has another one."""
    before = st.session_state.get(f"preset-of-{key}", default)
    if before != default and st.session_state.get(key) == _field_value(setting, before):
        st.session_state[key] = _field_value(setting, default)
    st.session_state[f"preset-of-{key}"] = default


def _number(setting: Setting, default: Any, key: str, label: str, help_text: str) -> None:
    kind = int if setting.kind == "int" else float
    low, high = (
        None if bound is None else kind(max(-_MAX_SAFE_INTEGER, min(_MAX_SAFE_INTEGER, bound)))
        for bound in (setting.low, setting.high)
    )
    st.number_input(
        label,
        min_value=low,
        max_value=high,
        value=None,  # clearing the field returns to the preset
        step=_step(setting, default),
        format=None if kind is int else "%g",
        key=key,
        help=help_text,
        placeholder=format_setting(default),
        persist_state="session",
    )


def _step(setting: Setting, default: Any) -> Any:
    """Return the step of a number field: about a tenth of the value, rounded down to a power of ten."""
    size = abs(default or setting.default or 1)
    if setting.kind == "int":
        return max(1, 10 ** (len(str(int(size))) - 2))
    step = 1.0
    while step > size / 5 and step > 1e-9:
        step /= 10
    return round(step, 10)


def _field_value(setting: Setting, value: Any) -> Any:
    """Return a setting's value as its field takes it."""
    if setting.kind in ("str", "ints"):
        return format_setting(value)
    return float(value) if setting.kind == "float" and value is not None else value


def _read(setting: Setting, value: Any, default: Any) -> Any:
    """Convert a widget's value to the setting's value; an empty number field means the preset's value."""
    if isinstance(value, str):
        return setting.parse("" if value == "none" and setting.kind == "ints" else value)
    return default if value is None and not setting.optional else value


def _declared(model: str, of: PresetOf) -> list[tuple[Setting, Any]]:
    is_own = of.preset not in registry.PRESETS and user_presets.exists(model, of.preset)
    return _declared_of(model, of, user_presets.read(model, of.preset).digest if is_own else "")


@st.cache_data(max_entries=64, show_spinner="Loading settings")
def _declared_of(model: str, of: PresetOf, digest: str) -> list[tuple[Setting, Any]]:
    return options.settings(model, of.dataset, of.preset, of.shape)


def _key(model: str, dataset: str, preset: str, name: str) -> str:
    return f"set/{dataset}/{preset}/{model}/{name}"
