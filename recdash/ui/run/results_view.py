"""Results of one run: test metrics with intervals, validation metrics of the best and of the last epoch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from recdash.analysis.groups import group_runs, metric_names
from recdash.analysis.metric_cutoff import catalogue_size, cutoff_problem
from recdash.analysis.metric_info import averaging
from recdash.reporting.formatting import byte_size, count, duration, escape
from recdash.services import last_values
from recdash.ui import glossary

if TYPE_CHECKING:
    import pandas as pd

    from recdash.analysis.groups import Group
    from recdash.services.runs import RunRecord

_TABLE_HEIGHT = 380  # pixels


def draw(run: RunRecord) -> None:
    """Draw the results; for a run without any, say when they come."""
    groups = group_runs([run]) if run.metrics else []
    if not groups and run.trial:
        study = escape(str(run.trial.get("study")))
        st.caption(
            f"This is trial {run.trial.get('number')} of study {study}. Trials are compared on the validation part "
            "alone; the test part is read once, for the best one."
        )
        _validation(run)
    elif not groups:
        st.caption("Results on the test users follow when the training has finished.")
    else:
        left, right = st.columns([3, 2], gap="large")
        with left:
            note = f"; {run.trials_note}" if run.trials_note else ""
            st.markdown(
                f"**Test part** :gray[:small[weights of the best validation epoch, 95% bootstrap intervals{note}]]"
            )
            table = _test_table(groups[0])
            st.dataframe(
                table, hide_index=True, width="stretch", height=min(_TABLE_HEIGHT, 36 * len(table) + 40),
                key="run.results", placeholder="–", alt=f"Test metrics of {run.name}",
            )  # fmt: skip
        with right:
            _costs(run)
            _validation(run)


def _test_table(group: Group) -> pd.DataFrame:
    import pandas as pd  # lazy: pandas

    row, n_items = group.rows[0], catalogue_size(group)
    rows = []
    for name in metric_names([group]):
        value = row.metrics[name]
        rows.append(
            {
                "Metric": glossary.metric(name),
                "Mean": f"{value.mean:.4f}",
                "95% interval": "" if value.low is None else f"{value.low:.4f} to {value.high:.4f}",
                "Averaged": "hardly depends on the model: k is near the number of items"
                if cutoff_problem(name, n_items)
                else averaging(name),
            }
        )
    return pd.DataFrame(rows)


def _costs(run: RunRecord) -> None:
    details = run.details
    memory, seconds = details.get("peak_memory_bytes"), details.get("seconds_per_list")
    with st.grid(2, min_column_width=120):
        st.metric("Training time", duration(run.runtime_s))
        st.metric("Parameters", count(details.get("parameters")))
        st.metric("Peak memory", "–" if not memory else byte_size(int(memory)))
        st.metric("Time per list", "–" if not seconds else f"{1000 * float(seconds):.2f} ms")


def _validation(run: RunRecord) -> None:
    """Draw validation metrics after the best and after the last epoch."""
    import pandas as pd  # lazy: pandas

    last = last_values.last_values([run]).get(run.id)
    if not run.validation or last is None:
        return
    names = [name for name in run.validation if glossary.is_metric(name)]
    st.markdown("**Validation part** :gray[:small[not comparable with the test part: other users or ratings]]")
    table = pd.DataFrame(
        {
            "Metric": [glossary.metric(name) for name in names],
            f"Best epoch ({run.best_epoch})": [f"{run.validation[name]:.4f}" for name in names],
            f"Last epoch ({last.epoch})": [
                f"{last.values[name]:.4f}" if name in last.values else "–" for name in names
            ],
        }
    )
    st.dataframe(
        table, hide_index=True, width="stretch", height="content", key="run.validation",
        alt=f"Validation metrics of {run.name} after its best and its last epoch",
    )  # fmt: skip
