"""Similar items come from the model's own relations, and the result names them."""

from __future__ import annotations

import numpy as np
import pytest

from recdash.data.items import Item
from recdash.errors import UsageError
from recdash.models.base import Model
from recdash.recommend.ranked_list import rank
from recdash.services import compare, recommend
from recdash.services.similar_items import COSINE, SINGLE_PICK, similar_to
from recdash.training import fit
from tests.toy_data import toy_split


@pytest.fixture(scope="module")
def ease() -> Model:
    return fit("ease", toy_split())


def test_ease_gives_its_weights_in_order(ease: Model) -> None:
    item = ease.catalogue[3]
    found = similar_to(ease, item, 6)
    weights = ease.weights[3].numpy()
    expected = [index for index in np.argsort(-weights, kind="stable") if index != 3][:6]
    assert [ranked.item for ranked in found.items] == [ease.catalogue[int(index)] for index in expected]
    assert found.items[0].bar == 1 and found.items[0].score == pytest.approx(weights[expected[0]])
    assert found.items[1].bar == pytest.approx(weights[expected[1]] / weights[expected[0]])
    assert "weights" in found.measure


def test_item_knn_gives_its_similarities() -> None:
    model = fit("itemknn", toy_split())
    found = similar_to(model, model.catalogue[3], 45)
    similarities = model.similarities[[3]].toarray()[0]
    assert [ranked.score for ranked in found.items] == pytest.approx(np.sort(similarities[similarities > 0])[::-1])
    assert "similarities" in found.measure


def test_an_autoencoder_gives_cosines_of_its_item_vectors() -> None:
    model = fit("multdae", toy_split(), epochs=2, latent=8, hidden=())
    found = similar_to(model, model.catalogue[3], 5)
    vectors = np.asarray(model.item_vectors(), np.float64)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    cosines = unit @ unit[3]
    cosines[3] = -2
    best = np.argsort(-cosines, kind="stable")[:5]
    assert found.measure == COSINE
    assert [ranked.item for ranked in found.items] == [model.catalogue[int(index)] for index in best]
    assert [ranked.score for ranked in found.items] == pytest.approx(cosines[best].tolist(), abs=1e-5)


def test_without_vectors_the_list_of_the_single_pick_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    model = fit("multdae", toy_split(), epochs=1, latent=8, hidden=())
    monkeypatch.setattr(type(model), "item_vectors", lambda self: None)
    item = model.catalogue[3]
    found = similar_to(model, item, 5)
    assert found.measure == SINGLE_PICK
    assert [ranked.item for ranked in found.items] == [ranked.item for ranked in rank(model, [item], 5).items]


def test_a_model_without_relations_and_an_unknown_item_give_a_note(ease: Model) -> None:
    popularity = fit("popularity", toy_split())
    assert "relates no items" in similar_to(popularity, popularity.catalogue[3]).note
    stranger = similar_to(ease, Item("999", "Never <b>seen</b>"))
    assert stranger.items == () and "does not know" in stranger.note


def test_the_service_takes_a_run_or_falls_back_on_ease(here) -> None:
    item = recommend.find_items("toy", "film 4")[0]
    before = recommend.similar_items("toy", None, item, 5)
    assert len(before.items) == 5 and "weights" in before.measure
    ease, knn = compare.start(compare.requests("toy", ["ease", "itemknn"]))
    assert "similarities" in recommend.similar_items("toy", knn.id, item, 5).measure
    trained = recommend.similar_items("toy", None, item, 5)
    assert trained.items == recommend.similar_items("toy", ease.id, item, 5).items
    with pytest.raises(UsageError, match="k = 0"):
        recommend.similar_items("toy", ease.id, item, 0)
