"""The worker: one process that trains one run, writes what happens to the store, and ends.

`python -m recdash.runs.worker RUN_ID` takes the run from the queue, or ends at once when somebody else has it.
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
from recdash.evaluation.criterion import CRITERIA, criterion_of
from recdash.runs import peak_memory, process_env, queue
from recdash.runs.process_id import ProcessId
from recdash.runs.run_folder import RunFolder
from recdash.runs.run_records import RunRecord
from recdash.runs.states import State
from recdash.runs.store import Store

if TYPE_CHECKING:
    from recdash.data.histories import Histories
    from recdash.models.base import Model
    from recdash.splits import RatingSplit, Split
    from recdash.training import EpochRecord, TrainingState

BEAT_EVERY, ASK_EVERY = 2.0, 0.4  # seconds
SHARE_OF_TIME = 0.025  # of the training, for states and for best weights each: checkpoints cost at most a twentieth
LEAST_PAUSE = 1.0


class Stopped(Exception):
    """The run was asked to stop before there was anything to keep."""


class Heartbeat(threading.Thread):
    """Says every two seconds that this process lives, and asks whether it has to stop."""

    def __init__(self, store: Store, run_id: str, me: ProcessId) -> None:
        super().__init__(name="heartbeat", daemon=True)
        self.store, self.run_id, self.pid = store, run_id, me.pid
        self.asked, self.over = threading.Event(), threading.Event()

    def run(self) -> None:
        """Beat until `over` is set; a store that is busy now is asked again."""
        last = 0.0
        while not self.over.wait(ASK_EVERY):
            with suppress(StoreError):
                if time.monotonic() - last >= BEAT_EVERY:
                    stop_requested = self.store.beat(self.run_id, ProcessId.mine())
                    last = time.monotonic()
                else:
                    stop_requested = self.store.wants_stop(self.run_id)
                if stop_requested:
                    self.asked.set()


class Budget:
    """Lets work be done now and then, so that it takes at most a share of the time."""

    def __init__(self) -> None:
        self._free_at = 0.0

    def allows(self) -> bool:
        """Whether it is time again."""
        return time.monotonic() >= self._free_at

    def spend(self, started: float) -> None:
        """Charge the work that began at `started`."""
        now = time.monotonic()
        self._free_at = now + max(LEAST_PAUSE, (now - started) / SHARE_OF_TIME)


class Worker:
    """Trains one claimed run from its data set to its test results."""

    def __init__(self, store: Store, run: RunRecord, me: ProcessId, device: str = "") -> None:
        self.store, self.run, self.me, self.device = store, run, me, device or run.device
        self.folder = RunFolder(run.id)
        self.heart = Heartbeat(store, run.id, me)
        self._states, self._bests = Budget(), Budget()
        self._best_value: float | None = None
        self._unstable = False
        self._tied_share = 0.0

    def work(self) -> State:
        """Train, and settle the run whatever happens; returns the state in which it ended."""
        self.heart.start()
        signals = (signal.SIGTERM, signal.SIGINT)
        before = {number: signal.signal(number, lambda *_: self.heart.asked.set()) for number in signals}
        try:
            state, text, fields = State.FINISHED, "", {}
            try:
                fields = self._train()
                state = State.STOPPED if fields.pop("stopped") else State.FINISHED
            except Stopped:
                state = State.STOPPED
            except Exception as error:
                traceback.print_exc()
                state, text = State.FAILED, in_words(error, self.device)
            self.store.settle(self.run.id, self.me, state, text, **fields)
            _say(f"{state.value} {text}".strip())
            with suppress(RecdashError):
                self.folder.write_record(self.store.run(self.run.id).to_dict())
            if state.is_finished():
                self.folder.drop_states()
            return state
        finally:
            self.heart.over.set()
            for number, handler in before.items():
                signal.signal(number, handler)

    def _train(self) -> dict[str, Any]:
        self.folder.make()
        self.folder.write_record(self.run.to_dict())
        split = self._split()
        resume, passed_over = self.folder.load_state() if self.run.attempts > 1 else (None, "")
        if passed_over:
            _say(passed_over)
        self._describe(split, resume)
        self._go_on_or_stop()
        from recdash.training import fit

        peak_memory.forget_peak()
        _say(f"training {self.run.model}" + (f" from epoch {resume.position.epoch} on" if resume is not None else ""))
        model = fit(
            self.run.model,
            split,
            preset=self.run.preset,
            seed=self.run.seed,
            device=self.device,
            threads=self.run.threads,
            on_epoch=self._on_epoch,
            should_stop=self.heart.asked.is_set,
            on_checkpoint=self._on_checkpoint,
            on_best=self._on_best,
            resume=resume,
            **self.run.settings,
        )
        if model.record["stopped"]:
            if model.record["best_value"] is not None:
                model.save(self.folder.best)
            return {"stopped": True, "runtime_s": model.record["seconds"]}
        return {"stopped": False, **self._results(model, split)}

    def _split(self) -> Split | RatingSplit:
        from recdash.splits.split_options import SplitOptions

        _say(f"reading {self.run.dataset}")
        options = SplitOptions.from_dict(self.run.options)
        dataset = options.load(self.run.dataset)
        if self.run.dataset_fingerprint and dataset.fingerprint != self.run.dataset_fingerprint:
            raise DataError(
                f"{self.run.dataset} has changed since this run was asked for. Start a new run on the new data."
            )
        self._go_on_or_stop()
        self._tied_share = dataset.tied_share
        return options.make(dataset, self.run.protocol, seed=self.run.split_seed)

    def _describe(self, split: Split | RatingSplit, resume: TrainingState | None) -> None:
        from recdash.models import registry
        from recdash.splits import RatingSplit

        config = registry.configure(self.run.model, split.shape, self.run.preset, self.run.settings).to_dict()
        if resume is not None and resume.best.epoch:
            task = "rating" if isinstance(split, RatingSplit) else "ranking"
            self._best_value = CRITERIA[task].sign * resume.best.value
        model_class = registry.model_class(self.run.model)
        unordered = self._tied_share if model_class.needs_order and "ties" not in split.facts else 0.0
        self.store.describe(
            self.run.id,
            self.me,
            config=config,
            epochs=config.get("epochs", 1),
            epoch=0 if resume is None else resume.position.epoch,
            split_fingerprint=split.fingerprint,
            details={
                "assigned_device": self.device,
                "title": model_class.title,
                "preset_used": registry.preset_used(self.run.model, self.run.preset),
                "split": dict(split.facts),
                **({"unordered_ties": unordered} if unordered else {}),
                "users": split.shape.users,
                "items": split.shape.items,
                "interactions": split.shape.interactions,
            },
        )
        self.folder.write_record(self.store.run(self.run.id).to_dict())

    def _on_epoch(self, record: EpochRecord) -> None:
        fields: dict[str, Any] = {}
        criterion = criterion_of(record.values)
        if criterion is not None and criterion.is_better(record.values[criterion.metric], self._best_value):
            value = self._best_value = record.values[criterion.metric]
            looked = {name: number for name, number in record.values.items() if "@" in name or name in _RATING}
            fields = {"best_epoch": record.epoch, "best_value": value, "validation": looked}
        if record.unstable_epoch is not None and not self._unstable:
            self._unstable = True
            _say(f"epoch {record.epoch}: the loss is more than ten times that of the first epoch")
            self.store.describe(self.run.id, self.me, details={"unstable_epoch": record.unstable_epoch})
        epoch, update, seconds, values = record.epoch, record.update, record.seconds, record.values
        self.store.add_epoch(self.run.id, self.me, epoch=epoch, update=update, seconds=seconds, values=values, **fields)
        row = {"epoch": epoch, "update": update, "seconds": seconds, "values": values}
        self.folder.add_epoch(row, record.arrays)

    def _on_checkpoint(self, state: TrainingState) -> None:
        if self.heart.asked.is_set() or self._states.allows():
            started = time.monotonic()
            self.folder.keep_state(state)
            self._states.spend(started)

    def _on_best(self, model: Model) -> None:
        if self._bests.allows():
            started = time.monotonic()
            model.save(self.folder.best)
            self._bests.spend(started)

    def _results(self, model: Model, split: Split | RatingSplit) -> dict[str, Any]:
        from recdash.evaluation import evaluate
        from recdash.evaluation.latency import seconds_per_list

        peak = peak_memory.peak_bytes()
        _say("evaluating on the test users")
        model.save(self.folder.best)
        report = evaluate(model, split, on="test")
        self.folder.write_per_user(report.per_user, report.top)
        self.folder.write_facts(report.facts)
        record = model.record
        kept = ("precision", "device", "epochs_run", "n_validations", "validation_seconds", "machine")
        return {
            "metrics": {name: float(value) for name, value in report.mean.items()},
            "intervals": {name: (float(low), float(high)) for name, (low, high) in report.interval.items()},
            "best_epoch": record.get("best_epoch"),
            "best_value": record.get("best_value"),
            "epoch": record.get("epochs_run"),
            "runtime_s": record["seconds"],
            "versions": record["versions"],
            "details": {
                **{name: record[name] for name in kept if name in record},
                "n_scored": report.n_scored,
                "evaluation_seconds": report.seconds,
                "parameters": model.n_learned,
                "peak_memory_bytes": peak,
                "card_memory_bytes": peak_memory.gpu_bytes(model.device),
                "seconds_per_list": seconds_per_list(model, _read_by(split)),
            },
        }

    def _go_on_or_stop(self) -> None:
        if self.heart.asked.is_set() or self.store.wants_stop(self.run.id):
            raise Stopped


def _read_by(split: Split | RatingSplit) -> Histories:
    """Return what a model reads when it is asked for lists: fold-ins of test users, or users' training ratings."""
    from recdash.splits import RatingSplit

    return split.train if isinstance(split, RatingSplit) else split.test.fold_in


