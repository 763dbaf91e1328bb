"""ELSA: a linear autoencoder of low rank whose items do not recommend themselves (Vančura et al., RecSys 2022)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from recdash.models.base import (
    SMALL_DATA_USERS,
    GradientConfig,
    GradientModel,
    Loss,
    TrainingProgress,
    auto_batch_size,
    read_only_array,
)
from recdash.models.batch import Batch
from recdash.models.data_shape import DataShape
from recdash.models.layers import sparse_product
from recdash.settings import setting

_MAX_CELLS = 1 << 27  # outputs (rows, items) in memory at once: 512 MiB of float32
_TINY = 1e-12  # a smaller squared length of an output is that of no output


@dataclass(frozen=True, kw_only=True)
class ELSAConfig(GradientConfig):
    """Settings of ELSA."""

    search_space: ClassVar[dict[str, str]] = {
        "learning_rate": "log:0.002..0.1",
        "latent": "choice:100,200,400",
        "averaging": "choice:0.0,0.7,0.85",
    }
    latent: int = setting(
        200, low=1, high=20_000, unit="numbers", help="width of the item vectors, the rank r in the paper"
    )
    learning_rate: float = setting(0.1, low=0, high=10, help="learning rate of NAdam")
    epochs: int = setting(20, low=1, high=100_000, unit="epochs", help="maximum number of epochs")

    @classmethod
    def auto(cls, shape: DataShape, **given: Any) -> Self:
        """Return the settings of preset `auto`, chosen on the validation users of ML-1M and ML-100K."""
        latent = 400 if shape.users >= SMALL_DATA_USERS else 200
        batch = auto_batch_size(shape, 30)
        return cls(latent=latent, batch_size=batch, learning_rate=0.01, epochs=25, patience=6, averaging=0.7)


class ELSA(GradientModel):
    """Scores are x A A' - x, the rows of A being item vectors of length 1, so that AA' - 1 has a diagonal of zeros."""

    name: ClassVar[str] = "elsa"
    exact_contributions: ClassVar[bool] = True
    title: ClassVar[str] = "ELSA"
    about: ClassVar[str] = "Linear autoencoder of low rank, for catalogues of any size."
    source: ClassVar[str] = "Vančura et al., RecSys 2022"
    objective: ClassVar[str] = "squared error of normalised rows"
    parts_of_loss: ClassVar[tuple[str, ...]] = ("cosine",)
    config_class: ClassVar[type[GradientConfig]] = ELSAConfig

    def __init__(self, config: ELSAConfig, shape: DataShape) -> None:
        super().__init__(config, shape)
        self.items = nn.Parameter(torch.empty(shape.items, config.latent))  # W: item vectors of any length

    @property
    def fixed_shapes(self) -> bool:
        """A step of NAdam cannot be recorded: its state does not start with zeros."""
        return False

    def initialise(self, generator: torch.Generator) -> None:
        """Draw the item vectors Xavier-uniformly, as the authors' code does."""
        nn.init.xavier_uniform_(self.items, generator=generator)

    def loss(self, batch: Batch, progress: TrainingProgress) -> Loss:
        """Return the squared distance of y / |y| and x / |x|, y = x A A' - x, between 0 and 4 (paper, section 3.3).

        With h = A'x and n interactions, x.y = |h|^2 - n and |y|^2 = |A h|^2 - 2 |h|^2 + n: no matrix (rows, items) is
        needed but for |A h|^2, and there only where the batch is small.
        """
        vectors = functional.normalize(self.items, dim=1)  # (items, latent)
        ones = torch.ones(len(batch.items), device=vectors.device)  # (entries,)
        hidden = sparse_product(vectors, ones, batch).float()  # (rows, latent)
        counts, squares = batch.counts.float(), hidden.square().sum(1)  # (rows,) each
        length = (reconstruction_squares(vectors, hidden) - 2 * squares + counts).clamp(min=_TINY)  # |y|^2, (rows,)
        cosine = (squares - counts) * (length * counts.clamp(min=1)).rsqrt()  # (rows,)
        return Loss(2 * ((counts > 0).float() - cosine), {"cosine": cosine})

    def score_batch(self, batch: Batch) -> Tensor:
        """Return x A A' - x, (rows, items)."""
        inverse = 1 / torch.linalg.vector_norm(self.items, dim=1).clamp(min=_TINY)  # (items,)
        hidden = sparse_product(self.items, inverse[batch.items], batch)  # (rows, latent)
        scores = (hidden @ self.items.T).mul_(inverse)  # (rows, latent) @ (latent, items) -> (rows, items)
        cells = batch.row_of * batch.n_items + batch.items  # (entries,) cells of (rows, items)
        scores.view(-1).index_add_(0, cells, torch.full_like(inverse[batch.items], -1.0))
        return scores

    def optimiser(self, groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
        """Return NAdam, as in the authors' code."""
        return torch.optim.NAdam(groups, lr=self.config.learning_rate)

    def contributions(self, picks: Sequence[int], items: Sequence[int]) -> NDArray[np.float32]:
        """Return the cosine of each pick's and each item's vector, 0 for an item itself, (picks, items)."""
        vectors, rows, columns = self.item_vectors(), np.asarray(picks, np.int64), np.asarray(items, np.int64)
        found: NDArray[np.float32] = vectors[rows] @ vectors[columns].T  # (picks, latent) @ (latent, items)
        found[rows[:, None] == columns] = 0
        return found

    def item_vectors(self) -> NDArray[np.float32]:
        """Return the rows of A, (items, latent), each of length 1."""
        return read_only_array(functional.normalize(self.items.detach(), dim=1))


class _ReconstructionSquares(torch.autograd.Function):
    """|A h|^2 by way of A'A (latent, latent) or of the outputs (rows, items), whichever is less work."""

    @staticmethod
    def forward(ctx: Any, vectors: Tensor, hidden: Tensor, dtype: torch.dtype) -> Tensor:
        a, h = vectors.to(dtype), hidden.to(dtype)
        rows, (items, latent) = len(h), a.shape
        # 2 products of items x latent^2 against 3 of rows x items x latent, forward and backward
        ctx.by_gram = 3 * rows > 2 * latent or rows * items > _MAX_CELLS
        # (latent, items) @ (items, latent), or (rows, latent) @ (latent, items) -> (rows, items)
        product = a.T @ a if ctx.by_gram else h @ a.T
        ctx.save_for_backward(a, h, product)
        if ctx.by_gram:
            return ((h @ product).float() * h).sum(1)  # (rows, latent) -> (rows,)
        lengths: Tensor = torch.linalg.vector_norm(product, dim=1, dtype=torch.float32)  # (rows, items) -> (rows,)
        return lengths.square()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None]:
        a, h, product = ctx.saved_tensors
        scale = 2 * gradients[0][:, None]  # (rows, 1)
        weighted = (scale * h).to(h.dtype)  # (rows, latent)
        of_hidden = (h @ product if ctx.by_gram else product @ a).float().mul_(scale)  # (rows, latent)
        # (items, latent) @ (latent, rows) @ (rows, latent), or (items, rows) @ (rows, latent)
        of_vectors = a @ (h.T @ weighted) if ctx.by_gram else product.T @ weighted
        return of_vectors.float(), of_hidden, None


def reconstruction_squares(vectors: Tensor, hidden: Tensor) -> Tensor:
    """Return the squared lengths of the reconstructions A h.

    Args:
        vectors: A, (items, latent).
        hidden: h of each row, (rows, latent).

    Returns:
        (rows,) float32.
    """
    kind = vectors.device.type
    dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else torch.float32
    with torch.autocast(kind, enabled=False):
        found: Tensor = _ReconstructionSquares.apply(vectors, hidden, dtype)  # type: ignore[no-untyped-call]
    return found
