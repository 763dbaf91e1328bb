"""RecVAE: Mult-VAE with a composite prior and alternating updates (Shenbin et al., WSDM 2020; the authors' code)."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from recdash.data.histories import Histories
from recdash.models.base import (
    FEW_USERS,
    GradientConfig,
    GradientModel,
    Loss,
    Phase,
    TrainingProgress,
)
from recdash.models.batch import Batch
from recdash.models.data_shape import DataShape
from recdash.models.layers import SparseLinear, initialise_uniform, unit_length
from recdash.models.losses import multinomial_nll, normal_kl_by_dimension
from recdash.settings import setting

MIXTURE = (3 / 20, 3 / 4, 1 / 10)  # standard normal, the previous posterior, a wide normal
_WIDE = 10.0  # its log-variance
_LOG_2PI = math.log(2 * math.pi)
_OLD = "old."
_ROWS_AT_ONCE = 512
_HIDDEN_LAYERS = 5
_MANY_USERS = 20_000


@dataclass(frozen=True, kw_only=True)
class RecVAEConfig(GradientConfig):
    """Settings of RecVAE; an epoch is an outer one: encoder passes, then decoder passes."""

    hidden_width: int = setting(
        600, low=1, high=20_000, unit="units", help="the width of the encoder's five hidden layers"
    )
    latent: int = setting(200, low=1, high=20_000, unit="units", help="the width of the latent layer")
    dropout: float = setting(
        0.5, low=0, high=0.99, help="the chance that an input item is dropped while the encoder learns"
    )
    gamma: float = setting(
        0.005, low=0, high=10, help="the weight of the KL divergence for each item of the user's history"
    )
    encoder_passes: int = setting(
        3, low=1, high=100, unit="passes", help="how often the encoder sees all users in one epoch"
    )
    decoder_passes: int = setting(
        1, low=1, high=100, unit="passes", help="how often the decoder sees all users in one epoch"
    )
    layer_norm_eps: float = setting(
        0.1, low=1e-8, high=1, help="added to the variance in the encoder's layer normalisation"
    )
    decay: float = setting(1.0, low=0.01, high=1, help="the factor of the step size after every epoch")
    learning_rate: float = setting(5e-4, low=0, high=10, help="the step size of both optimisers")
    epochs: int = setting(50, low=1, high=100_000, unit="epochs", help="the largest number of outer epochs")

    @classmethod
    def auto(cls, shape: DataShape, **given: object) -> Self:
        """Return the settings of preset `auto`."""
        batch = int(np.clip(round(shape.users / 22), 150, 500))
        rest: dict[str, Any] = {"patience": 12}
        if shape.users < _MANY_USERS:
            rest |= {"gamma": 0.008, "learning_rate": 1.5e-3, "decay": 0.97, "decoder_passes": 2, "averaging": 0.85}
        if shape.users < FEW_USERS:
            rest |= {"hidden_width": 300, "latent": 100, "decoder_passes": 1, "patience": 8}
        return cls(**rest, batch_size=batch, epochs=50)


class Encoder(nn.Module):
    """Five densely connected layers with swish and layer normalisation, then mean and log-variance."""

    def __init__(self, items: int, config: RecVAEConfig) -> None:
        super().__init__()
        width = config.hidden_width
        self.first = SparseLinear(items, width)
        self.layers = nn.ModuleList(nn.Linear(width, width) for _ in range(_HIDDEN_LAYERS - 1))
        self.norms = nn.ModuleList(nn.LayerNorm(width, eps=config.layer_norm_eps) for _ in range(_HIDDEN_LAYERS))
        self.posterior = nn.Linear(width, 2 * config.latent)

    def forward(self, batch: Batch, entries: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of q(z | x), (rows, latent) float32 each."""
        earlier = hidden = self.norms[0](functional.silu(self.first(batch, entries)))
        for layer, norm in zip(self.layers, self.norms[1:], strict=True):
            hidden = norm(functional.silu(layer(hidden) + earlier))
            earlier = earlier + hidden
        mu, logvar = self.posterior(hidden).float().chunk(2, dim=1)
        return mu, logvar


