"""Sharing the work among threads changes no score, on data large enough to be shared."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import recdash
from recdash.models import registry

pytestmark = pytest.mark.slow


@pytest.mark.usefixtures("demo_kept")
@pytest.mark.parametrize("name", registry.names())
def test_scores_are_the_same_every_time_and_for_any_number_of_threads(name: str) -> None:
    split = recdash.make_split(recdash.load_dataset("demo"), "strong")
    trained = hasattr(registry.model_class(name).config_class(), "epochs")
    model = recdash.fit(name, split, preset="fast", device="cpu", **({"epochs": 1} if trained else {}))
    before, found = torch.get_num_threads(), {}
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            found[threads] = [model.score(split.test.fold_in) for _ in range(3)]
    finally:
        torch.set_num_threads(before)
    for several in found.values():
        assert all(np.array_equal(several[0], again) for again in several)
    np.testing.assert_allclose(found[1][0], found[2][0], rtol=1e-4, atol=1e-4)
