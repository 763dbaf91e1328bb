"""One training step on a device, to check that training works there."""

from __future__ import annotations

import time

import numpy as np
import torch
from scipy import sparse

from recdash.splits import Split
from recdash.training.fit import fit

_USERS, _ITEMS = 64, 48


def one_update(device: str) -> float:
    """Train Mult-VAE for one update on random data and score with it.

    Args:
        device: Name of the device, for example "cuda".

    Returns:
        Seconds it took.

    Raises:
        RecdashError: The device is unknown or not available. PyTorch raises errors of its own on a broken device.
        ArithmeticError: The scores are NaN or infinite.
    """
    rng = np.random.default_rng(0)
    train, fold_in, held_out = ((rng.random((_USERS, _ITEMS)) < share).astype(np.float32) for share in (0.3, 0.3, 0.2))
    test = sparse.csr_array(fold_in), sparse.csr_array(held_out * (1 - fold_in))
    split = Split.from_matrices(sparse.csr_array(train), test=test)
    started, threads = time.perf_counter(), torch.get_num_threads()
    model = fit("multvae", split, device=device, epochs=1, batch_size=_USERS, latent=8, hidden=(16,), threads=threads)
    if not np.isfinite(model.score(split.test.fold_in)).all():
        raise ArithmeticError("the scores are NaN or infinite")
    return time.perf_counter() - started
