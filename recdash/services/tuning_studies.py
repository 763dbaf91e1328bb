"""Studies: what a search tries, stored in the data folder; and its trials, which are runs of the store.

data/studies/NAME.json          the study (`StudySpec`)
             NAME.lock          held for a moment by the process that queues trials
             NAME.stop          a request to stop
             NAME.driver        the process that works on it
             NAME.log           output of a process in the background
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from recdash import paths
from recdash.atomic_files import wrap_read_errors, write_json
from recdash.errors import StoreError, UsageError, short_repr
from recdash.evaluation.selection_metric import SELECTION_METRICS, SelectionMetric
from recdash.json_values import json_object
from recdash.models import registry
from recdash.runs.process_id import ProcessId, is_alive
from recdash.runs.run_records import RunRecord
from recdash.runs.states import State
from recdash.services.store_access import open_store
from recdash.tuning.outcome import Outcome
from recdash.tuning.pruning import Pruning
from recdash.tuning.search_space import Space, parse_space

FORMAT = 1
MAX_TRIALS = 1000  # of a study; as many as the time allows, where only that is given
MAX_ATTEMPTS = 4  # of a trial whose worker dies again and again
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}")  # a study's name is a tag of its runs, too
_FIX = "Restore it from a copy, or start another study with --study NAME."


@dataclass(frozen=True, kw_only=True)
class StudySpec:
    """What a study searches. Everything but `trials` is fixed once its first trial was queued.

    Attributes:
        name: Name of the study, also a tag of its runs.
        model, dataset, dataset_fingerprint, protocol, split_seed, seed, options, device: As for any run.
        preset: The first trial is this preset; every other one starts from it.
        settings: Settings given by name, which are not searched.
        space: Values searched, one text per setting (`recdash.tuning.search_space`).
        sampler: "tpe", "random" or "grid".
        sampler_seed: Seed of the sampler.
        pruning: Which trials end early.
        trials: Trials that the study is to have; may be raised at any time.
        refused: Settings that a sampler proposed and the model refuses: `number`, `params` and `error` of each.
        created: Seconds since 1970.
    """

    name: str
    model: str
    dataset: str
    protocol: str
    split_seed: int
    dataset_fingerprint: str = ""
    seed: int = 0
    options: Mapping[str, Any] = field(default_factory=dict)
    device: str = "auto"
    preset: str = "auto"
    settings: Mapping[str, Any] = field(default_factory=dict)
    space: Mapping[str, str] = field(default_factory=dict)
    sampler: str = "tpe"
    sampler_seed: int = 0
    pruning: Pruning = field(default_factory=Pruning)
    trials: int = 20
    refused: tuple[Mapping[str, Any], ...] = ()
    created: float = 0.0

    @property
    def metric(self) -> SelectionMetric:
        """The validation metric that decides."""
        from recdash.splits import PROTOCOLS  # lazy: scipy

        return SELECTION_METRICS[PROTOCOLS[self.protocol].task]

    @property
    def dimensions(self) -> Space:
        """The space, parsed."""
        return parse_space(registry.model_class(self.model).config_class, self.space)

    def to_dict(self) -> dict[str, Any]:
        """Return the study as JSON values."""
        return {"format": FORMAT, **asdict(self), "refused": [dict(one) for one in self.refused]}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> StudySpec:
        """Build from `to_dict`; raises an exception of any kind for other values."""
        if values.get("format") != FORMAT:
            raise ValueError(f"format {short_repr(values.get('format'))}, expected {FORMAT}")
        known = {name: values[name] for name in cls.__dataclass_fields__ if name in values}
        spec = cls(**{**known, "pruning": Pruning(**values["pruning"]), "refused": tuple(values["refused"])})
        registry.model_class(spec.model)
        _ = spec.metric, spec.dimensions
        return spec


@dataclass(frozen=True)
class Trial:
    """One trial of a study.

    Attributes:
        number: From 0, the preset's.
        params: Values of the searched settings.
        state: "queued", "running", "complete", "pruned", "failed", or "stopped" (it goes on with the study).
        value: Best validation value so far, in the metric's own direction; None without one.
        epoch: Last completed epoch.
        epochs: Largest number of epochs; None for closed forms.
        seconds: Time of training and validation so far.
        run: Its run; None for settings that the model refuses.
        error: Why it failed, or "".
    """

    number: int
    params: Mapping[str, Any]
    state: str
    value: float | None = None
    epoch: int = 0
    epochs: int | None = None
    seconds: float | None = None
    run: RunRecord | None = None
    error: str = ""

    @property
    def is_ended(self) -> bool:
        """Whether the trial counts as done."""
        return self.state in ("complete", "pruned", "failed")

    @property
    def is_active(self) -> bool:
        """Whether it waits or trains."""
        return self.state in ("queued", "running")

    def to_dict(self) -> dict[str, Any]:
        """Return the trial as JSON values, with the id of its run."""
        plain = {name: getattr(self, name) for name in self.__dataclass_fields__ if name != "run"}
        params = {name: list(v) if isinstance(v, tuple) else v for name, v in self.params.items()}
        return {**plain, "params": params, "run": self.run.id if self.run else None}


def folder() -> Path:
    """Return the folder of the studies; it may not exist yet."""
    return paths.data_dir() / "studies"


def checked_name(name: str) -> str:
    """Return the name of a study; raises UsageError unless it can be one."""
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{short_repr(name)} is not a name of a study. Use 1 to 40 letters, digits, dots, dashes or underscores, "
            "for example recvae-ml-1m."
        )
    return name


def path_of(name: str, suffix: str = ".json") -> Path:
    """Return a file of a study."""
    return folder() / f"{checked_name(name)}{suffix}"


def exists(name: str) -> bool:
    """Return whether there is a study of this name."""
    return path_of(name).is_file()


def names() -> list[str]:
    """Return the names of all studies, the newest first."""
    found = [path for path in folder().glob("*.json") if _NAME.fullmatch(path.stem)]
    return [path.stem for path in sorted(found, key=lambda path: -path.stat().st_mtime)]


def read(name: str) -> StudySpec:
    """Return a study; raises UsageError if there is none, StoreError if its file is damaged."""
    path = path_of(name)
    if not path.is_file():
        raise UsageError(f"Unknown study: {name!r}. See `recdash tune --list`.")
    with wrap_read_errors(path, StoreError, _FIX, "this study is damaged"):
        return StudySpec.from_dict(json_object(path.read_text(encoding="utf-8")))


def write(spec: StudySpec) -> None:
    """Store a study; raises StoreError if that fails."""
    path = path_of(spec.name)
    try:
        write_json(path, json.loads(json.dumps(spec.to_dict())))
    except OSError as error:
        raise StoreError(f"{path}: cannot be written ({error.strerror}). Free some disk space.") from error


def refuse_params(spec: StudySpec, number: int, params: Mapping[str, Any], error: str) -> StudySpec:
    """Store that a model refuses the settings of a trial, which then counts as failed."""
    refused = {"number": number, "params": dict(params), "error": error}
    spec = replace(spec, refused=(*spec.refused, refused))
    write(spec)
    return spec


def trials_of(spec: StudySpec, runs: Sequence[RunRecord] | None = None) -> list[Trial]:
    """Return the trials of a study by number.

    Args:
        spec: The study.
        runs: All runs of the store, if they were read already.
    """
    every = open_store().runs(model=spec.model) if runs is None else runs
    found: dict[int, Trial] = {}
    for run in every:  # the newest first: should a number occur twice, the older run counts
        number = run.trial.get("number")
        if run.model == spec.model and run.trial.get("study") == spec.name and isinstance(number, int):
            found[number] = _trial(run, number)
    for one in spec.refused:
        found.setdefault(one["number"], Trial(one["number"], one["params"], "failed", error=one["error"]))
    return [found[number] for number in sorted(found)]


def outcomes_of(spec: StudySpec, trials: Sequence[Trial], curves: bool = False) -> list[Outcome]:
    """Return trials as a sampler reads them.

    Args:
        spec: The study.
        trials: Its trials.
        curves: Whether to read their validation curves, which only the sampler needs.
    """
    metric = spec.metric
    by_run = validation_curves([trial.run.id for trial in trials if trial.run], metric) if curves else {}
    return [
        Outcome(
            number=trial.number,
            params=trial.params,
            state="running" if not trial.is_ended else trial.state,  # type: ignore[arg-type]
            value=None if trial.value is None else metric.sign * trial.value,
            curve=by_run.get(trial.run.id, {}) if trial.run else {},
        )
        for trial in trials
    ]


def validation_curves(run_ids: Sequence[str], metric: SelectionMetric) -> dict[str, dict[int, float]]:
    """Return the validation values by epoch of runs, larger is better."""
    found: dict[str, dict[int, float]] = {}
    for row in open_store().epochs(run_ids) if run_ids else []:
        value = row.values.get(metric.name)
        if value is not None and math.isfinite(value):
            found.setdefault(row.run, {})[row.epoch] = metric.sign * value
    return found


def count_tried(trials: Sequence[Trial]) -> int:
    """Return how many settings a study has tried: those that ended, and those whose run was deleted since."""
    asked = 1 + max((trial.number for trial in trials), default=-1)
    return asked - sum(not trial.is_ended for trial in trials)


def best_of(spec: StudySpec, trials: Sequence[Trial]) -> Trial | None:
    """Return the best complete trial by validation, of equal ones the first; None without one."""
    best: Trial | None = None
    for trial in trials:
        is_better = trial.value is not None and spec.metric.is_better(trial.value, best.value if best else None)
        if trial.state == "complete" and is_better:
            best = trial
    return best


def driver_of(name: str) -> ProcessId | None:
    """Return the process that works on a study, or None."""
    with suppress(OSError, ValueError, KeyError):
        process = ProcessId.parse(path_of(name, ".driver").read_text(encoding="utf-8"))
        return process if is_alive(process, None) else None
    return None


def _trial(run: RunRecord, number: int) -> Trial:
    params = run.trial.get("params")
    return Trial(
        number=number,
        params=_params(params if isinstance(params, Mapping) else {}),
        state=_state(run),
        value=run.best_value,
        epoch=run.epoch,
        epochs=run.epochs,
        seconds=run.elapsed_s,
        run=run,
        error=run.error if run.state is State.FAILED else "",
    )


def _params(stored: Mapping[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in stored.items()}


def _state(run: RunRecord) -> str:
    if run.state is State.FINISHED:
        return "pruned" if run.details.get("pruned_at") else "complete"
    if run.state is State.FAILED or (run.state is State.INTERRUPTED and run.attempts >= MAX_ATTEMPTS):
        return "failed"
    return run.state.value if run.state.is_active() else "stopped"
