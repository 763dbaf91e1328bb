"""Cells of the MetaRec table for rating prediction: AutoRec, DeepRec and the bias baseline.

Protocols: `published-autorec` and `published-deeprec`.
"""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recdash.data.histories import Histories
from recdash.errors import CheckpointError
from recdash.evaluation.evaluator import evaluate
from recdash.evaluation.rating_metrics import pooled_errors, prediction_errors
from recdash.evaluation.selection_metric import SelectionMetric
from recdash.models import checkpoint_io
from recdash.models.autorec import AutoRec
from recdash.models.base import GradientModel, Loss, Model, TrainingProgress
from recdash.models.batch import Batch
from recdash.models.deeprec import DeepRec
from recdash.models.rating_model import PAIRS_PER_CHUNK, RATINGS_PREFIX, RatingModel
from recdash.published.context import CellContext, CellResult, training_facts
from recdash.published.training_files import MetricValues
from recdash.splits import RatingSplit, published_splits
from recdash.splits.rating_split import Entries
from recdash.training.loop import Validation

METRICS = ("rmse", "mae", "macro_rmse")
VALIDATE_EVERY = 10  # epochs between two evaluations of AutoRec; the public run prints the last
RENAMED_METRICS = {"honest_rmse": "leak_free_rmse", "honest_mae": "leak_free_mae"}  # logged by versions up to 0.2
_AUTOREC_SEED = published_splits.SEEDS["published-autorec"]
_DEEPREC_SEED = published_splits.SEEDS["published-deeprec"]
_MIN_DELTA = 1e-4  # of the public DeepRec's early stopping
_L2 = 0.001  # factor of the public DeepRec's L2 term
_DEFAULT_RATING = 3.0  # the public AutoRec's prediction where neither user nor item is known


def autorec_as_published(context: CellContext) -> CellResult:
    """Train U-AutoRec to the last epoch; measure it with the test ratings as its input, and without ("leak-free")."""
    split = published_splits.split_autorec(context.dataset, seed=_AUTOREC_SEED, validation=False)
    model = context.build_model("autorec", split, validate_every=VALIDATE_EVERY, patience=10_000)

    def measure(trained: Model) -> MetricValues:
        leaking = errors_with_test_as_input(trained, split)
        return {"rmse": leaking["rmse"], "mae": leaking["mae"]} | {
            f"leak_free_{name}": value for name, value in pooled_errors(prediction_errors(trained, split.test)).items()
        }

    observe(model, split.train)
    rows = model.training_rows(split.train)
    validation = Validation(measure, SelectionMetric("leak_free_rmse", False))
    _, epochs = context.train_model(
        model, rows, validation, split=split.fingerprint, precision="auto", renamed_metrics=RENAMED_METRICS
    )
    measured = {epoch: values for epoch, values in epochs.items() if "rmse" in values}
    last, best = max(measured), min(measured, key=lambda epoch: measured[epoch]["leak_free_rmse"])
    facts = {
        "epochs": last,
        "leak_free_last": measured[last]["leak_free_rmse"],
        "leak_free_best": measured[best]["leak_free_rmse"],
        "leak_free_best_epoch": best,
    }
    return CellResult({"as_published": {name: measured[last][name] for name in ("rmse", "mae")}}, facts)


def autorec_corrected(context: CellContext, variant: str) -> CellResult:
    """Train AutoRec with the same settings on training ratings only; the epoch is chosen on a validation part."""
    split = published_splits.split_autorec(context.dataset, seed=_AUTOREC_SEED)
    rows = split.n_items if variant == "item" else len(split.train)
    penalty = round(rows / 512, 2)  # the public code adds the whole penalty to every batch of 512 rows
    model = context.fit_model("autorec", split, preset="published", variant=variant, l2=penalty, patience=100)
    return CellResult({"corrected": dict(evaluate(model, split, metric_names=METRICS).mean)}, training_facts(model))


