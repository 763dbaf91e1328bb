"""EASE with another penalty is what a training with that penalty would give."""

from __future__ import annotations

import numpy as np
import pytest

from recdash.errors import DataError, UsageError
from recdash.models.ease import EASE
from recdash.services import compare, ease_refits, loaded_models, recommend
from recdash.services import runs as service
from tests.toy_data import toy_dataset


def test_a_refit_equals_a_run_trained_with_that_penalty(here) -> None:
    (run,) = compare.start(compare.requests("toy", ["ease"]))
    (other,) = compare.start(compare.requests("toy", ["ease"], settings={"l2": 20.0}))
    found = ease_refits.refit_ease(service.find(run.id), 20)
    expected = recommend.load_model(service.find(other.id))
    assert isinstance(found, EASE) and isinstance(expected, EASE)
    np.testing.assert_array_equal(found.weights, expected.weights)
    assert found.catalogue == expected.catalogue and found.config == expected.config
    np.testing.assert_array_equal(found.popularity, expected.popularity)


def test_a_refit_is_solved_once_and_leaves_the_run_alone(here, monkeypatch: pytest.MonkeyPatch) -> None:
    (run,) = compare.start(compare.requests("toy", ["ease"]))
    record = service.find(run.id)
    trained = recommend.load_model(record)
    before = trained.weights.clone()
    solved: list[float] = []
    original = EASE.solve
    monkeypatch.setattr(EASE, "solve", lambda self, rows: solved.append(self.config.l2) or original(self, rows))
    assert ease_refits.refit_ease(record, 33.0) is ease_refits.refit_ease(record, 33)
    assert ease_refits.refit_ease(record, trained.config.l2) is trained
    assert solved == [33.0]
    np.testing.assert_array_equal(trained.weights, before)
    loaded_models.clear()


def test_only_ease_has_a_penalty_and_it_is_in_range(here) -> None:
    ease, popularity = compare.start(compare.requests("toy", ["ease", "popularity"]))
    with pytest.raises(UsageError, match="only EASE has a ridge penalty"):
        ease_refits.refit_ease(service.find(popularity.id), 10)
    for l2 in (-1, float("nan"), 10**400, "20", True):
        with pytest.raises(UsageError, match="l2"):
            ease_refits.refit_ease(service.find(ease.id), l2)  # type: ignore[arg-type]


def test_a_changed_dataset_cannot_be_refitted(here, tmp_path) -> None:
    from recdash import paths

    (run,) = compare.start(compare.requests("toy", ["ease"]))
    record = service.find(run.id)
    ease_refits._training_rows.cache_clear()
    toy_dataset(users=100, seed=5).save(paths.data_dir() / "sets" / "toy")
    with pytest.raises(DataError, match="toy has changed since the run"):
        ease_refits.refit_ease(record, 12)
