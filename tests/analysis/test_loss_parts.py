"""The recorded parts of a VAE's loss add up to the loss, also for runs that did not record all of them."""

from __future__ import annotations

from typing import Any

import pytest

from recdash.analysis.loss_parts import loss_parts
from recdash.training import EpochRecord, fit
from tests.toy_data import toy_split

SMALL: dict[str, dict[str, Any]] = {
    "multvae": {"hidden": (), "latent": 4, "reach_cap_at": 1.0},
    "svae": {"embedding": 8, "recurrent": 8, "hidden_width": 8, "latent": 4, "anneal_users": 300},
    "recvae": {"hidden_width": 16, "latent": 4},
}


@pytest.mark.parametrize("model", SMALL)
def test_reconstruction_and_weighted_kl_add_up_to_the_loss(model: str) -> None:
    records: list[EpochRecord] = []
    fit(model, toy_split(), epochs=2, batch_size=50, on_epoch=records.append, **SMALL[model])
    parts = loss_parts({record.epoch: record.values for record in records})
    assert [one.epoch for one in parts] == [1, 2]
    for one in parts:
        assert one.reconstruction + one.weighted_kl == pytest.approx(one.loss, rel=1e-6)
        assert one.missing == 0 and not one.derived and 0 < one.kl_share < 1
    assert (parts[0].decoder_reconstruction is None) == (model != "recvae")


def test_mean_beta_times_mean_kl_is_not_the_kl_part_while_beta_rises() -> None:
    records: list[EpochRecord] = []
    fit("multvae", toy_split(), epochs=1, batch_size=25, on_epoch=records.append, beta_cap=5.0, **SMALL["multvae"])
    values = records[0].values
    assert abs(values["beta"] * values["kl"] - values["weighted_kl"]) > 1e-3 * values["weighted_kl"]


def test_an_older_run_without_the_kl_part_gets_it_from_the_loss() -> None:
    (one,) = loss_parts({1: {"loss": 10.0, "reconstruction": 9.0, "kl": 8.0, "beta": 0.1}})
    assert (one.weighted_kl, one.derived, one.missing) == (1.0, True, 0.0)


def test_a_gap_between_parts_and_loss_is_reported() -> None:
    (one,) = loss_parts({3: {"loss": 10.0, "reconstruction": 8.0, "kl": 4.0, "weighted_kl": 1.5}})
    assert one.missing == pytest.approx(0.5)


def test_models_without_kl_and_epochs_that_diverged_have_no_parts() -> None:
    assert loss_parts({1: {"loss": 1.0, "reconstruction": 1.0}}) == []
    assert loss_parts({1: {"loss": float("nan"), "reconstruction": 1.0, "kl": 1.0, "weighted_kl": 1.0}}) == []
