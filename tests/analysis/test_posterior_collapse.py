"""Posterior collapse is named where it happens, in a model that is really trained to it, and nowhere else."""

from __future__ import annotations

import pytest

from recdash.analysis import posterior_collapse
from recdash.analysis.posterior_collapse import find
from recdash.runs.run_records import RunRecord
from recdash.training import EpochRecord, fit
from tests.analysis.test_annealing import run_of
from tests.toy_data import toy_split


def trained(**settings: float) -> tuple[RunRecord, dict[int, dict[str, float]]]:
    """A toy Mult-VAE with 8 latent dimensions."""
    records: list[EpochRecord] = []
    fixed = {"hidden": (), "latent": 8, "batch_size": 25, "epochs": 12, "patience": 12, "learning_rate": 0.02}
    model = fit("multvae", toy_split(), on_epoch=records.append, **{**fixed, **settings})
    run = run_of(**model.config.to_dict(), best=len(records))
    return run, {record.epoch: dict(record.values) for record in records}


def test_a_model_with_a_heavy_kl_divergence_collapses_and_is_named() -> None:
    run, epochs = trained(beta_cap=10.0, reach_cap_at=0.0)
    last = max(epochs)
    assert epochs[last]["active_units"] == 0 and epochs[last]["kl"] < 0.08  # 8 dimensions below 0.01 each
    found = posterior_collapse.of_run(run, epochs)
    assert found is not None and found.kind == "whole" and found.saved
    assert posterior_collapse.remark(run, epochs) == f"posterior collapse since epoch {found.since}"
    text = posterior_collapse.sentence(run, epochs)
    assert "none of the 8 latent dimensions is active" in text and "lower beta_cap (now 10)" in text


def test_a_healthy_model_is_not_flagged() -> None:
    run, epochs = trained(beta_cap=0.2)
    assert posterior_collapse.of_run(run, epochs) is None
    assert posterior_collapse.remark(run, epochs) == posterior_collapse.sentence(run, epochs) == ""


def test_fewer_than_half_active_units_are_a_partial_collapse() -> None:
    assert find({1: 8, 2: 8, 3: 4}, 8) is None
    found = find({1: 8, 2: 3, 3: 3}, 8)
    assert found is not None and (found.kind, found.since, found.active, found.most_active) == ("partial", 2, 3, 8)


def test_a_dip_that_recovered_is_no_collapse_and_the_last_one_counts() -> None:
    assert find({1: 8, 2: 0, 3: 0, 4: 8}, 8) is None
    found = find({1: 0, 2: 8, 3: 0, 4: 0, 5: 0}, 8)
    assert found is not None and (found.kind, found.since) == ("whole", 3)


def test_the_first_epochs_are_not_judged() -> None:
    assert find({1: 0, 2: 0}, 8) is None and find({}, 8) is None and find({5: 0}, 0) is None


def test_a_best_epoch_before_the_collapse_is_said_to_be_healthy() -> None:
    epochs = {epoch: {"active_units": 8.0 if epoch < 4 else 0.0} for epoch in range(1, 7)}
    run = run_of(latent=8, beta_cap=1.0, best=2)
    text = posterior_collapse.sentence(run, epochs)
    assert "since epoch 4" in text and "Up to 8 were active before." in text
    assert "The saved model, of epoch 2, is from before." in text


def test_advice_names_the_settings_of_the_model() -> None:
    epochs = {epoch: {"active_units": 1.0} for epoch in range(1, 5)}
    recvae = posterior_collapse.sentence(run_of("recvae", latent=8, gamma=0.5), epochs)
    assert recvae.startswith("Partial posterior collapse since epoch 1: 1 of 8 latent dimensions are active.")
    assert "lower gamma (now 0.5)" in recvae and "narrower latent layer" in recvae
    assert "anneal_users" in posterior_collapse.sentence(run_of("svae", latent=8, beta_cap=1), epochs)


@pytest.mark.parametrize("model", ["multdae", "ease", "autorec"])
def test_models_without_a_latent_distribution_have_none(model: str) -> None:
    assert posterior_collapse.remark(run_of(model, latent=8), {4: {"active_units": 0.0}}) == ""
