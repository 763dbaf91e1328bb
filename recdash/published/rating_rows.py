"""AutoRec and DeepRec as the public table has them, and read properly (spec: protocols, P-A2 and P-A3)."""

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
from recdash.evaluation.criterion import Criterion
from recdash.evaluation.evaluator import evaluate
from recdash.evaluation.rating_metrics import errors_of, pooled
from recdash.models import checkpoint_io
from recdash.models.autorec import AutoRec
from recdash.models.base import GradientModel, Loss, Model
from recdash.models.batch import Batch
from recdash.models.deeprec import DeepRec
from recdash.models.rating_model import PAIRS_AT_ONCE, RatingModel
from recdash.published.context import Figures, Found, Work, facts_of
from recdash.splits import RatingSplit, published_splits
from recdash.splits.rating_split import Entries
from recdash.training.loop import Validation

METRICS = ("rmse", "mae", "macro_rmse")
LOOK_EVERY = 10  # epochs between looks at AutoRec's figures; the public run prints the last
_LEAST_GAIN, _KERNEL_PENALTY = 1e-4, 0.001  # of the public DeepRec's early stopping, and of its L2 term
_NOTHING_KNOWN = 3.0


def autorec_as_published(work: Work) -> Found:
    """U-AutoRec of the last epoch, with the test ratings as its input, and without."""
    split = published_splits.autorec(work.dataset, seed=published_splits.SEEDS["published-autorec"], validation=False)
    model = work.untrained("autorec", split, validate_every=LOOK_EVERY, patience=10_000)

    def look(trained: Model) -> Figures:
        reading = with_test_as_input(trained, split)
        return {"rmse": reading["rmse"], "mae": reading["mae"]} | {
            f"honest_{name}": value for name, value in pooled(errors_of(trained, split.test)).items()
        }

    observe(model, split.train)
    rows = model.training_rows(split.train)
    validated = Validation(look, Criterion("honest_rmse", False))
    _, epochs = work.trained(model, rows, validated, split=split.fingerprint, precision="auto")
    looks = {epoch: values for epoch, values in epochs.items() if "rmse" in values}
    last, best = max(looks), min(looks, key=lambda epoch: looks[epoch]["honest_rmse"])
    facts = {
        "epochs": last,
        "honest_last": looks[last]["honest_rmse"],
        "honest_best": looks[best]["honest_rmse"],
        "honest_best_epoch": best,
    }
    return Found({"as_published": {name: looks[last][name] for name in ("rmse", "mae")}}, facts)


def autorec_corrected(work: Work, variant: str) -> Found:
    """The same settings, read from the training ratings alone; the epoch is chosen on a part set aside."""
    split = published_splits.autorec(work.dataset, seed=published_splits.SEEDS["published-autorec"])
    rows = split.n_items if variant == "item" else len(split.train)
    penalty = round(rows / 512, 2)  # the public code charges the whole penalty in every batch of 512 rows
    model = work.fitted("autorec", split, preset="published", variant=variant, l2=penalty, patience=100)
    return Found({"corrected": dict(evaluate(model, split, metric_names=METRICS).mean)}, facts_of(model))


def with_test_as_input(model: Model, split: RatingSplit) -> Figures:
    """RMSE and MAE of U-AutoRec when each user's test ratings are what it reads; 3 where user and item are unknown."""
    if not isinstance(model, AutoRec) or model.by_item:
        raise TypeError("only the variant over users is evaluated as printed")
    rows = rows_of(split.test, len(split.train), split.n_items)
    outputs = _at_entries(model, rows)
    both_unknown = (model.observed.user_counts[rows.row_of] == 0) & (model.observed.item_counts[rows.items] == 0)
    low, high = split.scale
    predicted = np.where(both_unknown, _NOTHING_KNOWN, outputs.clip(low, high))
    return pooled(predicted - np.asarray(rows.values, np.float64))


def rows_of(entries: Entries, users: int, items: int) -> Histories:
    """Return single ratings as rows of users."""
    return Histories.from_entries(
        entries.users, entries.items, entries.values, n_rows=users, n_items=items, ordered=False
    )


class RootsDeepRec(DeepRec):
    """DeepRec charged with the root of each user's own mean squared error, as the public code has it."""

    def _observed_loss(self, output: Tensor, batch: Batch) -> Loss:
        pooled_loss = super()._observed_loss(output, batch)
        squared = pooled_loss.parts["squared_error"]
        if not isinstance(squared, Tensor):
            raise TypeError("squared errors come one per user")
        root = (squared / batch.counts.clamp(min=1) + 1e-12).sqrt()  # the sum keeps the slope finite at no error
        return Loss(root, pooled_loss.parts)


class EarlyStop:
    """The public code's rule: an epoch counts as a gain only if its loss falls by more than the least gain."""

    def __init__(self) -> None:
        self.best = float("inf")

    def __call__(self, loss: float) -> float:
        """Return the smallest loss that has counted so far."""
        if loss < self.best - _LEAST_GAIN:
            self.best = loss
        return self.best


