"""SVAE as published (`published-svae`): one user per update, and three evaluations of the same weights."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from recdash.data.histories import Histories
from recdash.evaluation.evaluator import evaluate, mean_metrics
from recdash.evaluation.selection_metric import SELECTION_METRICS
from recdash.models.base import Model
from recdash.models.batch import Batch
from recdash.models.data_shape import DataShape
from recdash.models.gru import PackedSequences
from recdash.models.svae import SVAE, SVAEConfig
from recdash.published.context import CellContext, CellResult
from recdash.published.single_sequence_gru import SingleSequenceGru
from recdash.published.training_files import MetricValues
from recdash.published.unmasked_topk import list_metrics, masked_lists, without_last
from recdash.splits import published_splits
from recdash.splits.split import EvaluationPart
from recdash.training.loop import Validation

SEED = 12345  # of the public repository: it reproduces the published numbers of users exactly
METRICS = ("precision@10", "recall_all@10", "ndcg@10", "precision@100", "recall_all@100", "ndcg@100")
TRAINING_USERS = 200  # training users whose metrics the published table prints


class SampledSVAE(SVAE):
    """SVAE that can score from a sample of the latent code, as the authors' code does in its evaluation."""

    _generator: torch.Generator | None = None

    def __init__(self, config: SVAEConfig, shape: DataShape) -> None:
        super().__init__(config, shape)
        self.gru = SingleSequenceGru(config.embedding, config.recurrent)

    @contextmanager
    def sampling(self, seed: int) -> Iterator[None]:
        """Score from samples within the block; the same seed gives the same samples."""
        self._generator = torch.Generator().manual_seed(seed)
        try:
            yield
        finally:
            self._generator = None

    def _last_logits(self, batch: Batch) -> Tensor:
        """Return logits after the last item, from the mean of the code or from a sample; output 2 is its log sd."""
        if self._generator is None:
            return super()._last_logits(batch)
        packed = PackedSequences.of(batch, batch.counts.cpu().numpy())
        states = self.gru(nn.functional.embedding(batch.items[packed.entries], self.embedding), packed)
        # one more row, which empty histories (end -1) read: (positions, width) -> (positions + 1, width)
        states = torch.cat([states, torch.zeros(1, states.shape[1], device=states.device)])
        mu, log_sd = self._posterior(states[packed.ends])  # (users, latent) each
        z = mu + torch.exp(log_sd) * torch.randn(mu.shape, generator=self._generator).to(mu.device)
        logits: Tensor = self.last(torch.tanh(self.up(z)))  # (users, items)
        return logits


def svae(context: CellContext) -> CellResult:
    """Train once for the printed row, the test line of the log, and the corrected column.

    The training stays on the CPU: its updates with one user are optimised for it (`single_sequence_gru`).
    """
    context = replace(context, device="cpu")
    split = published_splits.split_svae(context.dataset, seed=SEED)
    parts = {"training": first_training_users(split.train), "validation": split.part("validation"), "test": split.test}
    model = context.build_model("svae", split, SampledSVAE, patience=10_000)

    def measure(trained: Model) -> MetricValues:
        values = mean_metrics(trained, split, ("ndcg@100",))
        for name, part in parts.items():
            printed = metrics_as_printed(trained, part)
            values |= {f"{name}.{metric}": value for metric, value in printed.items()}
        return values

    validation = Validation(measure, SELECTION_METRICS["ranking"])
    training, epochs = context.train_model(model, split.train, validation, split=split.fingerprint)
    printed_epoch = max(epochs, key=lambda epoch: epochs[epoch]["training.ndcg@100"])
    chosen_epoch = max(epochs, key=lambda epoch: epochs[epoch]["validation.ndcg@100"])
    columns = {
        "training_users": {metric: epochs[printed_epoch][f"training.{metric}"] for metric in METRICS},
        "test_then": {metric: epochs[printed_epoch][f"test.{metric}"] for metric in METRICS},
        "as_published": {metric: epochs[chosen_epoch][f"test.{metric}"] for metric in METRICS},
        "corrected": dict(evaluate(model, split, metric_names=METRICS).mean),
    }
    facts: dict[str, float | int | str | None] = {
        "shown_epoch": printed_epoch,
        "chosen_epoch": chosen_epoch,
        "best_epoch": training.best.epoch,
        "epochs": max(epochs),
        "device": context.device,
    }
    return CellResult(columns, facts)


def first_training_users(train: Histories, users: int = TRAINING_USERS) -> EvaluationPart:
    """Return the first training users with a fifth of their histories marked as held out.

    The model was trained on all of it.
    """
    return published_splits.hold_out_last_fifth(train.slice(0, min(users, len(train))), ())


def metrics_as_printed(model: Model, part: EvaluationPart) -> MetricValues:
    """Return metrics of the authors' evaluation, with a sampled latent code.

    The last fold-in item is not fed to the model and not masked.
    """
    if not isinstance(model, SampledSVAE):
        raise TypeError("only a SampledSVAE is evaluated as printed")
    users = np.flatnonzero(part.held_out.counts > 0)
    fold_in = without_last(part.fold_in.take(users))
    with model.sampling(0):
        top = masked_lists(model, fold_in)
    return list_metrics(top, part.held_out.take(users), METRICS)
