"""The loop: what it selects, when it ends, and that stopping and going on equals never having stopped."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy import sparse

from recdash.errors import CheckpointError, TrainingError, UsageError
from recdash.evaluation import evaluate
from recdash.models import registry
from recdash.models.base import GradientModel, Model
from recdash.models.batch import batch_bounds
from recdash.splits import Split
from recdash.training import EpochRecord, TrainingState, batch_order, fit
from tests.toy_data import toy_split

GRADIENT = [name for name in registry.names() if issubclass(registry.model_class(name), GradientModel)]
SMALL: dict[str, Any] = {"latent": 8, "batch_size": 25, "learning_rate": 0.01, "hidden": ()}


@pytest.fixture(scope="module")
def split() -> Split:
    return toy_split()


def tensors_of(model: Model) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in model.tensors().items()}


def assert_equal(first: Model, second: Model) -> None:
    for name, tensor in first.tensors().items():
        assert torch.equal(tensor, second.tensors()[name]), name


def test_the_best_validation_epoch_is_kept_as_a_copy(split: Split) -> None:
    seen: dict[int, float] = {}

    def watch(record: EpochRecord) -> None:
        seen[record.epoch] = record.values["ndcg@100"]

    model = fit("multdae", split, epochs=30, patience=30, on_epoch=watch, **{**SMALL, "learning_rate": 0.05})
    best = max(seen, key=lambda epoch: (seen[epoch], -epoch))
    assert model.record["best_epoch"] == best < 30
    assert evaluate(model, split, on="validation").mean["ndcg@100"] == pytest.approx(seen[best], abs=1e-12)


def test_test_users_change_nothing_in_training(split: Split) -> None:
    other = replace(split, test=split.validation)
    assert_equal(fit("multvae", split, epochs=3, **SMALL), fit("multvae", other, epochs=3, **SMALL))


def test_patience_ends_the_training(split: Split) -> None:
    model = fit("multdae", split, epochs=500, patience=3, **{**SMALL, "learning_rate": 0.05})
    assert model.record["epochs_run"] == model.record["best_epoch"] + 3 < 500


def test_patience_is_not_counted_before_beta_meets_its_cap(split: Split) -> None:
    model = fit("multvae", split, epochs=40, patience=2, reach_cap_at=0.75, **{**SMALL, "learning_rate": 0.05})
    assert model.record["epochs_run"] >= 30


def test_without_validation_the_last_epoch_counts(split: Split) -> None:
    part = split.test
    own = Split.from_matrices(split.train.matrix(), test=(part.fold_in.matrix(), part.held_out.matrix()))
    model = fit("multdae", own, epochs=4, **SMALL)
    assert (model.record["best_epoch"], model.record["epochs_run"], model.record["best_value"]) == (4, 4, None)


def test_validation_happens_as_often_as_asked(split: Split) -> None:
    records: list[EpochRecord] = []
    fit("multdae", split, epochs=5, validate_every=2, on_epoch=records.append, **SMALL)
    assert ["ndcg@100" in record.values for record in records] == [False, True, False, True, True]


def test_records_carry_what_curves_show(split: Split) -> None:
    records: list[EpochRecord] = []
    fit("multvae", split, epochs=3, on_epoch=records.append, **SMALL)
    assert [record.epoch for record in records] == [1, 2, 3]
    per_epoch = batch_order.count(len(split.train), 25)
    assert [record.update for record in records] == [per_epoch, 2 * per_epoch, 3 * per_epoch]
    expected = {"loss", "reconstruction", "kl", "beta", "lr", "examples/s", "ndcg@100", "recall@20", "recall@50"}
    assert set(records[-1].values) == expected | {"active_units", "weighted_kl"}
    assert records[-1].arrays["kl_by_dimension"].sum() == pytest.approx(records[-1].values["kl"], rel=1e-4)
    assert records[0].values["beta"] < records[-1].values["beta"]
    assert records[0].seconds < records[-1].seconds


def test_a_loss_that_is_no_number_is_an_error_that_names_the_epoch(split: Split) -> None:
    with pytest.raises(TrainingError, match=r"multvae diverged: .* in epoch \d+, update \d+\. Lower learning_rate"):
        fit("multvae", split, epochs=50, **{**SMALL, "learning_rate": 10.0, "latent": 50, "precision": "float32"})


@pytest.mark.parametrize(
    "stop_after", [5, pytest.param(1, marks=pytest.mark.slow), pytest.param(13, marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("model", GRADIENT)
def test_stopping_anywhere_and_resuming_equals_not_stopping(
    model: str, stop_after: int, split: Split, real_device: str, tmp_path: Path
) -> None:
    exact = real_device == "cpu"  # docs/devices.md names what a GPU does not repeat
    fields = registry.model_class(model).config_class.__dataclass_fields__
    asked_for = SMALL | {"epochs": 4, "seed": 3, "batch_size": 10, "hidden_width": 16}
    small = {name: value for name, value in asked_for.items() if name in {*fields, "seed"}} | {"device": real_device}
    whole_records: list[EpochRecord] = []
    whole = fit(model, split, on_epoch=whole_records.append, **small)

    asked = iter(range(10**6))
    records: list[EpochRecord] = []
    scored: list[int] = []

    def score(epoch: int, model: GradientModel) -> None:
        scored.append(epoch)
        model.score(split.test.fold_in.slice(0, 2))

    stopped = fit(
        model,
        split,
        should_stop=lambda: next(asked) + 1 >= stop_after,
        on_checkpoint=lambda state: state.save(tmp_path / "last"),
        on_epoch=records.append,
        on_weights=score,
        **small,
    )
    assert stopped.record["stopped"]
    resume = TrainingState.load(tmp_path / "last")
    resumed = fit(model, split, resume=resume, on_epoch=records.append, on_weights=score, **small)
    assert scored == [0, 1, 2, 3, 4]
    timeless, expected = (
        [{k: v for k, v in r.values.items() if k != "examples/s"} for r in several]
        for several in (records, whole_records)
    )
    if exact:
        assert_equal(whole, resumed)
        assert timeless == expected
    else:
        for name, tensor in whole.tensors().items():
            torch.testing.assert_close(resumed.tensors()[name], tensor, rtol=1e-3, atol=1e-5, msg=name)
        for one, other in zip(timeless, expected, strict=True):
            assert one == pytest.approx(other, rel=1e-3, abs=1e-3)


def test_after_a_stop_the_model_has_its_best_weights_and_is_ready_to_score(split: Split) -> None:
    words: dict[str, Any] = {**SMALL, "learning_rate": 0.05, "epochs": 40, "patience": 40}
    values: dict[int, float] = {}
    states: list[TrainingState] = []

    def watch(record: EpochRecord) -> None:
        values[record.epoch] = record.values["ndcg@100"]

    model = fit(
        "multdae",
        split,
        on_epoch=watch,
        should_stop=lambda: len(values) == 30,
        on_checkpoint=states.append,
        **words,
    )
    best = max(values, key=lambda epoch: (values[epoch], -epoch))
    assert model.record["stopped"] and model.record["best_epoch"] == best < 30
    assert isinstance(model, GradientModel) and not model.training
    assert evaluate(model, split, on="validation").mean["ndcg@100"] == pytest.approx(values[best], abs=1e-12)
    assert_equal(fit("multdae", split, **words), fit("multdae", split, resume=states[-1], **words))


def test_a_state_with_the_field_names_of_version_0_2_gives_the_same_position(split: Split, tmp_path: Path) -> None:
    states: list[TrainingState] = []
    fit("multdae", split, epochs=1, on_checkpoint=states.append, **SMALL)
    state = replace(states[-1], position=replace(states[-1].position, pass_index=2, batch=1))
    state.save(tmp_path)
    manifest = tmp_path / "checkpoint.json"
    written = json.loads(manifest.read_text(encoding="utf-8"))
    written["position"]["one_pass"] = written["position"].pop("pass_index")
    manifest.write_text(json.dumps(written), encoding="utf-8")
    position = TrainingState.load(tmp_path).position
    assert (position.pass_index, position.batch) == (2, 1) and position.update == state.position.update


def test_the_speed_of_an_epoch_that_was_interrupted_is_that_of_all_its_parts(split: Split, tmp_path: Path) -> None:
    per_epoch = batch_order.count(len(split.train), 25)
    asked = iter(range(10**6))
    fit(
        "multdae",
        split,
        epochs=1,
        should_stop=lambda: bool(time.sleep(0.02)) or next(asked) == per_epoch - 2,  # one update is left
        on_checkpoint=lambda state: state.save(tmp_path / "last"),
        **SMALL,
    )
    state = TrainingState.load(tmp_path / "last")
    assert state.position.batch == per_epoch - 1
    records: list[EpochRecord] = []
    fit("multdae", split, epochs=1, resume=state, on_epoch=records.append, **SMALL)
    took = records[0].values["examples/s"]
    assert took < len(split.train) / (0.02 * (per_epoch - 2)), "the parts before the stop took some time, too"


@pytest.mark.parametrize("model", ["multdae", "autorec"])
def test_a_loss_that_explodes_without_becoming_nan_is_told_with_its_epoch(
    model: str, split: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    records: list[EpochRecord] = []
    monkeypatch.setattr(registry.model_class(model), "learning_rate", lambda _, epoch: 50.0 if epoch == 3 else 0.001)
    words = {name: value for name, value in SMALL.items() if name != "hidden" or model == "multdae"}
    trained = fit(model, split, epochs=5, on_epoch=records.append, **{**words, "precision": "float32"})
    losses = [record.values["loss"] for record in records]
    expected = next(epoch for epoch, loss in enumerate(losses, 1) if loss > 10 * losses[0])
    assert trained.record["unstable_epoch"] == expected
    assert [record.unstable_epoch for record in records] == [None] * (expected - 1) + [expected] * (6 - expected)


def test_a_training_that_goes_well_is_not_called_unstable(split: Split) -> None:
    for model in ("multvae", "recvae", "ease"):
        fields = registry.model_class(model).config_class.__dataclass_fields__
        small = {name: value for name, value in (SMALL | {"epochs": 8}).items() if name in fields}
        assert fit(model, split, **small).record["unstable_epoch"] is None


def test_what_is_kept_can_be_a_running_mean_of_the_weights_also_after_a_stop(split: Split, tmp_path: Path) -> None:
    part = split.test
    own = Split.from_matrices(split.train.matrix(), test=(part.fold_in.matrix(), part.held_out.matrix()))
    epochs: list[dict[str, torch.Tensor]] = []

    def keep(state: TrainingState) -> None:
        epochs.append({name: tensor.clone() for name, tensor in state.tensors.items()})

    plain = fit("multdae", own, epochs=3, on_checkpoint=keep, **SMALL)
    mean = epochs[0]
    for weights in epochs[1:]:
        mean = {name: 0.6 * mean[name] + 0.4 * weights[name] for name in mean}
    averaged = fit("multdae", own, epochs=3, averaging=0.6, **SMALL)
    for name, tensor in averaged.tensors().items():
        torch.testing.assert_close(tensor, mean[name], rtol=1e-4, atol=1e-6)
        assert not torch.equal(tensor, plain.tensors()[name])
    best = fit("multdae", split, epochs=4, averaging=0.6, **SMALL)
    asked = iter(range(100))
    fit(
        "multdae",
        split,
        epochs=4,
        averaging=0.6,
        should_stop=lambda: next(asked) > 14,
        on_checkpoint=lambda state: state.save(tmp_path / "last"),
        **SMALL,
    )
    resume = TrainingState.load(tmp_path / "last")
    assert resume.position.epoch >= 1 and resume.average
    assert_equal(best, fit("multdae", split, epochs=4, averaging=0.6, resume=resume, **SMALL))


def test_the_weights_of_every_epoch_are_reported_as_they_are_validated(split: Split) -> None:
    reported: dict[int, float] = {}
    validated: dict[int, float] = {}
    untrained: list[dict[str, torch.Tensor]] = []

    def measure(epoch: int, model: GradientModel) -> None:
        assert not model.training
        reported[epoch] = evaluate(model, split, on="validation").mean["ndcg@100"]
        if epoch == 0:
            untrained.append(tensors_of(model))

    def watch(record: EpochRecord) -> None:
        if "ndcg@100" in record.values:
            validated[record.epoch] = record.values["ndcg@100"]

    words: dict[str, Any] = {**SMALL, "epochs": 5, "averaging": 0.6, "validate_every": 2}
    model = fit("multdae", split, on_weights=measure, on_epoch=watch, **words)
    assert list(reported) == [0, 1, 2, 3, 4, 5] and list(validated) == [2, 4, 5]
    assert validated == pytest.approx({epoch: reported[epoch] for epoch in validated}, abs=1e-12)
    assert_equal(model, fit("multdae", split, **words))
    drawn = registry.build("multdae", model.config, split.shape)
    assert isinstance(drawn, GradientModel)
    drawn.initialise(batch_order.torch_generator(0, "weights"))
    assert all(torch.equal(tensor, untrained[0][name]) for name, tensor in drawn.tensors().items())


def test_between_validations_the_reported_weights_are_the_average_too(split: Split) -> None:
    reported: list[dict[str, torch.Tensor]] = []
    states: list[dict[str, torch.Tensor]] = []
    fit(
        "multdae",
        split,
        on_weights=lambda epoch, model: reported.append(tensors_of(model)),
        on_checkpoint=lambda state: states.append({name: tensor.clone() for name, tensor in state.average.items()}),
        **{**SMALL, "epochs": 3, "averaging": 0.6, "validate_every": 3},
    )
    for weights, average in zip(reported[1:], states, strict=True):
        assert all(torch.equal(weights[name], tensor) for name, tensor in average.items())


def test_a_closed_form_reports_no_weights(split: Split) -> None:
    fit("ease", split, on_weights=lambda epoch, model: pytest.fail(f"epoch {epoch}"))


def test_a_state_of_another_training_is_refused(split: Split) -> None:
    states: list[TrainingState] = []
    fit("multdae", split, epochs=1, on_checkpoint=states.append, **SMALL)
    with pytest.raises(UsageError, match="another training"):
        fit("multdae", split, epochs=1, seed=1, resume=states[0], **SMALL)


def test_a_missing_state_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no checkpoint in this folder"):
        TrainingState.load(tmp_path)


def test_every_pass_visits_every_user_once_in_a_new_order() -> None:
    first, second = batch_order.order(50, 0, 1, "all", 0), batch_order.order(50, 0, 2, "all", 0)
    assert sorted(first.tolist()) == sorted(second.tolist()) == list(range(50))
    assert first.tolist() != second.tolist()


def test_ease_equals_the_float64_closed_form_in_every_metric() -> None:
    rng = np.random.default_rng(5)
    x = (rng.random((300, 80)) < rng.random(80) * 0.4).astype(np.float64)
    held = [(rng.random((60, 80)) < 0.15).astype(np.float64) for _ in range(2)]
    fold_in, held_out = held[0], held[1] * (1 - held[0])
    pair = (sparse.csr_array(fold_in), sparse.csr_array(held_out))
    split = Split.from_matrices(sparse.csr_array(x), validation=pair, test=pair)
    ours = evaluate(fit("ease", split, l2=37.0), split)

    inverse = np.linalg.inv(x.T @ x + 37.0 * np.eye(80))
    weights = -inverse / np.diag(inverse)
    np.fill_diagonal(weights, 0)
    scores = np.where(fold_in > 0, -np.inf, fold_in @ weights)
    top = np.argsort(-scores, axis=1, kind="stable")[:, :10]
    hits = np.take_along_axis(held_out, top, axis=1)
    targets = held_out.sum(axis=1)
    some = targets > 0
    discount = 1 / np.log2(np.arange(2, 12))
    ideal = np.array([discount[: int(min(10, n))].sum() for n in targets])
    ndcg = ((hits @ discount)[some] / ideal[some]).mean()
    recall = (hits.sum(axis=1)[some] / np.minimum(targets[some], 10)).mean()
    assert ours.mean["ndcg@10"] == pytest.approx(ndcg, abs=1e-6)
    assert ours.mean["recall@10"] == pytest.approx(recall, abs=1e-6)


@pytest.mark.parametrize(("rows", "size"), [(4534, 197), (1, 10), (10, 10), (11, 10), (7, 1)])
def test_a_pass_is_cut_into_as_few_batches_as_may_be_and_none_is_a_small_rest(rows: int, size: int) -> None:
    sizes = np.diff(batch_bounds(rows, size))
    assert sizes.sum() == rows
    assert len(sizes) == -(-rows // size) == batch_order.count(rows, size)
    assert sizes.max() - sizes.min() <= 1
