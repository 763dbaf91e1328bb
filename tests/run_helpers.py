"""Trainings in the test process, without a supervisor and worker processes, so that no test waits for imports."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from recdash import paths
from recdash.errors import StoreError
from recdash.runs import queue, supervisor, worker
from recdash.runs.process_id import ProcessId, kill_tree
from recdash.runs.run_folder import RunFolder
from recdash.runs.run_records import Request
from recdash.runs.states import State
from recdash.runs.store import Store
from recdash.services import store_access
from recdash.training import fit
from tests.toy_data import toy_split

TITLES = {"multvae": "Mult-VAE", "multdae": "Mult-DAE", "ease": "EASE", "popularity": "Popularity"}
SMALL = {"epochs": 3, "hidden": (), "latent": 8, "batch_size": 40}


@pytest.fixture
def toy(demo_cache: Path, toy_folder: Path) -> Iterator[str]:
    """Name of a dataset with 240 users and 45 items. A supervisor started by the test ends with it."""
    paths.data_dir().mkdir(parents=True)
    (paths.data_dir() / "cache").symlink_to(demo_cache)
    shutil.copytree(toy_folder, paths.data_dir() / "sets" / "toy")
    yield "toy"
    with suppress(StoreError):
        who = supervisor.running_supervisor(store_access.open_store())
        if who is not None:
            kill_tree(who.pid)
    store_access._store.cache_clear()


@pytest.fixture
def small() -> dict[str, object]:
    """Settings with which Mult-VAE trains in a fraction of a second."""
    return dict(SMALL)


@pytest.fixture
def here(toy: str, monkeypatch) -> Iterator[list[str]]:
    """Train queued runs in this process when a supervisor is requested; lists the ids of the trained runs."""
    trained: list[str] = []

    def train_queue(store: Store) -> bool:
        for run in queue.queued_runs(store):
            trained.append(run.id)
            worker.main([run.id, "--threads", "1"])
        return True

    monkeypatch.setattr(supervisor, "ensure_running", train_queue)
    yield trained


@pytest.fixture
def waiting(toy: str, monkeypatch) -> list[str]:
    """Queued runs stay queued; lists the requests for a supervisor."""
    calls: list[str] = []
    monkeypatch.setattr(supervisor, "ensure_running", lambda store: bool(calls.append("asked")) or True)
    return calls


@pytest.fixture
def store(toy: str) -> Store:
    """The store of this test."""
    return Store(paths.store_url())


class Runs:
    """Writes runs in any state, as a worker would."""

    def __init__(self, store: Store) -> None:
        self.store, self.me = store, ProcessId.mine()

    def queued(self, model: str = "multvae", **request: Any) -> str:
        """A queued run."""
        usual = {"model": model, "dataset": "toy", "epochs": 5, "name": f"{TITLES.get(model, model)} on toy"}
        asked = Request(**{**usual, **request})
        return queue.enqueue(self.store, [asked])[0].id

    def running(
        self,
        model: str = "multvae",
        epochs: int = 3,
        *,
        best: int | None = None,
        split: str = "f00d",
        unstable: int | None = None,
        recorded: bool = True,
        **request: Any,
    ) -> str:
        """A running run of this process after some epochs.

        Args:
            model: Name of the model.
            epochs: Completed epochs.
            best: Best epoch; by default the last.
            split: Fingerprint of the split.
            unstable: First epoch whose loss is a hundred times that of the first.
            recorded: Whether `unstable` is part of the record; version 0.1 did not record it.
            **request: Fields of the request.
        """
        run_id = self.queued(model, **request)
        queue.claim(self.store, run_id, self.me, 1)
        facts = {"split": {"train_users": 200, "test_users": 20, "items": 45, "positive_from": 4.0}}
        config = {"epochs": 5, "beta_cap": 0.2, "hidden": [600]}
        self.store.update_run(run_id, self.me, config=config, epochs=5, split_fingerprint=split, details=facts)
        for epoch in range(1, epochs + 1):
            scale = 100 * epoch if unstable is not None and epoch >= unstable else 1
            values = {"loss": 9 / epoch * scale, "reconstruction": 8 / epoch * scale, "kl": epoch / 4}
            values |= {"beta": 0.04 * epoch}
            quality = {"ndcg@100": 0.2 + epoch / 100, "recall@20": 0.1 + epoch / 100}
            better: dict[str, Any] = {"best_epoch": epoch, "best_value": quality["ndcg@100"], "validation": quality}
            self.store.add_epoch(
                run_id, self.me, epoch=epoch, update=epoch * 10, seconds=epoch * 0.5, values=values | quality,
                **(better if best is None or epoch <= best else {}),
            )  # fmt: skip
        if unstable is not None and recorded:
            self.store.update_run(run_id, self.me, details={"unstable_epoch": unstable})
        return run_id

    def finished(self, model: str = "multvae", ndcg: float = 0.3, epochs: int = 5, **request: Any) -> str:
        """A finished run with results."""
        run_id = self.running(model, epochs, **request)
        metrics = {"ndcg@100": ndcg, "recall@20": ndcg - 0.1, "precision@100": ndcg / 10, "coverage@100": 0.5}
        spans = {name: (mean - 0.01, mean + 0.01) for name, mean in metrics.items() if name != "coverage@100"}
        details = {"epochs_run": epochs, "n_scored": 20, "parameters": 1234, "device": "cpu"}
        self.store.end_run(
            run_id, self.me, State.FINISHED, metrics=metrics, intervals=spans, runtime_s=2.5, details=details,
        )  # fmt: skip
        return run_id

    def answering(self, model: str = "multvae", **request: Any) -> str:
        """A finished run with weights (of popularity), so that it can recommend."""
        run_id = self.finished(model, **request)
        fit("popularity", toy_split()).save(RunFolder(run_id).best)
        return run_id

    def failed(self, error: str, **request: Any) -> str:
        """A failed run."""
        run_id = self.running(**request)
        self.store.end_run(run_id, self.me, State.FAILED, error)
        return run_id

    def stopped(self, **request: Any) -> str:
        """A stopped run."""
        run_id = self.running(**request)
        self.store.end_run(run_id, self.me, State.STOPPED)
        return run_id

    def interrupted(self, **request: Any) -> str:
        """A run whose process is dead."""
        run_id = self.queued(**request)
        queue.claim(self.store, run_id, ProcessId(self.me.host, 2**22 - 3, 1.0), 1)
        return run_id


@pytest.fixture
def runs(store: Store) -> Runs:
    """Write runs into the store of this test."""
    return Runs(store)
