"""One suite for every registered model; a new one joins by registering."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from recdash.data.histories import Histories
from recdash.errors import CheckpointError, DataError, UsageError
from recdash.evaluation import evaluate
from recdash.models import registry
from recdash.models.base import (
    GradientModel,
    Model,
    TrainingProgress,
)
from recdash.models.batch import Batch, Noise
from recdash.models.rating_model import RatingModel
from recdash.splits import Split
from recdash.training import EpochRecord, fit
from recdash.training.batch_order import torch_generator
from tests.toy_data import toy_split


def parameters_of(model: Model) -> dict[str, torch.Tensor]:
    assert isinstance(model, GradientModel)
    return {name: parameter.detach() for name, parameter in model.named_parameters()}


SMALL: dict[str, Any] = {"epochs": 6, "latent": 8, "hidden": (), "batch_size": 25, "learning_rate": 0.01}
SMALL_OF: dict[str, dict[str, Any]] = {
    "recvae": {"hidden_width": 24, "encoder_passes": 2},
    "svae": {"hidden_width": 16, "embedding": 16, "recurrent": 24, "decay": 1.0},
}


@pytest.fixture(scope="module")
def split() -> Split:
    return toy_split()


def small_fit(name: str, split: Split, device: str, **more: Any) -> Model:
    known = registry.model_class(name).config_class
    fields = set(known.__dataclass_fields__)
    wanted = SMALL | SMALL_OF.get(name, {}) | more
    chosen = {k: v for k, v in wanted.items() if k in fields or k in ("seed", "on_epoch")}
    return fit(name, split, device=device, **chosen)


@pytest.fixture(scope="module")
def made() -> dict[tuple[str, str], Model]:
    return {}


@pytest.fixture
def trained(split: Split, made: dict[tuple[str, str], Model], request: Any, device: str) -> Callable[[str], Model]:
    kind = request.node.callspec.params["device"]

    def get(name: str) -> Model:
        if (kind, name) not in made:
            made[kind, name] = small_fit(name, split, device)
        return made[kind, name]

    return get


@pytest.mark.parametrize("name", registry.names())
class TestEveryModel:
    def test_scores_do_not_depend_on_how_users_are_batched(self, name: str, split: Split, trained: Any) -> None:
        rows = split.test.fold_in
        whole = trained(name).score(rows)
        for size in (1, 7, 512):
            parts = [trained(name).score(rows.slice(start, start + size)) for start in range(0, len(rows), size)]
            np.testing.assert_allclose(np.concatenate(parts), whole, rtol=1e-4, atol=1e-5)

    def test_scores_are_float32_and_finite_also_for_a_user_without_history(
        self, name: str, split: Split, trained: Any
    ) -> None:
        scores = trained(name).score(Histories.from_rows([[], [0]], split.n_items))
        assert scores.dtype == np.float32
        assert scores.shape == (2, split.n_items)
        assert np.isfinite(scores).all()

    def test_a_scipy_matrix_gives_the_scores_of_the_histories(self, name: str, split: Split, trained: Any) -> None:
        if registry.model_class(name).needs_order or registry.model_class(name).task == "rating":
            pytest.skip("reads order or stars, which a matrix has not")
        rows = split.test.fold_in
        np.testing.assert_allclose(trained(name).score(rows.matrix()), trained(name).score(rows), rtol=1e-4, atol=1e-5)

    def test_another_number_of_items_is_refused(self, name: str, split: Split, trained: Any) -> None:
        with pytest.raises(DataError, match="items"):
            trained(name).score(Histories.from_rows([[0]], split.n_items + 1))

    def test_evaluating_twice_gives_the_same_numbers_and_moves_no_parameter(
        self, name: str, split: Split, trained: Any, device: str
    ) -> None:
        before = {key: tensor.clone() for key, tensor in trained(name).tensors().items()}
        first, second = evaluate(trained(name), split), evaluate(trained(name), split)
        assert first.mean == (second.mean if device == "cpu" else pytest.approx(second.mean, rel=1e-4, abs=1e-6))
        assert all(torch.equal(tensor, before[key]) for key, tensor in trained(name).tensors().items())

    def test_no_listed_item_is_in_the_users_input(self, name: str, split: Split, trained: Any) -> None:
        top = evaluate(trained(name), split).top
        for row in range(len(top)):
            assert not set(top[row].tolist()) & set(split.test.fold_in.row(row).tolist())

    def test_saving_and_loading_gives_equal_scores_on_the_device_that_is_asked_for(
        self, name: str, split: Split, trained: Any, device: str, tmp_path: Path
    ) -> None:
        trained(name).save(tmp_path / "model")
        rows = split.test.fold_in
        loaded = registry.load(tmp_path / "model", device=device)
        assert loaded.device.type == device
        if device == "cpu":
            assert np.array_equal(loaded.score(rows), trained(name).score(rows))
        np.testing.assert_allclose(loaded.score(rows), trained(name).score(rows), rtol=1e-5, atol=1e-6)
        on_cpu = registry.load(tmp_path / "model")
        assert on_cpu.device.type == "cpu"
        np.testing.assert_allclose(on_cpu.score(rows), loaded.score(rows), rtol=1e-3, atol=1e-4)
        assert loaded.config == trained(name).config
        assert loaded.catalogue == split.catalogue
        assert loaded.record == trained(name).record

    def test_a_damaged_checkpoint_is_refused_in_one_line(self, name: str, trained: Any, tmp_path: Path) -> None:
        trained(name).save(tmp_path / "model")
        (weights,) = (tmp_path / "model").glob("*.safetensors")
        weights.write_bytes(weights.read_bytes()[:-3])
        with pytest.raises(CheckpointError) as caught:
            registry.load(tmp_path / "model")
        assert "\n" not in str(caught.value)

    def test_one_title_is_a_list_of_one_and_what_is_no_list_is_refused(self, name: str, trained: Any) -> None:
        model = trained(name)
        assert model.recommend("Film 3", k=4) == model.recommend(["Film 3"], k=4)
        with pytest.raises(UsageError, match="Expected a list of titles"):
            model.recommend(None)
        with pytest.raises(UsageError, match="k = -1"):
            model.recommend(["Film 3"], k=-1)

    def test_recommendations_are_ranked_and_leave_the_picks_out(self, name: str, trained: Any) -> None:
        found = trained(name).recommend(["Film 3", "Film 6 (1956)", "9"], k=50)
        assert len(found) == 42
        assert [r.score for r in found] == sorted((r.score for r in found), reverse=True)
        assert not {"3", "6", "9"} & {r.id for r in found}

    def test_somebody_without_picks_gets_an_answer_or_a_reason(self, name: str, trained: Any) -> None:
        if trained(name).accepts_empty_history:
            assert len(trained(name).recommend([], k=5)) == 5
        else:
            with pytest.raises(UsageError, match="at least one pick"):
                trained(name).recommend([], k=5)

    def test_learned_numbers_do_not_count_the_data(self, name: str, split: Split, trained: Any) -> None:
        model = trained(name)
        assert 0 <= model.n_parameters <= sum(tensor.numel() for tensor in model.tensors().values())
        if isinstance(model, GradientModel):
            assert model.n_parameters == sum(parameter.numel() for parameter in model.parameters())
        if isinstance(model, RatingModel) and not isinstance(model, GradientModel):
            assert model.n_parameters == len(split.train) + split.n_items

    def test_the_record_says_how_it_came_about(self, name: str, split: Split, trained: Any) -> None:
        record = trained(name).record
        assert record["split_fingerprint"] == split.fingerprint
        for key in (
            "seed",
            "device",
            "threads",
            "versions",
            "machine",
            "precision",
            "best_epoch",
            "seconds",
            "n_validations",
        ):
            assert record[key] is not None, key

    def test_every_preset_is_a_valid_config(self, name: str, split: Split) -> None:
        for preset in registry.presets_of(name):
            registry.configure(name, split.shape, preset)

    def test_every_setting_says_what_it_is(self, name: str) -> None:
        from recdash.settings import settings_of

        for declared in settings_of(registry.model_class(name).config_class):
            assert len(declared.help.split()) >= 3, declared.name
            assert declared.problem(declared.default) is None, declared.name


GRADIENT = [name for name in registry.names() if issubclass(registry.model_class(name), GradientModel)]


@pytest.mark.parametrize("name", GRADIENT)
class TestEveryGradientModel:
    def test_it_learns(self, name: str, split: Split, trained: Any, device: str) -> None:
        records: list[EpochRecord] = []
        model = small_fit(name, split, device, epochs=25, patience=25, on_epoch=records.append)
        watched = "reconstruction" if "reconstruction" in records[0].values else "loss"
        assert records[-1].values[watched] < records[0].values[watched]
        if model.task == "ranking":
            ours = evaluate(model, split).mean["ndcg@10"]
            assert ours > 1.1 * evaluate(trained("popularity"), split).mean["ndcg@10"]
        else:
            assert records[-1].values["train_rmse"] < 0.9 * records[0].values["train_rmse"]

    def test_an_epoch_moves_every_parameter(self, name: str, split: Split, device: str) -> None:
        after = small_fit(name, split, device, epochs=1, seed=0)
        before = small_fit(name, split, device, epochs=1, seed=0, learning_rate=0.0)
        for key, parameter in parameters_of(after).items():
            assert not torch.equal(parameter, parameters_of(before)[key]), key

    def test_the_same_seed_gives_the_same_model_and_another_seed_another(
        self, name: str, split: Split, device: str
    ) -> None:
        first, second, third = (small_fit(name, split, device, epochs=2, seed=seed) for seed in (4, 4, 5))
        for key, tensor in parameters_of(first).items():
            exact = {"rtol": 0, "atol": 0} if device == "cpu" else {"rtol": 1e-3, "atol": 1e-5}
            torch.testing.assert_close(parameters_of(second)[key], tensor, **exact, msg=key)
        assert any(not torch.equal(tensor, parameters_of(third)[key]) for key, tensor in parameters_of(first).items())

    def test_one_batch_can_be_learned_by_heart(self, name: str, split: Split, device: str) -> None:
        assert split.ratings is not None
        rating = registry.model_class(name).task == "rating"
        rows = (split.ratings if rating else split.train).slice(0, 8)
        fields = registry.model_class(name).config_class.__dataclass_fields__
        off = {"dropout": 0.0, "beta_cap": 0.0, "weight_decay": 0.0, "l2": 0.0, "refeed": 0, "variant": "user"}
        off |= {"gamma": 0.0, "next_items": 1}
        config = registry.configure(name, split.shape, "auto", {k: v for k, v in off.items() if k in fields})
        model = registry.build(name, config, split.shape)
        assert isinstance(model, GradientModel)
        if isinstance(model, RatingModel):
            model.set_training_ratings(rows)
        model.initialise(torch_generator(0, "weights"))
        model.to(device)
        batch = Batch.of(rows, model.device, np.arange(8))
        optimiser = torch.optim.Adam(model.parameters(), lr=0.003 if rating else 0.01)
        losses = []
        for update in range(200):
            total = model.loss(batch, TrainingProgress(1, update, 200, Noise(0, update, batch))).total.mean()
            optimiser.zero_grad()
            torch.autograd.backward(total)
            optimiser.step()
            losses.append(float(total.detach()))
        n = rows.counts
        one_softmax = name in ("multdae", "multvae", "recvae")  # every positive gets the same share of the probability
        least = float(np.mean(n * np.log(n))) if one_softmax else 0.0
        assert min(losses[-10:]) - least < 0.15 * (losses[0] - least)
