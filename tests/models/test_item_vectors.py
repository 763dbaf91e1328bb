"""Item vectors of every model, and the singular value decomposition behind some of them."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from recdash.models import low_rank, registry
from recdash.training import fit
from tests.toy_data import toy_split

WITHOUT = {"popularity", "random", "bias"}
SMALL = {"epochs": 2, "hidden": (), "latent": 6, "hidden_width": 8, "embedding": 8, "recurrent": 8}


def trained(name: str, **given: object):
    kind = registry.model_class(name)
    known = {field.name for field in fields(kind.config_class)}
    split = toy_split("ratings-90" if kind.task == "rating" else "strong")
    return fit(name, split, **{key: value for key, value in SMALL.items() if key in known}, **given)


@pytest.mark.parametrize("name", registry.names())
def test_every_model_has_one_vector_per_item_or_none(name: str) -> None:
    model = trained(name)
    vectors = model.item_vectors()
    if name in WITHOUT:
        assert vectors is None
        return
    assert vectors.shape[0] == model.shape.items and vectors.dtype == np.float32
    assert np.isfinite(vectors).all() and vectors.std() > 0


def test_the_vectors_of_an_autoencoder_give_its_scores() -> None:
    model = trained("multdae")
    split = toy_split()
    hidden = np.linalg.lstsq(
        model.item_vectors(), (model.score(split.test.fold_in) - model.last.bias.detach().numpy()).T, rcond=None
    )
    rebuilt = model.item_vectors() @ hidden[0]
    expected = (model.score(split.test.fold_in) - model.last.bias.detach().numpy()).T
    np.testing.assert_allclose(rebuilt, expected, atol=1e-4)


def test_vectors_cannot_be_written_to() -> None:
    with pytest.raises(ValueError, match="read-only"):
        trained("multvae").item_vectors()[0, 0] = 1


def test_autorec_by_item_gives_the_hidden_layer_of_each_item() -> None:
    model = trained("autorec", variant="item")
    assert model.item_vectors().shape == (model.shape.items, 6)


def test_vectors_of_ease_keep_the_distances_of_the_columns_of_b(monkeypatch) -> None:
    monkeypatch.setattr("recdash.models.ease.ITEM_VECTOR_WIDTH", 1000)
    model = trained("ease")
    columns = model.weights.numpy().T
    np.testing.assert_allclose(model.item_vectors() @ model.item_vectors().T, columns @ columns.T, atol=1e-4)


@settings(max_examples=30, deadline=None)
@given(rows=st.integers(1, 30), columns=st.integers(1, 30), rank=st.integers(0, 12), seed=st.integers(0, 100))
def test_the_decomposition_equals_that_of_numpy(rows: int, columns: int, rank: int, seed: int) -> None:
    matrix = np.random.default_rng(seed).standard_normal((rows, columns))
    svd = low_rank.truncated_svd(matrix, rank)
    left, values, right = np.linalg.svd(matrix, full_matrices=False)
    best = (left[:, :rank] * values[:rank]) @ right[:rank]
    np.testing.assert_allclose(svd.values, values[:rank], rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose((svd.left * svd.values) @ svd.right.T, best, atol=1e-5)


def test_the_projection_finds_the_leading_part_of_sparse_and_dense_matrices(monkeypatch) -> None:
    rng = np.random.default_rng(3)
    parts = [np.linalg.qr(rng.standard_normal((size, 40)))[0] for size in (300, 200)]
    dense = (parts[0] * 0.7 ** np.arange(40)) @ parts[1].T
    exact = low_rank.truncated_svd(dense, 5)
    monkeypatch.setattr(low_rank, "_EXACT_MAX_SIDE", 0)
    for matrix in (dense, sparse.csr_array(dense)):
        found = low_rank.truncated_svd(matrix, 5)
        np.testing.assert_allclose(found.values, exact.values, rtol=1e-6)
        np.testing.assert_allclose(found.left, exact.left, atol=1e-4)


def test_signs_do_not_depend_on_the_sign_of_the_basis(monkeypatch) -> None:
    matrix = np.random.default_rng(1).standard_normal((50, 8))
    plain = low_rank.truncated_svd(matrix, 3)
    eigh = np.linalg.eigh
    monkeypatch.setattr(np.linalg, "eigh", lambda a: (eigh(a)[0], -eigh(a)[1]))
    np.testing.assert_array_equal(low_rank.truncated_svd(matrix, 3).left, plain.left)


def test_a_matrix_of_zeros_has_no_direction() -> None:
    svd = low_rank.truncated_svd(np.zeros((6, 4)), 2)
    assert not svd.values.any() and np.isfinite(svd.left).all()
