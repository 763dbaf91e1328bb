"""Validation metrics of the last epoch, one query for many runs."""

from __future__ import annotations

import pytest

from recdash.runs.store import Store
from recdash.services import last_values
from tests.run_helpers import Runs, runs, store, toy

__all__ = ["runs", "store", "toy"]


def test_the_last_epoch_is_returned_and_not_the_best(runs: Runs, store: Store) -> None:
    first, second = runs.finished(best=2), runs.finished("multdae", epochs=3)
    found = last_values.last_values([store.run(first), store.run(second)])
    assert {run_id: last.epoch for run_id, last in found.items()} == {first: 5, second: 3}
    assert found[first].values["ndcg@100"] == pytest.approx(0.25)  # 0.2 + 5 / 100
    assert store.run(first).validation["ndcg@100"] == pytest.approx(0.22)


def test_an_epoch_without_validation_is_passed_over(runs: Runs, store: Store) -> None:
    run_id = runs.running(epochs=2)
    store.add_epoch(run_id, runs.me, epoch=3, update=30, seconds=2.0, values={"loss": 1.0})
    assert last_values.last_values([store.run(run_id)])[run_id].epoch == 2


def test_runs_without_epochs_are_left_out(runs: Runs, store: Store) -> None:
    run_id = runs.queued()
    assert last_values.last_values([store.run(run_id)]) == {} == last_values.last_values([])
