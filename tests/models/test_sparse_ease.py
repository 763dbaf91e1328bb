"""Sparse EASE against a dense computation of the same steps, and against EASE where nothing is left out."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import sparse

from recdash import devices
from recdash.data.histories import Histories
from recdash.errors import TrainingError
from recdash.models import neighbourhood_regressions, registry, sparse_covariance
from recdash.models import sparse_ease as module
from recdash.models.data_shape import DataShape
from recdash.models.sparse_covariance import ScaledCovariance
from recdash.models.sparse_ease import SparseEASE, SparseEASEConfig, bytes_needed, n_entries

ITEMS = 60


@pytest.fixture(scope="module")
def x() -> NDArray[np.float64]:
    """Data (500, 60) of three tastes, with popularities that differ tenfold; nobody has item 7, everybody item 9."""
    rng = np.random.default_rng(4)
    taste, group = rng.integers(0, 3, 500), rng.integers(0, 3, ITEMS)
    chance = rng.uniform(0.03, 0.3, ITEMS) * np.where(taste[:, None] == group, 2.5, 0.4)
    found = (rng.random((500, ITEMS)) < chance).astype(np.float64)
    found[:, 7], found[:, 9] = 0, 1
    return found


def covariances(x: NDArray[np.float64], alpha: float = 0.75) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return C (items, items) and s (items,), dense."""
    counts, users = x.sum(0), len(x)
    variances = counts - counts**2 / users
    with np.errstate(divide="ignore"):
        scale = np.where(variances > 0, variances ** (-alpha / 2), 0)
    return (x.T @ x - np.outer(counts, counts) / users) * np.outer(scale, scale), scale


def dense_solution(x: NDArray[np.float64], config: SparseEASEConfig) -> NDArray[np.float64]:
    """Return B by the steps of the paper, without blocks, batches or sparse matrices."""
    covariance, scale = covariances(x, config.alpha)
    sizes = np.abs(covariance)
    np.fill_diagonal(sizes, 0)
    near = sizes > 0
    for item in range(len(scale)):
        near[np.argsort(-sizes[:, item], kind="stable")[config.max_neighbours :], item] = False
    largest = np.sort(sizes[near])[::-1]
    n_wanted = n_entries(config, len(scale))
    near &= sizes > (largest[n_wanted] if n_wanted < len(largest) else 0)
    influence = -x.sum(0) * scale
    rank = np.argsort(np.argsort(influence, kind="stable"))  # equal numbers of neighbours: the more influential first
    sums, counts = np.zeros_like(sizes), np.zeros_like(sizes)
    left = set(range(len(scale)))
    for item in sorted(left, key=lambda one: (-near[:, one].sum(), rank[one])):
        if item not in left:
            continue
        neighbours = np.flatnonzero(near[:, item])
        block = np.array([item, *neighbours[np.argsort(-sizes[neighbours, item], kind="stable")]])
        used = max(1, int(np.ceil(config.shared * len(block))))
        left -= set(block[:used].tolist())
        inverse = np.linalg.inv(covariance[np.ix_(block, block)] + config.l2 * np.eye(len(block)))
        sums[np.ix_(block, block[:used])] -= (inverse / np.diag(inverse))[:, :used]
        counts[np.ix_(block, block[:used])] += 1
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.nan_to_num(np.where(near, sums / np.maximum(counts, 1), 0) * scale[:, None] / scale)


def solved(x: NDArray[np.float64], config: SparseEASEConfig) -> SparseEASE:
    return SparseEASE(config, DataShape(*x.shape, int(x.sum()))).solve(sparse.csr_array(x))


@pytest.mark.parametrize(
    "given",
    [
        {"density": 20.0},
        {"density": 20.0, "shared": 0.3},
        {"density": 40.0, "max_neighbours": 12, "l2": 2.0},
        {"density": 10.0, "alpha": 1.0, "shared": 1.0},
        {"density": 30.0, "alpha": 0.0},
        {},
    ],
)
def test_the_weights_are_those_of_the_dense_steps(x: NDArray[np.float64], given: dict[str, float]) -> None:
    config = SparseEASEConfig(**given)  # type: ignore[arg-type]
    model, expected = solved(x, config), dense_solution(x, config)
    np.testing.assert_allclose(model.weights.toarray(), expected, rtol=1e-3, atol=2e-5 * np.abs(expected).max())
    assert np.count_nonzero(expected) <= model.n_parameters <= n_entries(config, ITEMS)


