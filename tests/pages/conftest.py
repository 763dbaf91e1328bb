"""Pages without a browser and without training: runs are written into a store of the test's own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from recdash import places
from recdash.runs import queue
from recdash.runs.identity import Identity
from recdash.runs.records import Request
from recdash.runs.states import State
from recdash.runs.store import Store
from tests.running import demo_cache, here, small, toy, waiting

__all__ = ["demo_cache", "here", "small", "toy", "waiting"]

ROOT = Path(__file__).resolve().parent.parent.parent
PAGES = ("overview", "train", "curves", "results", "published", "recommend", "data")
TITLES = {"multvae": "Mult-VAE", "multdae": "Mult-DAE", "ease": "EASE", "popularity": "Popularity"}
Open = Callable[..., AppTest]


@pytest.fixture(autouse=True)
def fresh_caches() -> None:
    """Nothing that another test's store said is remembered."""
    import streamlit as st

    st.cache_data.clear()
    st.cache_resource.clear()


@pytest.fixture
def open_page(toy: str) -> Open:
    """Open a page in a tab of its own, inside the app's frame."""

    def open_it(page: str, **address: Any) -> AppTest:
        tab = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60).run()
        for name, value in address.items():
            tab.query_params[name] = value
        return tab if page == "overview" else tab.switch_page(f"pages/{page}.py").run()

    return open_it


@pytest.fixture
def store(toy: str) -> Store:
    """The store of this test."""
    return Store(places.store_url())


class Runs:
    """Writes runs in any state, as a worker would."""

    def __init__(self, store: Store) -> None:
        self.store, self.me = store, Identity.mine()

    def queued(self, model: str = "multvae", **request: Any) -> str:
        """Ask for a run; nobody takes it."""
        asked = Request(model=model, dataset="toy", epochs=5, **{"name": f"{TITLES[model]} on toy", **request})
        return queue.enqueue(self.store, [asked])[0].id

    def running(self, model: str = "multvae", epochs: int = 3, **request: Any) -> str:
        """A run of this very process, some epochs in."""
        run_id = self.queued(model, **request)
        queue.claim(self.store, run_id, self.me, 1)
        facts = {"split": {"train_users": 200, "test_users": 20, "items": 45, "positive_from": 4.0}}
        config = {"epochs": 5, "beta_cap": 0.2, "hidden": [600]}
        self.store.describe(run_id, self.me, config=config, epochs=5, split_fingerprint="f00d", details=facts)
        for epoch in range(1, epochs + 1):
            values = {"loss": 9 / epoch, "reconstruction": 8 / epoch, "kl": epoch / 4, "beta": 0.04 * epoch}
            quality = {"ndcg@100": 0.2 + epoch / 100, "recall@20": 0.1 + epoch / 100}
            self.store.add_epoch(
                run_id, self.me, epoch=epoch, update=epoch * 10, seconds=epoch * 0.5, values=values | quality,
                best_epoch=epoch, best_value=quality["ndcg@100"], validation=quality,
            )  # fmt: skip
        return run_id

    def finished(self, model: str = "multvae", ndcg: float = 0.3, epochs: int = 5, **request: Any) -> str:
        """A run with results."""
        run_id = self.running(model, epochs, **request)
        metrics = {"ndcg@100": ndcg, "recall@20": ndcg - 0.1, "precision@100": ndcg / 10, "coverage@100": 0.5}
        spans = {name: (mean - 0.01, mean + 0.01) for name, mean in metrics.items() if name != "coverage@100"}
        details = {"epochs_run": epochs, "n_scored": 20, "parameters": 1234, "device": "cpu"}
        self.store.settle(
            run_id, self.me, State.FINISHED, metrics=metrics, intervals=spans, runtime_s=2.5, details=details,
        )  # fmt: skip
        return run_id

    def failed(self, error: str, **request: Any) -> str:
        """A run that ended with an error."""
        run_id = self.running(**request)
        self.store.settle(run_id, self.me, State.FAILED, error)
        return run_id

    def stopped(self, **request: Any) -> str:
        """A run that somebody stopped."""
        run_id = self.running(**request)
        self.store.settle(run_id, self.me, State.STOPPED)
        return run_id

    def interrupted(self, **request: Any) -> str:
        """A run whose process is dead."""
        run_id = self.queued(**request)
        queue.claim(self.store, run_id, Identity(self.me.host, 2**22 - 3, 1.0), 1)
        return run_id


@pytest.fixture
def runs(store: Store) -> Runs:
    """Write runs into the store of this test."""
    return Runs(store)


def said(tab: AppTest) -> str:
    """Everything that a page says in words."""
    kinds = (tab.title, tab.subheader, tab.markdown, tab.caption, tab.info, tab.error, tab.success, tab.warning)
    return "\n".join(str(element.value) for kind in kinds for element in kind)


def table_with(tab: AppTest, column: str) -> pd.DataFrame:
    """The first table that has a column."""
    found: pd.DataFrame = next(frame.value for frame in tab.dataframe if column in frame.value.columns)
    return found


def labels(tab: AppTest) -> list[str]:
    """The labels of all buttons."""
    return [button.label for button in tab.button]
