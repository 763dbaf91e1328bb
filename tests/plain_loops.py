"""The models in their usual form: dense float32 rows in, dense targets, autograd for everything.

Tests compare recdash's losses and gradients with these; benchmarks measure them where a library is not installed. Each
`loss` gives one value per row and takes its random numbers as arguments.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from torch import Tensor, nn
from torch.nn import functional

MIXTURE = (3 / 20, 3 / 4, 1 / 10)  # RecVAE's prior: standard normal, old posterior, wide normal
WIDE_LOGVAR = 10.0
LAYER_NORM_EPS = 0.1


def _nll(logits: Tensor, x: Tensor) -> Tensor:
    return -(torch.log_softmax(logits, 1) * x).sum(1)  # (rows, items) -> (rows,)


class PlainMultVAE(nn.Module):
    """Items - hidden - latent - hidden - items (Liang et al., WWW 2018)."""

    def __init__(self, items: int, hidden: int = 600, latent: int = 200) -> None:
        super().__init__()
        self.latent = latent
        self.encoder = nn.Sequential(nn.Linear(items, hidden), nn.Tanh(), nn.Linear(hidden, 2 * latent))
        self.decoder = nn.Sequential(nn.Linear(latent, hidden), nn.Tanh(), nn.Linear(hidden, items))

    def loss(self, x: Tensor, mask: Tensor, noise: Tensor, beta: float = 0.2) -> Tensor:
        """Negative evidence lower bound. mask: (rows, items) dropout factors; noise: (rows, latent)."""
        mu, logvar = self.encoder(functional.normalize(x) * mask).chunk(2, dim=1)
        kl = -0.5 * (1 + logvar - mu.square() - logvar.exp()).sum(1)
        return _nll(self.decoder(mu + noise * torch.exp(logvar / 2)), x) + beta * kl

    def forward(self, x: Tensor) -> Tensor:
        """Logits at z = mu."""
        return self.decoder(self.encoder(functional.normalize(x))[:, : self.latent])


class PlainMultDAE(nn.Module):
    """Items - (hidden -) latent (- hidden) - items (Liang et al., WWW 2018)."""

    def __init__(self, items: int, latent: int = 200, hidden: int | None = None) -> None:
        super().__init__()
        widths = [items, latent, items] if hidden is None else [items, hidden, latent, hidden, items]
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise(widths):
            layers += [nn.Linear(inputs, outputs), nn.Tanh()]
        self.layers = nn.Sequential(*layers[:-1])

    def loss(self, x: Tensor, mask: Tensor) -> Tensor:
        """Reconstruction of the clean row from the corrupted one. mask: (rows, items) dropout factors."""
        return _nll(self.layers(functional.normalize(x) * mask), x)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of the uncorrupted row."""
        return self.layers(functional.normalize(x))


class PlainCDAE(nn.Module):
    """One hidden layer and a vector per user, logistic loss over all items (Wu et al., WSDM 2016)."""

    def __init__(self, items: int, users: int, latent: int = 200) -> None:
        super().__init__()
        self.first, self.users, self.last = (
            nn.Linear(items, latent),
            nn.Embedding(users, latent),
            nn.Linear(latent, items),
        )

    def loss(self, x: Tensor, mask: Tensor, users: Tensor) -> Tensor:
        """Logistic loss of all items. mask: (rows, items) dropout factors; users: (rows,) training rows."""
        logits = self.last(torch.tanh(self.first(x * mask) + self.users(users)))
        return functional.binary_cross_entropy_with_logits(logits, x, reduction="none").sum(1)


