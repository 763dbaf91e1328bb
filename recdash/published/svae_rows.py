"""SVAE as published: one user an update, and three ways to read the same weights (spec: protocols, P-A4)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from recdash.data.histories import Histories
from recdash.evaluation.criterion import CRITERIA
from recdash.evaluation.evaluator import evaluate, quick_means
from recdash.models.base import Model
from recdash.models.batch import Batch
from recdash.models.data_shape import DataShape
from recdash.models.gru import Packed
from recdash.models.svae import SVAE, SVAEConfig
from recdash.published.context import Figures, Found, Work
from recdash.published.single_sequence_gru import SoloGru
from recdash.published.unmasked_topk import masked, means, without_last
from recdash.splits import published_splits
from recdash.splits.split import HeldOut
from recdash.training.loop import Validation

SEED = 12345  # of the public repository; with it the sizes of its parts come out to the user
METRICS = ("precision@10", "recall_all@10", "ndcg@10", "precision@100", "recall_all@100", "ndcg@100")
TRAINING_USERS = 200  # whose figures the public table prints
_PARTS = ("training", "validation", "test")


class SampledSVAE(SVAE):
    """SVAE whose scores can be drawn from a sample of the code, as the authors' code does also when it evaluates."""

    _drawn: torch.Generator | None = None

    def __init__(self, config: SVAEConfig, shape: DataShape) -> None:
        super().__init__(config, shape)
        self.gru = SoloGru(config.embedding, config.recurrent)

    @contextmanager
    def sampling(self, seed: int) -> Iterator[None]:
        """Score from samples inside, the same ones for the same seed."""
        self._drawn = torch.Generator().manual_seed(seed)
        try:
            yield
        finally:
            self._drawn = None

    def _after(self, batch: Batch) -> Tensor:
        """Logits after the last item: at the mean of the code, or at a sample whose second output is a log-sd."""
        if self._drawn is None:
            return super()._after(batch)
        packed = Packed.of(batch, batch.counts.cpu().numpy())
        states = self.gru(nn.functional.embedding(batch.items[packed.entries], self.embedding), packed)
        states = torch.cat([states, torch.zeros(1, states.shape[1], device=states.device)])
        mu, raw = self._posterior(states[packed.ends])
        z = mu + torch.exp(raw) * torch.randn(mu.shape, generator=self._drawn).to(mu.device)
        logits: Tensor = self.last(torch.tanh(self.up(z)))
        return logits


def both(work: Work) -> Found:
    """One training serves the printed figure, the test line of the log and the corrected column.

    It stays on the CPU, for which its updates of one user are written (`solo`).
    """
    work = replace(work, device="cpu")
    split = published_splits.svae(work.dataset, seed=SEED)
    parts = {"training": known_users(split.train), "validation": split.part("validation"), "test": split.test}
    model = work.untrained("svae", split, SampledSVAE, patience=10_000)

    def look(trained: Model) -> Figures:
        found = quick_means(trained, split, ("ndcg@100",))
        for name, part in parts.items():
            figures = as_printed(trained, part)
            found |= {f"{name}.{metric}": value for metric, value in figures.items()}
        return found

    training, epochs = work.trained(model, split.train, Validation(look, CRITERIA["ranking"]), split=split.fingerprint)
    shown = max(epochs, key=lambda epoch: epochs[epoch]["training.ndcg@100"])
    chosen = max(epochs, key=lambda epoch: epochs[epoch]["validation.ndcg@100"])
    proper = evaluate(model, split, metric_names=METRICS).mean
    columns = {
        "training_users": {metric: epochs[shown][f"training.{metric}"] for metric in METRICS},
        "test_then": {metric: epochs[shown][f"test.{metric}"] for metric in METRICS},
        "as_published": {metric: epochs[chosen][f"test.{metric}"] for metric in METRICS},
        "corrected": dict(proper),
    }
    facts = {"shown_epoch": shown, "chosen_epoch": chosen, "best_epoch": training.best.epoch, "epochs": max(epochs)}
    return Found(columns, {**facts, "device": work.device})


def known_users(train: Histories, users: int = TRAINING_USERS) -> HeldOut:
    """Return the first training users with a fifth of their histories "held out", all of which is trained on."""
    return published_splits.last_fifth(train.slice(0, min(users, len(train))), ())


def as_printed(model: Model, part: HeldOut) -> Figures:
    """Figures of the authors' evaluation: the last known item is neither read nor taken out, the code is sampled."""
    if not isinstance(model, SampledSVAE):
        raise TypeError("only a SampledSVAE is evaluated as printed")
    some = np.flatnonzero(part.held_out.counts > 0)
    read = without_last(part.fold_in.take(some))
    with model.sampling(0):
        top = masked(model, read)
    return means(top, part.held_out.take(some), METRICS)
