"""Item-kNN: similar items by cosine similarity (Sarwar et al., WWW 2001; Deshpande and Karypis, 2004)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Self

from torch import Tensor

from recdash.models.data_shape import DataShape
from recdash.models.item_similarities import ItemSimilarityModel
from recdash.settings import Config, setting


@dataclass(frozen=True, kw_only=True)
class ItemKNNConfig(Config):
    """Settings of item-kNN."""

    search_space: ClassVar[dict[str, str]] = {
        "neighbours": "log:10..1000",
        "shrinkage": "log:1..1000",
    }
    neighbours: int = setting(
        100, low=1, high=1_000_000, unit="items", help="number of most similar items stored for each item"
    )
    shrinkage: float = setting(
        10.0,
        low=0,
        high=1e9,
        help="addend to the divisor of the cosine, which lowers the similarity of items with few common users",
    )

    @classmethod
    def auto(cls, shape: DataShape, **given: Any) -> Self:
        """Return the settings of preset `auto`."""
        return cls()


class ItemKNN(ItemSimilarityModel):
    """Scores are sums of similarities to the picks: s_ij = c_ij / (sqrt(c_i c_j) + shrinkage), c counting users."""

    name: ClassVar[str] = "itemknn"
    title: ClassVar[str] = "Item-kNN"
    about: ClassVar[str] = "Items similar to the picks, by co-occurrence among training users."
    source: ClassVar[str] = "Sarwar et al., WWW 2001"
    config_class: ClassVar[type[Config]] = ItemKNNConfig

    def similarity_rows(self, candidates: Tensor, common: Tensor, counts: Tensor) -> Tensor:
        """Return the shrunk cosines of some candidates and every item, (candidates, items)."""
        products = counts[candidates, None] * counts  # (candidates, items)
        return common.div_(products.sqrt_().add_(self.config.shrinkage).add_(1e-12))
