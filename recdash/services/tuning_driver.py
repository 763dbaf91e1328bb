"""Drive studies: queue their trials, resume those whose worker died, and evaluate the winners.

The state of a study is that of its runs, so a driver keeps nothing: any number of them may work on one study, one after
another or together, and one that is killed loses no trial.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace

from filelock import FileLock, Timeout

from recdash import environment
from recdash.atomic_files import replace_file
from recdash.errors import RecdashError, StoreError, UsageError
from recdash.models import registry
from recdash.runs import queue, supervisor
from recdash.runs.process_id import ProcessId
from recdash.runs.run_records import Request
from recdash.runs.states import State
from recdash.services import training_plan, training_requests, tuning_studies, tuning_winner
from recdash.services.store_access import open_store, refuse_when_read_only
from recdash.services.tuning_studies import StudySpec, Trial
from recdash.tuning import samplers
from recdash.tuning.search_space import including

POLL_SECONDS = 0.25
STOP_SECONDS = 30.0  # after which a driver no longer waits for its runs to stop
_LOCK_SECONDS = 60.0


@dataclass(frozen=True)
class Progress:
    """State of a drive.

    Attributes:
        spec: The study.
        trials: Its trials.
        is_exhausted: Whether its search space has nothing more to try.
    """

    spec: StudySpec
    trials: tuple[Trial, ...]
    is_exhausted: bool

    @property
    def is_complete(self) -> bool:
        """Whether every trial that the study is to have has ended."""
        return not any(not trial.is_ended for trial in self.trials) and (
            self.is_exhausted or _asked(self.trials) >= self.spec.trials
        )


class Driver:
    """Works on studies until they have all their trials, the time is over, or a stop is requested.

    The study with the fewest trials gets the next one, so that all have the same number at any time, give or take one.

    Args:
        names: Names of the studies.
        workers: Trials that are queued or running at once; by default as many as train at once.
        seconds: No trial is queued after this time; those that train are finished.
    """

    def __init__(self, names: Sequence[str], *, workers: int | None = None, seconds: float | None = None) -> None:
        self.names = tuple(dict.fromkeys(names))
        self.workers = environment.max_runs() if workers is None else workers
        self.deadline = None if seconds is None else time.monotonic() + seconds
        self._exhausted: set[str] = set()
        self._resumed: set[str] = set()  # stopped trials that this drive has resumed
        self.interrupted = False

    def run(self, on_progress: Callable[[list[Progress]], None] | None = None) -> list[Progress]:
        """Work; after Ctrl-C or a stop request, stop the trials, which go on with the next drive.

        Returns:
            The final state of each study; the winner of each that is complete was evaluated on the test part.
        """
        refuse_when_read_only("trained")
        for name in self.names:
            tuning_studies.path_of(name, ".stop").unlink(missing_ok=True)
        with _notes(self.names):
            try:
                while True:
                    progress = self.step()
                    if on_progress is not None:
                        on_progress(progress)
                    if self._is_stop_requested():
                        self.interrupted = True
                        break
                    is_active = any(trial.is_active for one in progress for trial in one.trials)
                    if not is_active and not self._has_more(progress):
                        break
                    time.sleep(POLL_SECONDS)
            except KeyboardInterrupt:
                self.interrupted = True
            if self.interrupted:
                self._stop_trials()
            progress = [self._progress(tuning_studies.read(name)) for name in self.names]
            if not self.interrupted:
                for one in progress:
                    if one.is_complete or (self._is_over() and one.spec.trials == tuning_studies.MAX_TRIALS):
                        tuning_winner.evaluate(one.spec)
                progress = [self._progress(one.spec) for one in progress]
        return progress

    def step(self) -> list[Progress]:
        """Resume trials whose worker died, and queue trials up to the number of workers."""
        store = open_store()
        progress = []
        for name in self.names:
            with _locked(name):
                progress.append(self._progress(self._revive(tuning_studies.read(name))))
        n_active = sum(trial.is_active for one in progress for trial in one.trials)
        while n_active < self.workers and not self._is_over():
            waiting = [one for one in progress if not one.is_exhausted and _asked(one.trials) < one.spec.trials]
            if not waiting:
                break
            behind = min(waiting, key=lambda one: _asked(one.trials))
            with _locked(behind.spec.name):
                self._queue_one(tuning_studies.read(behind.spec.name))
            progress[progress.index(behind)] = self._progress(tuning_studies.read(behind.spec.name))
            n_active = sum(trial.is_active for one in progress for trial in one.trials)
        if store.runs(states=[State.QUEUED]):
            supervisor.ensure_running(store)
        return [self._progress(one.spec) for one in progress]

    def _progress(self, spec: StudySpec) -> Progress:
        return Progress(spec, tuple(tuning_studies.trials_of(spec)), spec.name in self._exhausted)

    def _revive(self, spec: StudySpec) -> StudySpec:
        """Queue trials again that ended without a result: those whose worker died, and once those that were stopped."""
        for trial in tuning_studies.trials_of(spec):
            if trial.run is None or trial.state != "stopped":
                continue
            if trial.run.state is State.INTERRUPTED or trial.run.id not in self._resumed:
                self._resumed.add(trial.run.id)
                queue.resume(open_store(), trial.run.id)
        return spec

    def _queue_one(self, spec: StudySpec) -> None:
        """Queue the next trial of a study, or note that there is none."""
        trials = tuning_studies.trials_of(spec)
        number = _asked(trials)
        if number >= spec.trials:
            return
        preset = preset_params(spec)
        params = preset if number == 0 else self._ask(spec, trials, preset)
        if params is None:
            self._exhausted.add(spec.name)
            tuning_studies.write(replace(spec, trials=number))  # there is nothing more to try
            return
        try:
            request = trial_request(spec, number, params)
        except UsageError as error:
            tuning_studies.refuse_params(spec, number, params, str(error))
            return
        queue.enqueue(open_store(), [request])

    @staticmethod
    def _ask(spec: StudySpec, trials: Sequence[Trial], preset: dict[str, object]) -> dict[str, object] | None:
        outcomes = tuning_studies.outcomes_of(spec, trials, curves=spec.sampler == "tpe")
        return samplers.next_params(spec.sampler, spec.dimensions, outcomes, seed=spec.sampler_seed)

    def _has_more(self, progress: Sequence[Progress]) -> bool:
        return not self._is_over() and any(
            one.spec.name not in self._exhausted and _asked(one.trials) < one.spec.trials for one in progress
        )

    def _is_over(self) -> bool:
        return self.deadline is not None and time.monotonic() >= self.deadline

    def _is_stop_requested(self) -> bool:
        return any(tuning_studies.path_of(name, ".stop").exists() for name in self.names)

    def _stop_trials(self) -> None:
        """Stop the trials and wait until they have saved their state; a second Ctrl-C ends the waiting."""
        store, until = open_store(), time.monotonic() + STOP_SECONDS
        with suppress(KeyboardInterrupt):
            while time.monotonic() < until:
                every = [trial for name in self.names for trial in tuning_studies.trials_of(tuning_studies.read(name))]
                active = [trial.run for trial in every if trial.is_active and trial.run is not None]
                if not active:
                    return
                for run in active:
                    if not run.stopping:
                        with suppress(UsageError):  # it was deleted meanwhile
                            queue.stop(store, run.id)
                time.sleep(POLL_SECONDS)


def preset_params(spec: StudySpec) -> dict[str, object]:
    """Return what the study's preset gives the searched settings: the settings of trial 0."""
    config = preset_config(spec)
    return {dimension.name: getattr(config, dimension.name) for dimension in spec.dimensions}


