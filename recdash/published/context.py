"""What a reproduction works with: data, a folder for what is done, and trainings that go on where they were stopped."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

from recdash import devices
from recdash.atomic_files import (
    append_row,
    read_rows,
    reading_back,
)
from recdash.data.dataset import Dataset
from recdash.data.histories import Histories
from recdash.errors import CheckpointError, RecdashError, UsageError
from recdash.evaluation.evaluator import evaluate
from recdash.json_values import is_count, is_number
from recdash.models import checkpoint_io, registry
from recdash.models.base import GradientModel, Model
from recdash.splits import RatingSplit, Split, make_split
from recdash.training.fit import fit
from recdash.training.loop import EpochRecord, Hooks, Training, Validation
from recdash.training.state import TrainingState

KEEP_EVERY, SHARE_OF_TIME = 20.0, 0.05  # seconds between kept states, and their share of the time at most
Figures = dict[str, float]


class Interrupted(RecdashError):
    """Somebody stopped the work; what is done is kept."""

    exit_status = 130


@dataclass(frozen=True)
class Found:
    """What a cell came to: figures by column, and numbers from which sentences are made."""

    columns: Mapping[str, Figures]
    facts: Mapping[str, float | int | str | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Work:
    """Where and on what a cell works.

    epochs: at most so many in every training, for a trial; None as published.  device: where trainings compute.
    tell: called with the epoch and their planned number.  should_stop: asked after every update.
    """

    dataset: Dataset
    folder: Path
    cell: str = "cell"
    epochs: int | None = None
    device: str = "auto"
    tell: Callable[[int, int], Any] = lambda epoch, epochs: None
    should_stop: Callable[[], bool] = lambda: False

    def split(self, protocol: str, **words: Any) -> Split | RatingSplit:
        """Return a split of the data."""
        return make_split(self.dataset, protocol, **words)

    def untrained(
        self, name: str, split: Split | RatingSplit, made: type[GradientModel] | None = None, **settings: Any
    ) -> GradientModel:
        """Return a model with the settings of the public run, some of them changed; `made`: a class of its own."""
        config: Any = registry.configure(name, split.shape, "published", settings)
        if self.epochs is not None:
            config = replace(config, epochs=min(self.epochs, config.epochs))
        model = registry.build(name, config, split.shape) if made is None else made(config, split.shape)
        return cast(GradientModel, model)

    def fitted(self, name: str, split: Split | RatingSplit, *, preset: str = "auto", **settings: Any) -> Model:
        """Train as anybody does, keeping states; raises Interrupted at a stop."""
        config = registry.configure(name, split.shape, preset, settings)
        planned = getattr(config, "epochs", 1)
        if self.epochs is not None and hasattr(config, "epochs"):
            settings["epochs"] = planned = min(self.epochs, planned)
        kept = _Kept(self.path("training"), self.should_stop)
        words: dict[str, Any] = {
            "preset": preset,
            "on_epoch": lambda record: self.tell(record.epoch, planned),
            "on_checkpoint": kept.keep,
            "should_stop": self.should_stop,
            "device": self.device,
            **settings,
        }
        try:
            model = fit(name, split, resume=kept.load(), **words)
        except UsageError:  # what was kept belongs to another version or other settings
            kept.drop()
            model = fit(name, split, **words)
        if model.record["stopped"]:
            raise stopped()
        kept.drop()
        return model

    def trained(
        self,
        model: GradientModel,
        rows: Histories,
        validation: Validation,
        *,
        split: str,
        begin: Callable[[float | None], Any] | None = None,
        precision: str = "float32",
        seed: int = 0,
    ) -> tuple[Training, dict[int, Figures]]:
        """Train a model that looks at itself in its own way; returns the training and the values of every epoch.

        split: its fingerprint.  begin: told the best value so far of a training that goes on, None of one that begins.
        precision: of matrix products, "auto" where single precision takes too long.  Raises Interrupted at a stop.
        """
        kept, log = _Kept(self.path("training"), self.should_stop), self.path("epochs.jsonl")
        facts = {"model": model.name, "config": model.config.to_dict(), "seed": seed, "split": split}
        resume = kept.load()
        if resume is None or resume.facts != facts or not _covers(log, resume.position.epoch):
            resume = None
            _begin(log)
        if begin is not None:
            begin(None if resume is None else resume.best.value)

        def note(record: EpochRecord) -> None:
            with _writing(log):
                append_row(log, {"epoch": record.epoch, **record.values})
            self.tell(record.epoch, model.config.epochs)

        hooks = Hooks(on_epoch=note, should_stop=self.should_stop, on_checkpoint=kept.keep)
        device = devices.choose(self.device)
        training = Training(
            model,
            rows,
            validation,
            seed=seed,
            dtype=devices.matrix_format(device, precision),
            hooks=hooks,
            facts=facts,
            device=device,
            resume=resume,
        )
        training.run()
        if training.stopped:
            raise stopped()
        return training, _epochs(log, training.position.epoch)

    def path(self, name: str) -> Path:
        """Return a place for something that a cell keeps while it works."""
        return self.folder / f"{self.cell}.{name}"

    def clear(self) -> None:
        """Remove what is of no use once the cell is done."""
        for path in self.folder.glob(f"{self.cell}.*"):
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            elif path.suffix == ".jsonl":
                path.unlink(missing_ok=True)


def timed(run: Callable[[Work], Found], work: Work) -> tuple[Found, float]:
    """Compute a cell; returns it with its seconds, those of a stopped training that it goes on with included."""
    earlier, started = 0.0, time.perf_counter()
    with suppress(CheckpointError, KeyError, TypeError):
        position = checkpoint_io.read_facts(work.path("training"))["position"]
        earlier = float(position["seconds"]) + float(position["validation_seconds"])
    return run(work), earlier + time.perf_counter() - started


def common(work: Work, name: str, protocol: str, metrics: Iterable[str] | None, **settings: Any) -> Found:
    """The common column: preset `auto` under one of the protocols that are the same for all."""
    split = work.split(protocol)
    model = work.fitted(name, split, **settings)
    found = evaluate(model, split, metric_names=metrics).mean
    return Found({"common": dict(found)}, facts_of(model))


def facts_of(model: Model) -> dict[str, float | int | str | None]:
    """What sentences say of a training: the epoch that counts, and how many there were."""
    return {"best_epoch": model.record["best_epoch"], "epochs": model.record["epochs_run"]}


class _Kept:
    """The state of a training in a folder, renewed now and then and at a stop."""

    def __init__(self, folder: Path, should_stop: Callable[[], bool]) -> None:
        self.folder, self.should_stop = folder, should_stop
        self._free_at = time.monotonic() + KEEP_EVERY

    def load(self) -> TrainingState | None:
        """Return what was kept, if anything can be read."""
        try:
            return TrainingState.load(self.folder)
        except CheckpointError:
            return None

    def keep(self, state: TrainingState) -> None:
        """Keep a state if it is time to."""
        started = time.monotonic()
        if started < self._free_at and not self.should_stop():
            return
        state.save(self.folder)
        now = time.monotonic()
        self._free_at = now + max(KEEP_EVERY, (now - started) / SHARE_OF_TIME)

    def drop(self) -> None:
        """Forget it."""
        shutil.rmtree(self.folder, ignore_errors=True)


def stopped() -> Interrupted:
    """Return what to raise at a stop."""
    return Interrupted("Stopped; what is done is kept. The same command goes on from here.")


def _begin(log: Path) -> None:
    """Forget what an earlier training has logged."""
    with _writing(log):
        log.parent.mkdir(parents=True, exist_ok=True)
        log.unlink(missing_ok=True)


@contextmanager
def _writing(log: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise CheckpointError(
            f"{log}: cannot be written ({error.strerror}). Free some space, or remove what is in its place."
        ) from error


def _epochs(log: Path, last: int) -> dict[int, Figures]:
    """Read the values of the epochs up to `last`; one that was trained twice counts as it came last.

    A line that a crash cut short is passed over.  Raises CheckpointError when the log cannot be read.
    """
    found: dict[int, Figures] = {}
    with reading_back(log, CheckpointError, "Start the reproduction again."):
        for row in read_rows(log):
            epoch = row.pop("epoch", None)
            if is_count(epoch) and all(map(is_number, row.values())):
                found[epoch] = row
    return {epoch: values for epoch, values in sorted(found.items()) if epoch <= last}


def _covers(log: Path, last: int) -> bool:
    """Whether the log has every epoch of a kept state: without it the state is of no use, for figures are read here."""
    with suppress(CheckpointError):
        return len(_epochs(log, last)) == last
    return False
