"""Options of the results table: rows, values, columns, baseline and threshold; all are URL parameters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamlit as st

from recdash.analysis import baseline_difference, metric_cutoff
from recdash.analysis.groups import metric_names
from recdash.analysis.run_labels import model_title
from recdash.reporting.formatting import escape
from recdash.services import runs
from recdash.ui import glossary, url_state
from recdash.ui.widgets import result_tables

if TYPE_CHECKING:
    from recdash.analysis.groups import Group

FOLDINGS = {"setting": "Settings", "model": "Models", "run": "Runs"}
VALUES = {"best": "Best (test)", "last": "Last (validation)"}
BEST = "best"
MAX_SETTINGS = 5  # columns of settings by default; further ones can be chosen
DEFAULT_COLUMNS = (*result_tables.PUBLISHED_COLUMNS, "recall@20", "recall@50", "mae", "coverage@100")
_SMALL_CATALOGUE = ("precision@10", "recall@10", "ndcg@10", "coverage@10")  # where those above say little


@dataclass(frozen=True, kw_only=True)
class TableOptions:
    """What the table shows.

    Attributes:
        folding: One row per "setting", "model" or "run".
        last: Whether the values are those of the last epoch on the validation part.
        metrics: Metric columns.
        settings: Columns of settings.
        baseline: Id of the run that the rows are compared with; "best" for the best row.
        threshold: Relative difference below which a significant difference is too small to matter.
    """

    folding: str
    last: bool
    metrics: tuple[str, ...]
    settings: tuple[str, ...]
    baseline: str
    threshold: float


def metric_param(group: Group) -> str:
    """Return the URL parameter with the metric columns: one per task, so that each table remembers its own."""
    return "metric" if group.task == "ranking" else "rating_metric"


def default_metrics(group: Group, names: Sequence[str]) -> list[str]:
    """Return the columns shown by default: those of the published table and a few more that separate models here."""
    informative = metric_cutoff.informative(names, group)
    found = [name for name in dict.fromkeys((group.primary, *DEFAULT_COLUMNS)) if name in informative]
    if len(found) < 3:
        found += [name for name in _SMALL_CATALOGUE if name in informative and name not in found]
    return found or informative[:4] or list(names[:4])


def chosen_metrics(group: Group) -> list[str]:
    """Return the metric columns of the table, as chosen or by default."""
    names = metric_names([group])
    chosen = [name for name in st.session_state.get(url_state.key_of(metric_param(group))) or [] if name in names]
    return chosen or default_metrics(group, names)


def draw(
    group: Group, whole: Group, settings: tuple[Sequence[str], Sequence[str]], last_names: Sequence[str]
) -> TableOptions:
    """Draw the options.

    Args:
        group: The runs shown.
        whole: All runs of the table, each of which can be the baseline.
        settings: Settings that differ within a model, and those that differ between models only.
        last_names: Validation metrics of the last epochs.
    """
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        folding = st.segmented_control(
            "Rows",
            list(FOLDINGS),
            required=True,
            format_func=FOLDINGS.__getitem__,
            help="Settings: one row per model and settings, the mean over training seeds. Models: the best setting of "
            "each model by validation. Runs: one row per run.",
            **url_state.bind("rows", "setting", options=FOLDINGS),
        )
        value = st.segmented_control(
            "Values",
            list(VALUES),
            required=True,
            format_func=VALUES.__getitem__,
            help="Best epoch: metrics on the test part, with the weights of the best validation epoch. Last epoch: "
            "metrics on the validation part after the last epoch, next to the best one on the same part. The two "
            "parts have different users or ratings: compare their values only within one column.",
            **url_state.bind("value", "best", options=VALUES),
        )
        baseline = _baseline(whole)
        threshold = st.number_input(
            "Matters from (%)",
            min_value=0.0,
            max_value=50.0,
            step=0.5,
            format="%.1f",
            width=120,
            help="A significant difference from the baseline that is smaller than this share of the baseline's value "
            "is marked ≪: too small to matter.",
            **url_state.bind("matters", 100 * baseline_difference.THRESHOLD, read=_parse_percent),
        )
        with st.popover("Columns", icon=":material/view_column:", key="columns"):
            metrics = _metrics(group, list(last_names) if value == "last" else metric_names([group]))
            chosen = _settings(*settings)
    if problem := missing_baseline(whole):
        st.caption(f":material/link_off: {escape(problem)}")
    return TableOptions(
        folding=str(folding),
        last=value == "last",
        metrics=tuple(metrics),
        settings=tuple(chosen),
        baseline=baseline,
        threshold=threshold / 100,
    )


def _metrics(group: Group, names: Sequence[str]) -> list[str]:
    of_task = [name for name in names if metric_cutoff.is_rating_metric(name) == (group.task == "rating")]
    informative, param = metric_cutoff.informative(of_task, group), metric_param(group)
    everything = False
    if len(informative) < len(of_task):
        everything = st.toggle(
            "Also with k near the size of the catalogue",
            help="Recall, precision, hit rate and coverage of lists that hold at least half of the catalogue hardly "
            "depend on the model.",
            **url_state.bind("cutoffs", False, read=url_state.parse_flag),
        )
    default = default_metrics(group, of_task)
    named = {*st.query_params.get_all(param), *(st.session_state.get(url_state.key_of(param)) or [])}
    offered = [name for name in of_task if everything or name in informative or name in named]
    chosen = st.multiselect(
        "Metrics",
        offered,
        format_func=glossary.metric,
        placeholder="Choose metrics",
        **url_state.bind(param, default, options=offered, many=True),
    )
    return chosen or default


def _settings(within: Sequence[str], between: Sequence[str]) -> list[str]:
    """Draw the selector of settings; by default those in which runs of one model differ."""
    offered = [*within, *between]
    if not offered:
        st.caption("All runs of a model have the same settings.")
        return []
    chosen = st.multiselect(
        "Settings that differ",
        offered,
        placeholder="Choose settings",
        help="By default those in which runs of one model differ.",
        **url_state.bind("setting", list(within[:MAX_SETTINGS]), options=offered, many=True),
    )
    return list(chosen)


def _baseline(group: Group) -> str:
    labels = {BEST: "Best row"}
    for row in group.rows:
        seed = f", seed {row.run.seed}" if (row.run.epochs or 1) > 1 else ""
        labels[row.run.id] = f"{model_title(row.run)}{seed} · {row.run.id[-8:]}"
    chosen = st.selectbox(
        "Baseline",
        list(labels),
        format_func=lambda name: labels.get(name, name),
        width=200,
        help="Rows are compared with the row of this run, user by user.",
        **url_state.bind("baseline", BEST, options=labels),
    )
    return str(chosen)


def missing_baseline(group: Group) -> str:
    """Return why the baseline that the URL names is not used, in one line; "" if it is, or none is named."""
    named = st.query_params.get("baseline", "")
    if named in ("", BEST) or any(row.run.id == named for row in group.rows):
        return ""
    found = runs.list_runs(ids=[named], archived=None)
    why = "belongs to another table" if found else "does not exist: deleted, or of another store"
    return f"The baseline in the address, {named}, {why}. Rows are compared with the best row."


def cutoff_notes(group: Group, metrics: Sequence[str]) -> None:
    """Say of chosen metrics why they do not separate models on this catalogue."""
    n_items = metric_cutoff.catalogue_size(group)
    problems = [problem for name in metrics if (problem := metric_cutoff.cutoff_problem(name, n_items))]
    if problems:
        st.caption(f":material/warning: {escape(' '.join(problems))}")


def _parse_percent(text: str) -> float:
    return min(50.0, max(0.0, float(text)))
