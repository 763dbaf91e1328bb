"""Numbers from a counter are those of SplitMix64, and as random as a training needs."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from recdash.models.counter_noise import CounterNoise, noise_keys

WHOLE = (1 << 64) - 1


def noise(update: int, rows: int = 50, entries: int = 2_000) -> CounterNoise:
    return CounterNoise(torch.from_numpy(noise_keys(7, update, 1)), rows, entries)


def split_mix(key: int, counter: int) -> int:
    """SplitMix64 of Steele, Lea and Flood, without its last step."""
    mixed = (key + counter * 0x9E3779B97F4A7C15) & WHOLE
    mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & WHOLE
    return ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & WHOLE


def test_the_numbers_are_those_of_the_reference() -> None:
    key, drawn = int(noise_keys(7, 3, 1)[0]), noise(3)
    for draw in range(3):
        found = [number & WHOLE for number in drawn._bits(5).tolist()]
        assert found == [split_mix(key & WHOLE, draw * (1 << 32) + place) for place in range(1, 6)]


def test_keys_depend_on_seed_and_update_alone() -> None:
    assert noise_keys(1, 5, 3).tolist() == [int(noise_keys(1, update, 1)[0]) for update in (5, 6, 7)]
    assert len({*noise_keys(1, 0, 500).tolist(), *noise_keys(2, 0, 500).tolist()}) == 1000


def test_numbers_of_an_entry_do_not_depend_on_how_many_there_are() -> None:
    few, many = noise(1, entries=100), noise(1, entries=900)
    assert torch.equal(few.dropout_mask(0.3), many.dropout_mask(0.3)[:100])
    assert torch.equal(few.normal(8), many.normal(8))
    assert torch.equal(few.normal_entries(4), many.normal_entries(4)[:100])


def test_normal_numbers_are_normal_and_independent() -> None:
    drawn = torch.stack([noise(update).normal(200).flatten() for update in range(40)]).double()  # (updates, 10,000)
    error = 4 / np.sqrt(drawn.numel())  # four standard errors of a mean
    assert abs(float(drawn.mean())) < error
    assert abs(float(drawn.square().mean()) - 1) < error * np.sqrt(2)
    assert abs(float(drawn.pow(4).mean()) - 3) < error * np.sqrt(96)
    assert stats.kstest(drawn.flatten().numpy()[::4], "norm").pvalue > 1e-3
    assert 4 < float(drawn.abs().max()) < 5.9, "the largest number is that of 2^-25"
    for lag in (1, 2, 200):
        assert abs(float((drawn[:, :-lag] * drawn[:, lag:]).mean())) < error * 1.1
    assert abs(float((drawn[1:] * drawn[:-1]).mean())) < error * 1.1, "updates are independent"


@pytest.mark.parametrize("dropout", [0.0, 0.2, 0.5, 0.99])
def test_dropout_keeps_the_mean(dropout: float) -> None:
    masks = torch.stack([noise(update).dropout_mask(dropout) for update in range(40)])
    kept = (masks > 0).double()
    assert float((kept.mean() - (1 - dropout)).abs()) <= 4 * np.sqrt(dropout * (1 - dropout) / masks.numel())
    assert float(masks.max()) == pytest.approx(1 / (1 - dropout)) and len(masks.unique()) <= 2


def test_draws_of_an_update_differ_and_everything_can_be_dropped() -> None:
    drawn = noise(0)
    first, second = drawn.unit_dropout_mask(40, 0.5), drawn.unit_dropout_mask(40, 0.5)
    assert first.shape == (50, 40) and abs(float(((first - 1) * (second - 1)).mean())) < 0.1
    assert not drawn.dropout_mask(1.0).any()
