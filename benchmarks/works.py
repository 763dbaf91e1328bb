"""What is measured: each work's sizes, in one place for recdash, the libraries and the plain loops."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.common import movielens_path


@dataclass(frozen=True)
class Work:
    """One kind of work on MovieLens-1M, and how it is trained.

    Attributes:
        title: As the tables show it.
        trainer: Name under which every worker offers it.
        settings: Sizes for libraries and plain loops.
        recdash: The same for recdash, by its names.
        libraries: Which libraries have it.
        plain: Whether a plain dense loop is measured too.
        epochs: Epochs of a round; the first of several is left out.
        rounds: How often each contender is measured, in turn.
        has_precision: Whether recdash is measured with precision auto and float32, where these differ.
    """

    title: str
    trainer: str
    settings: Mapping[str, Any]
    recdash: Mapping[str, Any]
    libraries: tuple[str, ...] = ()
    plain: bool = True
    epochs: int = 3
    rounds: int = 3
    has_precision: bool = True


WORKS: dict[str, Work] = {
    "multvae": Work(
        "Mult-VAE epoch, I-600-200-600-I, B = 500",
        "multvae",
        {"hidden": 600, "latent": 200, "batch_size": 500, "learning_rate": 1e-3},
        {"hidden": [600], "latent": 200, "batch_size": 500, "learning_rate": 1e-3},
        ("cornac", "recpack", "recbole", "irspack"),
    ),
    "multdae_200": Work(
        "Mult-DAE epoch, I-200-I, B = 100",
        "multdae",
        {"latent": 200, "batch_size": 100, "learning_rate": 1e-3},
        {"hidden": [], "latent": 200, "batch_size": 100, "learning_rate": 1e-3},
        rounds=5,
    ),
    "multdae_600": Work(
        "Mult-DAE epoch, I-600-200-600-I, B = 500",
        "multdae",
        {"hidden": 600, "latent": 200, "batch_size": 500, "learning_rate": 1e-3},
        {"hidden": [600], "latent": 200, "batch_size": 500, "learning_rate": 1e-3},
        ("recbole",),
    ),
    "cdae": Work(
        "CDAE epoch, K = 200, B = 500",
        "cdae",
        {"latent": 200, "batch_size": 500, "learning_rate": 1e-3},
        {"latent": 200, "batch_size": 500, "learning_rate": 1e-3},
        ("recbole",),
        rounds=5,
    ),
    "recvae": Work(
        "RecVAE outer epoch, 3 + 1 passes, B = 500",
        "recvae",
        {"width": 600, "latent": 200, "batch_size": 500, "learning_rate": 5e-4, "gamma": 0.005},
        {"batch_size": 500, "learning_rate": 5e-4, "gamma": 0.005, "encoder_passes": 3, "decoder_passes": 1},
        ("recpack", "recbole", "cornac"),
        epochs=2,
    ),
    "ease": Work(
        "EASE, warm fit",
        "ease",
        {"l2": 500.0},
        {"l2": 500.0},
        ("recbole", "cornac", "lenskit", "rectools", "recpack", "irspack"),
        epochs=1,
        rounds=5,
        has_precision=False,
    ),
    "itemknn": Work(
        "Item-kNN, warm fit, 200 neighbours",
        "itemknn",
        {"neighbours": 200},
        {"neighbours": 200},
        ("recpack", "irspack"),
        plain=False,
        epochs=1,
        has_precision=False,
    ),
    "evaluation": Work("Evaluation of 1,000 users, all metrics", "evaluation", {}, {}, plain=False, epochs=1),
    "svae": Work("SVAE epoch, preset auto", "svae", {}, {"data": movielens_path()}, plain=False, epochs=2, rounds=1),
    "autorec": Work(
        "I-AutoRec epoch, k = 500, preset auto",
        "autorec",
        {"latent": 500, "batch_size": 530, "learning_rate": 3e-3, "data": movielens_path()},
        {"latent": 500, "batch_size": 530, "learning_rate": 3e-3, "data": movielens_path()},
    ),
}

# Trainings until validation NDCG@100 reaches what the library ends at: settings of recdash, which library, its epochs.
QUALITY: dict[str, tuple[Mapping[str, Any], str, int]] = {
    "multvae": ({}, "recbole", 100),
    "recvae": ({}, "recpack", 50),
}
