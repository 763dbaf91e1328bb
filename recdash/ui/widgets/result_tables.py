"""Tables for people: results with intervals and the best in bold, latest runs, and what differs between settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import streamlit as st

from recdash.analysis.metric_info import LEGEND, MARK, higher_is_better
from recdash.reporting.formatting import ago, count, duration, escape, listed, plural, setting
from recdash.ui import glossary
from recdash.ui.charts import curve_panels, run_colours
from recdash.ui.charts.basic import Point

if TYPE_CHECKING:
    import pandas as pd

    from recdash.analysis.groups import Group, ResultRow
    from recdash.analysis.reference_figures import ReferenceTable
    from recdash.analysis.seeds import SeedTable
    from recdash.analysis.versus_best import BestComparison
    from recdash.services.runs import RunRecord

DOT = "●"
AGAINST = "Against the best"
REMARKS = "Remarks"
MOST_NAMED = 4
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
                "State": f"{run.state.value}, {run.warning}" if run.warning else run.state.value,
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


def points(
    group: Group,
    metric: str,
    *,
    most: int = 30,
    one_per_model: bool = False,
    against: Callable[[ResultRow], float | None] | None = None,
) -> list[Point]:
    """Return the rows that have the metric, best first, for the charts.

    against: what the metric is set against; rows without it are left out.
    """
    found = []
    kept = chosen(group, metric, most=most, one_per_model=one_per_model)
    names = labels(kept)
    for row in kept:
        value, other = row.metrics[metric], 0.0 if against is None else against(row)
        if other is not None:
            low, high = (value.mean if bound is None else bound for bound in (value.low, value.high))
            found.append(Point(names[row.run.id], row.run.id, value.mean, low, high, other, _note(row)))
    return found


def chosen(group: Group, metric: str, *, most: int = 30, one_per_model: bool = False) -> list[ResultRow]:
    """Return the rows that have a metric, best first; with `one_per_model` the best of each model."""
    rows = sorted(
        (row for row in group.rows if metric in row.metrics), key=lambda row: _sign(metric) * row.metrics[metric].mean
    )
    if one_per_model:
        best = {row.run.model: row.run.id for row in reversed(rows)}
        rows = [row for row in rows if best[row.run.model] == row.run.id]
    return rows[:most]


def results(
    group: Group, metrics: Sequence[str], found: Mapping[str, BestComparison] | None = None, *, spread: bool = True
) -> tuple[Any, dict[str, Any]]:
    """Return the table of one group, styled, and its column configuration.

    found: which rows cannot be told from the best, by metric.  spread: whether half of the 95 % interval stands
    behind each mean. Columns sort by their numbers all the same.
    """
    import pandas as pd

    names, found = labels(group.rows), found or {}
    data: dict[str, list[Any]] = {
        " ": [DOT for _ in group.rows],
        "Model": [names[row.run.id] for row in group.rows],
        "Epochs": [row.epochs_run if (row.run.epochs or 1) > 1 else None for row in group.rows],
    }
    for name in metrics:
        data[name] = [row.metrics[name].mean if name in row.metrics else None for row in group.rows]
    data["Runtime"] = [row.run.runtime_s for row in group.rows]
    numbers = [*metrics, "Runtime"]
    judged = found.get(group.primary)
    if judged is not None and judged.standings:
        data[AGAINST] = [_behind(judged, row.run.id) for row in group.rows]
        numbers.append(AGAINST)
    if any(row.run.remarks for row in group.rows):
        data[REMARKS] = ["; ".join(row.run.remarks) for row in group.rows]
    table = pd.DataFrame(data).astype(dict.fromkeys(numbers, "float64")).astype({"Epochs": "Int64"})
    styled = table.style.apply(lambda _: [f"color: {run_colours.of(row.run.id)}" for row in group.rows], subset=[" "])
    for name in metrics:
        shown = _spread(group, name, spread, found.get(name))
        styled = styled.apply(_bold_best(name), subset=[name]).format(shown, subset=[name])
    if judged is not None and AGAINST in data:
        styled = styled.format(_difference(judged), subset=[AGAINST])
    return styled.format(_seconds, subset=["Runtime"]), _columns(metrics, group.primary)


def over_seeds(table: SeedTable, metrics: Sequence[str]) -> pd.DataFrame:
    """Return means over seeds as words, best first."""
    import pandas as pd

    from recdash.reporting import seed_tables

    shown = seed_tables.columns_of(table, metrics) or [table.primary]
    rows = []
    for row in table.rows:
        own = ", ".join(f"{name} {setting(value)}" for name, value in row.settings.items())
        words_ = {"Model": row.title, "Preset": f"{row.preset}, {own}" if own else row.preset}
        counts = {"Splits": len(row.split_seeds), "Trainings": row.trainings}
        cells = {name: seed_tables.cell(row.metrics.get(name)) for name in shown}
        rows.append({**words_, **counts, **cells, "Runtime": duration(row.runtime_s)})
    return pd.DataFrame(rows)


def published(table: ReferenceTable) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Return the published figures of one split as a table and its column configuration; every row has its mark."""
    import pandas as pd

    rows, names = table.rows, table.metrics
    data: dict[str, list[Any]] = {"Model": [row.title for row in rows]}
    data |= {name: [row.values.get(name) for row in rows] for name in names}
    data |= {"Status": [row.status for row in rows], "Source": [row.source for row in rows]}
    data |= {"Link": [row.url for row in rows]}
    if any(row.note for row in rows):
        data["Note"] = [row.note for row in rows]
    config: dict[str, Any] = {
        name: st.column_config.NumberColumn(glossary.metric(name), help=glossary.metric_help(name), format="%.3f")
        for name in names
    }
    config["Link"] = st.column_config.LinkColumn("Link", display_text="open")
    return pd.DataFrame(data).astype(dict.fromkeys(names, "float64")), config


