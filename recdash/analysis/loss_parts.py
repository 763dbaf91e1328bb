"""What a variational autoencoder optimises: reconstruction loss and weighted KL divergence, by epoch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

VAE_MODELS = ("multvae", "recvae", "svae")
_TOLERANCE = 1e-4  # relative; parts and loss are sums of float32 values in different orders


@dataclass(frozen=True)
class LossParts:
    """The loss of one epoch, in nats per user (SVAE: per step by default).

    Attributes:
        epoch: Number of the epoch.
        loss: What the optimiser minimised, mean over the epoch.
        reconstruction: Negative log-likelihood.
        weighted_kl: KL divergence times its weight.
        decoder_reconstruction: Reconstruction loss in the decoder's updates (RecVAE), else None. It is not part of
            `loss`, which is that of the encoder's updates.
        derived: Whether `weighted_kl` is the loss minus the reconstruction loss, for runs that did not record it. The
            product of the mean beta and the mean KL divergence would not do: both change within an epoch.
    """

    epoch: int
    loss: float
    reconstruction: float
    weighted_kl: float
    decoder_reconstruction: float | None = None
    derived: bool = False

    @property
    def missing(self) -> float:
        """What the parts lack of the loss, in nats; 0 within the precision of float32."""
        rest = self.loss - self.reconstruction - self.weighted_kl
        return rest if abs(rest) > _TOLERANCE * max(1.0, abs(self.loss)) else 0.0

    @property
    def kl_share(self) -> float:
        """Share of the weighted KL divergence in the loss."""
        return self.weighted_kl / self.loss if self.loss else 0.0


def loss_parts(epochs: Mapping[int, Mapping[str, float]]) -> list[LossParts]:
    """Return the parts of the loss by epoch, in order; epochs without finite parts are left out.

    Args:
        epochs: Recorded values by epoch.
    """
    return [parts for epoch in sorted(epochs) if (parts := _parts(epoch, epochs[epoch])) is not None]


def _parts(epoch: int, values: Mapping[str, float]) -> LossParts | None:
    loss, reconstruction = values.get("loss", math.nan), values.get("reconstruction", math.nan)
    derived = "weighted_kl" not in values
    weighted_kl = loss - reconstruction if derived else values["weighted_kl"]
    if "kl" not in values or not all(map(math.isfinite, (loss, reconstruction, weighted_kl))):
        return None
    return LossParts(epoch, loss, reconstruction, weighted_kl, values.get("decoder_reconstruction"), derived)
