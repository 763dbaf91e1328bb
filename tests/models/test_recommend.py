"""`recommend`, `recommend_users` and `explain` of every model: they agree with each other and with the scores."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recdash.data.histories import Histories
from recdash.data.pick_rows import history_of
from recdash.errors import DataError, TrainingError, UsageError
from recdash.models import registry
from recdash.models.base import Model
from recdash.models.explain import CONTRIBUTION, SCORE_DROP
from recdash.models.popularity import Popularity
from recdash.training import fit
from tests.toy_data import random_histories, toy_split

EXACT = [name for name in registry.names() if registry.model_class(name).exact_contributions]
SMALL = {"epochs": 2, "latent": 8, "hidden": (), "hidden_width": 16, "embedding": 8, "recurrent": 8}
MODELS: dict[str, Model] = {}
ITEMS = 45


def model_of(name: str) -> Model:
    if name not in MODELS:
        fields = registry.model_class(name).config_class.__dataclass_fields__
        MODELS[name] = fit(name, toy_split(), **{key: value for key, value in SMALL.items() if key in fields})
    return MODELS[name]


def rated(rows: Histories, rng: np.random.Generator) -> Histories:
    values = rng.integers(1, 6, rows.n_entries).astype(np.float32)
    return Histories(rows.indptr, rows.items, values, rows.n_items)


@pytest.mark.parametrize("name", registry.names())
def test_a_batch_gives_each_user_the_list_that_recommend_gives(name: str) -> None:
    model, rows = model_of(name), random_histories(40, ITEMS, np.random.default_rng(1))
    top = model.recommend_users(rows, 7)
    assert (top.items.dtype, top.scores.dtype) == (np.int32, np.float32) and top.items.shape == (40, 7)
    for row in range(len(rows)):
        picks = [model.catalogue[item].id for item in rows.row(row).tolist()]
        if not picks and not model.accepts_empty_history:
            assert (top.items[row] == -1).all() and (top.scores[row] == -np.inf).all()
            continue
        alone = model.recommend(picks, 7)
        assert [model.catalogue.index_of[one.id] for one in alone] == top.items[row].tolist()
        np.testing.assert_allclose([one.score for one in alone], top.scores[row], rtol=1e-4, atol=1e-4)


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 10**6), k=st.integers(0, ITEMS + 5))
def test_lists_are_the_full_sort_without_seen_items_ties_by_index(seed: int, k: int) -> None:
    rng = np.random.default_rng(seed)
    model, rows = model_of("ease"), random_histories(6, ITEMS, rng)
    seen = Histories.from_rows(
        [
            sorted({*rows.row(row).tolist(), *rng.integers(0, ITEMS, rng.integers(0, ITEMS)).tolist()})
            for row in range(6)
        ],
        ITEMS,
    )
    top, scores = model.recommend_users(rows, k, seen=seen), model.score(rows)
    assert top.items.shape == (6, min(k, ITEMS))
    for row in np.flatnonzero(rows.counts):
        order = np.lexsort((np.arange(ITEMS), -scores[row]))
        expected = [item for item in order.tolist() if item not in seen.row(row)][:k]
        found = top.items[row].tolist()
        assert found == expected + [-1] * (len(found) - len(expected))
        assert (top.scores[row, : len(expected)] == scores[row, expected]).all()
        assert (top.scores[row, len(expected) :] == -np.inf).all()


def test_many_equal_scores_are_listed_by_index() -> None:
    model = fit("popularity", toy_split())
    assert isinstance(model, Popularity)
    model.load_tensors({name: tensor.zero_() for name, tensor in model.tensors().items()})
    assert model.recommend_users([["3"], []], 4).items.tolist() == [[0, 1, 3, 4], [0, 1, 2, 3]]
    assert [one.id for one in model.recommend(["3"], 4)] == ["1", "2", "4", "5"]


def test_users_are_histories_matrices_or_lists_of_titles_and_ids() -> None:
    model = model_of("ease")
    rows = Histories.from_rows([[3, 6], [], [12]], ITEMS)
    expected = model.recommend_users(rows, 5)
    for same in (
        rows.matrix(),
        rows.matrix().toarray(),
        [["Film 4", 7], [], ["#13"]],
        (("4", "film 7"), (), "Film 13"),
    ):
        found = model.recommend_users(same, 5)
        assert (found.items == expected.items).all() and (found.scores == expected.scores).all()
    titles = [model.catalogue[index].label for index in expected.items[0].tolist()]
    assert titles == [one.title for one in model.recommend(["Film 4", "Film 7"], 5)]


def test_a_bad_row_is_named() -> None:
    model = model_of("ease")
    with pytest.raises(UsageError, match="Row 1: No item matches 'Zorglub'"):
        model.recommend_users([["4"], ["Zorglub"]])
    with pytest.raises(DataError, match="44 items, the model has 45"):
        model.recommend_users(Histories.from_rows([[1]], 44))
    with pytest.raises(DataError, match="1 users, but 2 histories"):
        model.recommend_users([["4"], ["5"]], seen=[["4"]])
    with pytest.raises(UsageError, match="k = "):
        model.recommend_users([["4"]], -1)


def test_scores_that_are_not_numbers_are_refused() -> None:
    model = fit("ease", toy_split())
    model.load_tensors({"weights": model.tensors()["weights"] * np.nan})
    with pytest.raises(TrainingError, match="NaN"):
        model.recommend(["4"])


def test_memory_of_a_batch_does_not_grow_with_its_users(monkeypatch: pytest.MonkeyPatch) -> None:
    model, largest = model_of("ease"), []
    score_batch = type(model).score_batch
    monkeypatch.setattr(
        type(model), "score_batch", lambda self, batch: largest.append(len(batch)) or score_batch(self, batch)
    )
    model.recommend_users(random_histories(3000, ITEMS, np.random.default_rng(2)), 3)
    assert max(largest) <= 512 and sum(largest) == 3000


@pytest.mark.parametrize("name", ["ease", "multvae", "autorec"])
def test_excluded_items_are_not_listed(name: str) -> None:
    model = model_of(name)
    first, second, *rest = model.recommend(["Film 4", "7"], ITEMS)
    found = model.recommend(["Film 4", "7"], ITEMS, exclude=[first.title, f"#{second.id}"])
    assert [one.id for one in found] == [one.id for one in rest]
    with pytest.raises(UsageError, match="No item matches"):
        model.recommend(["Film 4"], exclude=["Zorglub"])


def test_ratings_reach_models_that_predict_ratings() -> None:
    model = model_of("autorec")
    row = Histories.from_rows([[3, 6]], ITEMS)
    expected = model.score(Histories(row.indptr, row.items, np.array([5, 1], np.float32), ITEMS))[0]
    found = model.recommend(["Film 4", "Film 7"], ITEMS, ratings=[5, np.float32(1)])
    np.testing.assert_allclose([one.score for one in found], expected[[int(one.id) - 1 for one in found]], rtol=1e-6)
    assert [one.score for one in found] != [one.score for one in model.recommend(["Film 4", "Film 7"], ITEMS)]


@pytest.mark.parametrize(
    ("name", "ratings", "message"),
    [
        ("ease", [5, 1], "ease reads liked items, not ratings"),
        ("autorec", [5], "1 ratings for 2 picks of 2 different items"),
        ("autorec", 5, "expected a list of numbers"),
        ("autorec", [5, 6], r"rating = 6 is outside the scale \[1, 5\]"),
        ("autorec", [5, np.nan], "rating = nan is not a number"),
        ("autorec", [5, 1e300], r"rating = 1e\+300 is outside the scale \[1, 5\]"),
    ],
)
def test_ratings_that_do_not_fit_are_refused(name: str, ratings: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        model_of(name).recommend(["Film 4", "Film 7"], ratings=ratings)
    with pytest.raises(UsageError, match=message):
        model_of(name).explain(["Film 4", "Film 7"], ratings=ratings)


def test_picks_and_ratings_may_be_iterators() -> None:
    model, picks, ratings = model_of("autorec"), ["Film 4", "7"], [5, 1]
    assert model.recommend(iter(picks), ratings=iter(ratings)) == model.recommend(picks, ratings=ratings)


def test_ratings_beyond_float32_are_refused_without_a_scale() -> None:
    with pytest.raises(UsageError, match=r"rating = 1e\+300 is outside the scale"):
        history_of(model_of("autorec").catalogue, ["Film 4"], ratings=[1e300])


def test_a_pick_named_twice_has_no_two_ratings() -> None:
    with pytest.raises(UsageError, match="2 ratings for 2 picks of 1 different items"):
        model_of("autorec").recommend(["Film 4", "4"], ratings=[5, 1])


@settings(deadline=None, max_examples=60)
@given(picks=st.lists(st.integers(0, ITEMS - 1), min_size=1, max_size=12, unique=True), name=st.sampled_from(EXACT))
def test_exact_contributions_add_up_to_the_score(picks: list[int], name: str) -> None:
    found = model_of(name).explain([str(pick + 1) for pick in picks], k=ITEMS)
    assert found.kind == CONTRIBUTION and found.note == ""
    for item in found.items:
        shares = [one.share for one in item.contributions]
        assert abs(sum(shares) - item.score) < 1e-5
        assert shares == sorted(shares, reverse=True)
        assert sorted(int(one.id) - 1 for one in item.contributions) == sorted(picks)


@pytest.mark.parametrize("name", [name for name in registry.names() if name not in EXACT])
def test_leaving_out_the_first_named_pick_lowers_the_score_most(name: str) -> None:
    model, rng = model_of(name), np.random.default_rng(3)
    picks = [4, 7, 13, 30]
    stars = [5.0, 4.0, 1.0, 3.0] if model.task == "rating" else None
    found = model.explain(picks, k=5, ratings=stars)
    listed = model.recommend(picks, 5, ratings=stars)
    assert [(one.id, one.title) for one in found.items] == [(one.id, one.title) for one in listed]
    if not model.uses_history:
        assert found.kind == "" and found.note == "does not read picks"
        assert all(item.contributions == () for item in found.items)
        return
    assert found.kind == SCORE_DROP
    item = found.items[int(rng.integers(5))]
    drops = {}
    for position, pick in enumerate(picks):
        others = picks[:position] + picks[position + 1 :]
        rest = None if stars is None else stars[:position] + stars[position + 1 :]
        (alone,) = model.explain(others, [item.id], ratings=rest).items
        drops[str(pick)] = item.score - alone.score
    for one in item.contributions:
        assert one.share == pytest.approx(drops[one.id], abs=1e-4)
    assert drops[item.contributions[0].id] == pytest.approx(max(drops.values()), abs=1e-4)


def test_given_items_are_explained_in_their_order_a_pick_among_them() -> None:
    found = model_of("ease").explain(["Film 4", "Film 7"], ["Film 9", "Film 4"])
    assert [item.id for item in found.items] == ["9", "4"]
    of_itself = next(one for one in found.items[1].contributions if one.id == "4")
    assert of_itself.share == 0


def test_a_single_pick_has_a_contribution_but_no_score_drop() -> None:
    assert model_of("ease").explain(["Film 4"]).kind == CONTRIBUTION
    found = model_of("multvae").explain(["Film 4"], k=3)
    assert (found.kind, len(found.items)) == ("", 3) and "at least two picks" in found.note


def test_explaining_needs_picks_where_recommending_does() -> None:
    assert len(model_of("popularity").explain([], k=3).items) == 3
    with pytest.raises(UsageError, match="needs at least one pick"):
        model_of("ease").explain([])


@pytest.mark.parametrize("name", registry.names())
def test_threads_share_a_model(name: str) -> None:
    """Scoring changes nothing in a model: eight threads at once get what one thread got before."""
    model, rng = model_of(name), np.random.default_rng(4)
    inputs = [random_histories(20, ITEMS, rng) for _ in range(8)]
    inputs = [rated(rows, rng) if model.task == "rating" else rows for rows in inputs]
    before = {key: tensor.clone() for key, tensor in model.tensors().items()}
    expected = [model.recommend_users(rows, 5) for rows in inputs]
    barrier = threading.Barrier(8)

    def ask(rows: Histories) -> Any:
        barrier.wait()
        return model.recommend_users(rows, 5)

    with ThreadPoolExecutor(8) as pool:
        for found, alone in zip(pool.map(ask, inputs), expected, strict=True):
            assert (found.items == alone.items).all()
            np.testing.assert_allclose(found.scores, alone.scores, rtol=1e-5, atol=1e-6)
    assert all(bool((tensor == before[key]).all()) for key, tensor in model.tensors().items())


def test_items_with_too_few_ratings_are_not_recommended() -> None:
    model = model_of("autorec")
    counts = model.training_ratings.item_counts  # type: ignore[attr-defined]
    before = counts[:3].copy()
    try:
        counts[:3] = 4
        listed = [one.id for one in model.recommend(["Film 9"], ITEMS)]
        items, scores = model.recommend_users([["Film 9"]], ITEMS)
    finally:
        counts[:3] = before
    assert len(listed) == ITEMS - 4 and not {"1", "2", "3"} & set(listed)
    assert (items[0] >= 0).sum() == ITEMS - 4 and np.isfinite(scores[0]).sum() == ITEMS - 4
