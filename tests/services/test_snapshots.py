"""Models of earlier epochs: they are those of the training, and the last position is the model of the run."""

from __future__ import annotations

import shutil
from collections.abc import Callable

import numpy as np
import pytest

from recdash.data.histories import Histories
from recdash.errors import CheckpointError, UsageError
from recdash.models import registry
from recdash.models.base import GradientModel, Model
from recdash.models.rating_model import RatingModel
from recdash.runs import queue, snapshots, worker
from recdash.runs.run_folder import RunFolder
from recdash.runs.run_records import Request, RunRecord
from recdash.runs.store import Store
from recdash.services.snapshots import load_snapshot, snapshot_epochs, snapshot_note
from tests.toy_data import random_histories

GRADIENT = [name for name in registry.names() if issubclass(registry.model_class(name), GradientModel)]
ASKED = {"epochs": 4, "patience": 9, "latent": 8, "batch_size": 40, "hidden": (8,), "hidden_width": 16}


@pytest.fixture
def train(toy: str, store: Store) -> Callable[..., RunRecord]:
    """Train a model on the toy data in this process."""

    def do(model: str) -> RunRecord:
        model_class = registry.model_class(model)
        fields = model_class.config_class.__dataclass_fields__
        settings = {name: value for name, value in ASKED.items() if name in fields}
        protocol = "ratings-90" if model_class.task == "rating" else "strong"
        request = Request(model=model, dataset=toy, protocol=protocol, settings=settings, name=model)
        (queued,) = queue.enqueue(store, [request])
        worker.main([queued.id, "--threads", "1"])
        return store.run(queued.id)

    return do


@pytest.fixture
def histories() -> Histories:
    """Histories of new users."""
    return random_histories(30, 45, np.random.default_rng(0))


def titles(model: Model) -> list[str]:
    return [one.title for one in model.recommend(["Film 3", "Film 6", "Film 9"], k=10)]


@pytest.mark.parametrize("model", GRADIENT)
def test_every_position_is_the_model_of_that_epoch(
    model: str, train, histories: Histories, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshots, "FREE_SECONDS", 600.0)
    live: dict[int, np.ndarray] = {}
    offer = snapshots.SnapshotWriter.offer

    def watch(writer: snapshots.SnapshotWriter, epoch: int, model: Model) -> None:
        offer(writer, epoch, model)
        live[epoch] = model.score(histories)

    monkeypatch.setattr(snapshots.SnapshotWriter, "offer", watch)
    run = train(model)
    epochs = snapshot_epochs(run)
    assert run.best_epoch is not None
    assert epochs == [*(epoch for epoch in (0, 1, 2, 3, 4) if epoch < run.best_epoch), run.best_epoch]
    for epoch in epochs:
        loaded = load_snapshot(run, epoch)
        scores = loaded.score(histories)
        spread = float(live[epoch].std())
        np.testing.assert_allclose(scores, live[epoch], rtol=5e-3, atol=5e-3 * spread)
        assert loaded.catalogue[0].title.startswith("Film") and loaded.popularity is not None
    best = registry.load(RunFolder(run.id).best)
    last = load_snapshot(run, epochs[-1])
    assert np.array_equal(last.score(histories), best.score(histories)) and titles(last) == titles(best)
    untrained = load_snapshot(run, 0)
    assert not np.allclose(untrained.score(histories), best.score(histories), rtol=1e-2)
    if isinstance(untrained, RatingModel) and isinstance(best, RatingModel):
        assert untrained.predict([0, 1], [2, 3]).shape == (2,), "the training ratings come from the best weights"


def test_training_ratings_are_not_stored_with_each_snapshot(train) -> None:
    run = train("deeprec")
    folder = RunFolder(run.id)
    tensors = snapshots.read(folder.snapshots, 0)
    assert tensors and not any(name.startswith("observed.") for name in tensors)


def test_a_snapshot_shares_what_the_weights_do_not_change_with_a_loaded_model(train, histories: Histories) -> None:
    run = train("autorec")
    best = registry.load(RunFolder(run.id).best)
    before = {name: tensor.clone() for name, tensor in best.tensors().items()}
    shared = load_snapshot(run, 0, best=best)
    assert isinstance(shared, RatingModel) and isinstance(best, RatingModel)
    assert shared.catalogue is best.catalogue and shared.training_ratings is best.training_ratings
    assert np.array_equal(shared.score(histories), load_snapshot(run, 0).score(histories))
    assert all(bool((tensor == before[name]).all()) for name, tensor in best.tensors().items()), "best is unchanged"


@pytest.mark.parametrize("model", ["ease", "popularity", "bias"])
def test_a_closed_form_has_no_positions(model: str, train) -> None:
    run = train(model)
    assert snapshot_epochs(run) == [] and snapshot_note(run) == ""


def test_a_run_of_an_early_version_and_one_without_weights_have_no_positions(train) -> None:
    run = train("multdae")
    folder = RunFolder(run.id)
    assert len(snapshot_epochs(run)) >= 2
    shutil.move(folder.snapshots, folder.path / "aside")
    assert snapshot_epochs(run) == []
    with pytest.raises(CheckpointError, match=r"no snapshot of epoch 0 \(there are: none\)"):
        load_snapshot(run, 0)
    shutil.move(folder.path / "aside", folder.snapshots)
    shutil.rmtree(folder.best)
    assert snapshot_epochs(run) == []
    with pytest.raises(CheckpointError, match="no checkpoint"):
        load_snapshot(run, 0)


def test_an_interrupted_run_ends_at_its_best_epoch_so_far(runs) -> None:
    run_id = runs.answering()
    run = runs.store.run(run_id)
    for name in ("000000", "000003", "000005", "000007"):
        (RunFolder(run_id).snapshots / name).mkdir(parents=True)
        (RunFolder(run_id).snapshots / name / "checkpoint.json").write_text("{}")
    assert run.best_epoch == 5 and snapshot_epochs(run) == [0, 3, 5]


def test_damaged_and_foreign_snapshots_are_errors_of_one_line(train) -> None:
    run, other = train("multdae"), train("multvae")
    folder = RunFolder(run.id).snapshots
    (weights,) = (folder / "000000").glob("*.safetensors")
    weights.write_bytes(b"")
    shutil.copytree(RunFolder(other.id).snapshots / "000000", folder / "000007")
    for epoch, words in ((0, "checksum"), (7, "does not fit the run's model"), (99, "no snapshot of epoch 99")):
        with pytest.raises(CheckpointError, match=words) as error:
            load_snapshot(run, epoch)
        assert "\n" not in str(error.value)
    with pytest.raises(UsageError, match="device"):
        load_snapshot(run, 0, "abacus")


def test_deleting_a_run_deletes_its_snapshots(train, store: Store) -> None:
    from recdash.services import runs as run_service

    run = train("multdae")
    assert RunFolder(run.id).snapshots.is_dir()
    run_service.delete(run.id)
    assert not RunFolder(run.id).path.exists()
