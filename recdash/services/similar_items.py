"""Items similar to one, according to a trained model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recdash.data.items import Item
from recdash.errors import short_repr
from recdash.models.base import Model
from recdash.recommend import ranked_list
from recdash.recommend.ranked_list import ListOptions, RankedItem

RELATIONS = {
    "ease": "weights from this item to the others",
    "sparse_ease": "weights from this item to the others",
    "itemknn": "shrunk cosine similarities of the users",
    "rp3beta": "random walks from this item to the others",
}
COSINE, SINGLE_PICK = "cosine similarity of the model's item vectors", "the list for this item as the only pick"


@dataclass(frozen=True, kw_only=True)
class SimilarItems:
    """Items similar to one.

    Attributes:
        item: The item.
        items: The similar items, most similar first, scored relative to the first.
        measure: What was compared, for display, for example "cosine similarity of the model's item vectors".
        note: Why there are no items; often empty.
    """

    item: Item
    items: tuple[RankedItem, ...]
    measure: str = ""
    note: str = ""


def similar_to(model: Model, item: Item, k: int = 10) -> SimilarItems:
    """Return the items that a model relates most to one item.

    Exact contributions, such as the item weights of EASE and the similarities of item-kNN, are used directly; for
    others the cosine similarity of item vectors, and without such vectors the list for this item as the only pick.

    Args:
        model: A trained model.
        item: The item.
        k: Maximum number of similar items, from 1 to 1000.

    Raises:
        UsageError: `k` is out of range.
    """
    options = ListOptions(k=k, reasons=False)
    index = model.catalogue.index_of.get(item.id)
    if index is None:
        return SimilarItems(item=item, items=(), note=f"{model.title} does not know {short_repr(item.label)}")
    if not model.uses_history:
        return SimilarItems(item=item, items=(), note=f"{model.title} relates no items to each other")
    exact = model.contributions([index], range(model.shape.items))
    if exact is not None:
        measure = RELATIONS.get(model.name, "contributions of this item to the scores of the others")
        return _similar(model, item, index, exact[0], measure, options.k)
    vectors = model.item_vectors()
    if vectors is not None:
        return _similar(model, item, index, _cosines(vectors, index), COSINE, options.k)
    found = ranked_list.rank(model, [item], options=options)
    return SimilarItems(item=item, items=found.items, measure=SINGLE_PICK)


def _similar(model: Model, item: Item, index: int, values: NDArray[np.floating], measure: str, k: int) -> SimilarItems:
    """Return the items with the largest positive values, (items,)."""
    order = np.argsort(-values, kind="stable")  # ties: lower index first
    order = order[(order != index) & (values[order] > 0)][:k]
    best = float(values[order[0]]) if len(order) else 1.0
    items = tuple(
        RankedItem(
            place, model.catalogue[other], float(values[other]), bar=(bar := float(values[other]) / best),
            score_text=f"{100 * bar:.0f}",
        )
        for place, other in enumerate(order.tolist(), 1)
    )  # fmt: skip
    return SimilarItems(item=item, items=items, measure=measure, note="" if items else "no similar items")


def _cosines(vectors: NDArray[np.float32], index: int) -> NDArray[np.float64]:
    """Return the cosine similarity of each item with one, (items,); 0 for vectors of length 0."""
    lengths = np.linalg.norm(vectors, axis=1).astype(np.float64)  # (items, width) -> (items,)
    products = (vectors @ vectors[index]).astype(np.float64)
    divisor = lengths * lengths[index]
    cosines: NDArray[np.float64] = np.divide(products, divisor, out=np.zeros(len(products)), where=divisor > 0)
    return cosines