def preset_config(spec: StudySpec) -> object:
    """Return the configuration of trial 0."""
    from recdash.splits.split_options import SplitOptions  # lazy: pandas

    entry = training_requests.data_entry(spec.dataset, SplitOptions.from_dict(spec.options))
    shape = training_plan.training_shape(
        spec.dataset, spec.protocol, split_seed=spec.split_seed, options=spec.options
    )  # as the run will see it
    return training_requests.resolve_config(spec.model, entry, spec.preset, spec.settings, shape)


def trial_request(spec: StudySpec, number: int, params: dict[str, object]) -> Request:
    """Return the checked request of a trial.

    Raises:
        UsageError: The values of two settings do not go together, or the data have changed.
    """
    searched = {} if number == 0 else params
    wanted = Request(
        model=spec.model,
        dataset=spec.dataset,
        protocol=spec.protocol,
        preset=spec.preset,
        settings={**spec.settings, **searched},
        seed=spec.seed,
        split_seed=spec.split_seed,
        device=spec.device,
        options=spec.options,
        name=f"{registry.model_class(spec.model).title}, {spec.name}, trial {number}",
    )
    checked = training_requests.checked_request(wanted)
    if spec.dataset_fingerprint and checked.dataset_fingerprint != spec.dataset_fingerprint:
        raise StoreError(f"{spec.dataset} has changed since study {spec.name} began. Start another one with --study.")
    plain = {name: list(value) if isinstance(value, tuple) else value for name, value in params.items()}
    rule = {"rule": spec.pruning.rule, "after": spec.pruning.after, "fewest": spec.pruning.fewest}
    trial = {"study": spec.name, "number": number, "params": plain, "pruning": rule}
    return replace(checked, trial=trial, tags=(spec.name, f"trial {number}"))


def widened(spec: StudySpec) -> StudySpec:
    """Return the study with its space widened to include the preset's values."""
    space = including(spec.dimensions, preset_params(spec))
    return replace(spec, space={dimension.name: dimension.text for dimension in space})


def _asked(trials: Sequence[Trial]) -> int:
    return 1 + max((trial.number for trial in trials), default=-1)


@contextmanager
def _locked(name: str) -> Iterator[None]:
    """Let no other process queue trials of a study meanwhile; the system releases the lock when a process dies."""
    path = tuning_studies.path_of(name, ".lock")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path, timeout=_LOCK_SECONDS):
            yield
    except Timeout as error:
        raise StoreError(f"{path}: locked by another process for over {_LOCK_SECONDS:.0f} s. End it.") from error
    except OSError as error:
        raise StoreError(f"{path}: cannot be written ({error.strerror}). Give write permission.") from error


@contextmanager
def _notes(names: Sequence[str]) -> Iterator[None]:
    """Note that this process works on the studies."""
    mine = json.dumps(vars(ProcessId.mine())).encode()
    paths = [tuning_studies.path_of(name, ".driver") for name in names]
    for path in paths:
        with suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            replace_file(path, mine)
    try:
        yield
    finally:
        for path in paths:
            with suppress(OSError):
                if path.read_bytes() == mine:
                    path.unlink()


def main(arguments: list[str] | None = None) -> int:
    """Run as a process in the background."""
    parser = argparse.ArgumentParser(prog="python -m recdash.services.tuning_driver", description=__doc__)
    parser.add_argument("names", nargs="+", help="names of studies")
    parser.add_argument("--workers", type=int, default=None, help="trials at once")
    parser.add_argument("--minutes", type=float, default=None, help="time after which no trial is queued")
    options = parser.parse_args(arguments)
    seconds = None if options.minutes is None else 60 * options.minutes
    try:
        Driver(options.names, workers=options.workers, seconds=seconds).run()
    except RecdashError as error:
        print(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {error}", file=sys.stderr, flush=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
