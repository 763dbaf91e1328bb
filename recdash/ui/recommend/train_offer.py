"""Training behind the page: one button for the default models that are not trained on the dataset yet."""

from __future__ import annotations

import uuid

import streamlit as st

from recdash import environment
from recdash.errors import RecdashError
from recdash.models import registry
from recdash.reporting.formatting import escape, listed
from recdash.services import compare, runs
from recdash.ui.recommend.choice import Choice
from recdash.ui.recommend.options import DEFAULT_MODELS


def draw(choice: Choice) -> None:
    """Offer to train what is missing, or name what is being trained; the page shows each list when its run is done."""
    trained = {run.model for run in choice.trained}
    missing = [model for model in DEFAULT_MODELS if model not in trained]
    if not missing or environment.read_only():
        return
    active = [run for run in runs.list_runs(dataset=choice.dataset, active=True) if run.model in missing]
    if active:
        st.caption(f"Training {_titles(dict.fromkeys(run.model for run in active))}. Each list joins when it is ready.")
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            f"Train {_titles(missing)}",
            icon=":material/play_circle:",
            key="train_missing",
            on_click=_train,
            args=(choice.dataset, missing, uuid.uuid4().hex),
        )
        st.caption("In the background; each list joins when it is ready.", width="content")


def _train(dataset: str, models: list[str], key: str) -> None:
    try:
        compare.start(compare.requests(dataset, models), key=f"recommend-{key}")
    except RecdashError as error:
        st.toast(escape(str(error)), icon=":material/error:", duration="long")


def _titles(models: list[str] | dict[str, None]) -> str:
    return listed([registry.model_class(model).title for model in models])
