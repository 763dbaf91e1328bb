"""The form filled in from an earlier run: `train?from=RUN_ID`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import streamlit as st

from recdash.errors import RecdashError
from recdash.reporting.formatting import escape
from recdash.services import cloned_requests, runs
from recdash.settings import DEFAULT_SPLIT_SEED, format_setting
from recdash.ui import cache, layout, url_state
from recdash.ui.widgets import settings_form

if TYPE_CHECKING:
    from recdash.services.runs import RunRecord

PARAM = "from"


@dataclass(frozen=True)
class Prefill:
    """Values that the form starts from.

    Attributes:
        dataset, protocol, preset, seeds: Values of the fields; None leaves their own default.
        models: Names of models; None likewise.
        options: Split options as texts by name.
        split_seed: Seed of the split.
        device: Device to train on.
    """

    dataset: str | None = None
    protocol: str | None = None
    models: list[str] | None = None
    preset: str | None = None
    seeds: str = "0"
    options: Mapping[str, str] = field(default_factory=dict)
    split_seed: int = DEFAULT_SPLIT_SEED
    device: str = "auto"


def read() -> Prefill:
    """Return the values from the run in the URL, and show which run it is; without one, empty values.

    The settings of the run are put into the form's fields, once per run and session.
    """
    reference = next(iter(url_state.value_list(PARAM)), "")
    if not reference:
        st.session_state.pop("_prefilled", None)
        return Prefill()
    try:
        run = runs.find(reference)
    except RecdashError as error:
        st.warning(escape(str(error)), icon=":material/warning:")
        return Prefill()
    if runs.is_curve_import(run):
        st.warning(
            f"{escape(run.name)} has curves of another program only, and no settings. Choose another run.",
            icon=":material/warning:",
        )
        return Prefill()
    changes = cloned_requests.calmer_settings(run)
    if st.session_state.get("_prefilled") != run.id:
        st.session_state["_prefilled"] = run.id
        settings_form.reset_changes()
        settings_form.fill(run.model, run.dataset, run.preset, {**run.settings, **changes})
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(f":material/content_copy: Settings from **{escape(run.name)}**", width="content")
        if "run" in layout.PAGES:
            layout.link("run", "Open", id=run.id)
        st.button("Clear", icon=":material/close:", type="tertiary", on_click=clear, key="clear_from")
    if changes:
        st.caption(
            "That run diverged, and would do so again with the same seed and settings. The form starts from a learning "
            f"rate of {format_setting(changes['learning_rate'])}, a tenth of what it was."
        )
    if run.dataset not in cache.installed():
        st.warning(
            f"{escape(run.dataset)}, the dataset of this run, is not installed. Choose another one, or add it on the "
            "Data page.",
            icon=":material/warning:",
        )
    return _of(run)


def clear() -> None:
    """Set the form back to its defaults; for callbacks."""
    url_state.set_value(PARAM, [])
    settings_form.reset_changes()


def _of(run: RunRecord) -> Prefill:
    return Prefill(
        dataset=run.dataset,
        protocol=run.protocol,
        models=[run.model],
        preset=run.preset,
        seeds=str(run.seed),
        options={name: _text(value) for name, value in run.options.items()},
        split_seed=run.split_seed,
        device=run.device,
    )


def _text(value: Any) -> str:
    """Return a split option as its field takes it; a scale is "1..5", ratings to ignore are "0, 99"."""
    if isinstance(value, list | tuple):
        return ", ".join(f"{number:g}" for number in value)
    return f"{value:g}" if isinstance(value, float) else str(value)
