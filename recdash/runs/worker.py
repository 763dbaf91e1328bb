"""The worker: a process that trains one run, records its progress in the store, and ends.

`python -m recdash.runs.worker RUN_ID` claims a queued run. It ends at once when the run is no longer queued.
"""

from __future__ import annotations

import argparse
import errno
import signal
import sys
import threading
import time
import traceback
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from recdash import paths
from recdash.errors import DataError, RecdashError, StoreError
from recdash.evaluation.selection_metric import SELECTION_METRICS, selection_metric_of
from recdash.runs import peak_memory, process_env, queue
from recdash.runs.final_evaluation import evaluate_on_test
from recdash.runs.process_id import ProcessId
from recdash.runs.resource_sampler import ResourceSampler
from recdash.runs.run_environment import run_environment
from recdash.runs.run_folder import RunFolder
from recdash.runs.run_records import RunRecord
from recdash.runs.snapshots import SnapshotWriter
from recdash.runs.states import State
from recdash.runs.store import Store
from recdash.runs.trial_pruning import TrialPruner

if TYPE_CHECKING:
    from recdash.models.base import Model
    from recdash.models.data_shape import DataShape
    from recdash.splits import RatingSplit, Split
    from recdash.training import EpochRecord, TrainingState

HEARTBEAT_SECONDS, STOP_CHECK_SECONDS = 2.0, 0.4
MAX_TIME_SHARE = 0.025  # of the training time, for training states and for best weights each: 5% in all
MIN_PAUSE_SECONDS = 1.0  # between two checkpoints


class Stopped(Exception):
    """A stop was requested before training started."""


class Heartbeat(threading.Thread):
    """A thread that records heartbeats and checks for stop requests. Set `done` to end it.

    Args:
        store: Holds the run.
        run_id: Its id.
        owner: This process.
        sampler: Samples what the process uses, with every heartbeat.
    """

    def __init__(self, store: Store, run_id: str, owner: ProcessId, sampler: ResourceSampler | None = None) -> None:
        super().__init__(name="heartbeat", daemon=True)
        self.store, self.run_id, self.pid, self.sampler = store, run_id, owner.pid, sampler
        self.stop_requested, self.done = threading.Event(), threading.Event()

    def run(self) -> None:
        """Work until `done` is set. A store that is busy is tried again later."""
        last = 0.0
        while not self.done.wait(STOP_CHECK_SECONDS):
            is_due = time.monotonic() - last >= HEARTBEAT_SECONDS
            if is_due and self.sampler is not None:
                self.sampler.sample()
            with suppress(StoreError):
                if is_due:
                    stop_requested = self.store.record_heartbeat(self.run_id, ProcessId.mine())
                    last = time.monotonic()
                else:
                    stop_requested = self.store.is_stop_requested(self.run_id)
                if stop_requested:
                    self.stop_requested.set()


class Throttle:
    """Limits repeated work to MAX_TIME_SHARE of the time."""

    def __init__(self) -> None:
        self._next = 0.0

    def is_due(self) -> bool:
        """Whether the work may be done now."""
        return time.monotonic() >= self._next

    def record(self, started: float) -> None:
        """Record work from `started` until now, on the monotonic clock."""
        now = time.monotonic()
        self._next = now + max(MIN_PAUSE_SECONDS, (now - started) / MAX_TIME_SHARE)


