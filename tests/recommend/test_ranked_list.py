"""A list never has an item of the taste or one that is filtered out; reasons and scores are what they claim to be."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recdash.data.histories import Histories
from recdash.data.items import Item
from recdash.errors import TrainingError, UsageError
from recdash.models import registry
from recdash.models.base import Model
from recdash.models.rating_model import MIN_RATINGS_TO_RANK, TrainingRatings
from recdash.recommend import ranked_list
from recdash.recommend.item_filter import ItemFilter
from recdash.recommend.item_popularity import ItemPopularity
from recdash.recommend.ranked_list import CONTRIBUTION, SCORE_DROP, ListOptions, rank
from recdash.recommend.taste import DISLIKE, LIKE, Taste, TasteEntry, model_input

N_ITEMS = 45
READING = [name for name in registry.names() if registry.model_class(name).uses_history]
EXACT = [name for name in registry.names() if registry.model_class(name).exact_contributions]
property_test = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def taste_of(*marks: tuple[int, object]) -> Taste:
    """A taste of the toy items with these numbers; a number above 45 is unknown to every model."""
    entries = tuple(TasteEntry(Item(str(number), f"Film {number}", 1950 + number), mark) for number, mark in marks)
    return Taste(entries, (1.0, 5.0))


marks = st.one_of(st.just(LIKE), st.just(DISLIKE), st.sampled_from([1.0, 2.5, 4.0, 5.0]))
tastes = st.lists(
    st.tuples(st.integers(1, N_ITEMS + 3), marks), min_size=1, max_size=9, unique_by=lambda entry: entry[0]
).map(lambda rows: taste_of(*rows))
filters = st.builds(
    ItemFilter,
    genres=st.sampled_from([(), ("Drama",), ("Comedy", "Horror")]),
    without_genres=st.sampled_from([(), ("Musical",), ("Horror",)]),
    year_from=st.none() | st.integers(1940, 1970),
    year_to=st.none() | st.integers(1970, 2000),
    popularity=st.sampled_from([(0.0, 1.0), (0.2, 0.9), (0.5, 1.0), (0.0, 0.4)]),
)


@pytest.mark.parametrize("name", registry.names())
@property_test
@given(taste=tastes, item_filter=filters, adventure=st.sampled_from([0.0, -1.0, 0.4, 1.0]))
def test_nothing_of_the_taste_and_nothing_filtered_out_is_listed(
    toy_models: dict[str, Model], toy_popularity: ItemPopularity, name: str, taste: Taste, item_filter: ItemFilter,
    adventure: float,
) -> None:  # fmt: skip
    model = toy_models[name]
    options = ListOptions(k=N_ITEMS, filter=item_filter, adventure=adventure, reasons=False)
    found = rank(model, taste, options=options, popularity=toy_popularity)
    listed = [ranked.item for ranked in found.items]
    assert not {item.id for item in listed} & {item.id for item in taste.items}
    assert len({item.id for item in listed}) == len(listed)
    for item, percentile in zip(listed, toy_popularity.percentiles_of(listed), strict=True):
        assert not item_filter.genres or set(item.genres) & set(item_filter.genres)
        assert not set(item.genres) & set(item_filter.without_genres)
        assert (item_filter.year_from or 0) <= item.year <= (item_filter.year_to or 9999)
        assert item_filter.popularity[0] <= percentile <= item_filter.popularity[1]
    if taste.read_by(model) or model.accepts_empty_history:
        known = {item.id for item in model.catalogue.items}
        permitted = item_filter.permitted(model.catalogue, toy_popularity)
        expected = {model.catalogue[index].id for index in np.flatnonzero(permitted)} - {i.id for i in taste.items}
        assert {item.id for item in listed} == expected & known, "every permitted item is in a list that is long enough"
        assert [ranked.rank for ranked in found.items] == list(range(1, len(listed) + 1))
        assert all(0 <= ranked.bar <= 1 and ranked.score_text for ranked in found.items)
    else:
        assert listed == []


@pytest.mark.parametrize("name", ["ease", "multvae", "autorec"])
@property_test
@given(taste=tastes, k=st.integers(1, 20))
def test_popularity_falls_with_adventure(
    toy_models: dict[str, Model], toy_popularity: ItemPopularity, name: str, taste: Taste, k: int
) -> None:
    model, means = toy_models[name], []
    for adventure in np.linspace(-1, 1, 9):
        options = ListOptions(k=k, adventure=float(adventure), reasons=False)
        found = rank(model, taste, options=options, popularity=toy_popularity)
        counts = toy_popularity.counts_of([ranked.item for ranked in found.items])
        means.append(float(np.log1p(counts).mean()) if found.items else 0.0)
    assert all(later <= earlier + 1e-9 for earlier, later in pairwise(means)), means


def test_the_ends_of_adventure_order_by_popularity_alone_and_zero_by_score_alone(
    toy_models: dict[str, Model], toy_popularity: ItemPopularity
) -> None:
    model, taste = toy_models["ease"], taste_of((4, LIKE), (7, LIKE))

    def counts(adventure: float) -> list[int]:
        found = rank(model, taste, options=ListOptions(k=10, adventure=adventure), popularity=toy_popularity)
        return toy_popularity.counts_of([ranked.item for ranked in found.items]).tolist()

    everything = sorted(
        toy_popularity.counts_of([item for item in model.catalogue.items if item.id not in ("4", "7")]).tolist()
    )
    assert counts(1.0) == everything[:10] and counts(-1.0) == everything[::-1][:10]
    scores = [ranked.score for ranked in rank(model, taste, 10).items]
    assert scores == sorted(scores, reverse=True)


def test_adventure_reorders_only_the_best_items_of_the_model(
    toy_models: dict[str, Model], toy_popularity: ItemPopularity, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ranked_list, "ADVENTURE_CANDIDATES", 12)
    model, taste = toy_models["ease"], taste_of((4, LIKE))
    best = {ranked.item.id for ranked in rank(model, taste, 12).items}
    options = ListOptions(k=5, adventure=1.0)
    assert {ranked.item.id for ranked in rank(model, taste, options=options, popularity=toy_popularity).items} <= best


@pytest.mark.parametrize("name", EXACT)
@property_test
@given(taste=tastes)
def test_exact_contributions_add_up_to_the_score(toy_models: dict[str, Model], name: str, taste: Taste) -> None:
    found = rank(toy_models[name], taste, 10)
    assert found.reason_kind == (CONTRIBUTION if found.items else "")
    for ranked in found.items:
        assert sum(reason.share for reason in ranked.reasons) == pytest.approx(ranked.score, abs=1e-5)
        assert {reason.pick for reason in ranked.reasons} == {entry.item for entry in taste.read_by(toy_models[name])}


@pytest.mark.parametrize("name", [name for name in READING if name != "ials"])  # its parts depend on all the picks
@property_test
@given(taste=tastes)
def test_leaving_out_the_named_entry_lowers_the_score_most(
    toy_models: dict[str, Model], name: str, taste: Taste
) -> None:
    model, read = toy_models[name], taste.read_by(toy_models[name])
    found = rank(model, taste, 5)
    if len(read) < 2:
        assert name in EXACT or found.reason_kind == ""
        return
    assert found.reason_kind == (CONTRIBUTION if name in EXACT else SCORE_DROP)
    without = [[other for other in read if other != entry] for entry in read]
    scores = model.score(model_input(model, without, taste.scale))  # (entries, items)
    for ranked in found.items:
        lost = ranked.score - scores[:, model.catalogue.index_of[ranked.item.id]]  # (entries,)
        named = [entry.item for entry in read].index(ranked.reasons[0].pick)
        assert lost[named] >= lost.max() - 1e-4
        assert all(reason.share > 0 for reason in ranked.because)
        assert ranked.because == ranked.reasons[: len(ranked.because)]


def test_all_rows_with_an_entry_left_out_are_scored_in_one_batch(
    toy_models: dict[str, Model], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, sizes = toy_models["multdae"], []
    original = type(model).score_batch
    monkeypatch.setattr(
        type(model), "score_batch", lambda self, batch: sizes.append(len(batch)) or original(self, batch)
    )
    rank(model, taste_of(*((number, LIKE) for number in range(1, 9))), 10)
    assert sizes == [9], "the whole taste, and without each of its eight entries"


def test_a_model_whose_order_does_not_depend_on_the_picks_gives_no_reasons(toy_models: dict[str, Model]) -> None:
    silent = set(registry.names()) - set(READING)
    assert silent == {name for name, model in toy_models.items() if model.accepts_empty_history} | {"bias"}
    for name in silent:
        found = rank(toy_models[name], taste_of((4, LIKE), (9, LIKE)), 5)
        assert found.reason_kind == "" and len(found.items) == 5
        assert all(ranked.reasons == () for ranked in found.items), name


def test_picks_move_the_stars_of_the_bias_model_but_never_its_order(toy_models: dict[str, Model]) -> None:
    scores = toy_models["bias"].score(Histories.from_rows([[3], [6, 12]], N_ITEMS))
    assert np.ptp(scores[0] - scores[1]) < 1e-5


def test_reasons_can_be_left_out_and_score_drops_are_for_very_long_tastes(
    toy_models: dict[str, Model], monkeypatch: pytest.MonkeyPatch
) -> None:
    taste = taste_of((1, LIKE), (2, LIKE), (3, LIKE))
    assert rank(toy_models["multvae"], taste, options=ListOptions(reasons=False)).reason_kind == ""
    monkeypatch.setattr(ranked_list, "MAX_LEFT_OUT", 2)
    assert rank(toy_models["multvae"], taste).reason_kind == ""
    assert rank(toy_models["ease"], taste).reason_kind == CONTRIBUTION


def test_ranking_models_read_positives_only_and_rating_models_read_stars(toy_models: dict[str, Model]) -> None:
    mixed = taste_of((4, LIKE), (7, DISLIKE), (10, 2.0), (13, 5.0))
    likes = taste_of((4, LIKE), (13, LIKE))
    for name in ("ease", "multvae", "svae"):
        found, expected = rank(toy_models[name], mixed, 10), rank(toy_models[name], likes, N_ITEMS)
        without = [ranked.item for ranked in expected.items if ranked.item.id not in ("7", "10")]
        assert [ranked.item for ranked in found.items] == without[:10], name
        assert found.n_read == 2
    model = toy_models["autorec"]
    found, opposite = rank(model, mixed, 10), rank(model, taste_of((4, DISLIKE), (7, LIKE), (10, 5.0), (13, 1.0)), 10)
    assert found.n_read == 4
    assert [ranked.score for ranked in found.items] != [ranked.score for ranked in opposite.items]
    values = np.array([4.5, 1.5, 2.0, 5.0], np.float32)
    history = Histories(np.array([0, 4]), np.array([3, 6, 9, 12], np.int32), values, N_ITEMS)
    index = model.catalogue.index_of[found.items[0].item.id]
    assert found.items[0].score == pytest.approx(model.score(history)[0, index], abs=1e-5)
    assert {(reason.pick.id, reason.mark) for reason in found.items[0].reasons} == {
        ("4", LIKE), ("7", DISLIKE), ("10", 2.0), ("13", 5.0),
    }  # fmt: skip


def test_the_order_of_a_taste_reaches_the_model_that_reads_it(toy_models: dict[str, Model]) -> None:
    forwards, backwards = taste_of((4, LIKE), (8, LIKE), (12, LIKE)), taste_of((12, LIKE), (8, LIKE), (4, LIKE))
    for name, ordered in (("svae", True), ("multvae", False)):
        one, other = rank(toy_models[name], forwards, 10), rank(toy_models[name], backwards, 10)
        differ = not np.allclose([r.score for r in one.items], [r.score for r in other.items], atol=1e-6)
        assert differ == ordered, name


def test_unknown_items_are_those_the_model_would_have_read(toy_models: dict[str, Model]) -> None:
    taste = taste_of((4, LIKE), (46, LIKE), (47, DISLIKE))
    assert [item.id for item in rank(toy_models["ease"], taste).unknown] == ["46"]
    assert [item.id for item in rank(toy_models["autorec"], taste).unknown] == ["46", "47"]


def test_scores_of_a_softmax_are_probabilities_that_no_filter_changes(
    toy_models: dict[str, Model], toy_popularity: ItemPopularity
) -> None:
    model, taste = toy_models["multvae"], taste_of((4, LIKE), (7, LIKE))
    index_of = model.catalogue.index_of
    logits = model.score(Histories.from_rows([[index_of["4"], index_of["7"]]], N_ITEMS))[0].astype(np.float64)
    others = np.array([item.id not in ("4", "7") for item in model.catalogue.items])
    expected = np.where(others, np.exp(logits), 0) / np.exp(logits[others]).sum()
    found = rank(model, taste, N_ITEMS)
    assert found.scale is not None and found.scale.name == "probability"
    first = found.items[0]
    assert found.scale.high == pytest.approx(expected[index_of[first.item.id]], rel=1e-5)
    assert [ranked.bar * found.scale.high for ranked in found.items] == pytest.approx(
        [expected[index_of[ranked.item.id]] for ranked in found.items], rel=1e-4
    )
    assert sum(ranked.bar for ranked in found.items) * found.scale.high == pytest.approx(1)
    options = ListOptions(k=N_ITEMS, filter=ItemFilter(genres=("Comedy",)))
    texts = {ranked.item.id: ranked.score_text for ranked in found.items}
    filtered = rank(model, taste, options=options, popularity=toy_popularity).items
    assert filtered and all(texts[ranked.item.id] == ranked.score_text for ranked in filtered)


def test_temperature_changes_probabilities_and_no_order(toy_models: dict[str, Model]) -> None:
    model, taste = toy_models["multvae"], taste_of((4, LIKE), (7, LIKE))
    lists = [rank(model, taste, options=ListOptions(k=10, temperature=value)) for value in (0.25, 1.0, 4.0)]
    assert len({tuple((ranked.item.id, ranked.score) for ranked in found.items) for found in lists}) == 1
    last_bars = [found.items[-1].bar for found in lists]
    assert last_bars == sorted(last_bars) and last_bars[0] < last_bars[-1]
    assert "temperature 4" in lists[-1].scale.about


@pytest.mark.parametrize(
    ("name", "scale"),
    [("cdae", "probability"), ("svae", "probability"), ("recvae", "probability"), ("multdae", "probability"),
     ("autorec", "stars"), ("deeprec", "stars"), ("bias", "stars"), ("ease", "relative"), ("itemknn", "relative"),
     ("rp3beta", "relative"), ("ials", "relative"), ("popularity", "relative"), ("random", "relative")],
)  # fmt: skip
def test_every_model_shows_scores_on_its_own_scale(toy_models: dict[str, Model], name: str, scale: str) -> None:
    found = rank(toy_models[name], taste_of((4, LIKE), (7, LIKE)), 5)
    assert found.scale is not None and found.scale.name == scale
    first = found.items[0]
    if scale == "stars":
        assert float(first.score_text) == pytest.approx(np.clip(first.score, 1, 5), abs=0.051)
        assert first.bar == pytest.approx((np.clip(first.score, 1, 5) - 1) / 4)
    elif scale == "relative":
        assert (first.bar, first.score_text) == (1.0, "100")
    else:
        assert first.score_text.endswith("%") and 0 < found.scale.high < 1


def test_items_with_too_few_ratings_are_in_no_list_of_a_rating_model(toy_models: dict[str, Model]) -> None:
    model = toy_models["bias"]
    stored = model.training_ratings
    rare = int(model.catalogue.index_of["20"])
    kept = (stored.rows.items != rare) | (np.cumsum(stored.rows.items == rare) < MIN_RATINGS_TO_RANK)
    try:
        model.training_ratings = TrainingRatings(stored.rows.select(kept))
        listed = rank(model, taste_of((4, LIKE)), N_ITEMS).items
    finally:
        model.training_ratings = stored
    assert len(listed) == N_ITEMS - 2 and "20" not in {ranked.item.id for ranked in listed}
    assert all(1 <= float(ranked.score_text) <= 5 for ranked in listed)


def test_scores_that_are_no_numbers_give_an_error_instead_of_a_list(toy_models: dict[str, Model]) -> None:
    model = toy_models["ease"]
    weights = model.weights.clone()
    try:
        model.weights[3] = float("nan")
        with pytest.raises(TrainingError, match="ease contain NaN"):
            rank(model, taste_of((4, LIKE)))
    finally:
        model.load_tensors({"weights": weights})


def test_likes_can_be_given_as_items(toy_models: dict[str, Model]) -> None:
    model = toy_models["ease"]
    items = [model.catalogue[3], model.catalogue[6], model.catalogue[3]]
    assert rank(model, items, 5) == rank(model, Taste.of_likes(items[:2]), 5)
    assert rank(model, [], 5).items == ()


@pytest.mark.parametrize(
    ("option", "value"),
    [("k", 0), ("k", 1001), ("k", 2.5), ("adventure", 1.01), ("adventure", float("nan")), ("temperature", 0),
     ("temperature", 100)],
)  # fmt: skip
def test_options_out_of_range_are_refused(option: str, value: object) -> None:
    with pytest.raises(UsageError, match=option):
        replace(ListOptions(), **{option: value})


def test_adventure_and_popularity_filters_need_a_popularity(toy_models: dict[str, Model]) -> None:
    model, taste = toy_models["ease"], taste_of((4, LIKE))
    kept = model.popularity
    try:
        model.popularity = None
        for options in (ListOptions(adventure=0.5), ListOptions(filter=ItemFilter(popularity=(0.5, 1)))):
            with pytest.raises(UsageError, match="popularity of the items is unknown"):
                rank(model, taste, options=options)
    finally:
        model.popularity = kept
    assert rank(model, taste, options=ListOptions(adventure=0.5)).items, "the training data's by default"
