"""Trains RecBole's models for a benchmark."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from recbole.config import Config
from recbole.data import create_dataset
from recbole.data.utils import get_dataloader
from recbole.utils import get_model, get_trainer, init_seed
from scipy import sparse
from serve import Trained, once, serve, timed

Matrices = dict[str, sparse.csr_matrix]
FOLDER = Path("recbole_data")
COMMON = {
    "data_path": str(FOLDER),
    "use_gpu": False,
    "show_progress": False,
    "seed": 0,
    "eval_step": 0,  # no validation
    "eval_args": {"split": {"RS": [1, 0, 0]}, "group_by": "user", "order": "RO", "mode": "full"},
    "load_col": {"inter": ["user_id", "item_id"]},
    "train_neg_sample_args": None,
}


class Data:
    """RecBole's dataset of a training matrix, read from its file format once."""

    prepared: dict[str, Any] = {}  # noqa: RUF012

    @classmethod
    def of(cls, model: str, matrices: Matrices, settings: dict[str, Any]) -> tuple[Any, Any]:
        """Return config and dataset."""
        write(matrices["train"])
        config = Config(model=model, dataset="bench", config_dict=COMMON | settings)
        if "dataset" not in cls.prepared:
            cls.prepared["dataset"] = create_dataset(config).build()[0]
        return config, cls.prepared["dataset"]


def write(train: sparse.csr_matrix) -> None:
    """Write the training matrix as RecBole's interaction file, unless that was done."""
    path = FOLDER / "bench" / "bench.inter"
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    entries = train.tocoo()
    np.savetxt(
        path,
        np.stack([entries.row, entries.col], 1),
        fmt="%d",
        delimiter="\t",
        header="user_id:token\titem_id:token",
        comments="",
    )


def columns_of(dataset: Any) -> Any:
    """RecBole's index of each of our items, (items,); its index 0 is padding."""
    tokens = dataset.field2id_token["item_id"][1:].astype(int)  # our items, in RecBole's order
    columns = np.empty(len(tokens), int)
    columns[tokens] = np.arange(1, len(tokens) + 1)
    return columns


def network(model_name: str, translate: Any) -> Any:
    """Trainer of a network; `translate` gives RecBole's names of the settings."""

    def trainer(matrices: Matrices, settings: dict[str, Any], epochs: int) -> Trained:
        own = {
            "epochs": epochs,
            "train_batch_size": settings["batch_size"],
            "learning_rate": settings["learning_rate"],
            **translate(settings),
        }
        config, dataset = Data.of(model_name, matrices, own)
        init_seed(0, reproducibility=True)
        loader = get_dataloader(config, "train")(config, dataset, None, shuffle=True)
        model = get_model(model_name)(config, dataset)
        training = get_trainer(config["MODEL_TYPE"], model_name)(config, model)
        seconds: list[float] = []
        training._train_epoch = timed(training._train_epoch, seconds)
        training.fit(loader, valid_data=None, saved=False, show_progress=False)
        columns = columns_of(dataset)
        return Trained(seconds, lambda rows: scores(model, columns, rows))

    return trainer


@torch.no_grad()
def scores(model: Any, columns: Any, rows: sparse.csr_matrix) -> Any:
    """Scores of rows, (users, items)."""
    model.eval()
    x = np.zeros((rows.shape[0], model.n_items), np.float32)
    x[:, columns] = rows.toarray()
    found = model.forward(torch.from_numpy(x), *EXTRA.get(type(model).__name__, ()))
    return (found[0] if isinstance(found, tuple) else found).numpy()[:, columns]


EXTRA = {"RecVAE": (0.0,)}  # its dropout


def ease(matrices: Matrices, settings: dict[str, Any], epochs: int) -> Trained:
    """EASE, which RecBole fits in the constructor."""
    config, dataset = Data.of("EASE", matrices, {"reg_weight": settings["l2"]})
    model, seconds = once(lambda: get_model("EASE")(config, dataset))
    columns = columns_of(dataset)

    def score(rows: sparse.csr_matrix) -> Any:
        x = np.zeros((rows.shape[0], dataset.item_num), np.float32)
        x[:, columns] = rows.toarray()
        return np.asarray(x @ model.item_similarity)[:, columns]

    return Trained(seconds, score)


def vae_sizes(settings: dict[str, Any]) -> dict[str, Any]:
    """Sizes of Mult-VAE and Mult-DAE."""
    return {"mlp_hidden_dimension": [settings["hidden"]], "latent_dimension": settings["latent"]}


if __name__ == "__main__":
    serve(
        "recbole",
        {
            "multvae": network("MultiVAE", vae_sizes),
            "multdae": network("MultiDAE", vae_sizes),
            "cdae": network("CDAE", lambda settings: {"embedding_size": settings["latent"]}),
            "recvae": network(
                "RecVAE",
                lambda settings: {
                    "hidden_dimension": settings["width"],
                    "latent_dimension": settings["latent"],
                    "gamma": settings["gamma"],
                },
            ),
            "ease": ease,
        },
    )