class Worker:
    """Trains one claimed run, from its dataset to its test results."""

    def __init__(self, store: Store, run: RunRecord, owner: ProcessId, device: str = "") -> None:
        self.store, self.run, self.owner, self.device = store, run, owner, device or run.device
        self.folder = RunFolder(run.id)
        self.heartbeat = Heartbeat(store, run.id, owner, ResourceSampler(self.folder.resources, self.device))
        self.snapshots = SnapshotWriter(self.folder.snapshots, self._record_snapshot_problem)
        self._state_throttle, self._best_throttle = Throttle(), Throttle()
        self._best_value: float | None = None
        self._unstable = False
        self._tied_share = 0.0
        self._pruner: TrialPruner | None = None
        self._pruned_at: int | None = None  # the epoch
        self._planned_epochs = 1

    def work(self) -> State:
        """Train, and record how the run ended in any case; return its final state."""
        self.heartbeat.start()
        signals = (signal.SIGTERM, signal.SIGINT)
        before = {number: signal.signal(number, lambda *_: self.heartbeat.stop_requested.set()) for number in signals}
        try:
            state, text, fields = State.FINISHED, "", {}
            try:
                fields = self._train()
                state = State.STOPPED if fields.pop("stopped") else State.FINISHED
            except Stopped:
                state = State.STOPPED
            except Exception as error:
                traceback.print_exc()
                state, text = State.FAILED, error_message(error, self.device)
            self.store.end_run(self.run.id, self.owner, state, text, **fields)
            _log(f"{state.value} {text}".strip())
            with suppress(RecdashError):
                self.folder.write_record(self.store.run(self.run.id).to_dict())
            if state.is_finished():
                self.folder.delete_states()
            return state
        finally:
            self.heartbeat.done.set()
            for number, handler in before.items():
                signal.signal(number, handler)

    def _train(self) -> dict[str, Any]:
        from recdash.training import fit  # lazy: torch

        self.folder.make()
        self.folder.write_record(self.run.to_dict())
        split = self._split()
        resume, load_errors = self.folder.load_state() if self.run.attempts > 1 else (None, "")
        if load_errors:
            _log(load_errors)
        self._record_setup(split, resume)
        self._raise_if_stop_requested()

        peak_memory.reset_peak()
        _log(f"training {self.run.model}" + (f" from epoch {resume.position.epoch} on" if resume is not None else ""))
        model = fit(
            self.run.model,
            split,
            preset=self.run.preset,
            seed=self.run.seed,
            device=self.device,
            threads=self.run.threads,
            on_epoch=self._on_epoch,
            should_stop=self._should_stop,
            on_checkpoint=self._on_checkpoint,
            on_best=self._on_best,
            on_weights=self.snapshots.offer,
            resume=resume,
            **self.run.settings,
        )
        if model.record["stopped"] and self._pruned_at is None:
            if model.record["best_value"] is not None:
                model.save(self.folder.best)
            return {"stopped": True, "runtime_s": model.record["seconds"]}
        return {"stopped": False, **self._results(model, split)}

    def _split(self) -> Split | RatingSplit:
        from recdash.splits.split_options import SplitOptions  # lazy: scipy

        _log(f"reading {self.run.dataset}")
        options = SplitOptions.from_dict(self.run.options)
        dataset = options.load(self.run.dataset)
        if self.run.dataset_fingerprint and dataset.fingerprint != self.run.dataset_fingerprint:
            raise DataError(
                f"{self.run.dataset} has changed since this run was queued. Start a new run on the new data."
            )
        self._raise_if_stop_requested()
        self._tied_share = dataset.tied_share
        split = options.make(dataset, self.run.protocol, seed=self.run.split_seed)
        return split.without_test() if self.run.trial else split

    def _record_setup(self, split: Split | RatingSplit, resume: TrainingState | None) -> None:
        from recdash import devices  # lazy: torch
        from recdash.models import registry  # lazy: torch
        from recdash.splits import RatingSplit  # lazy: scipy

        config = registry.configure(self.run.model, split.shape, self.run.preset, self.run.settings).to_dict()
        task = "rating" if isinstance(split, RatingSplit) else "ranking"
        if self.run.trial and "epochs" in config:
            self._planned_epochs = config["epochs"]
            self._pruner = TrialPruner(self.store, self.run, SELECTION_METRICS[task])
        if resume is not None and resume.best.epoch:
            self._best_value = SELECTION_METRICS[task].sign * resume.best.value
        model_class = registry.model_class(self.run.model)
        unordered = self._tied_share if model_class.needs_order and "ties" not in split.facts else 0.0
        self.store.update_run(
            self.run.id,
            self.owner,
            config=config,
            epochs=config.get("epochs", 1),
            epoch=0 if resume is None else resume.position.epoch,
            split_fingerprint=split.fingerprint,
            versions=devices.versions(),
            details={
                "environment": run_environment(),
                "machine": devices.machine_info(),
                "assigned_device": self.device,
                "title": model_class.title,
                "preset_used": registry.preset_used(self.run.model, self.run.preset, split.shape),
                **({} if self.run.trial else self._trials_of_preset(split.shape)),
                "split": dict(split.facts),
                **({"unordered_ties": unordered} if unordered else {}),
                "users": split.shape.users,
                "items": split.shape.items,
                "interactions": split.shape.interactions,
            },
        )
        self.folder.write_record(self.store.run(self.run.id).to_dict())

    def _trials_of_preset(self, shape: DataShape) -> dict[str, int]:
        """Return from how many trials the settings of the preset were chosen, if a search chose them."""
        from recdash.models import registry  # lazy: torch

        trials = registry.preset_provenance(self.run.model, self.run.preset, shape).get("trials")
        return {"trials": trials} if isinstance(trials, int) else {}

    def _on_epoch(self, record: EpochRecord) -> None:
        fields: dict[str, Any] = {}
        metric = selection_metric_of(record.values)
        if metric is not None and metric.is_better(record.values[metric.name], self._best_value):
            value = self._best_value = record.values[metric.name]
            validation = {
                name: number for name, number in record.values.items() if "@" in name or name in _RATING_METRICS
            }
            fields = {"best_epoch": record.epoch, "best_value": value, "validation": validation}
        if record.unstable_epoch is not None and not self._unstable:
            self._unstable = True
            _log(f"epoch {record.epoch}: the loss is more than ten times that of the first epoch")
            self.store.update_run(self.run.id, self.owner, details={"unstable_epoch": record.unstable_epoch})
        row: dict[str, Any] = {"epoch": record.epoch, "update": record.update, "seconds": record.seconds}
        row |= {"values": record.values, "recorded": time.time()}
        self.store.add_epoch(self.run.id, self.owner, **row, **fields)
        self.folder.add_epoch(row, record.arrays)
        if self._pruner is not None and metric is not None and self._pruner.should_prune(self._planned_epochs):
            _log(f"epoch {record.epoch}: pruned, other trials of the study were better at this epoch")
            self._pruned_at = record.epoch

    def _should_stop(self) -> bool:
        return self._pruned_at is not None or self.heartbeat.stop_requested.is_set()

    def _on_checkpoint(self, state: TrainingState) -> None:
        if self.heartbeat.stop_requested.is_set() or self._state_throttle.is_due():
            started = time.monotonic()
            self.folder.save_state(state)
            self._state_throttle.record(started)

    def _on_best(self, model: Model) -> None:
        if self._best_throttle.is_due():
            started = time.monotonic()
            model.save(self.folder.best)
            self._best_throttle.record(started)

    def _record_snapshot_problem(self, text: str) -> None:
        _log(text)
        with suppress(StoreError):
            self.store.update_run(self.run.id, self.owner, details={"snapshot_note": text})

    def _results(self, model: Model, split: Split | RatingSplit) -> dict[str, Any]:
        """Return the fields of a finished run; a trial of a search is not evaluated on the test part."""
        peak = peak_memory.peak_bytes()
        model.save(self.folder.best)
        self.snapshots.finish(model.record.get("best_epoch"))
        tested: dict[str, Any] = {"details": {}}
        if not self.run.trial:
            _log("evaluating on the test users")
            tested = evaluate_on_test(model, split, self.folder)
        record = model.record
        recorded = ("precision", "device", "epochs_run", "n_validations", "validation_seconds", "machine")
        return {
            **tested,
            "best_epoch": record.get("best_epoch"),
            "best_value": record.get("best_value"),
            "epoch": record.get("epochs_run"),
            "runtime_s": record["seconds"],
            "versions": record["versions"],
            "details": {
                **{name: record[name] for name in recorded if name in record},
                **tested["details"],
                "parameters": model.n_parameters,
                "peak_memory_bytes": peak,
                "card_memory_bytes": peak_memory.gpu_peak_bytes(model.device),
                **({"pruned_at": self._pruned_at} if model.record["stopped"] else {}),
            },
        }

    def _raise_if_stop_requested(self) -> None:
        if self.heartbeat.stop_requested.is_set() or self.store.is_stop_requested(self.run.id):
            raise Stopped


