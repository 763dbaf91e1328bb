"""Trainings that happen here and at once, in place of processes: nothing waits for an import."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from recdash import places
from recdash.data import library
from recdash.errors import StoreError
from recdash.runs import queue, supervisor, worker
from recdash.runs.identity import kill_tree
from recdash.runs.store import Store
from recdash.services import access
from tests.toy import toy_dataset

SMALL = {"epochs": 3, "hidden": (), "latent": 8, "batch_size": 40}


@pytest.fixture(scope="session")
def demo_cache(tmp_path_factory) -> Path:
    """The demo, generated once for all tests here."""
    home = tmp_path_factory.mktemp("demo")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RECDASH_DATA_DIR", str(home))
        library.available()
    return home / "cache"


@pytest.fixture
def toy(demo_cache: Path) -> Iterator[str]:
    """The name of a data set with 240 users and 45 items; a supervisor that a test started ends with it."""
    places.data_dir().mkdir(parents=True)
    (places.data_dir() / "cache").symlink_to(demo_cache)
    toy_dataset().save(places.data_dir() / "sets" / "toy")
    yield "toy"
    with suppress(StoreError):
        who = supervisor.holder(access.open_store())
        if who is not None:
            kill_tree(who.pid)
    access._store.cache_clear()


@pytest.fixture
def small() -> dict[str, object]:
    """Settings with which Mult-VAE trains in a moment."""
    return dict(SMALL)


@pytest.fixture
def here(toy: str, monkeypatch) -> Iterator[list[str]]:
    """Whoever asks for a supervisor finds the queue worked off when the call returns; the ids trained are listed."""
    trained: list[str] = []

    def work_off(store: Store) -> bool:
        for run in queue.next_queued(store):
            trained.append(run.id)
            worker.main([run.id, "--threads", "1"])
        return True

    monkeypatch.setattr(supervisor, "ensure", work_off)
    yield trained


@pytest.fixture
def waiting(toy: str, monkeypatch) -> list[str]:
    """Nobody works: what is queued stays queued; the calls for a supervisor are counted."""
    calls: list[str] = []
    monkeypatch.setattr(supervisor, "ensure", lambda store: bool(calls.append("asked")) or True)
    return calls
