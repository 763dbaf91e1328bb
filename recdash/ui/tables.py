"""Tables for people: results with intervals and the best in bold, latest runs, and what differs between settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import streamlit as st

from recdash.ui import colours, panels, words
from recdash.ui.charts import Point
from recdash.ui.text import ago, count, duration, setting

if TYPE_CHECKING:
    import pandas as pd

    from recdash.services.results import Group, Row
    from recdash.services.runs import RunRecord

DOT = "●"
PUBLISHED = ("rmse", "precision@100", "recall@100", "ndcg@100")  # the columns of the published table, in its order
MORE = ("recall@20", "recall@50", "mae", "coverage@100")
LATEST_COLUMNS = {
    "Run": st.column_config.TextColumn("Run", width="medium"),
    "Quality": st.column_config.TextColumn(
        "Quality", help="NDCG@100 or RMSE on the test users; a star marks a validation value."
    ),
}


def latest(found: Sequence[RunRecord]) -> pd.DataFrame:
    """Return runs as a small table of words."""
    import pandas as pd

    return pd.DataFrame(
        [
            {
                "Run": run.name,
                "State": run.state.value,
                "Data set": run.dataset,
                "Protocol": run.protocol,
                "Epochs": f"{run.epoch} of {run.epochs}" if run.epochs and run.epochs > 1 else "–",
                "Quality": _quality(run),
                "Trained in": duration(run.runtime_s if run.runtime_s is not None else run.elapsed_s),
                "When": ago(run.finished or run.started or run.created),
            }
            for run in found
        ]
    )


def points(group: Group, metric: str, *, most: int = 30, one_per_model: bool = False) -> list[Point]:
    """Return the rows that have the metric, best first, for the charts."""
    rows = sorted(
        (row for row in group.rows if metric in row.metrics), key=lambda row: _sign(metric) * row.metrics[metric].mean
    )
    if one_per_model:
        best = {row.run.model: row.run.id for row in reversed(rows)}
        rows = [row for row in rows if best[row.run.model] == row.run.id]
    names = labels(rows[:most])
    found = []
    for row in rows[:most]:
        value = row.metrics[metric]
        low, high = (value.mean if bound is None else bound for bound in (value.low, value.high))
        seconds = row.run.runtime_s or 0.0
        found.append(Point(names[row.run.id], row.run.id, value.mean, low, high, seconds, _note(row)))
    return found


def results(group: Group, metrics: Sequence[str], *, spread: bool = True) -> tuple[Any, dict[str, Any]]:
    """Return the table of one group, styled, and its column configuration.

    spread: whether half of the 95 % interval stands behind each mean. Columns sort by their numbers all the same.
    """
    import pandas as pd

    names = labels(group.rows)
    data: dict[str, list[Any]] = {
        " ": [DOT for _ in group.rows],
        "Model": [names[row.run.id] for row in group.rows],
        "Epochs": [row.epochs_run if (row.run.epochs or 1) > 1 else None for row in group.rows],
    }
    for name in metrics:
        data[name] = [row.metrics[name].mean if name in row.metrics else None for row in group.rows]
    data["Runtime"] = [row.run.runtime_s for row in group.rows]
    table = pd.DataFrame(data).astype(dict.fromkeys([*metrics, "Runtime"], "float64")).astype({"Epochs": "Int64"})
    styled = table.style.apply(lambda _: [f"color: {colours.of(row.run.id)}" for row in group.rows], subset=[" "])
    for name in metrics:
        styled = styled.apply(_bold_best(name), subset=[name]).format(_spread(group, name, spread), subset=[name])
    return styled.format(_seconds, subset=["Runtime"]), _columns(metrics)


def labels(rows: Sequence[Row]) -> dict[str, str]:
    """Return what each run is called: the model's title, or the run's name where a model comes twice or was renamed."""
    titles = {row.run.id: row.title for row in rows}
    return panels.labels([row.run for row in rows], titles)


def direction(metric: str) -> str:
    """Return which way is up, in words."""
    from recdash.services import results as service

    return {True: "higher is better", False: "lower is better", None: "neither good nor bad"}[
        service.higher_is_better(metric)
    ]


def facts(group: Group) -> str:
    """Return what was split how, in one line."""
    told = group.facts
    parts = [
        f"{count(told[key])} {word}"
        for key, word in (
            ("train_users", "training users"),
            ("test_users", "test users"),
            ("items", "items"),
            ("train_positives", "training positives"),
            ("train_ratings", "training ratings"),
            ("test_ratings", "test ratings"),
        )
        if key in told
    ]
    if "positive_from" in told:
        least = told["positive_from"]
        parts.append(
            "every row counts as liked" if isinstance(least, str) else f"liked means a rating of {least:g} or more"
        )
    return ", ".join(parts)


def differences(runs: Sequence[RunRecord], everything: bool = False) -> pd.DataFrame:
    """Return one line per setting and one column per run; by default only the settings that differ."""
    import pandas as pd

    names = panels.labels(runs)
    rows: dict[str, Mapping[str, Any]] = {run.id: _described(run) for run in runs}
    settings = list(dict.fromkeys(name for told in rows.values() for name in told))
    lines = {name: [setting(rows[run.id][name]) if name in rows[run.id] else "–" for run in runs] for name in settings}
    kept = {name: values for name, values in lines.items() if everything or len(set(values)) > 1}
    return pd.DataFrame(list(kept.values()), index=list(kept), columns=[names[run.id] for run in runs])


def _described(run: RunRecord) -> dict[str, Any]:
    told = {"model": run.model, "data set": run.dataset, "protocol": run.protocol, "split seed": run.split_seed}
    told |= {"preset": run.preset, "seed": run.seed, "threads": run.threads, "precision": run.details.get("precision")}
    return told | dict(run.config)


def _columns(metrics: Sequence[str]) -> dict[str, Any]:
    found: dict[str, Any] = {
        " ": st.column_config.TextColumn(" ", width=28, help="The colour of the run on every page."),
        "Model": st.column_config.TextColumn("Model", width="medium"),
        "Epochs": st.column_config.NumberColumn(
            "Epochs", help="Epochs trained; the weights are those of the best one on validation."
        ),
        "Runtime": st.column_config.NumberColumn(
            "Runtime", help="Time of training on this machine, validation and test apart."
        ),
    }
    for name in metrics:
        told = f"{words.metric_help(name)} Mean over test users ± half of the 95 % interval; {direction(name)}."
        found[name] = st.column_config.NumberColumn(words.metric(name), help=told)
    return found


def _seconds(value: object) -> str:
    return duration(value if isinstance(value, float) else None)


def _spread(group: Group, metric: str, spread: bool) -> Callable[[object], str]:
    """Return how to write a mean: with half of its interval where there is one."""
    text: dict[object, str] = {}
    for row in group.rows:
        value = row.metrics.get(metric)
        if value is not None:
            text[value.mean] = f"{value.mean:.4f}"
            if spread and value.low is not None and value.high is not None:
                text[value.mean] += f" ± {(value.high - value.low) / 2:.4f}"
    return lambda mean: text.get(mean, "–")


def _bold_best(metric: str) -> Callable[[pd.Series[Any]], list[str]]:
    from recdash.services import results as service

    better = service.higher_is_better(metric)

    def style(column: pd.Series[Any]) -> list[str]:
        if better is None or column.notna().sum() < 2:
            return [""] * len(column)
        best = column.max() if better else column.min()
        return ["font-weight: 700" if value == best else "" for value in column]

    return style


def _sign(metric: str) -> int:
    from recdash.services import results as service

    return 1 if service.higher_is_better(metric) is False else -1


def _quality(run: RunRecord) -> str:
    return words.quality(run.metrics) or (f"{words.quality(run.validation)} *" if run.validation else "–")


def _note(row: Row) -> str:
    parameters = row.run.details.get("parameters")
    return f"{count(parameters)} parameters" if parameters else ""
