"""Trains Cornac's models for a benchmark."""

from __future__ import annotations

from typing import Any

import cornac.eval_methods
import numpy as np
import torch
from cornac.data import Dataset
from cornac.models import EASE, VAECF, RecVAE
from cornac.models.vaecf import vaecf
from scipy import sparse
from serve import Laps, Trained, once, serve, timed

Matrices = dict[str, sparse.csr_matrix]


def dataset(train: sparse.csr_matrix) -> Dataset:
    """The training matrix as Cornac's data, with the same indices."""
    users, items = (dict(zip(range(n), range(n), strict=True)) for n in train.shape)
    entries = train.tocoo()
    return Dataset(*train.shape, users, items, (entries.row, entries.col, entries.data))


def multvae(matrices: Matrices, settings: dict[str, Any], epochs: int) -> Trained:
    """Mult-VAE, called VAECF."""
    seconds: list[float] = []
    vaecf.trange = lambda first, last, **_: Laps(range(first, last), seconds)
    model = VAECF(
        k=settings["latent"],
        autoencoder_structure=[settings["hidden"]],
        n_epochs=epochs,
        batch_size=settings["batch_size"],
        learning_rate=settings["learning_rate"],
        beta=0.2,
        seed=0,
    )
    model.fit(dataset(matrices["train"]))
    return Trained(seconds, lambda rows: dense(lambda x: model.vae.decode(model.vae.encode(x)[0]), rows))


def recvae(matrices: Matrices, settings: dict[str, Any], epochs: int) -> Trained:
    """RecVAE; an outer epoch is its two runs, without the ranking of all training users that follows each."""
    cornac.eval_methods.ranking_eval = lambda **_: ([0.0], [])
    model = RecVAE(
        hidden_dim=settings["width"],
        latent_dim=settings["latent"],
        batch_size=settings["batch_size"],
        gamma=settings["gamma"],
        lr=settings["learning_rate"],
        n_epochs=epochs,
        seed=0,
        use_gpu=False,
    )
    seconds: list[float] = []
    model.run = timed(model.run, seconds)
    model.fit(dataset(matrices["train"]))
    model.recvae_model.eval()
    passes = np.reshape(seconds, (epochs, 2))  # encoder, decoder
    return Trained(
        passes.sum(1).tolist(), lambda rows: dense(lambda x: model.recvae_model(x, calculate_loss=False), rows)
    )


@torch.no_grad()
def dense(network: Any, rows: sparse.csr_matrix) -> Any:
    """What a network gives for dense rows, (users, items)."""
    return network(torch.from_numpy(rows.toarray())).numpy()


def ease(matrices: Matrices, settings: dict[str, Any], epochs: int) -> Trained:
    """EASE with negative weights, as in the paper."""
    train = dataset(matrices["train"])
    model, seconds = once(lambda: EASE(lamb=settings["l2"], posB=False, verbose=False).fit(train))
    return Trained(seconds, lambda rows: rows @ model.B)


if __name__ == "__main__":
    serve("cornac", {"multvae": multvae, "recvae": recvae, "ease": ease})