class RecVAE(GradientModel):
    """Recommender VAE (Shenbin et al., WSDM 2020, section 3; details from the authors' code)."""

    name: ClassVar[str] = "recvae"
    title: ClassVar[str] = "RecVAE"
    source: ClassVar[str] = "Shenbin et al., WSDM 2020"
    config_class: ClassVar[type[GradientConfig]] = RecVAEConfig

    def __init__(self, config: RecVAEConfig, shape: DataShape) -> None:
        super().__init__(config, shape)
        self.encoder = Encoder(shape.items, config)
        self.last = nn.Linear(config.latent, shape.items)
        self._old: dict[str, Tensor] = {}
        self._posteriors: tuple[Tensor, Tensor] | None = None

    def initialise(self, generator: torch.Generator) -> None:
        """Uniform in 1 / sqrt(inputs), weights and biases, as PyTorch has it; layer normalisation 1 and 0."""
        initialise_uniform([self.encoder.first, *self.encoder.layers, self.encoder.posterior, self.last], generator)
        for norm in self.encoder.norms:
            for name, parameter in norm.named_parameters():
                nn.init.constant_(parameter, 1.0 if name == "weight" else 0.0)

    def phases(self) -> tuple[Phase, ...]:
        """Encoder passes with denoising, then decoder passes without."""
        names = [name for name, _ in self.named_parameters()]
        encoder = tuple(name for name in names if name.startswith("encoder."))
        decoder = tuple(name for name in names if name.startswith("last."))
        config = self.config
        return Phase("encoder", config.encoder_passes, encoder), Phase("decoder", config.decoder_passes, decoder)

    def learning_rate(self, epoch: int) -> float:
        """Shrinking by `decay` after every epoch."""
        return float(self.config.learning_rate) * float(self.config.decay ** (epoch - 1))

    def on_phase_start(self, phase: str, rows: Histories, *, resumed: bool) -> None:
        """Keep what the encoder says of every training user before it moves on: the prior's second component.

        The encoder rests in the decoder's passes, so this is the authors' copy after the encoder's passes, with one
        more before the first epoch.
        """
        if phase != "encoder":
            return
        if not resumed:
            self._old = {name: tensor.detach().clone() for name, tensor in self.encoder.state_dict().items()}
        parts = [
            self._encode_old(Batch.of(rows.slice(start, start + _ROWS_AT_ONCE), self.device))
            for start in range(0, len(rows), _ROWS_AT_ONCE)
        ]
        self._posteriors = torch.cat([mu for mu, _ in parts]), torch.cat([logvar for _, logvar in parts])

    def loss(self, batch: Batch, progress: TrainingProgress) -> Loss:
        """Negative evidence lower bound with the KL divergence weighted by gamma and the length of the history.

        In the decoder's phase the encoder only reads, without dropout, and the KL divergence, which has no gradient
        there, is left out.
        """
        if progress.phase == "decoder":
            with torch.no_grad():
                mu, logvar = self.encoder(batch, unit_length(batch))
                z = mu + torch.exp(logvar / 2) * progress.noise.normal(self.config.latent)
            reconstruction = multinomial_nll(self.last(z), batch)
            return Loss(reconstruction, {"decoder_reconstruction": reconstruction})
        mu, logvar = self.encoder(batch, unit_length(batch) * progress.noise.dropout_mask(self.config.dropout))
        drawn = progress.noise.normal(self.config.latent)
        z = mu + torch.exp(logvar / 2) * drawn
        reconstruction = multinomial_nll(self.last(z), batch)
        posterior_log = -0.5 * (_LOG_2PI + logvar + drawn.square())
        kl = (posterior_log - composite_log(z, *self._old_posterior(batch))).sum(1)
        weighted = self.config.gamma * batch.counts * kl
        parts = {"reconstruction": reconstruction, "kl": kl, "weighted_kl": weighted}
        return Loss(reconstruction + weighted, parts | {"kl_by_dimension": normal_kl_by_dimension(mu, logvar)})

    def summarise(self, means: dict[str, float]) -> dict[str, float]:
        """The loss that is shown is the encoder's objective."""
        return means | {"loss": means["reconstruction"] + means["weighted_kl"]}

    def score_batch(self, batch: Batch) -> Tensor:
        """Logits at z = mu, without dropout."""
        mu, _ = self.encoder(batch, unit_length(batch))
        logits: Tensor = self.last(mu)
        return logits

    def training_tensors(self) -> dict[str, Tensor]:
        """Weights, and those of the encoder as it was when its phase began."""
        return self.tensors() | {_OLD + name: tensor for name, tensor in self._old.items()}

    def _apply(self, fn: Any, recurse: bool = True) -> Self:
        """Take the kept encoder along to another device."""
        self._old = {name: fn(tensor) for name, tensor in self._old.items()}
        return super()._apply(fn, recurse)

    def clear_caches(self) -> None:
        """Drop the kept posteriors; they are encoded again when they are asked for."""
        self._posteriors = None

    def load_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Take over what `tensors` or `training_tensors` gave."""
        self._old = {n.removeprefix(_OLD): t.to(self.device) for n, t in tensors.items() if n.startswith(_OLD)}
        self._posteriors = None
        super().load_tensors({name: tensor for name, tensor in tensors.items() if not name.startswith(_OLD)})

    def _old_posterior(self, batch: Batch) -> tuple[Tensor, Tensor]:
        if self._posteriors is None or batch.users is None:
            return self._encode_old(batch)
        mu, logvar = self._posteriors
        return mu[batch.users], logvar[batch.users]

    @torch.no_grad()
    def _encode_old(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Posteriors of clean rows by the kept encoder."""
        if not self._old:
            mu, logvar = self.encoder(batch, unit_length(batch))
        else:
            mu, logvar = torch.func.functional_call(self.encoder, self._old, (batch, unit_length(batch)))
        return mu, logvar


