"""RecVAE: Mult-VAE with a composite prior and alternating updates (Shenbin et al., WSDM 2020; the authors' code)."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from recdash.data.histories import Histories
from recdash.models.base import (
    SMALL_DATA_USERS,
    GradientConfig,
    GradientModel,
    Loss,
    Phase,
    ScoreKind,
    TrainingProgress,
    read_only_array,
)
from recdash.models.batch import Batch
from recdash.models.data_shape import DataShape
from recdash.models.item_output import ItemOutput
from recdash.models.layers import (
    SparseLinear,
    initialise_uniform,
    l2_normalised,
)
from recdash.models.losses import normal_kl_by_dimension
from recdash.settings import setting

MIXTURE = (3 / 20, 3 / 4, 1 / 10)  # shares of the standard normal, the old posterior and a wide normal
_WIDE_LOGVAR = 10.0  # of the wide normal
_LOG_2PI = math.log(2 * math.pi)
_OLD_PREFIX = "old."  # prefix of the old encoder in a training state
_ROWS_PER_CHUNK = {"cpu": 512, "cuda": 4096}  # users encoded at once; a GPU waits for each chunk
_HIDDEN_LAYERS = 5
_PAPER_SETTINGS_MIN_USERS = 20_000  # below, `auto` departs from the paper (measured on ML-1M)


@dataclass(frozen=True, kw_only=True)
class RecVAEConfig(GradientConfig):
    """Settings of RecVAE; an epoch consists of encoder passes, then decoder passes."""

    search_space: ClassVar[dict[str, str]] = {
        "learning_rate": "log:0.0003..0.006",
        "gamma": "log:0.001..0.03",
        "latent": "choice:100,200,400",
        "dropout": "0.2..0.8",
        "decoder_passes": "1..3",
    }
    hidden_width: int = setting(600, low=1, high=20_000, unit="units", help="width of the encoder's five hidden layers")
    latent: int = setting(200, low=1, high=20_000, unit="units", help="width of the latent layer")
    dropout: float = setting(
        0.5, low=0, high=0.99, help="dropout probability of an input item while the encoder is trained"
    )
    gamma: float = setting(0.005, low=0, high=10, help="weight of the KL divergence per item of the user's history")
    encoder_passes: int = setting(
        3, low=1, high=100, unit="passes", help="number of passes over all users that train the encoder, per epoch"
    )
    decoder_passes: int = setting(
        1, low=1, high=100, unit="passes", help="number of passes over all users that train the decoder, per epoch"
    )
    layer_norm_eps: float = setting(0.1, low=1e-8, high=1, help="epsilon of the encoder's layer normalisation")
    decay: float = setting(1.0, low=0.01, high=1, help="factor of the learning rate after every epoch")
    learning_rate: float = setting(5e-4, low=0, high=10, help="learning rate of both optimisers")
    epochs: int = setting(50, low=1, high=100_000, unit="epochs", help="maximum number of epochs")

    @classmethod
    def auto(cls, shape: DataShape, **given: object) -> Self:
        """Return the settings of preset `auto`."""
        batch = int(np.clip(round(shape.users / 22), 150, 500))
        rest: dict[str, Any] = {"patience": 12}
        if shape.users < _PAPER_SETTINGS_MIN_USERS:
            rest |= {"gamma": 0.008, "learning_rate": 1.5e-3, "decay": 0.97, "decoder_passes": 2, "averaging": 0.85}
        if shape.users < SMALL_DATA_USERS:
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
        """Return mean and log-variance of q(z | x), (rows, latent) float32 each."""
        # (entries,) -> (rows, width)
        total = hidden = self.norms[0](functional.silu(self.first(batch, entries)))
        for layer, norm in zip(self.layers, self.norms[1:], strict=True):
            hidden = norm(functional.silu(layer(hidden) + total))
            total = total + hidden  # sum of all layers so far: the dense connections
        # (rows, width) -> (rows, 2 * latent) -> 2 x (rows, latent)
        mu, logvar = self.posterior(hidden).float().chunk(2, dim=1)
        return mu, logvar


class RecVAE(GradientModel):
    """Recommender VAE (Shenbin et al., WSDM 2020, section 3; details from the authors' code)."""

    name: ClassVar[str] = "recvae"
    title: ClassVar[str] = "RecVAE"
    about: ClassVar[str] = "Mult-VAE with a composite prior and alternating training."
    source: ClassVar[str] = "Shenbin et al., WSDM 2020"
    objective: ClassVar[str] = "multinomial log-likelihood"
    config_class: ClassVar[type[GradientConfig]] = RecVAEConfig

    def __init__(self, config: RecVAEConfig, shape: DataShape) -> None:
        super().__init__(config, shape)
        self.encoder = Encoder(shape.items, config)
        self.last = ItemOutput(config.latent, shape.items)
        self._old_encoder: dict[str, Tensor] = {}
        self._posteriors: tuple[Tensor, Tensor] | None = None  # (training users, latent) each
        self._posteriors_are_new = False  # whether no update has changed the encoder since they were stored

    @property
    def score_kind(self) -> ScoreKind:
        """Logits of a multinomial distribution over all items."""
        return "softmax"

    def initialise(self, generator: torch.Generator) -> None:
        """Draw weights and biases uniformly within 1 / sqrt(inputs); layer normalisation starts with 1 and 0."""
        initialise_uniform([self.encoder.first, *self.encoder.layers, self.encoder.posterior, self.last], generator)
        for norm in self.encoder.norms:
            for name, parameter in norm.named_parameters():
                nn.init.constant_(parameter, 1.0 if name == "weight" else 0.0)

    def phases(self) -> tuple[Phase, ...]:
        """Return the phases: encoder passes with dropout, then decoder passes without."""
        names = [name for name, _ in self.named_parameters()]
        encoder = tuple(name for name in names if name.startswith("encoder."))
        decoder = tuple(name for name in names if name.startswith("last."))
        config = self.config
        return Phase("encoder", config.encoder_passes, encoder), Phase("decoder", config.decoder_passes, decoder)

    def learning_rate(self, epoch: int) -> float:
        """Return the learning rate, multiplied by `decay` after every epoch."""
        return float(self.config.learning_rate) * float(self.config.decay ** (epoch - 1))

    def on_phase_start(self, phase: str, rows: Histories, *, resumed: bool) -> None:
        """Store the posterior of every training user, with the weights that the encoder has now.

        It is the prior's second component while the encoder is trained, and what the decoder reads while that is
        trained. The decoder's passes do not change the encoder, so the next epoch starts with the same posteriors. This
        equals the authors' copy after the encoder's passes, with another copy before the first epoch.
        """
        is_encoder = phase == "encoder"
        if is_encoder and not resumed:
            for name, tensor in self.encoder.state_dict().items():
                self._old_encoder.setdefault(name, torch.empty_like(tensor)).copy_(tensor.detach())
        if not (is_encoder and self._posteriors_are_new and not resumed):
            self._store_posteriors(rows, self._old_encoder if is_encoder else {})
        self._posteriors_are_new = not is_encoder

    def loss(self, batch: Batch, progress: TrainingProgress) -> Loss:
        """Return the negative evidence lower bound, the KL divergence weighted by gamma times the history's length.

        In the decoder's phase the encoder is fixed and has no dropout, so the KL divergence has no gradient and is
        left out.
        """
        if progress.phase == "decoder":
            mu, logvar = self._stored_posteriors(batch, {})
            z = mu + torch.exp(logvar / 2) * progress.noise.normal(self.config.latent)
            reconstruction = self.last.multinomial_nll(z, batch)  # (rows, latent) -> (rows,)
            return Loss(reconstruction, {"decoder_reconstruction": reconstruction})
        mu, logvar = self.encoder(batch, l2_normalised(batch) * progress.noise.dropout_mask(self.config.dropout))
        noise = progress.noise.normal(self.config.latent)  # (rows, latent)
        z = mu + torch.exp(logvar / 2) * noise
        reconstruction = self.last.multinomial_nll(z, batch)  # (rows, latent) -> (rows,)
        log_posterior = -0.5 * (_LOG_2PI + logvar + noise.square())
        log_prior = composite_log(z, *self._stored_posteriors(batch, self._old_encoder))
        kl = (log_posterior - log_prior).sum(1)  # (rows, latent) -> (rows,)
        weighted_kl = self.config.gamma * batch.counts * kl
        parts = {"reconstruction": reconstruction, "kl": kl, "weighted_kl": weighted_kl}
        return Loss(reconstruction + weighted_kl, parts | {"kl_by_dimension": normal_kl_by_dimension(mu, logvar)})

    def summarise(self, means: dict[str, float]) -> dict[str, float]:
        """Return the encoder's objective as the loss to show."""
        return means | {"loss": means["reconstruction"] + means["weighted_kl"]}

    def score_batch(self, batch: Batch) -> Tensor:
        """Return the logits at z = mu, without dropout, (rows, items)."""
        mu, _ = self.encoder(batch, l2_normalised(batch))
        logits: Tensor = self.last(mu)  # (rows, latent) -> (rows, items)
        return logits

    def item_vectors(self) -> NDArray[np.float32]:
        """Return the weights of the output layer, (items, latent)."""
        return read_only_array(self.last.weight)

    def training_tensors(self) -> dict[str, Tensor]:
        """Return the weights, and those of the encoder at the start of its phase."""
        return self.tensors() | {_OLD_PREFIX + name: tensor for name, tensor in self._old_encoder.items()}

    def _apply(self, fn: Any, recurse: bool = True) -> Self:
        """Move the old encoder to another device too."""
        self._old_encoder = {name: fn(tensor) for name, tensor in self._old_encoder.items()}
        return super()._apply(fn, recurse)

    def clear_caches(self) -> None:
        """Drop the stored posteriors; they are computed again on demand."""
        self._posteriors, self._posteriors_are_new = None, False

    def load_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Load what `tensors` or `training_tensors` returned."""
        self._old_encoder = {
            n.removeprefix(_OLD_PREFIX): t.to(self.device) for n, t in tensors.items() if n.startswith(_OLD_PREFIX)
        }
        self.clear_caches()
        super().load_tensors({name: tensor for name, tensor in tensors.items() if not name.startswith(_OLD_PREFIX)})

    def _stored_posteriors(self, batch: Batch, weights: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of the users, (rows, latent) each; encoded with `weights` if none are stored."""
        if self._posteriors is None or batch.users is None:
            return self._encode(batch, weights)
        mu, logvar = self._posteriors
        return mu[batch.users], logvar[batch.users]  # (training users, latent) -> (rows, latent)

    def _store_posteriors(self, rows: Histories, weights: dict[str, Tensor]) -> None:
        size = _ROWS_PER_CHUNK.get(self.device.type, 512)
        if self._posteriors is None:
            shape = len(rows), self.config.latent
            self._posteriors = torch.empty(shape, device=self.device), torch.empty(shape, device=self.device)
        for start in range(0, len(rows), size):  # in place: a recorded update reads them where they are
            encoded = self._encode(Batch.of(rows.slice(start, start + size), self.device), weights)
            for stored, part in zip(self._posteriors, encoded, strict=True):
                stored[start : start + size] = part

    @torch.no_grad()
    def _encode(self, batch: Batch, weights: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Posteriors of clean rows with other weights of the encoder, or with its own, (rows, latent) each."""
        if not weights:
            mu, logvar = self.encoder(batch, l2_normalised(batch))
        else:
            mu, logvar = torch.func.functional_call(self.encoder, weights, (batch, l2_normalised(batch)))
        return mu, logvar


class _Mixture(torch.autograd.Function):
    """Log density of a mixture of normals at z; the forward pass computes the gradient too."""

    @staticmethod
    def forward(
        ctx: Any, z: Tensor, components: list[tuple[float, Tensor | float, Tensor | float, Tensor | float]]
    ) -> Tensor:
        logs, slopes = [], []
        for share, mean, precision, logvar in components:  # (rows, latent) each, or numbers
            deviation = z - mean
            slopes.append(deviation * precision)
            constant = math.log(share) - 0.5 * _LOG_2PI
            logs.append((deviation.mul_(slopes[-1]) + logvar).mul_(-0.5).add_(constant))
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
    """Return the log density of the composite prior at z, a mixture for each dimension; the gradient flows to z alone.

    Args:
        z: (rows, latent).
        old_mu, old_logvar: (rows, latent) old posterior.
        mixture: Shares of N(0, 1), of the old posterior and of N(0, e^10); a share of 0 is left out.

    Returns:
        (rows, latent) nats.
    """
    normals = (
        (0.0, 1.0, 0.0),
        (old_mu, torch.exp(-old_logvar), old_logvar),
        (0.0, math.exp(-_WIDE_LOGVAR), _WIDE_LOGVAR),
    )
    components = [(share, *normal) for share, normal in zip(mixture, normals, strict=True) if share > 0]
    log_density: Tensor = _Mixture.apply(z, components)  # type: ignore[no-untyped-call]
    return log_density