def deeprec_both(work: Work) -> Found:
    """One training: its last weights and the mean of the users' roots, its best weights and the pooled RMSE."""
    split = published_splits.deeprec(work.dataset, seed=published_splits.SEEDS["published-deeprec"])
    model = work.untrained("deeprec", split, RootsDeepRec)
    stop, best = EarlyStop(), BestWeights(work.path("best"))
    validation, test = split.part("validation"), split.part("test")

    def look(trained: Model) -> Figures:
        on_validation, on_test = errors_of(trained, validation), errors_of(trained, test)
        proper = pooled(on_validation)["rmse"]
        best.offer(trained, proper)
        loss = mean_of_roots(unclipped_errors(trained, validation), validation, len(split.train)) + kernels(trained)
        return {
            "val_loss": loss,
            "gain": stop(loss),
            "rmse": proper,
            "printed": mean_of_roots(on_test, test, len(split.train)),
            "pooled": pooled(on_test)["rmse"],
        }

    def begin(gained: float | None) -> None:
        if gained is None:
            best.drop()
        else:
            stop.best = -gained

    observe(model, split.train)
    validated = Validation(look, Criterion("gain", False))
    _, epochs = work.trained(model, split.train, validated, split=split.fingerprint, begin=begin, precision="auto")
    last, chosen = max(epochs), min(epochs, key=lambda epoch: epochs[epoch]["rmse"])
    best.into(model)
    facts = {"epochs": last, "pooled_last": epochs[last]["pooled"], "best_epoch": chosen}
    proper = evaluate(model, split, metric_names=METRICS).mean
    return Found({"as_published": {"rmse": epochs[last]["printed"]}, "corrected": dict(proper)}, facts)


def deeprec_refed(work: Work) -> Found:
    """The same settings with dense re-feeding, as in the paper, and the paper's pooled loss."""
    split = published_splits.deeprec(work.dataset, seed=published_splits.SEEDS["published-deeprec"])
    model = work.fitted("deeprec", split, preset="published", refeed=1)
    return Found({"corrected": dict(evaluate(model, split, metric_names=METRICS).mean)}, facts_of(model))


def yardstick(work: Work) -> Found:
    """The bias model on both splits, pooled and, on DeepRec's, as the mean of the users' roots."""
    first = published_splits.autorec(work.dataset, seed=published_splits.SEEDS["published-autorec"])
    second = published_splits.deeprec(work.dataset, seed=published_splits.SEEDS["published-deeprec"])
    on_first = evaluate(work.fitted("bias", first), first, metric_names=METRICS).mean
    on_second = evaluate(work.fitted("bias", second), second, metric_names=METRICS).mean
    printed = {"rmse": on_second["macro_rmse"]}
    return Found({"autorec": dict(on_first), "deeprec": dict(on_second), "deeprec_as_published": printed})


def mean_of_roots(errors: NDArray[np.float64], part: Entries, users: int) -> float:
    """Mean over all users of the root of each one's mean squared error; a user without entries counts 0."""
    counts = np.bincount(part.users, minlength=users)
    squared = np.bincount(part.users, errors**2, users)
    return float(np.sqrt(squared / np.maximum(counts, 1)).mean())


def unclipped_errors(model: Model, part: Entries) -> NDArray[np.float64]:
    """Prediction minus rating without clipping, as in the public code's validation loss."""
    if not isinstance(model, RatingModel):
        raise TypeError("only rating models predict ratings")
    columns = [
        torch.split(torch.from_numpy(column.astype(np.int64)).to(model.device), PAIRS_AT_ONCE)
        for column in (part.users, part.items)
    ]
    with torch.no_grad():
        predicted = torch.cat([model.predict_pairs(*pairs) for pairs in zip(*columns, strict=True)])
    return np.asarray(predicted.cpu().double().numpy() - part.values)


def kernels(model: Model) -> float:
    """The L2 term of the public code's losses: 0.001 times the squares of all weight matrices."""
    return _KERNEL_PENALTY * sum(float(t.square().sum()) for n, t in model.tensors().items() if n.endswith("weight"))


def observe(model: GradientModel, train: Histories) -> None:
    """Show a rating model what it learns from."""
    if isinstance(model, RatingModel):
        model.observe(train)


class BestWeights:
    """The weights of the best pooled validation RMSE so far, kept in a folder so that a stop loses nothing."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.value = folder, float("inf")
        with suppress(CheckpointError, KeyError):
            self.value = float(checkpoint_io.read_facts(folder)["value"])

    def offer(self, model: Model, value: float) -> None:
        """Keep the weights if they are better."""
        if value < self.value:
            self.value = value
            weights = {name: t for name, t in model.tensors().items() if not name.startswith("observed.")}
            checkpoint_io.write(self.folder, weights, {"value": value})

    def drop(self) -> None:
        """Forget what was kept."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.value = float("inf")

    def into(self, model: Model) -> None:
        """Put the best weights into the model; raises CheckpointError when there are none."""
        tensors, _ = checkpoint_io.read(self.folder)
        model.load_tensors(tensors)


def _at_entries(model: AutoRec, rows: Histories) -> NDArray[np.float64]:
    found = []
    for start in range(0, len(rows), 512):
        batch = Batch.of(rows.slice(start, start + 512), model.device)
        with torch.no_grad():
            outputs = model.last(model.encode(batch, model.ratings_of(batch)))
            found.append(outputs[batch.row_of, batch.items].cpu().double().numpy())
    return np.concatenate(found)
