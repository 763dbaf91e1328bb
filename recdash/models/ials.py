"""iALS: matrix factorisation of implicit feedback (Hu et al., ICDM 2008; Rendle et al., RecSys 2022)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recdash.data.histories import Histories
from recdash.models.als_solver import Solution, in_eigenbasis, solve_rows
from recdash.models.alternating import AlternatingModel
from recdash.models.base import read_only_array
from recdash.models.batch import Batch
from recdash.models.data_shape import DataShape
from recdash.settings import Config, setting

# Of preset `auto`, found on the validation users of ML-100K and ML-1M. The best penalties of a user with an average
# history are from 4 to 8 there, whatever the scaling by frequency; the published ones for ML-20M give 6.5.
_USER_PENALTY, _UNOBSERVED_WEIGHT, _FREQUENCY_SCALING = 6.0, 0.2, 0.75
_FACTORS_PER_ROOT, _LEAST_LATENT, _MOST_LATENT = 1 / 3, 32, 512  # latent per square root of the interactions


@dataclass(frozen=True, kw_only=True)
class IALSConfig(Config):
    """Settings of iALS."""

    search_space: ClassVar[dict[str, str]] = {
        "latent": "choice:64,128,256",
        "l2": "log:0.03..0.5",
        "unobserved_weight": "log:0.05..0.5",
    }
    latent: int = setting(256, low=1, high=16_384, unit="units", help="width of the factors of users and items")
    l2: float = setting(0.003, low=1e-9, high=1e6, help="L2 penalty on the factors, before its scaling by frequency")
    unobserved_weight: float = setting(
        0.1, low=0, high=1e3, help="weight of the squared score of every user and item, relative to that of a positive"
    )
    frequency_scaling: float = setting(
        1.0,
        low=0,
        high=2,
        help="exponent that scales the penalty of a user or item by its positives, unobserved ones counting with their "
        "weight; 0 gives equal penalties",
    )
    initial_stdev: float = setting(
        0.1, low=1e-6, high=100, help="standard deviation of the first item factors, times the root of their width"
    )
    epochs: int = setting(
        16, low=1, high=100_000, unit="epochs", help="maximum number of times that users and items are solved for"
    )
    patience: int = setting(
        10, low=1, high=100_000, unit="validations", help="early-stopping patience, in validations without improvement"
    )
    validate_every: int = setting(1, low=1, high=100_000, unit="epochs", help="interval between validations")

    @classmethod
    def auto(cls, shape: DataShape, **given: Any) -> Self:
        """Return the settings of preset `auto`: the width grows with the data, the average user's penalty is fixed."""
        width = _FACTORS_PER_ROOT * shape.interactions**0.5
        latent = 2 ** round(math.log2(min(max(width, _LEAST_LATENT), _MOST_LATENT)))
        own = cls(
            latent=latent,
            patience=4,
            unobserved_weight=given.get("unobserved_weight", _UNOBSERVED_WEIGHT),
            frequency_scaling=given.get("frequency_scaling", _FREQUENCY_SCALING),
        )
        frequency = shape.interactions / max(1, shape.users) + own.unobserved_weight * shape.items
        return replace(own, l2=max(1e-9, _USER_PENALTY / max(1.0, frequency) ** own.frequency_scaling))


class IALS(AlternatingModel):
    """Scores are products of factors w_u and h_i, solved for in turn; new users are folded in by one exact solution.

    Minimises, over the positives S, sum over S of (w_u'h_i - 1)^2 + a sum over all pairs of (w_u'h_i)^2
    + l2 (sum over u of (|S_u| + a I)^v |w_u|^2 + sum over i of (|S_i| + a U)^v |h_i|^2), with a the unobserved weight,
    v the frequency scaling, U users and I items (Rendle et al., RecSys 2022).
    """

    name: ClassVar[str] = "ials"
    exact_contributions: ClassVar[bool] = True
    title: ClassVar[str] = "iALS"
    about: ClassVar[str] = "Matrix factorisation, solved for users and items in turn."
    source: ClassVar[str] = "Hu et al., ICDM 2008"
    objective: ClassVar[str] = "weighted squared error per user"
    config_class: ClassVar[type[Config]] = IALSConfig

    @property
    def item_factors(self) -> Tensor:
        """Factors of the items in the eigenbasis of their Gram matrix, (items, latent) float32."""
        return self.tensors()["items"]

    def initialise(self, generator: torch.Generator) -> None:
        """Draw the item factors from a normal distribution."""
        drawn = torch.randn(self.shape.items, self.config.latent, generator=generator)
        self.load_tensors({"items": in_eigenbasis(drawn * (self.config.initial_stdev / self.config.latent**0.5))})

    def solve_users(self, rows: Histories) -> Tensor:
        """Return the factors of the training users, (users, latent), given those of the items."""
        items, offsets = _tensors(rows, self.item_factors.device)
        return self._users(items, offsets).factors

    def solve_items(self, rows: Histories, users: Tensor) -> float:
        """Solve for the item factors, given those of the training users; return the loss, per user."""
        weight, device = self.config.unobserved_weight, users.device
        row_numbers, offsets = _tensors(rows.transposed(), device)
        penalties = self._penalties(offsets, len(rows))
        found = solve_rows(in_eigenbasis(users), row_numbers, offsets, penalties, weight)
        self.load_tensors({"items": in_eigenbasis(found.factors)})
        user_penalties = self._penalties(_tensors(rows, device)[1], rows.n_items)
        penalty = (user_penalties.double() @ users.double().square().sum(1)).item()
        return (found.losses.double().sum().item() + penalty) / max(1, len(rows))

    def item_vectors(self) -> NDArray[np.float32]:
        """Return the factors of the items, (items, latent)."""
        return read_only_array(self.item_factors)

    def score_batch(self, batch: Batch) -> Tensor:
        """Return the products of each user's and all items' factors, (rows, items)."""
        return self._users(batch.items, batch.offsets).factors @ self.item_factors.T

    def contributions(self, picks: Sequence[int], items: Sequence[int]) -> NDArray[np.float32]:
        """Return what each pick adds to the score of each item, exactly, (picks, items).

        With A the matrix of the user's least squares, the score of j is the sum over the picks i of h_j' A^-1 h_i (Hu
        et al., section 5). A depends on all the picks.
        """
        factors = self.item_factors.double().cpu().numpy()
        picked = factors[list(picks)]  # (picks, latent)
        penalty = self._penalties(torch.tensor([0, len(picked)]), len(factors)).item()
        matrix = picked.T @ picked
        matrix[np.diag_indices_from(matrix)] += self.config.unobserved_weight * (factors**2).sum(0) + penalty
        return np.asarray(np.linalg.solve(matrix, picked.T).T @ factors[list(items)].T, np.float32)

    def _users(self, items: Tensor, offsets: Tensor) -> Solution:
        penalties = self._penalties(offsets, self.shape.items)
        return solve_rows(self.item_factors, items, offsets, penalties, self.config.unobserved_weight)

    def _penalties(self, offsets: Tensor, others: int) -> Tensor:
        """Return the penalty of each row, (rows,) float32: l2 (positives + unobserved_weight others)^v."""
        frequency = offsets.diff().double().cpu() + self.config.unobserved_weight * others
        penalties: Tensor = self.config.l2 * frequency**self.config.frequency_scaling
        return penalties.float().to(offsets.device)


def _tensors(rows: Histories, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return the entries and offsets of histories as int64 tensors."""
    offsets = torch.from_numpy(np.ascontiguousarray(rows.indptr, np.int64))
    return torch.from_numpy(rows.items.astype(np.int64)).to(device), offsets.to(device)
