"""Views on repeated trainings: values of single seeds, means over seeds, and stability of the lists."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from recdash.analysis import list_stability
from recdash.analysis.row_folding import Fold, fold_rows
from recdash.analysis.run_labels import run_labels
from recdash.evaluation.selection_metric import higher_is_better
from recdash.reporting.formatting import escape, plural
from recdash.ui import cache, glossary
from recdash.ui.charts import result_charts, seed_spread
from recdash.ui.widgets import result_tables

if TYPE_CHECKING:
    import pandas as pd

    from recdash.analysis.groups import Group

MAX_ROWS = 8  # settings in the chart of seeds
MAX_SETTINGS = 12  # settings whose lists are compared
_REPEAT = (
    "No setting was trained with several seeds. Enter several training seeds on the Train page, for example 0-4, to "
    "see how much results depend on chance."
)


def repeated_settings(group: Group) -> list[Fold]:
    """Return the settings with at least two training seeds, best first."""
    return [fold for fold in fold_rows(group.rows, "setting") if len(fold.averaged) > 1]


def draw_seeds(group: Group, groups: Sequence[Group], columns: Sequence[str]) -> None:
    """Draw the values of single seeds, and tables of means over split seeds and training seeds."""
    repeated = repeated_settings(group)
    same = [one for one in groups if (one.protocol, one.task) == (group.protocol, group.task)]
    tables = cache.seed_tables([one for one in same if Path(one.dataset).name == Path(group.dataset).name])
    if not repeated and not tables:
        st.caption(_REPEAT)
        return
    metric = result_charts.choose_metric(group)
    sign = 1 if higher_is_better(metric) is False else -1
    measured = [(mean, fold) for fold in repeated if (mean := fold.mean(metric)) is not None]
    folds = [fold for _, fold in sorted(measured, key=lambda pair: sign * pair[0])][:MAX_ROWS]
    if folds:
        title = glossary.metric(metric)
        st.markdown(f"**Values of single seeds** :gray[:small[{title} on the test part; dash: mean over seeds]]")
        labels = run_labels([fold.first.run for fold in folds], name_seeds=False)
        points = [
            seed_spread.SeedPoint(
                labels[fold.first.run.id], row.run.id, row.run.seed, row.metrics[metric].mean, fold.mean(metric) or 0.0
            )
            for fold in folds
            for row in fold.averaged
        ]
        chart = seed_spread.seed_chart(points, title, result_tables.direction_label(metric))
        alt = f"{title} of each training seed, for {', '.join(dict.fromkeys(point.label for point in points))}"
        st.altair_chart(chart, key="chart.seeds", width="stretch", alt=alt)
    for number, table in enumerate(tables):
        st.markdown(f"**Means over seeds** :gray[:small[{escape(table.label)}]]")
        st.dataframe(
            result_tables.seed_table(table, columns),
            hide_index=True,
            width="stretch",
            height="content" if len(table.rows) <= 5 else 220,
            key=f"seeds.{number}.{table.protocol}",
            column_config={name: glossary.metric(name) for name in columns},
            alt=f"Means over seeds of {table.label}",
        )
    if tables:
        st.caption(
            "Mean of the metric over splits. The first ± is the standard deviation over splits (different test users), "
            "the second over training seeds within a split. With one run per split, the first includes training noise."
        )


def draw_stability(group: Group) -> None:
    """Draw how much the lists of the same users change with the training seed."""
    folds = repeated_settings(group)[:MAX_SETTINGS]
    st.markdown(
        "**Stability of the lists over training seeds** :gray[:small[same users, same settings, another seed]]",
        help="Overlap@10: share of the first ten items that two seeds have in common. Rank-biased overlap (p = 0.9) "
        "also weighs the order: the first ten ranks have 86% of the weight. 1 means equal lists.",
    )
    if not folds:
        st.caption(_REPEAT)
        return
    with st.spinner("Comparing the lists of each user"):
        table, missing = stability_table(folds)
    if not table.empty:
        st.dataframe(
            table, hide_index=True, width="stretch", height="content", key="stability",
            alt="Overlap of the lists of the same users over training seeds",
        )  # fmt: skip
    users, seeds = list_stability.MAX_USERS, list_stability.MAX_SEEDS
    note = f" {plural(missing, 'setting')} left out: the lists are not stored." if missing else ""
    st.caption(
        f"Means over all pairs of up to {seeds} seeds and over up to {users} test users, with 95% bootstrap intervals "
        f"over users. Two models with the same NDCG can differ here: unstable lists change with every retraining.{note}"
    )


def stability_table(folds: Sequence[Fold]) -> tuple[pd.DataFrame, int]:
    """Return the stability of each setting, the most stable first, and the number of settings without lists."""
    import pandas as pd  # lazy: pandas

    labels = run_labels([fold.first.run for fold in folds], name_seeds=False)
    rows = []
    for fold in folds:
        found = list_stability.stability_of_runs({row.run.id: row.run.version for row in fold.averaged})
        if found is not None:
            rows.append(
                {
                    "Setting": labels[fold.first.run.id],
                    "Seeds": found.seeds,
                    "Users": found.users,
                    "Overlap@10": _with_interval(found.overlap, found.overlap_interval),
                    "Rank-biased overlap": _with_interval(found.rank_biased, found.rank_biased_interval),
                }
            )
    table = pd.DataFrame(rows)
    if not table.empty:
        table = table.sort_values("Overlap@10", ascending=False, kind="stable")
    return table, len(folds) - len(rows)


def _with_interval(value: float, interval: tuple[float, float]) -> str:
    return f"{value:.3f} ({interval[0]:.3f} to {interval[1]:.3f})"