_RATING_METRICS = ("rmse", "mae", "macro_rmse")


def error_message(error: BaseException, device: str = "cpu") -> str:
    """Return the error of a failed run on one line."""
    from recdash import devices  # lazy: torch

    if isinstance(error, RecdashError):
        return str(error)
    if devices.is_out_of_memory(error):
        return devices.out_of_memory_message(error, devices.choose(device))
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return "The disk is full. Free some disk space and resume the run."
    first = (str(error).strip().splitlines() or [""])[0][:200]
    return f"{type(error).__name__}: {first}. See the run's log for details."


def _log(text: str) -> None:
    print(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {text}", flush=True)


def main(arguments: list[str] | None = None) -> int:
    """Run as a process."""
    parser = argparse.ArgumentParser(prog="python -m recdash.runs.worker", description=__doc__)
    parser.add_argument("run", help="id of a queued run")
    parser.add_argument(
        "--threads", type=int, default=None, help="threads of the training; a resumed run keeps its own"
    )
    parser.add_argument("--device", default="", help="device, overriding the requested one")
    options = parser.parse_args(arguments)
    store, owner = Store(process_env.absolute_url(paths.store_url())), ProcessId.mine()
    run = queue.claim(store, options.run, owner, options.threads or process_env.threads_per_run())
    if run is None:
        _log("this run is no longer queued")
        return 0
    Worker(store, run, owner, options.device).work()
    return 0


if __name__ == "__main__":
    sys.exit(main())
