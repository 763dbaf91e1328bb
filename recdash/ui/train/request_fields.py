"""Fields that the form for new runs and that for a search share: dataset, protocol, models and preset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import streamlit as st

from recdash.errors import RecdashError
from recdash.models import registry
from recdash.reporting.formatting import escape, plural
from recdash.services import presets
from recdash.ui import cache, glossary, url_state

if TYPE_CHECKING:
    from recdash.services.options import ModelChoice
    from recdash.services.presets import PresetInfo
    from recdash.splits.protocols import Protocol


def dataset_field(default: str | None = None) -> str:
    """Draw the choice of an installed dataset; returns its name."""
    ready = cache.installed()
    usual = default if default in ready else (ready[0] if ready else None)
    return str(st.selectbox("Dataset", ready, **url_state.bind("dataset", usual, options=ready)))


def protocol_field(dataset: str, default: str | None = None) -> Protocol:
    """Draw the choice of a protocol that suits the dataset; returns it."""
    known = {protocol.name: protocol for protocol in cache.protocols_of(dataset)}
    about = "\n\n".join(f"**{escape(one.title)}** ({escape(name)}): {escape(one.help)}" for name, one in known.items())
    usual = default if default in known else next(iter(known))
    name = st.selectbox(
        "Protocol",
        list(known),
        format_func=lambda name: f"{known[name].title} ({name})",
        help=about,
        **url_state.bind("protocol", usual, options=known),
    )
    return known[name]


def models_field(offered: Sequence[ModelChoice], usual: Sequence[str]) -> list[ModelChoice]:
    """Draw the choice of models; returns the chosen ones in their usual order.

    Args:
        offered: Models to choose from.
        usual: Names of those chosen at first; without any that is offered, the first one.
    """
    by_name = {model.name: model for model in offered}
    about = "\n".join(
        f"- **{escape(model.title)}** ({escape(model.source)}): {escape(model.about)}" for model in offered
    )
    default = [name for name in usual if name in by_name] or list(by_name)[:1]
    chosen = st.pills(
        "Models",
        list(by_name),
        selection_mode="multi",
        format_func=lambda name: by_name[name].title,
        help=about,
        wrap=True,  # on a phone the chosen ones would be out of sight otherwise
        **url_state.bind("model", default, options=by_name, many=True),
    )
    return [by_name[name] for name in by_name if name in chosen]


def preset_field(chosen: Sequence[ModelChoice], default: str | None = None, label: str = "Preset") -> str:
    """Draw the choice of a preset that all chosen models have, the user's own ones included; returns its name."""
    offered = [registry.presets_of(model.name) for model in chosen]  # not from the cache: own presets come and go
    common = [name for name in offered[0] if all(name in names for names in offered)] if offered else ["auto"]
    return str(
        st.segmented_control(
            label,
            common,
            required=True,
            wrap=True,
            help=_preset_help(common, [model.name for model in chosen]),
            **url_state.bind("preset", default if default in common else "auto", options=common),
        )
    )


def _preset_help(names: Sequence[str], models: Sequence[str]) -> str:
    """Return the meaning of presets as a Markdown list; of own ones, where they come from."""
    lines = [glossary.preset_help(tuple(name for name in names if name in registry.PRESETS))]
    for name in names:
        if name not in registry.PRESETS:
            for model in models:
                try:
                    lines.append(f"- **{escape(name)}**: {preset_text(presets.info(model, name))}")
                except RecdashError as error:  # removed meanwhile
                    lines.append(f"- **{escape(name)}**: {escape(str(error))}")
    return "\n".join(lines)


def preset_text(info: PresetInfo) -> str:
    """Return what an own preset changes and where it comes from, as Markdown."""
    if info.problem:
        return escape(info.problem)
    changes = {name: value for name, value in info.settings.items() if name != "base"}
    of = registry.model_class(info.model).title
    text = f"your own, of {escape(of)}: preset {escape(str(info.settings.get('base', 'auto')))}"
    text += f" with {glossary.settings_text(changes)}" if changes else ""
    return f"{text}. {_origin(info.provenance)}".strip()


def _origin(provenance: Mapping[str, Any]) -> str:
    """Return where the settings of an own preset come from, as a sentence; "" if nothing is known."""
    parts = []
    if "study" in provenance:
        parts.append(f"best of {plural(int(provenance.get('trials') or 1), 'trial')} of study {provenance['study']}")
    elif "run" in provenance:
        parts.append(f"settings of run {provenance['run']}")
    if "dataset" in provenance:
        parts.append(f"on {provenance['dataset']} ({provenance.get('protocol', '')})")
    validation = provenance.get("validation")
    if isinstance(validation, Mapping) and (quality := glossary.quality(validation)):
        parts.append(f"validation {quality}")
    text = escape(", ".join(parts))
    return f"{text[:1].upper()}{text[1:]}." if text else ""