def test_small_blocks_and_few_stored_pairs_change_nothing(
    x: NDArray[np.float64], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = SparseEASEConfig(density=20.0, shared=0.2)
    whole = solved(x, config).weights.toarray()
    monkeypatch.setattr(sparse_covariance, "_PAIRS_PER_BLOCK", 5_000)
    monkeypatch.setattr(sparse_covariance, "_CELLS_PER_BLOCK", 100)
    monkeypatch.setattr(neighbourhood_regressions, "_MOST_ITEMS", 25)
    monkeypatch.setattr(neighbourhood_regressions, "_MOST_NEW", 1.0)
    monkeypatch.setattr(module, "n_stored_items", lambda config: 10)
    np.testing.assert_allclose(solved(x, config).weights.toarray(), whole, rtol=1e-4, atol=1e-6)


def test_a_threshold_from_a_sample_gives_about_the_density_and_never_more(
    x: NDArray[np.float64], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sparse_covariance, "_SAMPLED_ITEMS", (10, 25))
    config = SparseEASEConfig(density=15.0)
    wanted = n_entries(config, ITEMS)
    assert 0.6 * wanted < solved(x, config).n_parameters <= wanted


def test_pairs_without_a_common_user_are_neighbours_if_both_are_popular() -> None:
    x = np.zeros((400, 30))
    x[:200, 0] = x[200:, 1] = 1  # exclusive
    x[np.arange(400), 2 + np.arange(400) % 28] = 1
    weights = solved(x, SparseEASEConfig(density=0.3)).weights.toarray()
    assert weights[0, 1] < 0 and weights[1, 0] < 0 and np.count_nonzero(weights) == 2


def test_a_square_is_exact_whether_its_pairs_are_stored_or_not(x: NDArray[np.float64]) -> None:
    rows = Histories.from_csr(sparse.csr_array(x))
    covariance = ScaledCovariance(rows, 0.75, 20)
    covariance.pattern(500, 100)
    some = np.array([0, 3, 19, 20, 31, 59])
    dense, _ = covariances(x[:, covariance.order])
    np.testing.assert_allclose(covariance.square(some), dense[np.ix_(some, some)], rtol=1e-5, atol=1e-5)


def test_with_all_pairs_it_is_the_dense_markov_random_field(x: NDArray[np.float64]) -> None:
    config = SparseEASEConfig(density=100.0)
    covariance, scale = covariances(x)
    inverse = np.linalg.inv(covariance + config.l2 * np.eye(ITEMS))
    expected = -inverse / np.diag(inverse)
    np.fill_diagonal(expected, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        expected = np.nan_to_num(expected * scale[:, None] / scale)
    found = solved(x, config).weights.toarray()
    usual = scale > 0
    np.testing.assert_allclose(found[np.ix_(usual, usual)], expected[np.ix_(usual, usual)], rtol=1e-3, atol=1e-5)
    assert not found[:, ~usual].any() and not found[~usual].any()


def test_the_density_keeps_to_the_memory_and_to_a_hundred_neighbours() -> None:
    auto = SparseEASEConfig()
    assert n_entries(auto, 20_000) == 2 * 20_000 * 19_999 // 100
    assert n_entries(auto, 1_682) == 168_200
    large = DataShape(200_000, 200_000, 10_000_000)
    assert n_entries(auto, 200_000) < 0.0007 * 200_000**2
    assert bytes_needed(auto, large) < 2 * 2**30
    assert bytes_needed(SparseEASEConfig(memory=0.1), large) < bytes_needed(auto, large) - 0.3 * 2**30
    assert n_entries(SparseEASEConfig(density=0.5), 1000) == 4995


def test_what_cannot_fit_in_memory_is_refused_before_anything_is_counted(
    x: NDArray[np.float64], monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object) -> None:
        raise AssertionError("counted before the memory was checked")

    monkeypatch.setattr(module, "ScaledCovariance", never)
    monkeypatch.setattr(devices, "available_bytes", lambda device: 1000)
    with pytest.raises(TrainingError, match=r"Sparse EASE needs .* GiB for 60 items, .*memory=0\.1"):
        solved(x, SparseEASEConfig())
    with pytest.raises(TrainingError, match=r"density=1$|density=1\."):
        solved(x, SparseEASEConfig(density=4.0))


def test_a_penalty_too_small_is_one_clear_error() -> None:
    same = np.repeat(np.random.default_rng(2).random((4000, 15)) < 0.5, 2, axis=1).astype(np.float64)
    with pytest.raises(TrainingError, match=r"l2 = 1e-06 is too small .* Raise l2"):
        solved(same, SparseEASEConfig(l2=1e-6, density=100.0))


@pytest.mark.parametrize("rows", [np.zeros((5, 4)), np.ones((5, 4)), np.zeros((0, 4)), np.eye(3, 1)])
def test_data_without_a_covariance_have_no_weights(rows: NDArray[np.float64]) -> None:
    model = solved(rows, SparseEASEConfig())
    assert model.n_parameters == 0 and not model.score(rows).any()


def test_presets_are_those_of_the_paper() -> None:
    paper = registry.configure("sparse_ease", DataShape(100, 50, 900), "paper").to_dict()
    assert (paper["l2"], paper["density"], paper["alpha"], paper["shared"]) == (1.0, 0.5, 0.75, 0.0)
