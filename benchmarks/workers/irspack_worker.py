"""Trains irspack's models for a benchmark."""

from __future__ import annotations

from typing import Any

import jax
from irspack.recommenders import CosineKNNRecommender, DenseSLIMRecommender
from irspack.recommenders.multvae import MultVAERecommender
from scipy import sparse
from serve import Trained, once, serve, timed

Matrices = dict[str, sparse.csr_matrix]


def multvae(matrices: Matrices, settings: dict[str, Any], epochs: int) -> Trained:
    """Mult-VAE, compiled by JAX; the first epoch compiles."""
    model = MultVAERecommender(
        matrices["train"],
        dim_z=settings["latent"],
        enc_hidden_dims=settings["hidden"],
        minibatch_size=settings["batch_size"],
        learning_rate=settings["learning_rate"],
        anneal_end_epoch=max(1, epochs // 2),
        train_epochs=epochs,
    )
    seconds: list[float] = []
    run_epoch = model.run_epoch

    def finished_epoch() -> None:
        run_epoch()
        jax.block_until_ready(model.trainer.params)  # JAX returns before the last updates are computed

    model.run_epoch = timed(finished_epoch, seconds)  # type: ignore[method-assign]
    model.learn()
    return Trained(seconds, model.get_score_cold_user)


def closed_form(build: Any) -> Any:
    """Trainer of a model without epochs."""

    def trainer(matrices: Matrices, settings: dict[str, Any], epochs: int) -> Trained:
        model, seconds = once(lambda: build(matrices["train"].astype("float64"), settings).learn())
        return Trained(seconds, model.get_score_cold_user)

    return trainer


if __name__ == "__main__":
    serve(
        "irspack",
        {
            "multvae": multvae,
            "ease": closed_form(lambda train, settings: DenseSLIMRecommender(train, reg=settings["l2"])),
            "itemknn": closed_form(
                lambda train, settings: CosineKNNRecommender(train, top_k=settings["neighbours"], n_threads=None)
            ),
        },
    )
