"""Fits RecTools' EASE for a benchmark."""

from __future__ import annotations

from typing import Any

import pandas as pd
from rectools import Columns
from rectools.dataset import Dataset
from rectools.models import EASEModel
from scipy import sparse
from serve import Trained, once, serve


def ease(matrices: dict[str, sparse.csr_matrix], settings: dict[str, Any], epochs: int) -> Trained:
    """EASE; its items are in an order of their own."""
    entries = matrices["train"].tocoo()
    table = {Columns.User: entries.row, Columns.Item: entries.col, Columns.Weight: 1.0}
    data = Dataset.construct(pd.DataFrame(table).assign(**{Columns.Datetime: pd.Timestamp("2000-01-01")}))
    model = EASEModel(regularization=settings["l2"])
    _, seconds = once(lambda: model.fit(data))
    order = data.item_id_map.external_ids

    def score(rows: sparse.csr_matrix) -> Any:
        scores = rows.toarray()
        scores[:, order] = rows[:, order] @ model.weight
        return scores

    return Trained(seconds, score)


if __name__ == "__main__":
    serve("rectools", {"ease": ease})
