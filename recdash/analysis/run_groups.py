"""Groups and orders of runs in lists: by model, data, tag, state, seeds of one setting, or any setting."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from recdash.analysis.run_fields import model_titles
from recdash.evaluation.selection_metric import SELECTION_METRICS, selection_metric_of
from recdash.runs.run_records import RunRecord
from recdash.settings import format_setting

KINDS = {
    "": "None",
    "model": "Model",
    "data": "Dataset and protocol",
    "tag": "Tags",
    "state": "State",
    "seeds": "Same setting, all seeds",
}
ORDERS = {"newest": "Newest first", "best": "Best first", "name": "Name"}
_MAX_VALUES = 30  # a setting with more values makes no useful groups


@dataclass(frozen=True)
class RunGroup:
    """Runs under one heading.

    Attributes:
        key: Identifies the group while the runs live.
        title: Heading; empty when nothing is grouped.
        runs: The runs, in order.
    """

    key: str
    title: str
    runs: tuple[RunRecord, ...]


def group_runs(runs: Iterable[RunRecord], by: str, labels: Mapping[str, str]) -> list[RunGroup]:
    """Return the runs in groups, in the order of their first runs.

    Args:
        runs: The runs.
        by: A key of `KINDS`, or the name of a setting, `preset` included.
        labels: Label of each run by id; a group of seeds is called like its first run.
    """
    found: dict[str, list[RunRecord]] = {}
    titles: dict[str, str] = {}
    for run in runs:
        key, title = _group_of(run, by)
        found.setdefault(key, []).append(run)
        titles.setdefault(key, title)
    if by == "seeds":
        titles = {key: _seed_title(members, labels) for key, members in found.items()}
    return [RunGroup(key, titles[key], tuple(members)) for key, members in found.items()]


def order_runs(runs: Iterable[RunRecord], order: str, labels: Mapping[str, str]) -> list[RunRecord]:
    """Return the runs in a key of `ORDERS`; equal ones stay as they are. Values of two tasks are never mixed."""
    if order == "name":
        return sorted(runs, key=lambda run: labels[run.id].casefold())
    if order == "best":
        return sorted(runs, key=_by_best)
    return sorted(runs, key=lambda run: -run.created)


def differing_settings(runs: Sequence[RunRecord]) -> list[str]:
    """Return the names of the settings by which runs can be grouped: those with 2 to 30 different values."""
    values: dict[str, set[str]] = {"preset": set()}
    for run in runs:
        values["preset"].add(run.preset)
        for name, value in (run.config or run.settings).items():
            if len(known := values.setdefault(name, set())) <= _MAX_VALUES:
                known.add(format_setting(value))
    return sorted(name for name, known in values.items() if 1 < len(known) <= _MAX_VALUES)


def _group_of(run: RunRecord, by: str) -> tuple[str, str]:
    """Return key and title of a run's group."""
    if by == "":
        return "", ""
    if by == "model":
        return run.model, model_titles(run)[-1]
    if by == "data":
        name = Path(run.dataset).name
        return f"{run.dataset}|{run.protocol}", f"{name}, {run.protocol}"
    if by == "tag":
        return "|".join(run.tags), ", ".join(run.tags) or "No tag"
    if by == "state":
        return run.state.value, run.state.value.capitalize()
    if by == "seeds":
        return _setting_key(run), ""
    if by == "preset":
        return run.preset, f"preset {run.preset}"
    for values in (run.config, run.settings):
        if by in values:
            text = format_setting(values[by])
            return text, f"{by} {text}"
    return "–", f"no {by}"


def _setting_key(run: RunRecord) -> str:
    settings = sorted((name, format_setting(value)) for name, value in run.settings.items())
    options = sorted((name, str(value)) for name, value in run.options.items())
    return repr((run.model, run.dataset, run.dataset_fingerprint, run.protocol, run.preset, settings, options))


def _seed_title(members: Sequence[RunRecord], labels: Mapping[str, str]) -> str:
    """Return the label of the first run without its seed."""
    first = members[0]
    label = labels[first.id].removesuffix(f" · {first.id[-4:]}").removesuffix(f", seed {first.seed}")
    given = ", ".join(f"{name} {format_setting(value)}" for name, value in first.settings.items() if name not in label)
    return f"{label}, {given}" if given else label


def _by_best(run: RunRecord) -> tuple[int, float]:
    metric = selection_metric_of(run.validation)
    if metric is None or run.best_value is None or run.best_value != run.best_value:
        return len(SELECTION_METRICS), 0.0
    task = [one.name for one in SELECTION_METRICS.values()].index(metric.name)
    return task, -metric.sign * run.best_value