class _Mixture(torch.autograd.Function):
    """Log density of a mixture of normals at z; its slope is made on the way."""

    @staticmethod
    def forward(
        ctx: Any, z: Tensor, parts: list[tuple[float, Tensor | float, Tensor | float, Tensor | float]]
    ) -> Tensor:
        logs, slopes = [], []
        for share, mean, precision, logvar in parts:
            away = z - mean
            slopes.append(away * precision)
            constant = math.log(share) - 0.5 * _LOG_2PI
            logs.append((away.mul_(slopes[-1]) + logvar).mul_(-0.5).add_(constant))
        total = functools.reduce(torch.logaddexp, logs)
        weighted = [(log - total).exp_().mul_(slope) for log, slope in zip(logs, slopes, strict=True)]
        ctx.save_for_backward(functools.reduce(Tensor.add_, weighted))
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (slope,) = ctx.saved_tensors
        return -slope * gradients[0], None


def composite_log(
    z: Tensor, old_mu: Tensor, old_logvar: Tensor, mixture: tuple[float, float, float] = MIXTURE
) -> Tensor:
    """Log density of the composite prior at z, a mixture of each dimension by itself, (rows, latent) nats.

    The gradient goes to z alone.  mixture: shares of N(0, 1), of the old posterior and of N(0, e^10); a share of 0 is
    left out.
    """
    normals = ((0.0, 1.0, 0.0), (old_mu, torch.exp(-old_logvar), old_logvar), (0.0, math.exp(-_WIDE), _WIDE))
    parts = [(share, *normal) for share, normal in zip(mixture, normals, strict=True) if share > 0]
    found: Tensor = _Mixture.apply(z, parts)  # type: ignore[no-untyped-call]
    return found