_RATING = ("rmse", "mae", "macro_rmse")


def in_words(error: BaseException, device: str = "cpu") -> str:
    """Return what went wrong on one line, for the record of a failed run."""
    from recdash import devices

    if isinstance(error, RecdashError):
        return str(error)
    if devices.is_out_of_memory(error):
        return devices.out_of_memory(error, devices.choose(device))
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return "The disk is full. Free some space and resume the run."
    first = (str(error).strip().splitlines() or [""])[0][:200]
    return f"{type(error).__name__}: {first}. The log of the run has the details."


def _say(text: str) -> None:
    print(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {text}", flush=True)


def main(arguments: list[str] | None = None) -> int:
    """Run as a process."""
    parser = argparse.ArgumentParser(prog="python -m recdash.runs.worker", description=__doc__)
    parser.add_argument("run", help="the id of a queued run")
    parser.add_argument(
        "--threads", type=int, default=None, help="threads of the training, kept from its first start on"
    )
    parser.add_argument("--device", default="", help="the device, in place of the one that was asked for")
    options = parser.parse_args(arguments)
    store, me = Store(process_env.absolute(paths.store_url())), ProcessId.mine()
    run = queue.claim(store, options.run, me, options.threads or process_env.threads_per_run())
    if run is None:
        _say("this run is not waiting any more")
        return 0
    Worker(store, run, me, options.device).work()
    return 0


if __name__ == "__main__":
    sys.exit(main())
