"""Variables that OpenMP and cuBLAS read once are set before torch can be imported."""

from __future__ import annotations

import os
import subprocess
import sys

from recdash.compute_env import CUBLAS_DETERMINISM, OPENMP_WAITING

SHOW = "import os, sys, recdash; assert 'torch' not in sys.modules; print(*(os.environ[name] for name in sys.argv[1:]))"


def values_after_import(**environment: str) -> list[str]:
    """Values of the variables in a new process that has imported recdash."""
    names = [*OPENMP_WAITING, *CUBLAS_DETERMINISM]
    inherited = {name: value for name, value in os.environ.items() if name not in names}
    done = subprocess.run(
        [sys.executable, "-c", SHOW, *names], env=inherited | environment, capture_output=True, text=True, check=True
    )
    return done.stdout.split()


def test_importing_recdash_sets_the_variables_before_torch() -> None:
    assert values_after_import() == [*OPENMP_WAITING.values(), *CUBLAS_DETERMINISM.values()]


def test_values_that_the_user_has_set_are_kept() -> None:
    assert values_after_import(OMP_WAIT_POLICY="PASSIVE")[0] == "PASSIVE"
