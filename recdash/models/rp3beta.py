"""RP3beta: random walks of three steps, less for popular items (Paudel et al., ACM TiiS 2016)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from torch import Tensor

from recdash.data.histories import Histories
from recdash.models.data_shape import DataShape
from recdash.models.item_similarities import ItemSimilarityModel
from recdash.settings import Config, setting


@dataclass(frozen=True, kw_only=True)
class RP3betaConfig(Config):
    """Settings of RP3beta."""

    search_space: ClassVar[dict[str, str]] = {
        "alpha": "0.4..1.1",
        "beta": "0..0.8",
        "neighbours": "log:30..300",
    }
    alpha: float = setting(0.7, low=0, high=4, help="exponent of the probability of each step; 1 is a random walk")
    beta: float = setting(0.3, low=0, high=4, help="exponent of popularity in the divisor of an item's probability")
    neighbours: int = setting(
        100, low=1, high=1_000_000, unit="items", help="number of most similar items stored for each item"
    )
    normalise: bool = setting(True, help="whether the stored similarities of each pick are divided by their sum")

    @classmethod
    def auto(cls, shape: DataShape, **given: Any) -> Self:
        """Return the settings of preset `auto`."""
        return cls()


class RP3beta(ItemSimilarityModel):
    """Walks from a pick to one of its users to one of their items: s_ij = sum of (1 / (c_i n_v))^alpha / c_j^beta.

    The sum is over the users v who have both items; n_v counts the items of v, c_i the users of i. The first step of
    the paper, from the user to a pick, has the same probability for every pick, and changes no ranking.
    """

    name: ClassVar[str] = "rp3beta"
    title: ClassVar[str] = "RP3beta"
    about: ClassVar[str] = "Random walks from the picks over their users to other items, less often to popular ones."
    source: ClassVar[str] = "Paudel et al., ACM TiiS 2016"
    config_class: ClassVar[type[Config]] = RP3betaConfig

    def user_weights(self, rows: Histories) -> NDArray[np.float64]:
        """Return the probability of the step from each user to one of their items, to the power alpha, (users,)."""
        return np.asarray(np.maximum(rows.counts, 1).astype(np.float64) ** -self.config.alpha)

    def similarity_rows(self, candidates: Tensor, common: Tensor, counts: Tensor) -> Tensor:
        """Return the walks from every item to some candidates, (candidates, items)."""
        users = counts.clamp(min=1)
        return common.mul_(users**-self.config.alpha).mul_(users[candidates, None] ** -self.config.beta)

    def finish(self, similarities: Any) -> Any:
        """Divide the similarities of each pick by their sum, if the settings ask for it."""
        if not self.config.normalise:
            return similarities
        sums = np.asarray(similarities.sum(1)).ravel()
        return sparse.csr_array(sparse.diags_array(1 / np.where(sums > 0, sums, 1)) @ similarities)