def errors_with_test_as_input(model: Model, split: RatingSplit) -> MetricValues:
    """Return RMSE and MAE, in stars, of U-AutoRec when each user's test ratings are its input.

    The prediction is 3 where neither user nor item has a training rating.
    """
    if not isinstance(model, AutoRec) or model.by_item:
        raise TypeError("only the variant over users is evaluated as printed")
    rows = as_histories(split.test, len(split.train), split.n_items)
    outputs = _outputs_at_entries(model, rows)
    both_unknown = (model.training_ratings.user_counts[rows.row_of] == 0) & (
        model.training_ratings.item_counts[rows.items] == 0
    )
    low, high = split.scale
    predicted = np.where(both_unknown, _DEFAULT_RATING, outputs.clip(low, high))
    return pooled_errors(predicted - np.asarray(rows.values, np.float64))


def as_histories(entries: Entries, users: int, items: int) -> Histories:
    """Return single ratings as one row per user."""
    return Histories.from_entries(
        entries.users, entries.items, entries.values, n_rows=users, n_items=items, ordered=False
    )


class PerUserRmseDeepRec(DeepRec):
    """DeepRec whose loss is the RMSE of each user, as in the public code."""

    def _observed_loss(self, outputs: Tensor, batch: Batch, progress: TrainingProgress) -> Loss:
        pooled_loss = super()._observed_loss(outputs, batch, progress)
        squared = pooled_loss.parts["squared_error"]
        if not isinstance(squared, Tensor):
            raise TypeError("squared errors come one per user")
        root = (squared / batch.counts.clamp(min=1) + 1e-12).sqrt()  # 1e-12: the gradient is finite at no error
        return Loss(root, pooled_loss.parts)


class MinDeltaLoss:
    """The smallest validation loss by the public code's early-stopping rule: a gain up to `_MIN_DELTA` is ignored."""

    def __init__(self) -> None:
        self.best = float("inf")

    def __call__(self, loss: float) -> float:
        """Return the smallest loss so far, including this one."""
        if loss < self.best - _MIN_DELTA:
            self.best = loss
        return self.best


def deeprec(context: CellContext) -> CellResult:
    """Train DeepRec once: mean per-user RMSE of the last weights, and pooled RMSE of the best weights."""
    split = published_splits.split_deeprec(context.dataset, seed=_DEEPREC_SEED)
    model = context.build_model("deeprec", split, PerUserRmseDeepRec)
    smallest, best = MinDeltaLoss(), BestWeights(context.path("best"))
    validation, test = split.part("validation"), split.part("test")

    def measure(trained: Model) -> MetricValues:
        on_validation, on_test = prediction_errors(trained, validation), prediction_errors(trained, test)
        rmse = pooled_errors(on_validation)["rmse"]
        best.update(trained, rmse)
        loss = mean_user_rmse(unclipped_errors(trained, validation), validation, len(split.train)) + l2_penalty(trained)
        return {
            "val_loss": loss,
            "gain": smallest(loss),
            "rmse": rmse,
            "printed": mean_user_rmse(on_test, test, len(split.train)),
            "pooled": pooled_errors(on_test)["rmse"],
        }

    def on_start(best_value: float | None) -> None:
        if best_value is None:
            best.delete()
        else:
            smallest.best = -best_value  # a training stores the selection metric with its sign: larger is better

    observe(model, split.train)
    _, epochs = context.train_model(
        model,
        split.train,
        Validation(measure, SelectionMetric("gain", False)),
        split=split.fingerprint,
        on_start=on_start,
        before_save=best.save,
        precision="auto",
    )
    last, chosen = max(epochs), min(epochs, key=lambda epoch: epochs[epoch]["rmse"])
    best.load_into(model)
    facts = {"epochs": last, "pooled_last": epochs[last]["pooled"], "best_epoch": chosen}
    corrected = evaluate(model, split, metric_names=METRICS).mean
    return CellResult({"as_published": {"rmse": epochs[last]["printed"]}, "corrected": dict(corrected)}, facts)


def deeprec_refed(context: CellContext) -> CellResult:
    """Train DeepRec with the paper's dense re-feeding and pooled loss, other settings the same."""
    split = published_splits.split_deeprec(context.dataset, seed=_DEEPREC_SEED)
    model = context.fit_model("deeprec", split, preset="published", refeed=1)
    return CellResult({"corrected": dict(evaluate(model, split, metric_names=METRICS).mean)}, training_facts(model))


