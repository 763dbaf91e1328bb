"""What the cells of a reproduced table share: data, a folder for unfinished work, and runs that can be resumed."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

from recdash import devices
from recdash.data.dataset import Dataset
from recdash.data.histories import Histories
from recdash.errors import CheckpointError, RecdashError, UsageError
from recdash.evaluation.evaluator import evaluate
from recdash.models import checkpoint_io, registry
from recdash.models.base import GradientModel, Model
from recdash.published.training_files import EpochLog, MetricValues, SavedState
from recdash.splits import RatingSplit, Split, make_split
from recdash.training.fit import fit
from recdash.training.loop import (
    Callbacks,
    EpochRecord,
    Training,
    Validation,
)


class Interrupted(RecdashError):
    """The user stopped the work; finished cells and the training state are saved."""

    exit_status = 130


@dataclass(frozen=True)
class CellResult:
    """The result of a cell.

    Args:
        columns: metrics by column, such as "as_published".
        facts: numbers that the notes quote, such as "best_epoch".
    """

    columns: Mapping[str, MetricValues]
    facts: Mapping[str, float | int | str | None] = field(default_factory=dict)


@dataclass(frozen=True)
class CellContext:
    """What a cell works with.

    Args:
        dataset: the data.
        folder: the folder for unfinished work.
        cell: name of the cell; its files begin with it.
        epochs: maximum number of epochs in each run, for a trial run; None: as many as published.
        device: where models are trained.
        on_epoch: called with the epoch and the planned number of epochs.
        should_stop: asked after every update.
    """

    dataset: Dataset
    folder: Path
    cell: str = "cell"
    epochs: int | None = None
    device: str = "auto"
    on_epoch: Callable[[int, int], Any] = lambda epoch, epochs: None
    should_stop: Callable[[], bool] = lambda: False

    def make_split(self, protocol: str, **options: Any) -> Split | RatingSplit:
        """Return a split of the data."""
        return make_split(self.dataset, protocol, **options)

    def build_model(
        self, name: str, split: Split | RatingSplit, kind: type[GradientModel] | None = None, **settings: Any
    ) -> GradientModel:
        """Return an untrained model with the settings of the published run.

        Args:
            name: the model's name.
            split: the split whose shape the model gets.
            kind: a class to use in place of the registered one.
            settings: settings that differ from the published run.
        """
        config: Any = registry.configure(name, split.shape, "published", settings)
        if self.epochs is not None:
            config = replace(config, epochs=min(self.epochs, config.epochs))
        model = registry.build(name, config, split.shape) if kind is None else kind(config, split.shape)
        return cast(GradientModel, model)

    def fit_model(self, name: str, split: Split | RatingSplit, *, preset: str = "auto", **settings: Any) -> Model:
        """Train a model with `recdash.fit`, saving its state; raises Interrupted at a stop."""
        config = registry.configure(name, split.shape, preset, settings)
        planned = getattr(config, "epochs", 1)
        if self.epochs is not None and hasattr(config, "epochs"):
            settings["epochs"] = planned = min(self.epochs, planned)
        saved = SavedState(self.path("training"), self.should_stop)
        arguments: dict[str, Any] = {
            "preset": preset,
            "on_epoch": lambda record: self.on_epoch(record.epoch, planned),
            "on_checkpoint": saved.save_if_due,
            "should_stop": self.should_stop,
            "device": self.device,
            **settings,
        }
        try:
            model = fit(name, split, resume=saved.load(), **arguments)
        except UsageError:  # the saved state belongs to another version or other settings
            saved.delete()
            model = fit(name, split, **arguments)
        if model.record["stopped"]:
            raise interruption()
        saved.delete()
        return model

    def train_model(
        self,
        model: GradientModel,
        rows: Histories,
        validation: Validation,
        *,
        split: str,
        on_start: Callable[[float | None], Any] | None = None,
        before_save: Callable[[], Any] = lambda: None,
        precision: str = "float32",
        seed: int = 0,
        renamed_metrics: Mapping[str, str] | None = None,
    ) -> tuple[Training, dict[int, MetricValues]]:
        """Train a model with a validation of its own, saving its state and metrics.

        Args:
            model: the untrained model.
            rows: the training rows.
            validation: how an epoch is measured, and by which metric it is chosen.
            split: fingerprint of the split.
            on_start: called with the best value so far of a resumed training, or with None for a new one.
            before_save: called before the state is saved.
            precision: precision of matrix products; "auto" where single precision takes too long.
            seed: seed of weights and batches.
            renamed_metrics: current metric names by the names in logs of earlier versions.

        Returns:
            The training, and the metrics of every epoch.

        Raises:
            Interrupted: at a stop; the state is saved.
        """
        saved = SavedState(self.path("training"), self.should_stop, before_save)
        log = EpochLog(self.path("epochs.jsonl"), renamed_metrics)
        facts = {"model": model.name, "config": model.config.to_dict(), "seed": seed, "split": split}
        resume = saved.load()
        if resume is None or resume.identity != facts or not log.is_complete(resume.position.epoch):
            resume = None
            log.start()
        if on_start is not None:
            on_start(None if resume is None else resume.best.value)

        def record_epoch(record: EpochRecord) -> None:
            log.append(record.epoch, record.values)
            self.on_epoch(record.epoch, model.config.epochs)

        callbacks = Callbacks(on_epoch=record_epoch, should_stop=self.should_stop, on_checkpoint=saved.save_if_due)
        device = devices.choose(self.device)
        training = Training(
            model,
            rows,
            validation,
            seed=seed,
            dtype=devices.matmul_dtype(device, precision),
            callbacks=callbacks,
            identity=facts,
            device=device,
            resume=resume,
        )
        training.run()
        if training.stopped:
            raise interruption()
        return training, log.read(training.position.epoch)

    def path(self, name: str) -> Path:
        """Return the path of a file or folder of this cell."""
        return self.folder / f"{self.cell}.{name}"

    def delete_training_files(self) -> None:
        """Delete states and logs, which a finished cell no longer needs."""
        for path in self.folder.glob(f"{self.cell}.*"):
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            elif path.suffix == ".jsonl":
                path.unlink(missing_ok=True)


def run_timed(run: Callable[[CellContext], CellResult], context: CellContext) -> tuple[CellResult, float]:
    """Compute a cell; returns its result and its seconds, including those of a resumed training."""
    earlier, started = 0.0, time.perf_counter()
    with suppress(CheckpointError, KeyError, TypeError):
        position = checkpoint_io.read_manifest(context.path("training"))["position"]
        earlier = float(position["seconds"]) + float(position["validation_seconds"])
    return run(context), earlier + time.perf_counter() - started


def common_protocol(
    context: CellContext, name: str, protocol: str, metrics: Iterable[str] | None, **settings: Any
) -> CellResult:
    """Compute the common column: preset `auto` under a protocol that is the same for all models."""
    split = context.make_split(protocol)
    model = context.fit_model(name, split, **settings)
    found = evaluate(model, split, metric_names=metrics).mean
    return CellResult({"common": dict(found)}, training_facts(model))


def training_facts(model: Model) -> dict[str, float | int | str | None]:
    """Return the best epoch of a training and its number of epochs."""
    return {"best_epoch": model.record["best_epoch"], "epochs": model.record["epochs_run"]}


def interruption() -> Interrupted:
    """Return the error to raise at a stop."""
    return Interrupted("Stopped; finished work is saved. Run the same command again to resume.")
