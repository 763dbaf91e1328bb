"""The preset of a run is that of its training data, not of the whole dataset."""

from __future__ import annotations

from recdash.models import registry
from recdash.models.data_shape import DataShape
from recdash.runs.store import Store, write_run
from recdash.services.preset_values import preset_values
from tests.run_helpers import Runs, runs, store, toy

__all__ = ["runs", "store", "toy"]


def test_the_preset_is_that_of_the_training_data(runs: Runs, store: Store) -> None:
    run_id = runs.finished("multvae")
    assert preset_values(store.run(run_id)) == {}, "a run of an earlier version recorded no sizes"
    sizes = {"users": 4534, "items": 3483, "interactions": 435_180}
    with store.database.write() as connection:
        write_run(connection, run_id, details={**store.run(run_id).details, **sizes})
    found = preset_values(store.run(run_id))
    assert found == registry.configure("multvae", DataShape(4534, 3483, 435_180), "auto").to_dict()
    assert (
        found["batch_size"] != registry.configure("multvae", DataShape(240, 45, 5198), "auto").to_dict()["batch_size"]
    )
