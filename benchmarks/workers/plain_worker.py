"""Trains plain dense PyTorch loops for a benchmark (`tests/plain_loops.py`), which stand in for absent libraries."""

from __future__ import annotations

from typing import Any

import torch
from scipy import sparse
from serve import Trained, once, serve

import recdash
from tests.plain_loops import NETS, DenseLoop, PlainCDAE, plain_ease

Matrices = dict[str, sparse.csr_matrix]


def loop(name: str) -> Any:
    """Trainer of one of the nets."""

    def trainer(matrices: Matrices, settings: dict[str, Any], epochs: int) -> Trained:
        matrix, settings = matrices["train"], dict(settings)
        batch_size, learning_rate = settings.pop("batch_size"), settings.pop("learning_rate", 1e-3)
        if "data" in settings:
            rows = recdash.make_split(
                recdash.load_dataset(settings.pop("data")), "ratings-90", seed=1
            ).train.transposed()
            matrix = sparse.csr_matrix((rows.values, rows.items, rows.indptr), (len(rows), rows.n_items))
        sizes = {name: settings[name] for name in ("hidden", "width", "latent") if name in settings}
        if NETS[name] is PlainCDAE:
            sizes["users"] = matrix.shape[0]
        torch.manual_seed(0)
        training = DenseLoop(
            NETS[name](matrix.shape[1], **sizes), matrix, batch_size=batch_size, learning_rate=learning_rate
        )
        return Trained([training.epoch() for _ in range(epochs)], lambda rows: scores(training.net, rows))

    return trainer


@torch.no_grad()
def scores(net: torch.nn.Module, rows: sparse.csr_matrix) -> Any:
    """Scores of rows (users, items)."""
    return net(torch.from_numpy(rows.toarray()))


def ease(matrices: Matrices, settings: dict[str, Any], epochs: int) -> Trained:
    """A dense Gram matrix and a general inverse."""
    weights, seconds = once(lambda: plain_ease(matrices["train"], settings["l2"]))
    return Trained(seconds, lambda rows: rows @ weights)


if __name__ == "__main__":
    serve("recdash", {name: loop(name) for name in NETS} | {"ease": ease})
