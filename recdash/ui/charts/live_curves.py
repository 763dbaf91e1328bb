"""Learning curves of some runs on a page: which charts there are, the board, and the live part that feeds it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st

from recdash.analysis import curve_groups, curves
from recdash.analysis.run_labels import run_labels
from recdash.reporting.formatting import escape, listed, plural
from recdash.runs.run_records import STILL_IMPROVING
from recdash.services import runs
from recdash.ui import glossary
from recdash.ui.charts import curve_board
from recdash.ui.charts.curve_board import BoardOptions, Panel
from recdash.ui.charts.epoch_reader import EpochReader, RunEpochs, epoch_reader
from recdash.ui.widgets import live

if TYPE_CHECKING:
    from recdash.services.runs import RunRecord

VALUE_ORDER = (
    "reconstruction",
    "kl",
    "ndcg@100",
    "beta",
    "weighted_kl",
    "cosine",
    "train_rmse",
    "rmse",
    "refeeding_loss",
    "penalty",
    "decoder_reconstruction",
    "active_units",
    "loss",
    "recall@20",
    "recall@50",
    "mae",
    "lr",
    "examples/s",
)
DEFAULT_VALUES = ("reconstruction", "kl", "ndcg@100", "beta", "train_rmse", "rmse")
_SCHEDULES = ("beta", "lr", "active_units")  # without noise: never smoothed
_LINEAR = ("beta", "ndcg", "recall", "active_units")  # never on a logarithmic axis


def draw(
    key: str,
    selected: Sequence[RunRecord],
    values: Sequence[str],
    options: BoardOptions,
    *,
    separate_data: bool = True,
    pinned: Sequence[str] = (),
    on_action: Callable[[dict[str, Any]], None] | None = None,
) -> list[Panel]:
    """Draw the charts of some values of some runs; live while any run is active.

    Args:
        key: Key of the board, unique on the page.
        selected: The runs.
        values: Names of epoch values.
        options: How the charts are drawn.
        separate_data: Whether runs on different data have charts of their own.
        pinned: Ids of runs drawn stronger than the others.
        on_action: Called when a run is picked by a click on its line, with {"kind": "pick", "id": its id}.

    Returns:
        The charts, in order.
    """
    ids = [run.id for run in selected]
    drawn = panels(selected, values, epoch_reader(key, ids), separate_data)
    if drawn:
        curve_board.board(key, drawn, options, on_action or _ignore, pinned=pinned)
    live.fragment(f"{key}.live", _feed, key, tuple(ids), tuple(values), tuple(drawn), options, separate_data)
    return drawn


def _feed(
    key: str,
    ids: tuple[str, ...],
    values: tuple[str, ...],
    drawn: tuple[Panel, ...],
    options: BoardOptions,
    separate_data: bool,
) -> None:
    reader, by_id = epoch_reader(key, ids), {run.id: run for run in runs.list_runs(ids=ids)}
    found = [curves.with_stability(by_id[run_id], reader.values(run_id)) for run_id in ids if run_id in by_id]
    current = tuple(panels(found, values, reader, separate_data))
    if [panel.key for panel in current] != [panel.key for panel in drawn]:
        st.rerun()  # the first epoch of a run brought a value that needs a chart
    if current:
        curve_board.data(key, found, reader, current, options)
        _remarks(found, current, reader)


def _remarks(found: Sequence[RunRecord], drawn: Sequence[Panel], reader: EpochReader) -> None:
    """Name the runs whose curves call for caution; below the charts, so that nothing moves when one is added."""
    gaps = sum(_not_finite(reader.arrays(run_id), panel.metric) for panel in drawn for run_id in panel.run_ids)
    if gaps:
        st.caption(f":orange[:material/warning:] {plural(gaps, 'value is', 'values are')} not finite and not drawn.")
    labels = run_labels(found, one_dataset=len({run.dataset for run in found}) < 2)
    for run in found:
        badge = glossary.warning_badge(run)
        if badge:
            st.markdown(f"{escape(labels[run.id])} {badge}", help=glossary.UNSTABLE if run.warning else None)
    improving = [f"{escape(labels[run.id])} (best epoch {run.best_epoch})" for run in found if run.still_improving]
    if improving:
        st.caption(f"{STILL_IMPROVING.capitalize()}: {listed(improving)}.")


def _not_finite(epochs: RunEpochs, metric: str) -> int:
    """Return how many recorded values are NaN or infinite."""
    if metric not in epochs.values:
        return 0
    return int((epochs.has[metric] & ~np.isfinite(epochs.values[metric])).sum())


def panels(
    selected: Sequence[RunRecord], values: Sequence[str], reader: EpochReader, separate_data: bool = True
) -> list[Panel]:
    """Return the charts of some values: one per value, data and, for losses, objective."""
    recorded = {run.id: set(reader.arrays(run.id).values) for run in selected}
    groups = curve_groups.curve_groups(selected, values, recorded, separate_data=separate_data)
    count = Counter((group.value, group.data) for group in groups)
    return [_panel(group, count[group.value, group.data] > 1) for group in groups]


def available_values(selected: Sequence[RunRecord], reader: EpochReader) -> list[str]:
    """Return the names of all values that any run has recorded or will record, in display order."""
    names = {
        name for run in selected for name in (reader.arrays(run.id).values or curve_groups.usual_values(run.model))
    }
    rank = {name: index for index, name in enumerate(VALUE_ORDER)}
    return sorted(names, key=lambda name: (rank.get(name, len(rank)), name))


def default_values(available: Sequence[str]) -> list[str]:
    """Return the values shown at first; the loss only where it has no named part."""
    shown = [name for name in DEFAULT_VALUES if name in available]
    if not {"reconstruction", "train_rmse"} & set(shown) and "loss" in available:
        shown = ["loss", *shown]
    return shown or list(available[:4])


def _panel(group: curve_groups.CurveGroup, needs_objective: bool) -> Panel:
    title, unit, meaning = glossary.curve(group.value)
    return Panel(
        key=group.key,
        title=f"{title}, {group.objective}" if needs_objective else title,
        unit=unit,
        metric=group.value,
        facet=group.data,
        run_ids=group.run_ids,
        log_allowed=not group.value.startswith(_LINEAR),
        smooth=group.value not in _SCHEDULES,
        decimals=4 if "@" in group.value else None,
        meaning=meaning,
    )


def _ignore(action: dict[str, Any]) -> None:
    """A board without a handler for picked runs."""