class PlainRecVAE(nn.Module):
    """Densely connected encoder, linear decoder, composite prior (Shenbin et al., WSDM 2020)."""

    def __init__(self, items: int, width: int = 600, latent: int = 200) -> None:
        super().__init__()
        self.encoder = _RecVAEEncoder(items, width, latent)
        self.old_encoder = copy.deepcopy(self.encoder).requires_grad_(False)
        self.decoder = nn.Linear(latent, items)

    def loss(self, x: Tensor, mask: Tensor, noise: Tensor, gamma: float = 0.005) -> Tensor:
        """Negative evidence lower bound, the KL divergence weighted by gamma times the history's length."""
        mu, logvar = self.encoder(functional.normalize(x) * mask)
        z = mu + noise * torch.exp(logvar / 2)
        with torch.no_grad():
            old_mu, old_logvar = self.old_encoder(functional.normalize(x))
        zero = torch.zeros_like(z)
        normals = ((zero, zero), (old_mu, old_logvar), (zero, zero + WIDE_LOGVAR))
        densities = [log_normal(z, *normal) + np.log(share) for share, normal in zip(MIXTURE, normals, strict=True)]
        kl = (log_normal(z, mu, logvar) - torch.logsumexp(torch.stack(densities), 0)).sum(1)
        return _nll(self.decoder(z), x) + gamma * x.sum(1) * kl

    def forward(self, x: Tensor) -> Tensor:
        """Logits at z = mu."""
        return self.decoder(self.encoder(functional.normalize(x))[0])


