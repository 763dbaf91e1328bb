"""`CounterNoise`: random numbers of one update from a counter, by tensor operations that a GPU can record.

PyTorch's generators keep their state on the host, where a recorded update cannot change it. Here number j of draw d is
a hash of (key, d, j), and the key, which depends on (seed, update), is read from the device. The numbers of an entry do
not depend on how many entries there are.
"""

from __future__ import annotations

import math
from hashlib import blake2b

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recdash.models.batch import Noise

# Constants of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014, figure 16), as signed numbers.
_GAMMA, _MIX_1, _MIX_2 = (value - (1 << 64) for value in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))
_COUNTERS_PER_DRAW = 1 << 32
_SMALLEST = 2.0**-25  # half the distance of the uniform numbers, because 0 has no logarithm


def noise_keys(seed: int, first_update: int, updates: int) -> NDArray[np.int64]:
    """Return the keys of consecutive updates, (updates,)."""
    texts = (f"noise:{seed}:{first_update + number}" for number in range(updates))
    digests = b"".join(blake2b(text.encode(), digest_size=8).digest() for text in texts)
    return np.frombuffer(digests, "<i8").astype(np.int64)


class CounterNoise(Noise):
    """Random numbers of one update, with the methods of `Noise`.

    Args:
        key: (1,) int64 on the device, from `noise_keys`.
        rows, entries: Size of the batch.
    """

    def __init__(self, key: Tensor, rows: int, entries: int) -> None:
        self._key, self._n_rows, self._n_entries = key, rows, entries
        self._draws = 0

    def normal(self, width: int) -> Tensor:
        """Return standard normal numbers, (rows, width)."""
        return self._normal(self._n_rows * width).view(self._n_rows, width)

    def normal_entries(self, width: int) -> Tensor:
        """Return standard normal numbers for every entry, (entries, width)."""
        return self._normal(self._n_entries * width).view(self._n_entries, width)

    def _dropout_factors_of(self, count: int, dropout: float) -> Tensor:
        if dropout >= 1:
            return torch.zeros(count, device=self._key.device)
        lowest = round(dropout * 2.0**64) - (1 << 63)  # of the signed numbers that are not dropped
        return (self._bits(count) >= lowest) * (1 / (1 - dropout))

    def dropout_mask(self, dropout: float) -> Tensor:
        """Return inverted-dropout factors, (entries,): 0 with the given probability, else 1 / (1 - dropout)."""
        return self._dropout_factors_of(self._n_entries, dropout)

    def unit_dropout_mask(self, width: int, dropout: float) -> Tensor:
        """Return inverted-dropout factors of a layer's units, (rows, width)."""
        return self._dropout_factors_of(self._n_rows * width, dropout).view(self._n_rows, width)

    def _normal(self, count: int) -> Tensor:
        """Return standard normal numbers in pairs (Box and Muller, 1958), (count,).

        The inverse error function would be one operation, which PyTorch compiles at its first use on a GPU.
        """
        pairs = -(-count // 2)
        uniform = self._bits(2 * pairs).float().mul_(2.0**-64).add_(0.5).view(pairs, 2)  # in [0, 1]
        radius = uniform[:, 0].clamp_min(_SMALLEST).log_().mul_(-2).sqrt_()  # (pairs,)
        angle = uniform[:, 1] * (2 * math.pi)
        return torch.stack((radius * angle.cos(), radius * angle.sin()), 1).view(-1)[:count]

    def _bits(self, count: int) -> Tensor:
        """Return numbers whose upper 31 bits are random, (count,) int64: SplitMix64 without its last step.

        That step changes the lower 33 bits only.
        """
        start = self._draws * _COUNTERS_PER_DRAW * _GAMMA % (1 << 64)
        self._draws += 1
        bits = torch.arange(1, count + 1, device=self._key.device).mul_(_GAMMA)
        bits.add_(self._key + (start - (1 << 64) if start >= 1 << 63 else start))
        for shift, factor in ((30, _MIX_1), (27, _MIX_2)):
            # Shifts of signed numbers repeat the sign; the mask makes them those of unsigned numbers.
            bits.bitwise_xor_((bits >> shift).bitwise_and_((1 << (64 - shift)) - 1)).mul_(factor)
        return bits
