"""Search for settings: studies for commands and pages. Imports no Optuna; only a driver that samples by `tpe` does.

A study searches the settings of one model on one split. Its trials are ordinary runs, tagged with the study's name, and
are compared by validation alone; the best one is evaluated on the test part at the end.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from recdash import environment
from recdash.errors import UsageError
from recdash.models import registry
from recdash.reporting.formatting import duration, listed, plural
from recdash.runs import process_env, queue
from recdash.runs.run_records import RunRecord
from recdash.services import presets, training_plan, tuning_driver, tuning_studies
from recdash.services.store_access import open_store, refuse_when_read_only
from recdash.services.tuning_requests import (
    DEFAULT_TRIALS,
    SearchedSetting,
    default_study_name,
    prepare,
    searched_settings,
)
from recdash.services.tuning_studies import MAX_TRIALS, StudySpec, Trial
from recdash.tuning import importance
from recdash.tuning.importance import Contour
from recdash.tuning.outcome import Outcome

if TYPE_CHECKING:
    from recdash.evaluation.selection_metric import SelectionMetric
    from recdash.models.user_presets import UserPreset


__all__ = [
    "DEFAULT_TRIALS",
    "MAX_TRIALS",
    "SearchedSetting",
    "Study",
    "StudyPlan",
    "StudySpec",
    "Trial",
    "contour",
    "create",
    "default_study_name",
    "importances",
    "plan",
    "prepare",
    "refuse",
    "remove",
    "save_preset",
    "searched_settings",
    "start",
    "stop",
    "studies",
    "study",
]


@dataclass(frozen=True)
class StudyPlan:
    """What a search costs, before it starts.

    Attributes:
        trials: Trials that are still to be trained, of all studies.
        workers: How many train at once.
        seconds: Expected time; None if the model was not measured on this machine yet.
        at_most_seconds: The time if neither early stopping nor pruning ends a trial.
        problems: Reasons not to start, one line each.
        not_measured: Models whose time is unknown and left out.
    """

    trials: int
    workers: int
    seconds: float | None
    at_most_seconds: float | None
    problems: tuple[training_plan.Problem, ...]
    not_measured: tuple[str, ...]

    @property
    def text(self) -> str:
        """The plan as one line, such as "20 trials, 2 at once, about 4 min (at most 9 min)"."""
        parts = [plural(self.trials, "trial")]
        parts += [f"{self.workers} at once"] if self.workers > 1 else []
        if self.seconds is None:
            parts.append("time unknown until the first trial has ended")
        else:
            parts.append(f"about {duration(self.seconds)} (at most {duration(self.at_most_seconds)})")
        text = ", ".join(parts)
        unknown = listed([registry.model_class(model).title for model in self.not_measured])
        return f"{text}; {unknown} not included" if self.seconds is not None and self.not_measured else text

    def to_dict(self) -> dict[str, Any]:
        """Return the plan as JSON values."""
        plain = {name: getattr(self, name) for name in ("trials", "workers", "seconds", "at_most_seconds")}
        return {**plain, "not_measured": list(self.not_measured), "problems": [one.text for one in self.problems]}


@dataclass(frozen=True)
class Study:
    """The present state of a study.

    Attributes:
        spec: What it searches.
        trials: Its trials by number.
        best: The best complete trial by validation; None without one.
        n_tried: Trials that have ended, those included whose runs were deleted.
        is_driven: Whether a process works on it now.
    """

    spec: StudySpec
    trials: tuple[Trial, ...]
    best: Trial | None
    n_tried: int
    is_driven: bool

    @property
    def metric(self) -> SelectionMetric:
        """The validation metric that decides: its `name` and `higher_is_better`."""
        return self.spec.metric

    @property
    def winner(self) -> RunRecord | None:
        """The run of the best trial if it was evaluated on the test part, else None."""
        run = self.best.run if self.best else None
        return run if run is not None and run.metrics else None

    @property
    def of_preset(self) -> Trial | None:
        """Trial 0, which has the settings of the preset."""
        return next((trial for trial in self.trials if trial.number == 0), None)

    @property
    def state(self) -> str:
        """ "running", "complete" (all its trials have ended) or "stopped" (it can go on)."""
        if self.is_driven or any(trial.is_active for trial in self.trials):
            return "running"
        ended = sum(trial.is_ended for trial in self.trials)
        return "complete" if ended and ended == len(self.trials) and self.n_tried >= self.spec.trials else "stopped"

    def to_dict(self) -> dict[str, Any]:
        """Return the study as JSON values."""
        best = self.best
        return {
            **self.spec.to_dict(),
            "state": self.state,
            "metric": self.metric.name,
            "n_tried": self.n_tried,
            "best": best.to_dict() if best else None,
            "test": dict(self.winner.metrics) if self.winner else None,
            "trials_listed": [trial.to_dict() for trial in self.trials],
        }


def plan(specs: Sequence[StudySpec], workers: int | None = None) -> StudyPlan:
    """Return what the trials that are still to be trained will cost.

    Raises:
        UsageError: A dataset is no longer there.
        DataError: A dataset cannot be read.
    """
    runs = open_store().runs()
    at_once = environment.max_runs() if workers is None else min(environment.max_runs(), workers)
    left = {spec.name: n for spec in specs if (n := _left(spec, runs))}
    going = [spec for spec in specs if spec.name in left]
    firsts = [tuning_driver.trial_request(spec, 0, tuning_driver.preset_params(spec)) for spec in going]
    costs = training_plan.plan(firsts)
    known = [(left[spec.name], one) for spec, one in zip(going, costs.runs, strict=True) if one.seconds is not None]
    seconds = sum(n * (one.seconds or 0.0) for n, one in known) / at_once
    most = sum(n * (one.at_most_seconds or one.seconds or 0.0) for n, one in known) / at_once
    return StudyPlan(
        trials=sum(left.values()),
        workers=at_once,
        seconds=seconds if known else None,
        at_most_seconds=most if known else None,
        problems=costs.problems,
        not_measured=costs.not_measured,
    )


def refuse(cost: StudyPlan, *, force: bool = False) -> None:
    """Raise SplitError or UsageError with the first reason not to start, see `training_plan.refuse`."""
    training_plan.refuse_problems(cost.problems, force=force)


def create(specs: Sequence[StudySpec]) -> list[StudySpec]:
    """Store studies; an existing one gets the new number of trials. Raises UsageError on a read-only installation."""
    refuse_when_read_only("trained")
    for spec in specs:
        tuning_studies.write(spec)
    return list(specs)


def start(names: Sequence[str], *, workers: int | None = None, minutes: float | None = None) -> None:
    """Work on stored studies in a process in the background; does nothing for those that a process works on.

    Args:
        names: Names of the studies.
        workers: Trials at once; by default as many as train at once.
        minutes: Time after which no further trial is queued.

    Raises:
        UsageError: A study is unknown, or the installation is read-only.
    """
    refuse_when_read_only("trained")
    idle = [name for name in names if tuning_studies.read(name) and tuning_studies.driver_of(name) is None]
    if not idle:
        return
    command = [sys.executable, "-m", "recdash.services.tuning_driver", *idle]
    command += [] if workers is None else ["--workers", str(workers)]
    command += [] if minutes is None else ["--minutes", str(minutes)]
    with tuning_studies.path_of(idle[0], ".log").open("ab") as log:
        subprocess.Popen(
            command, env=process_env.for_process(), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            start_new_session=True,
        )  # fmt: skip


def stop(name: str) -> None:
    """Ask the process that works on a study to stop its trials; they go on with the next start."""
    refuse_when_read_only("stopped")
    spec = tuning_studies.read(name)
    if tuning_studies.driver_of(spec.name) is not None:
        tuning_studies.path_of(name, ".stop").touch()
        return
    for trial in tuning_studies.trials_of(spec):  # of a process that was killed
        if trial.is_active and trial.run is not None:
            queue.stop(open_store(), trial.run.id)


def study(name: str) -> Study:
    """Return the present state of a study; raises UsageError if it is unknown, StoreError if its file is damaged."""
    return _study(tuning_studies.read(name), open_store().runs())


def studies() -> list[Study]:
    """Return all studies, the newest first; those whose file is damaged are left out."""
    runs = open_store().runs()
    found = []
    for name in tuning_studies.names():
        try:
            found.append(_study(tuning_studies.read(name), runs))
        except Exception:  # noqa: S112  # one damaged file must not hide the others; `study` reports it
            continue
    return found


def remove(name: str) -> None:
    """Forget a study; its runs stay.

    Raises:
        UsageError: It is unknown, or a process works on it.
    """
    refuse_when_read_only("removed")
    if not tuning_studies.exists(name):
        tuning_studies.read(name)  # raises
    if tuning_studies.driver_of(name) is not None:
        raise UsageError(f"Study {name} is running. Stop it first (Ctrl-C, or Stop on the Tune tab).")
    for suffix in (".json", ".log", ".stop", ".driver", ".lock"):
        tuning_studies.path_of(name, suffix).unlink(missing_ok=True)


def save_preset(name: str, preset: str | None = None) -> UserPreset:
    """Save the settings of a study's best trial as a preset of the user's own, see `presets.save_from_study`."""
    return presets.save_from_study(name, preset)


def importances(found: Study) -> dict[str, float]:
    """Return how much each setting matters, as shares of 1, the most important first; empty below 8 trials.

    See `recdash.tuning.importance.importances` for the method.
    """
    return importance.importances(found.spec.dimensions, _outcomes(found))


def contour(found: Study, first: str, second: str) -> Contour | None:
    """Return the validation value over two searched settings, interpolated between the trials.

    Raises UsageError for a setting that is not searched; None with fewer than 3 trials with a value.
    """
    dimensions = {dimension.name: dimension for dimension in found.spec.dimensions}
    for name in (first, second):
        if name not in dimensions:
            raise UsageError(f"Study {found.spec.name} does not search {name}. Searched: {', '.join(dimensions)}.")
    return importance.contour(dimensions[first], dimensions[second], _outcomes(found), sign=found.metric.sign)


def _outcomes(found: Study) -> list[Outcome]:
    return tuning_studies.outcomes_of(found.spec, [trial for trial in found.trials if trial.is_ended])


def _study(spec: StudySpec, runs: Sequence[RunRecord]) -> Study:
    trials = tuning_studies.trials_of(spec, runs)
    best = tuning_studies.best_of(spec, trials)
    is_driven = tuning_studies.driver_of(spec.name) is not None
    return Study(spec, tuple(trials), best, tuning_studies.count_tried(trials), is_driven)


def _left(spec: StudySpec, runs: Sequence[RunRecord]) -> int:
    ended = sum(trial.is_ended for trial in tuning_studies.trials_of(spec, runs))
    return max(0, (spec.trials if spec.space else 1) - ended)
