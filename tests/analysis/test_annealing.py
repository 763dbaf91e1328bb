"""Planned schedules equal what trainings record; the cap, early stopping and the best epoch are told in words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recdash.analysis import annealing, schedule_effect
from recdash.analysis.annealing import Annealing, planned
from recdash.models.multdae import MultDAEConfig
from recdash.models.multvae import MultVAEConfig
from recdash.models.recvae import RecVAEConfig
from recdash.models.svae import SVAEConfig
from recdash.runs.run_records import RunRecord
from recdash.runs.states import State
from recdash.training import EpochRecord, fit
from tests.toy_data import toy_split


def run_of(model: str = "multvae", state: State = State.FINISHED, best: int | None = 1, **config: object) -> RunRecord:
    return RunRecord(
        id=f"{model}-00000001", name="a run", model=model, dataset="toy", protocol="strong", state=state,
        preset="auto", settings={}, seed=0, split_seed=1, device="auto", config=config, best_epoch=best,
        epochs=int(str(config.get("epochs", 1))),
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "settings"),
    [
        ("multvae", {"hidden": (), "latent": 4, "beta_cap": 0.3, "reach_cap_at": 0.6}),
        ("multvae", {"hidden": (), "latent": 4, "anneal_updates": 50}),
        ("svae", {"embedding": 8, "recurrent": 8, "hidden_width": 8, "latent": 4, "anneal_users": 20_000}),
        ("svae", {"embedding": 8, "recurrent": 8, "hidden_width": 8, "latent": 4, "annealing": "epoch"}),
    ],
)
def test_the_plan_is_what_a_training_records(model: str, settings: dict[str, object]) -> None:
    records: list[EpochRecord] = []
    split = toy_split()
    trained = fit(model, split, epochs=4, batch_size=25, patience=9, on_epoch=records.append, **settings)
    run = run_of(model, **trained.config.to_dict())
    found = annealing.annealing(run, {one.epoch: one.values for one in records}, records[0].update)
    assert found.plan is not None and found.plan.epochs == 4
    assert len(found.recorded) == 4
    # A record weighs updates by their users: batches of a pass differ by one user at most.
    assert found.largest_deviation < 0.01 * found.plan.cap


@given(
    cap=st.floats(0.001, 10), share=st.floats(0, 1), epochs=st.integers(1, 30), per_epoch=st.integers(1, 20)
)  # fmt: skip
def test_a_plan_rises_from_0_to_its_cap_and_meets_it_on_time(
    cap: float, share: float, epochs: int, per_epoch: int
) -> None:
    plan = planned(MultVAEConfig(beta_cap=cap, reach_cap_at=share, epochs=epochs), per_epoch)
    assert plan is not None and plan.reached_at is not None
    betas = [beta for _, beta in plan.points]
    assert betas == sorted(betas) and betas[-1] == plan.cap == cap
    assert plan.reached_at == pytest.approx(share * epochs, abs=1 / per_epoch + 1e-9)
    assert len(plan.means) == epochs and plan.points[-1][0] == epochs


def test_a_schedule_out_of_reach_a_constant_one_and_none() -> None:
    out_of_reach = planned(MultVAEConfig(anneal_updates=200_000, epochs=10), 20)
    assert out_of_reach is not None and out_of_reach.reached_at is None
    assert out_of_reach.cap == pytest.approx(200 / 200_000)
    constant = planned(MultVAEConfig(beta_cap=1.0, reach_cap_at=0.0, epochs=3), 7)
    assert constant is not None and constant.reached_at == 0 and constant.means == (1.0, 1.0, 1.0)
    assert planned(RecVAEConfig(), 10) is None and planned(MultDAEConfig(), 10) is None


def test_a_schedule_that_restarts_in_every_epoch_is_drawn_with_its_falls() -> None:
    plan = planned(SVAEConfig(annealing="epoch", anneal_users=1600, beta_cap=0.5, batch_size=16, epochs=3), 10)
    assert plan is not None
    assert plan.means == pytest.approx([0.045] * 3)  # (0 + 9) / 2 updates of 16 users by 1,600
    assert (0.9, pytest.approx(0.09)) in plan.points and (1.0, 0.0) in plan.points


def found(reach: float, last: int, best: int, *, ended: bool = True, cap: float = 0.2) -> Annealing:
    plan = planned(MultVAEConfig(beta_cap=cap, reach_cap_at=reach, epochs=20), 10)
    return Annealing(plan, dict.fromkeys(range(1, last + 1), 0.1), best, 20, ended)


@pytest.mark.parametrize(
    ("case", "text"),
    [
        (found(0.5, 14, 8), "Beta met its cap 0.2 after 10 epochs of 20 planned. The best epoch, 8, is before that. "
         "Training ended after epoch 14."),
        (found(0.5, 20, 20), "Beta met its cap 0.2 after 10 epochs of 20 planned. The best epoch, 20, is after that."),
        (found(0.5, 6, 4), "Training ended after epoch 6, before beta met its cap 0.2, planned after 10 epochs. "
         "The best epoch, 4, is before that."),
        (found(0.5, 6, 4, ended=False), "Beta meets its cap 0.2 after 10 epochs of 20 planned. The best epoch, 4, is "
         "before that."),
        (found(0.0, 20, 3), "Beta is 0.2 from the first update; there is no annealing."),
        (found(0.5, 20, 3, cap=0.0), "Beta is 0: the KL divergence is not part of the loss."),
    ],
)  # fmt: skip
def test_a_sentence_says_when_the_cap_was_met(case: Annealing, text: str) -> None:
    assert annealing.sentence(case) == text


def test_settings_of_another_version_give_no_plan_but_the_record_stays() -> None:
    run = run_of("multvae", beta_cap=0.2, epochs=5, gone=1)
    result = annealing.annealing(run, {1: {"beta": 0.1}}, 10)
    assert result.plan is None and result.recorded == {1: 0.1} and annealing.sentence(result) == ""


def test_recvae_has_the_effective_weight_as_its_record() -> None:
    result = annealing.annealing(run_of("recvae", gamma=0.01, epochs=2), {1: {"kl": 10.0, "weighted_kl": 4.0}}, 10)
    assert result.plan is None and result.recorded == {1: 0.4}


def test_what_a_change_did_is_one_sentence() -> None:
    def outcome(cap: float, kl: float, active: int, ndcg: float) -> schedule_effect.Outcome:
        run = run_of(beta_cap=cap, reach_cap_at=0.5, epochs=30, latent=64)
        result = schedule_effect.outcome(run, {1: {"kl": kl, "active_units": active, "ndcg@100": ndcg}})
        assert result is not None
        return result

    before, after = outcome(1.0, 7.14, 20, 0.3081), outcome(0.2, 26.6, 64, 0.3326)
    assert schedule_effect.sentence(before, after) == (
        "With a cap of 0.2 instead of 1, the KL divergence rose from 7.1 to 26.6 nats (20 to 64 active dimensions) and "
        "NDCG@100 rose from 0.308 to 0.333."
    )
    assert schedule_effect.sentence(after, after) == "The settings are those of the try before."
    assert schedule_effect.outcome(run_of(best=None), {}) is None
