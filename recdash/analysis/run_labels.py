"""Labels of runs in tables and charts: short, and different within one table or chart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from recdash.models import registry
from recdash.runs.run_records import RunRecord
from recdash.settings import format_setting

_MOST_SETTINGS = 2  # named in a label; more would not fit next to a chart


def model_title(run: RunRecord) -> str:
    """Return the title of a run's model: as recorded by the run, else as the model is called today."""
    recorded = run.details.get("title")
    return str(recorded) if recorded else registry.model_class(run.model).title


def run_labels(runs: Sequence[RunRecord], *, one_dataset: bool = True, name_seeds: bool = True) -> dict[str, str]:
    """Return a label for each run, by run id.

    A run that was renamed is labelled by its name, any other by the title of its model. Where labels are equal, the
    first of these that differs is appended: preset, seed, settings, protocol, dataset, split options, end of the id.

    Args:
        runs: The runs of one table or chart.
        one_dataset: Whether all runs belong to one dataset; otherwise default names are used whole, for example
            "EASE on ml-1m".
        name_seeds: Whether a label may name a seed: not where a run represents all seeds of its settings.
    """
    by_name: dict[str, list[RunRecord]] = {}
    for run in {run.id: run for run in runs}.values():
        by_name.setdefault(_short_name(run) if one_dataset else run.name, []).append(run)
    suffixes: dict[str, str] = {}
    for same in by_name.values():
        undecided = same if len(same) > 1 else []
        suffixes |= dict.fromkeys((run.id for run in same), "") if len(same) == 1 else {}
        for part in (
            _SUFFIXES if name_seeds else _SUFFIXES_WITHOUT_SEEDS
        ):  # each is computed once per run: a table may have hundreds of runs of one model
            if not undecided:
                break
            parts = {run.id: part(run) for run in same}
            uses = Counter(parts.values())
            suffixes |= {run.id: parts[run.id] for run in undecided if uses[parts[run.id]] == 1}
            undecided = [run for run in undecided if run.id not in suffixes]
        suffixes |= {run.id: _end_of_id(run) for run in undecided}
    names = {run.id: name for name, same in by_name.items() for run in same}
    return {run.id: f"{names[run.id]}{suffixes[run.id]}" for run in runs}


def _short_name(run: RunRecord) -> str:
    title = model_title(run)
    default = run.name.removesuffix(f", seed {run.seed}").removesuffix(f" on {Path(run.dataset).name}")
    if default in (title, ""):
        return title
    beginning = f"{title} on {Path(run.dataset).name}"  # a sweep appends its values to the default name
    if run.name.startswith((f"{beginning}, ", f"{beginning}, seed {run.seed}, ")):
        return title + run.name.removeprefix(beginning).removeprefix(f", seed {run.seed}")
    return run.name


def _settings(run: RunRecord) -> str:
    given = [f"{name} {format_setting(value)}" for name, value in run.settings.items()]
    return f", {', '.join(given[:_MOST_SETTINGS])}" if given else ", preset settings"


def _split_options(run: RunRecord) -> str:
    if not run.options:
        return ", default split"
    from recdash.splits.split_options import describe_options  # lazy: pandas

    return f", {describe_options(run.options)}"


def _end_of_id(run: RunRecord) -> str:
    return f" · {run.id[-4:]}"


_SUFFIXES: tuple[Callable[[RunRecord], str], ...] = (
    lambda run: f", {run.preset}",
    lambda run: f", seed {run.seed}",
    _settings,
    lambda run: f", {run.protocol}",
    lambda run: f", {Path(run.dataset).name}",
    _split_options,
    lambda run: f"{_settings(run)}, seed {run.seed}",
)
_SUFFIXES_WITHOUT_SEEDS = (_SUFFIXES[0], *_SUFFIXES[2:-1])
