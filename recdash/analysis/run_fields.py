"""What a filter of runs can ask about: text fields, numbers, times and settings of a run by name."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from recdash.analysis.metric_info import METRICS
from recdash.analysis.run_labels import model_title
from recdash.errors import DataError, UsageError
from recdash.runs.run_records import RunRecord
from recdash.settings import format_setting

UNITS = {"s": 1, "sec": 1, "m": 60, "min": 60, "h": 3600, "d": 86400, "w": 7 * 86400}  # seconds


@dataclass(frozen=True)
class Context:
    """What a filter may know besides the run itself.

    Attributes:
        pinned: Ids of the pinned runs.
        shown: Ids of the shown runs.
        now: Present time in seconds since 1970.
        groups: Comparability key of each run, by id.
        cache: What conditions computed from the above, once for all runs.
    """

    pinned: Collection[str] = ()
    shown: Collection[str] = ()
    now: float = field(default_factory=time.time)
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    cache: dict[tuple[str, ...], set[tuple[str, ...]]] = field(default_factory=dict, repr=False, compare=False)


def model_titles(run: RunRecord) -> tuple[str, ...]:
    """Return the name of a run's model and, if it is known, its title."""
    try:
        return run.model, model_title(run)
    except (UsageError, DataError, KeyError):  # a model of another version
        return (run.model,)


def _dataset(run: RunRecord) -> tuple[str, ...]:
    return (Path(run.dataset).name or run.dataset,)


def _state(run: RunRecord) -> tuple[str, ...]:
    return (run.state.value, "active") if run.state.is_active() else (run.state.value, "ended")


# Values of each text field; the filter matches the start of any of them, for CONTAINS any part.
TEXTS: Mapping[str, Callable[[RunRecord], tuple[str, ...]]] = {
    "name": lambda run: (run.name,),
    "model": model_titles,
    "dataset": _dataset,
    "protocol": lambda run: (run.protocol,),
    "state": _state,
    "tag": lambda run: run.tags,
    "preset": lambda run: (run.preset,),
    "note": lambda run: (run.note,),
    "id": lambda run: (run.id,),
    "device": lambda run: (str(run.details.get("device") or run.device),),
    "source": lambda run: (run.source,),
    "split": lambda run: (run.split_fingerprint,),
}
CONTAINS = ("name", "note", "source")
ALIASES = {"data": "dataset", "tags": "tag", "title": "name", "runtime": "time", "age": "created"}
FLAGS: Mapping[str, Callable[[RunRecord, Context], bool]] = {
    "archived": lambda run, _: run.archived is not None,
    "pinned": lambda run, context: run.id in context.pinned,
    "shown": lambda run, context: run.id in context.shown,
    "unstable": lambda run, _: run.unstable_epoch is not None,
    "improving": lambda run, _: run.still_improving,
}
NUMBERS: Mapping[str, Callable[[RunRecord], float | None]] = {
    "best": lambda run: run.best_value,
    "best_epoch": lambda run: run.best_epoch,
    "epoch": lambda run: run.epoch,
    "epochs": lambda run: run.epochs,
    "seed": lambda run: run.seed,
    "split_seed": lambda run: run.split_seed,
    "trials": lambda run: run.trials,
    "trial": lambda run: _number(run.trial.get("number")),
    "parameters": lambda run: _number(run.details.get("parameters")),
}
DURATIONS: Mapping[str, Callable[[RunRecord, float], float | None]] = {
    "time": lambda run, _: run.runtime_s if run.runtime_s is not None else run.elapsed_s,
    "created": lambda run, now: now - run.created,
    "finished": lambda run, now: None if run.finished is None else now - run.finished,
}
AGES = ("created", "finished")  # also compared with dates
_WORD_FIELDS = ("name", "model", "dataset", "note", "tag", "id")


def words_of(run: RunRecord) -> str:
    """Return the text in which plain words are searched, in lower case."""
    words = [value for name in _WORD_FIELDS for value in TEXTS[name](run)]
    return "\n".join((*words, f"seed {run.seed}")).casefold()


def setting_names(runs: Iterable[RunRecord]) -> set[str]:
    """Return the names of all settings that the runs have."""
    names: set[str] = set()
    for run in runs:
        names.update(run.config or run.settings)
    return names


def setting_of(run: RunRecord, name: str) -> tuple[object, ...]:
    """Return the value of a setting as a tuple of one, empty if the run has no such setting."""
    for values in (run.config, run.settings):
        if name in values:
            return (values[name],)
    return ()


def setting_text(value: object) -> str:
    """Return a setting as a filter and a group name it, for example "600-200" or "off"."""
    return format_setting(value)


def metric_of(run: RunRecord, name: str) -> float | None:
    """Return a test metric, or with the prefix "validation." the validation metric at the best epoch."""
    part, _, metric = name.rpartition(".")
    return _number((run.validation if part else run.metrics).get(metric))


def is_metric(name: str) -> bool:
    """Whether a name is that of a metric, such as "ndcg@100", "rmse" or "validation.ndcg@100"."""
    part, _, metric = name.rpartition(".")
    return part in ("", "validation") and metric.partition("@")[0] in METRICS


def parse_date(text: str) -> float | None:
    """Return the seconds since 1970 of a date such as 2026-11-27 (midnight, UTC), or None."""
    if "-" not in text:
        return None
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None


def _number(value: object) -> float | None:
    return value if isinstance(value, int | float) else None
