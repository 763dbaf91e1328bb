"""Environment variables of OpenMP and cuBLAS. The libraries read them once, so they must be set before torch loads."""

from __future__ import annotations

import os

# How idle OpenMP threads wait: they spin for some microseconds, then sleep. Measured on two cores, ML-1M, in seconds
# per epoch of RecVAE / Mult-DAE, first alone, then next to a busy process:
#   sleep at once       5.0 / .46   4.3 / .43
#   1,000 spins (this)  2.9 / .30   5.7 / .58
#   10,000 spins        2.6 / .27   17 / 1.1
OPENMP_WAITING = {"OMP_WAIT_POLICY": "ACTIVE", "GOMP_SPINCOUNT": "1000", "KMP_BLOCKTIME": "0"}
CUBLAS_DETERMINISM = {"CUBLAS_WORKSPACE_CONFIG": ":4096:8"}  # a fixed workspace: equal inputs give equal results


def set_defaults() -> None:
    """Set these variables where the user has not set them."""
    for name, value in (OPENMP_WAITING | CUBLAS_DETERMINISM).items():
        os.environ.setdefault(name, value)
