"""Trains RecPack's models for a benchmark."""

from __future__ import annotations

from typing import Any

import numpy as np
from recpack.algorithms import EASE, ItemKNN, MultVAE, RecVAE
from scipy import sparse
from serve import Trained, once, serve, timed

Matrices = dict[str, sparse.csr_matrix]
FIRST_USERS = 50  # validated after every epoch, which RecPack requires; not part of an epoch's time


def fit(model: Any, matrices: Matrices) -> Trained:
    """Fit a network; `keep_last`, because loading the best weights fails with PyTorch 2.6 and newer."""
    seconds: list[float] = []
    model._train_epoch = timed(model._train_epoch, seconds)
    parts = (matrices["validation_fold_in"], matrices["validation_held_out"])
    model.fit(matrices["train"], tuple(padded(part[:FIRST_USERS], len(matrices["train"].indptr) - 1) for part in parts))
    return Trained(seconds, lambda rows: dense_scores(model, rows))


def padded(rows: sparse.csr_matrix, users: int) -> sparse.csr_matrix:
    """Rows followed by empty ones, (users, items): RecPack wants the shape of the training matrix."""
    return sparse.vstack([rows, sparse.csr_matrix((users - rows.shape[0], rows.shape[1]), dtype=rows.dtype)]).tocsr()


def dense_scores(model: Any, rows: sparse.csr_matrix) -> Any:
    """Scores of rows, (users, items)."""
    return np.asarray(model.predict(rows).todense(), np.float32)


def multvae(matrices: Matrices, settings: dict[str, Any], epochs: int) -> Trained:
    """Mult-VAE."""
    model = MultVAE(
        batch_size=settings["batch_size"],
        max_epochs=epochs,
        learning_rate=settings["learning_rate"],
        dim_bottleneck_layer=settings["latent"],
        dim_hidden_layer=settings["hidden"],
        anneal_steps=settings.get("anneal_updates", 200_000),
        seed=0,
        keep_last=True,
    )
    return fit(model, matrices)


def recvae(matrices: Matrices, settings: dict[str, Any], epochs: int) -> Trained:
    """RecVAE, 3 + 1 passes an epoch."""
    model = RecVAE(
        batch_size=settings["batch_size"],
        max_epochs=epochs,
        learning_rate=settings["learning_rate"],
        dim_bottleneck_layer=settings["latent"],
        dim_hidden_layer=settings["width"],
        gamma=settings["gamma"],
        seed=0,
        keep_last=True,
    )
    return fit(model, matrices)


def closed_form(build: Any) -> Any:
    """Trainer of a model without epochs."""

    def trainer(matrices: Matrices, settings: dict[str, Any], epochs: int) -> Trained:
        model, seconds = once(lambda: build(settings).fit(matrices["train"]))
        return Trained(seconds, lambda rows: dense_scores(model, rows))

    return trainer


if __name__ == "__main__":
    serve(
        "recpack",
        {
            "multvae": multvae,
            "recvae": recvae,
            "ease": closed_form(lambda settings: EASE(l2=settings["l2"])),
            "itemknn": closed_form(lambda settings: ItemKNN(K=settings["neighbours"])),
        },
    )