def ties(group: Group, found: BestComparison) -> str:
    """Return in words which runs cannot be told from the best of a group, escaped; empty where there is none."""
    names = labels(group.rows)
    tied = [names[row.run.id] for row in group.rows if found.tied(row.run.id) and not found.is_best(row.run.id)]
    more = [plural(len(tied) - MOST_NAMED, "more run")] if len(tied) > MOST_NAMED else []
    return listed([*map(escape, tied[:MOST_NAMED]), *more]) if tied else ""


def labels(rows: Sequence[ResultRow]) -> dict[str, str]:
    """Return what each run is called: the model's title, or the run's name where a model comes twice or was renamed."""
    titles = {row.run.id: row.title for row in rows}
    return curve_panels.labels([row.run for row in rows], titles)


def direction(metric: str) -> str:
    """Return which way is up, in words."""
    from recdash.analysis import metric_info

    return {True: "higher is better", False: "lower is better", None: "neither good nor bad"}[
        metric_info.higher_is_better(metric)
    ]


def differences(runs: Sequence[RunRecord], everything: bool = False) -> pd.DataFrame:
    """Return one line per setting and one column per run; by default only the settings that differ."""
    import pandas as pd

    names = curve_panels.labels(runs)
    rows: dict[str, Mapping[str, Any]] = {run.id: _described(run) for run in runs}
    settings = list(dict.fromkeys(name for told in rows.values() for name in told))
    lines = {name: [setting(rows[run.id][name]) if name in rows[run.id] else "–" for run in runs] for name in settings}
    kept = {name: values for name, values in lines.items() if everything or len(set(values)) > 1}
    return pd.DataFrame(list(kept.values()), index=list(kept), columns=[names[run.id] for run in runs])


def _described(run: RunRecord) -> dict[str, Any]:
    told = {"model": run.model, "data set": run.dataset, "protocol": run.protocol, "split seed": run.split_seed}
    told |= {"preset": run.preset, "seed": run.seed, "threads": run.threads, "precision": run.details.get("precision")}
    return told | dict(run.config)


def _behind(judged: BestComparison, run_id: str) -> float | None:
    """Return how far a run is from the best of its table; None where that is not known."""
    if judged.is_best(run_id):
        return 0.0
    return judged.standings[run_id].difference if run_id in judged.standings else None


def _difference(judged: BestComparison) -> Callable[[object], str]:
    tied = {one.difference: one.tied for one in judged.standings.values()}

    def write(value: object) -> str:
        if not isinstance(value, float) or value != value:
            return "–"
        if value == 0:
            return "best"
        sign = "−" if value < 0 else "+"
        return f"{f'{MARK} ' if tied.get(value) else ''}{sign}{abs(value):.4f}"

    return write


def _columns(metrics: Sequence[str], primary: str) -> dict[str, Any]:
    found: dict[str, Any] = {
        " ": st.column_config.TextColumn(" ", width=28, help="The colour of the run on every page."),
        "Model": st.column_config.TextColumn("Model", width="medium"),
        "Epochs": st.column_config.NumberColumn(
            "Epochs", help="Epochs trained; the weights are those of the best one on validation."
        ),
        "Runtime": st.column_config.NumberColumn(
            "Runtime", help="Time of training on this machine, validation and test apart."
        ),
        AGAINST: st.column_config.NumberColumn(
            AGAINST, help=f"{glossary.metric(primary)} minus that of the best, user by user. {LEGEND}."
        ),
    }
    found[REMARKS] = st.column_config.TextColumn(REMARKS, help=f"Unstable: {glossary.UNSTABLE}")
    for name in metrics:
        told = f"{glossary.metric_help(name)} Mean over test users ± half of the 95 % interval; {direction(name)}."
        told += f" {MARK}: cannot be told from the best." if higher_is_better(name) is not None else ""
        found[name] = st.column_config.NumberColumn(glossary.metric(name), help=told)
    return found


def _seconds(value: object) -> str:
    return duration(value if isinstance(value, float) else None)


def _spread(group: Group, metric: str, spread: bool, judged: BestComparison | None) -> Callable[[object], str]:
    """Return how to write a mean: with half of its interval where there is one, and a mark where it is a tie."""
    text: dict[object, str] = {}
    for row in group.rows:
        value = row.metrics.get(metric)
        if value is not None:
            text[value.mean] = f"{value.mean:.4f}"
            if spread and value.low is not None and value.high is not None:
                text[value.mean] += f" ± {(value.high - value.low) / 2:.4f}"
            if judged is not None and judged.tied(row.run.id) and not judged.is_best(row.run.id):
                text[value.mean] += f" {MARK}"
    return lambda mean: text.get(mean, "–")


def _bold_best(metric: str) -> Callable[[pd.Series[Any]], list[str]]:
    from recdash.analysis import metric_info

    better = metric_info.higher_is_better(metric)

    def style(column: pd.Series[Any]) -> list[str]:
        if better is None or column.notna().sum() < 2:
            return [""] * len(column)
        best = column.max() if better else column.min()
        return ["font-weight: 700" if value == best else "" for value in column]

    return style


def _sign(metric: str) -> int:
    from recdash.analysis import metric_info

    return 1 if metric_info.higher_is_better(metric) is False else -1


def _quality(run: RunRecord) -> str:
    return glossary.quality(run.metrics) or (f"{glossary.quality(run.validation)} *" if run.validation else "–")


def _note(row: ResultRow) -> str:
    parameters = row.run.details.get("parameters")
    size = [f"{count(parameters)} parameters"] if parameters else []
    return ", ".join([*size, *row.run.remarks])
