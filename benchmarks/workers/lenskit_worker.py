"""Fits LensKit's EASE for a benchmark."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from lenskit.data import from_interactions_df
from lenskit.knn.ease import EASEScorer
from lenskit.training import TrainingOptions
from scipy import sparse
from serve import Trained, once, serve


def ease(matrices: dict[str, sparse.csr_matrix], settings: dict[str, Any], epochs: int) -> Trained:
    """EASE; its items are in an order of their own."""
    entries = matrices["train"].tocoo()
    data = from_interactions_df(pd.DataFrame({"user_id": entries.row, "item_id": entries.col}))
    model = EASEScorer(regularization=settings["l2"])
    _, seconds = once(lambda: model.train(data, TrainingOptions(device="cpu")))
    order = np.asarray(model.items.ids())

    def score(rows: sparse.csr_matrix) -> Any:
        scores = np.empty(rows.shape, np.float32)
        scores[:, order] = rows[:, order] @ model.weights
        return scores

    return Trained(seconds, score)


if __name__ == "__main__":
    serve("lenskit", {"ease": ease})
