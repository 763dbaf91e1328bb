"""The evaluation as published, on small cases that can be counted by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from recdash.data.histories import Histories
from recdash.evaluation import evaluate
from recdash.models import registry
from recdash.models.autorec import AutoRec, AutoRecConfig
from recdash.models.base import TrainingProgress
from recdash.models.batch import Batch, Noise
from recdash.models.data_shape import DataShape
from recdash.models.gru import Gru, PackedSequences
from recdash.models.popularity import Popularity, PopularityConfig
from recdash.published import implicit_rows, rating_rows, svae_rows, vae_ml20m
from recdash.published.context import CellContext, Interrupted
from recdash.published.single_sequence_gru import SingleSequenceGru
from recdash.published.unmasked_topk import (
    list_metrics,
    mean_seen_per_list,
    most_active_first,
    unmasked_and_masked_lists,
    unmasked_lists,
    without_last,
)
from recdash.splits import RatingSplit, Split, published_splits
from recdash.splits.rating_split import Entries
from recdash.splits.split import EvaluationPart
from recdash.training.batch_order import torch_generator
from tests.toy_data import toy_dataset

pytestmark = pytest.mark.slow


def rows(*lists: list[int], items: int = 4) -> Histories:
    return Histories.from_rows(lists, items)


def context_in(folder: Path, **changes: Any) -> CellContext:
    return CellContext(**{"dataset": toy_dataset(users=130), "folder": folder, "cell": "cell", "epochs": 2} | changes)


def popularity_of(histories: Histories) -> Popularity:
    shape = DataShape(len(histories), histories.n_items, histories.n_entries)
    return Popularity(PopularityConfig(), shape).solve(histories)


def test_unmasked_lists_contain_seen_items_and_the_most_active_users_come_first() -> None:
    train = rows([0], [0, 1], [0, 1, 2])
    part = EvaluationPart(train, rows([1], [2], [3]), (), np.arange(3))
    ordered = most_active_first(part)
    top, masked = unmasked_and_masked_lists(popularity_of(train), ordered)
    assert np.array_equal(top, unmasked_lists(popularity_of(train), ordered))
    assert masked[:, :4].tolist() == [[3, -1, -1, -1], [2, 3, -1, -1], [1, 2, 3, -1]]
    assert ordered.train_rows is not None and ordered.train_rows.tolist() == [2, 1, 0]
    assert top[:, :4].tolist() == [[0, 1, 2, 3]] * 3
    assert mean_seen_per_list(top, ordered.fold_in) == 2.0  # 3, 2 and 1 of the positions
    found = list_metrics(top, ordered.held_out, ["precision@4", "recall@4"])
    assert found == {"precision@4": pytest.approx(0.25), "recall@4": 1.0}
    assert list_metrics(top, ordered.held_out, ["precision@1"]) == {"precision@1": 0.0}


def test_the_last_item_of_every_history_can_be_left_out() -> None:
    short = without_last(rows([2, 0, 1], [], [3]))
    assert [short.row(r).tolist() for r in range(3)] == [[2, 0], [], []]


def test_seen_items_lower_the_figures_of_a_good_model(tmp_path: Path) -> None:
    found = implicit_rows.closed_form(context_in(tmp_path), "ease", preset="published")
    split = published_splits.split_implicit(toy_dataset(users=130), seed=1994, validation=False)
    assert found.columns["as_published"]["ndcg@100"] < found.columns["corrected"]["ndcg@100"]
    model = registry.model_class("ease")
    assert model.task == "ranking"
    corrected = evaluate(context_in(tmp_path).fit_model("ease", split, preset="published"), split)
    assert found.columns["corrected"]["recall_all@100"] == corrected.mean["recall_all@100"]


def test_autorec_reads_the_test_ratings_themselves() -> None:
    """The outputs of the formula for a user's test row, counted by hand: W g(V r) with one hidden unit."""
    split = RatingSplit(
        protocol="own", seed=None,
        train=Histories.from_rows([[0]], 3), validation=None,
        test=Entries(np.array([0, 0], np.int32), np.array([1, 2], np.int32), np.array([4.0, 2.0], np.float32)),
        catalogue=None, scale=(1.0, 5.0),  # type: ignore[arg-type]
    )  # fmt: skip
    train = Histories.from_entries(
        np.zeros(1, np.int64), np.zeros(1, np.int64), np.full(1, 5.0, np.float32), n_rows=1, n_items=3
    )
    model = AutoRec(AutoRecConfig(variant="user", latent=1), DataShape(1, 3, 1, (1.0, 5.0)))
    model.set_training_ratings(train)
    with torch.no_grad():
        model.first.weight.copy_(torch.tensor([[9.0], [0.5], [0.25]]))
        model.first.bias.zero_()
        model.last.weight.copy_(torch.tensor([[0.0], [3.0], [9.0]]))
        model.last.bias.zero_()
    hidden = 1 / (1 + np.exp(-(0.5 * 4 + 0.25 * 2)))  # the training rating of 5 plays no part
    expected = np.array([3 * hidden - 4, min(9 * hidden, 5) - 2])
    assert rating_rows.errors_with_test_as_input(model, split)["rmse"] == pytest.approx(
        np.sqrt(np.mean(expected**2)), rel=1e-5
    )