class _RecVAEEncoder(nn.Module):
    def __init__(self, items: int, width: int, latent: int) -> None:
        super().__init__()
        self.first = nn.Linear(items, width)
        self.layers = nn.ModuleList(nn.Linear(width, width) for _ in range(4))
        self.norms = nn.ModuleList(nn.LayerNorm(width, eps=LAYER_NORM_EPS) for _ in range(5))
        self.posterior = nn.Linear(width, 2 * latent)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance, (rows, latent) each."""
        outputs = [self.norms[0](functional.silu(self.first(x)))]
        for layer, norm in zip(self.layers, self.norms[1:], strict=True):
            outputs.append(norm(functional.silu(layer(outputs[-1]) + sum(outputs))))
        mu, logvar = self.posterior(outputs[-1]).chunk(2, dim=1)
        return mu, logvar


def log_normal(z: Tensor, mu: Tensor, logvar: Tensor) -> Tensor:
    """Log density of a normal distribution in each dimension, (rows, latent)."""
    return -0.5 * (np.log(2 * np.pi) + logvar + (z - mu).square() / logvar.exp())


class PlainAutoRec(nn.Module):
    """One sigmoid layer over rating rows, squared error of the observed entries (Sedhain et al., WWW 2015)."""

    def __init__(self, width: int, latent: int = 500) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(width, latent), nn.Linear(latent, width)

    def loss(self, ratings: Tensor) -> Tensor:
        """Squared error of the observed entries. ratings: (rows, width), 0 where missing."""
        outputs = self.last(torch.sigmoid(self.first(ratings)))
        return ((outputs - ratings) * (ratings != 0)).square().sum(1)


class DenseLoop:
    """Trains one of the nets on dense batches of a CSR matrix; `epoch` returns its seconds.

    Args:
        net: One of the classes above.
        matrix: (rows, items) float32.
        batch_size: Rows of an update.
        learning_rate: Of Adam.
        device: Where the net is; batches are made dense there.
        autocast: Data type of the products if not float32.
    """

    def __init__(
        self,
        net: nn.Module,
        matrix: sparse.csr_matrix,
        *,
        batch_size: int = 500,
        learning_rate: float = 1e-3,
        device: str = "cpu",
        autocast: torch.dtype | None = None,
    ) -> None:
        self.net, self.batch_size, self.device, self.autocast = net.to(device), batch_size, device, autocast
        self.matrix, self.rng = matrix, np.random.default_rng(0)
        self.on_device = [
            torch.from_numpy(matrix.indptr.astype(np.int64)),
            torch.from_numpy(matrix.indices.astype(np.int64)),
        ]
        self.on_device = [tensor.to(device) for tensor in self.on_device] if device != "cpu" else []
        fused = {"fused": True} if device != "cpu" else {}
        phases = _phases(net)
        self.phases = [
            (parameters, passes, dropout, torch.optim.Adam(parameters, learning_rate, **fused))
            for parameters, passes, dropout in phases
        ]

    def epoch(self) -> float:
        """Train for one epoch."""
        started = time.perf_counter()
        for parameters, passes, dropout, optimiser in self.phases:
            for parameter in self.net.parameters():
                parameter.requires_grad_(any(parameter is chosen for chosen in parameters))
            for _ in range(passes):
                for users, x in self._batches():
                    with torch.autocast(self.device, self.autocast, enabled=self.autocast is not None):
                        loss = self.losses(users, x, dropout).mean()
                    optimiser.zero_grad()
                    loss.backward()
                    optimiser.step()
        if isinstance(self.net, PlainRecVAE):
            self.net.old_encoder.load_state_dict(self.net.encoder.state_dict())
        if self.device != "cpu":
            torch.cuda.synchronize()
        return time.perf_counter() - started

    def losses(self, users: Tensor, x: Tensor, dropout: float) -> Tensor:
        """Loss of each row of a dense batch, with random numbers of its own, (rows,)."""
        net: Any = self.net
        if isinstance(net, PlainAutoRec):
            return net.loss(x)
        mask = functional.dropout(torch.ones_like(x), dropout) if dropout else torch.ones_like(x)
        if isinstance(net, PlainMultDAE):
            return net.loss(x, mask)
        if isinstance(net, PlainCDAE):
            return net.loss(x, mask, users)
        latent = net.latent if isinstance(net, PlainMultVAE) else net.decoder.in_features
        return net.loss(x, mask, torch.randn(len(x), latent, device=x.device))

    def _batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        for rows in np.array_split(self.rng.permutation(self.matrix.shape[0]), self._n_batches()):
            users = torch.from_numpy(rows).to(self.device)
            yield users, self._dense_on_device(users) if self.on_device else self._dense(rows)

    def _n_batches(self) -> int:
        return -(-self.matrix.shape[0] // self.batch_size)

    def _dense(self, rows: NDArray[np.int64]) -> Tensor:
        return torch.from_numpy(self.matrix[rows].toarray())

    def _dense_on_device(self, users: Tensor) -> Tensor:
        """Dense rows of a binary matrix, assembled on the device, (rows, items)."""
        indptr, items = self.on_device
        counts = indptr[users + 1] - indptr[users]
        row = torch.repeat_interleave(torch.arange(len(users), device=users.device), counts)
        place = torch.arange(len(row), device=users.device) - torch.repeat_interleave(counts.cumsum(0) - counts, counts)
        x = torch.zeros(len(users), self.matrix.shape[1], device=users.device)
        x[row, items[indptr[users][row] + place]] = 1
        return x


def _phases(net: nn.Module) -> list[tuple[list[nn.Parameter], int, float]]:
    """(parameters, passes, dropout) of the phases of an epoch."""
    if isinstance(net, PlainRecVAE):
        return [(list(net.encoder.parameters()), 3, 0.5), (list(net.decoder.parameters()), 1, 0.0)]
    return [(list(net.parameters()), 1, 0.5)]


def plain_ease(matrix: sparse.csr_matrix, l2: float) -> NDArray[np.float32]:
    """EASE's weights by a dense Gram matrix and a general inverse, (items, items) (Steck, WWW 2019)."""
    gram = np.asarray((matrix.T @ matrix).todense(), np.float32)
    gram[np.diag_indices(len(gram))] += l2
    inverse = np.linalg.inv(gram)
    weights = inverse / -np.diag(inverse)
    weights[np.diag_indices(len(weights))] = 0
    return weights


NETS: dict[str, Callable[..., nn.Module]] = {
    "multvae": PlainMultVAE,
    "multdae": PlainMultDAE,
    "cdae": PlainCDAE,
    "recvae": PlainRecVAE,
    "autorec": PlainAutoRec,
}
