"""Order of the training users, and the batches of a pass."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray

from recdash.data.histories import Histories
from recdash.models.batch import Batch, batch_bounds


def generator(seed: int, *purpose: object) -> np.random.Generator:
    """Return a generator that depends on the seed and the purpose alone, never on earlier draws."""
    text = ":".join(str(part) for part in (seed, *purpose))
    return np.random.default_rng(int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big"))


def torch_generator(seed: int, *purpose: object) -> torch.Generator:
    """Return the same as a PyTorch generator on the CPU."""
    return torch.Generator().manual_seed(int(generator(seed, *purpose).integers(2**62)))


def count(users: int, batch_size: int) -> int:
    """Return the number of batches of one pass."""
    return len(batch_bounds(users, batch_size)) - 1


def order(users: int, seed: int, *where: object) -> NDArray[np.int64]:
    """Return the permutation of the training users for one pass, (users,)."""
    return generator(seed, "order", *where).permutation(users)


def batches(
    train: Histories, rows: NDArray[np.int64], batch_size: int, device: torch.device, start: int = 0
) -> Iterator[Batch]:
    """Yield the batches of one pass from number `start` on."""
    for begin, end in pairwise(batch_bounds(len(rows), batch_size)[start:]):
        users = rows[begin:end]
        yield Batch.of(train.take(users), device, users)