def bias_baseline(context: CellContext) -> CellResult:
    """Fit the bias model on both splits: pooled RMSE on each, and mean per-user RMSE on DeepRec's."""
    autorec_split = published_splits.split_autorec(context.dataset, seed=_AUTOREC_SEED)
    deeprec_split = published_splits.split_deeprec(context.dataset, seed=_DEEPREC_SEED)
    on_autorec = evaluate(context.fit_model("bias", autorec_split), autorec_split, metric_names=METRICS).mean
    on_deeprec = evaluate(context.fit_model("bias", deeprec_split), deeprec_split, metric_names=METRICS).mean
    printed = {"rmse": on_deeprec["macro_rmse"]}
    return CellResult({"autorec": dict(on_autorec), "deeprec": dict(on_deeprec), "deeprec_as_published": printed})


def mean_user_rmse(errors: NDArray[np.float64], part: Entries, users: int) -> float:
    """Return the mean of the RMSEs of all users; a user without entries counts as 0."""
    counts = np.bincount(part.users, minlength=users)
    squared = np.bincount(part.users, errors**2, users)
    return float(np.sqrt(squared / np.maximum(counts, 1)).mean())


def unclipped_errors(model: Model, part: Entries) -> NDArray[np.float64]:
    """Return predictions minus ratings without clipping, as in the public code's validation loss."""
    if not isinstance(model, RatingModel):
        raise TypeError("only rating models predict ratings")
    columns = [
        torch.split(torch.from_numpy(column.astype(np.int64)).to(model.device), PAIRS_PER_CHUNK)
        for column in (part.users, part.items)
    ]
    with torch.no_grad():
        predicted = torch.cat([model.predict_pairs(*pairs) for pairs in zip(*columns, strict=True)])
    return np.asarray(predicted.cpu().double().numpy() - part.values)


def l2_penalty(model: Model) -> float:
    """Return the L2 term of the public code's losses: 0.001 times the squares of all weight matrices."""
    return _L2 * sum(float(t.square().sum()) for n, t in model.tensors().items() if n.endswith("weight"))


def observe(model: GradientModel, train: Histories) -> None:
    """Give a rating model its training ratings."""
    if isinstance(model, RatingModel):
        model.set_training_ratings(train)


class BestWeights:
    """The weights with the best pooled validation RMSE so far, saved with the state so that a stop loses nothing.

    Nearly every epoch of this training is the best so far, and writing the weights takes a tenth of an epoch.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.value = folder, float("inf")
        self._unsaved: dict[str, Tensor] = {}
        with suppress(CheckpointError, KeyError):
            self.value = float(checkpoint_io.read_manifest(folder)["value"])

    def update(self, model: Model, value: float) -> None:
        """Copy the weights if their value is smaller."""
        if value < self.value:
            self.value = value
            weights = {name: t for name, t in model.tensors().items() if not name.startswith(RATINGS_PREFIX)}
            self._unsaved = {name: t.detach().cpu().clone() for name, t in weights.items()}

    def save(self) -> None:
        """Write the weights to the folder, unless they are there."""
        if self._unsaved:
            checkpoint_io.write(self.folder, self._unsaved, {"value": self.value})
            self._unsaved = {}

    def delete(self) -> None:
        """Delete the saved weights."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.value, self._unsaved = float("inf"), {}

    def load_into(self, model: Model) -> None:
        """Load the best weights into a model; raises CheckpointError if there are none."""
        self.save()
        tensors, _ = checkpoint_io.read(self.folder)
        model.load_tensors(tensors)


def _outputs_at_entries(model: AutoRec, rows: Histories) -> NDArray[np.float64]:
    """Return the output for each entry of the rows, (entries,)."""
    found = []
    for start in range(0, len(rows), 512):
        batch = Batch.of(rows.slice(start, start + 512), model.device)
        with torch.no_grad():
            outputs = model.last.observed(model.encode(batch, model.ratings_of(batch)), batch)
            found.append(outputs.cpu().double().numpy())
    return np.concatenate(found)