def test_autorec_predicts_three_where_neither_user_nor_item_is_known() -> None:
    model = AutoRec(AutoRecConfig(variant="user", latent=2), DataShape(2, 2, 1, (1.0, 5.0)))
    train = Histories.from_entries(
        np.zeros(1, np.int64), np.zeros(1, np.int64), np.full(1, 5.0, np.float32), n_rows=2, n_items=2
    )
    model.set_training_ratings(train)
    model.initialise(torch_generator(0, "weights"))
    test = Entries(np.array([1], np.int32), np.array([1], np.int32), np.array([4.0], np.float32))
    split = RatingSplit("own", None, train, None, test, None, (1.0, 5.0))  # type: ignore[arg-type]
    assert rating_rows.errors_with_test_as_input(model, split)["mae"] == pytest.approx(1.0)


def test_the_mean_of_user_rmses_is_not_the_pooled_rmse_and_users_without_entries_count_as_zero() -> None:
    part = Entries(np.array([0, 1, 1], np.int32), np.zeros(3, np.int32), np.zeros(3, np.float32))
    errors = np.array([1.0, 2.0, 0.0])
    assert rating_rows.mean_user_rmse(errors, part, 2) == pytest.approx((1 + np.sqrt(2)) / 2)
    assert rating_rows.mean_user_rmse(errors, part, 3) == pytest.approx((1 + np.sqrt(2)) / 3)


def test_a_gain_below_the_minimum_does_not_count() -> None:
    stop = rating_rows.MinDeltaLoss()
    assert [stop(loss) for loss in (1.0, 0.99995, 0.9998, 1.5)] == [1.0, 1.0, 0.9998, 0.9998]


def test_the_loss_of_deeprec_as_published_is_each_users_rmse() -> None:
    split = published_splits.split_deeprec(toy_dataset(), seed=1)
    config = registry.configure("deeprec", split.shape, "published", {"dropout": 0.0})
    ours = rating_rows.PerUserRmseDeepRec(config, split.shape)  # type: ignore[arg-type]
    ours.set_training_ratings(split.train)
    batch = Batch.of(split.train.slice(0, 3), ours.device, np.arange(3))
    total = ours._observed_loss(
        torch.full((len(batch.items),), 2.0), batch, TrainingProgress(1, 0, 1, Noise(0, 0, batch))
    ).total
    for row in range(3):
        values = split.train.slice(row, row + 1).values
        assert values is not None
        assert float(total[row]) == pytest.approx(float(np.sqrt(np.mean((2 - values) ** 2))), rel=1e-5)


def test_the_best_weights_are_written_with_the_state_and_survive_a_stop(tmp_path: Path) -> None:
    split = published_splits.split_deeprec(toy_dataset(), seed=1)
    config = registry.configure("deeprec", split.shape, "published", {"hidden": (3,), "latent": 2})
    model = rating_rows.PerUserRmseDeepRec(config, split.shape)  # type: ignore[arg-type]
    model.set_training_ratings(split.train)
    best = rating_rows.BestWeights(tmp_path / "best")
    for level, value in ((1.0, 0.9), (2.0, 0.8), (3.0, 0.85)):
        torch.nn.init.constant_(model.last.bias, level)
        best.update(model, value)
    assert not best.folder.exists()
    best.save()
    again = rating_rows.BestWeights(best.folder)
    again.load_into(model)
    assert again.value == 0.8
    assert float(model.last.bias[0].detach()) == 2.0


def test_svae_is_sampled_only_when_it_is_evaluated_as_printed() -> None:
    split = published_splits.split_svae(toy_dataset(), seed=1, held_out_users=20)
    config = registry.configure("svae", split.shape, "published", {"latent": 4, "hidden_width": 8, "recurrent": 8})
    model = svae_rows.SampledSVAE(config, split.shape)  # type: ignore[arg-type]
    model.initialise(torch_generator(0, "weights"))
    model.eval()
    first, again = model.score(split.test.fold_in), model.score(split.test.fold_in)
    assert np.array_equal(first, again)
    with model.sampling(3):
        drawn = model.score(split.test.fold_in)
    with model.sampling(3):
        same = model.score(split.test.fold_in)
    assert np.array_equal(drawn, same) and not np.allclose(drawn, first)
    assert np.array_equal(model.score(split.test.fold_in), first)


