"""The section "Inside the VAE" of the Curves page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import streamlit as st

from recdash.analysis import annealing, loss_parts, posterior_collapse
from recdash.analysis.loss_parts import VAE_MODELS
from recdash.analysis.run_labels import model_title
from recdash.reporting.formatting import escape
from recdash.services import runs as run_records
from recdash.ui import url_state
from recdash.ui.charts import latent
from recdash.ui.vae import loss_chart, schedule_chart, workbook
from recdash.ui.widgets import live

if TYPE_CHECKING:
    from recdash.services.latent_kl import LatentHistory
    from recdash.services.runs import RunRecord

REFRESH_SECONDS = 5.0  # while a run trains; a heat map is a large message
MAX_SPECTRA = 12


def draw(runs: Sequence[RunRecord]) -> None:
    """Draw the section for the variational autoencoders among some runs, and the workbook.

    Args:
        runs: The chosen runs of the page, in order.
    """
    chosen = [run for run in runs if run.model in VAE_MODELS]
    st.header("Inside the VAE", anchor=False)
    if chosen:
        live.fragment("vae", _inside, tuple(run.id for run in chosen), seconds=REFRESH_SECONDS)
    else:
        st.caption("Choose a run of Mult-VAE, RecVAE or SVAE to see its loss, annealing and latent code.")
    workbook.draw(next(iter(chosen), None))


def _inside(ids: Sequence[str]) -> None:
    found = {run.id: run for run in run_records.list_runs(ids=list(ids))}
    runs = [found[run_id] for run_id in ids if run_id in found]
    if not runs:
        return
    run = _choose(runs)
    history = _history(run)
    if not history.epochs:
        st.caption("The charts appear after the first epoch.")
        return
    collapse = posterior_collapse.sentence(run, history.epochs)
    if collapse:
        st.warning(escape(collapse), icon=":material/compress:")
    key = f"vae.{run.id}"
    left, right = st.columns(2, gap="medium")
    with left:
        loss_chart.draw(loss_parts.loss_parts(history.epochs), run.model, key=f"{key}.loss")
    with right:
        schedule = annealing.annealing(run, history.epochs, history.updates_per_epoch)
        schedule_chart.draw(run, schedule, key=f"{key}.schedule")
    if history.kl is None:
        st.caption("This run recorded no KL divergence per latent dimension.")
        return
    left, right = st.columns([3, 2], gap="medium")
    with left:
        latent.heat_map(run, history.kl, key=f"{key}.heat")
    with right:
        known = {one.id: kl for one in runs[:MAX_SPECTRA] if (kl := _history(one).kl) is not None}
        latent.spectra(runs, known, key=f"{key}.spectra")
        latent.active_units(history.kl, key=f"{key}.active")


def _choose(runs: Sequence[RunRecord]) -> RunRecord:
    """Return the run to look into. A label holds only what cannot change while the page is open."""
    by_id = {run.id: run for run in runs}
    if len(by_id) == 1:
        return runs[0]
    first = by_id.get(st.session_state.get("_vae_first", ""))  # a run that starts later does not take its place
    if first is None or not first.epoch:
        first = next((run for run in runs if run.epoch), runs[0])
    st.session_state["_vae_first"] = first.id
    chosen = st.selectbox(
        "Run",
        list(by_id),
        format_func=lambda run_id: f"{model_title(by_id[run_id])} on {by_id[run_id].dataset} ({run_id[-8:]})",
        width=360,
        **url_state.bind("vae", first.id, options=by_id),
    )
    return by_id.get(chosen, runs[0])


def _history(run: RunRecord) -> LatentHistory:
    from recdash.services import latent_kl  # lazy: sqlalchemy

    return latent_kl.history(run)