@pytest.mark.parametrize("steps", [1, 2, 40])
def test_the_gru_for_one_history_gives_the_same_states_and_gradients(steps: int) -> None:
    plain, fast = Gru(7, 5), SingleSequenceGru(7, 5)
    random = torch_generator(steps, "test")
    for parameter in plain.parameters():
        torch.nn.init.normal_(parameter, generator=random)
    fast.load_state_dict(plain.state_dict())
    batch = Batch.of(rows(list(range(steps)), items=50), torch.device("cpu"))
    packed = PackedSequences.of(batch, np.array([steps]))
    inputs, weights = (torch.randn(steps, width, generator=random) for width in (7, 5))
    found = []
    for gru in (plain, fast):
        read = inputs.clone().requires_grad_()
        states = gru(read, packed)
        grads = torch.autograd.grad((states * weights).sum(), [read, *gru.parameters()])
        found.append([states.detach(), *grads])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(other, one, rtol=1e-4, atol=1e-5)


def test_several_histories_use_the_batched_gru() -> None:
    plain, fast = Gru(4, 3), SingleSequenceGru(4, 3)
    for parameter in plain.parameters():
        torch.nn.init.normal_(parameter, generator=torch_generator(1, "test"))
    fast.load_state_dict(plain.state_dict())
    batch = Batch.of(rows([0, 1, 2], [3, 1]), torch.device("cpu"))
    packed = PackedSequences.of(batch, np.array([3, 2]))
    inputs = torch.randn(5, 4, generator=torch_generator(2, "test"))
    assert torch.equal(fast(inputs, packed), plain(inputs, packed))


def test_training_users_are_evaluated_on_items_that_were_trained_on() -> None:
    split = published_splits.split_svae(toy_dataset(), seed=1, held_out_users=20)
    part = svae_rows.first_training_users(split.train, 7)
    assert len(part) == 7
    for row in range(7):
        whole = [*part.fold_in.row(row), *part.held_out.row(row)]
        assert whole == split.train.row(row).tolist()
        assert len(part.held_out.row(row)) == len(whole) - int(0.8 * len(whole))


CELLS = {
    "multvae": lambda context: implicit_rows.as_published(context, "multvae"),
    "cdae": lambda context: implicit_rows.as_published(context, "cdae"),
    "cdae-corrected": lambda context: implicit_rows.corrected(context, "cdae", formula="paper"),
    "autorec": rating_rows.autorec_as_published,
    "autorec-corrected": lambda context: rating_rows.autorec_corrected(context, "item"),
    "deeprec": rating_rows.deeprec,
    "bias": rating_rows.bias_baseline,
    "svae": svae_rows.svae,
    "multdae": lambda context: vae_ml20m.as_published_and_corrected(context, "multdae"),
}


@pytest.mark.parametrize("cell", CELLS)
def test_a_cell_gives_finite_figures_for_all_its_columns(cell: str, tmp_path: Path) -> None:
    epochs = 10 if cell == "autorec" else 2
    found = CELLS[cell](context_in(tmp_path, cell=cell, epochs=epochs))
    assert found.columns
    for figures in found.columns.values():
        assert all(np.isfinite(value) for value in figures.values())


@pytest.mark.parametrize("cell", ["multvae", "deeprec", "svae", "cdae-corrected"])
def test_a_stopped_cell_resumes_to_the_same_figures(cell: str, tmp_path: Path) -> None:
    whole = CELLS[cell](context_in(tmp_path / "whole", cell=cell, epochs=3))
    asked = [0]

    def after_a_while() -> bool:
        asked[0] += 1
        return asked[0] > (120 if cell == "svae" else 1)

    with pytest.raises(Interrupted, match="Run the same command again to resume"):
        CELLS[cell](context_in(tmp_path / "parts", cell=cell, epochs=3, should_stop=after_a_while))
    assert list((tmp_path / "parts").glob(f"{cell}.training"))
    assert CELLS[cell](context_in(tmp_path / "parts", cell=cell, epochs=3)).columns == whole.columns


def test_the_saved_state_of_a_different_training_is_not_used(tmp_path: Path) -> None:
    asked = [0]

    def at_once() -> bool:
        asked[0] += 1
        return asked[0] > 1

    with pytest.raises(Interrupted):
        implicit_rows.as_published(context_in(tmp_path, epochs=3, should_stop=at_once), "multvae")
    afresh = implicit_rows.as_published(context_in(tmp_path, epochs=2), "multvae")
    assert afresh.columns == implicit_rows.as_published(context_in(tmp_path / "other", epochs=2), "multvae").columns


def test_splits_of_cells_are_those_of_the_protocols(tmp_path: Path) -> None:
    split = context_in(tmp_path).make_split("published-implicit")
    assert isinstance(split, Split) and split.seed == 1994
