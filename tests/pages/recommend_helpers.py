"""For tests of the Recommend page: films and models trained on them once, and a stand-in for its own components.

The titles of some films would change if they were read as Markdown or HTML.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from recdash import paths
from recdash.data.dataset import Dataset
from recdash.data.items import Item
from recdash.runs import queue, supervisor, worker
from recdash.services import launch, store_access, training_requests
from recdash.ui.components import component
from tests.run_helpers import SMALL
from tests.toy_data import toy_dataset

FILMS = "film-nights"
TRICKY = {
    "4": "M*A*S*H",
    "5": "<b>Bold</b>",
    "7": "$1,000,000 Duck",
    "8": "[x](javascript:1)",
    "10": ":tada: _a_ `b`",
    "13": "<img src=x onerror=alert(1)>",
}
TWINS = {"31": "The Twin", "33": "The Twin"}
GENRES = ("Drama", "Comedy", "Sci-Fi", "<i>Odd</i>")
MODELS = ("popularity", "ease", "multdae", "multvae", "recvae")
DEFAULT = ("ease", "multdae", "multvae", "recvae")
COMPONENTS = ("title_search", "item_tiles", "taste_bar", "ranked_lists.lists", "ranked_lists.merged")


def films() -> Dataset:
    """The toy data as films from 1951 to 1995."""
    made = toy_dataset()
    known = {}
    for item in made.catalogue.items:
        number = int(item.id)
        genres = (GENRES[number % 3], *((GENRES[3],) if number % 5 == 0 else ()))
        known[item.id] = Item(item.id, {**TRICKY, **TWINS}.get(item.id, item.title), 1950 + number, genres)
    ids = np.array([int(item.id) for item in made.catalogue.items])[made.items]
    return Dataset.build(
        FILMS,
        users=made.users,
        items=ids,
        ratings=made.ratings,
        times=None,
        items_by_id=known,
        scale=made.scale,
        source="toy",
    )


@pytest.fixture(scope="session")
def trained_folder(demo_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the data and the runs of five models; tests work on copies."""
    home = tmp_path_factory.mktemp("films")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RECDASH_DATA_DIR", str(home / "data"))
        patch.setenv("RECDASH_CHECKPOINT_DIR", str(home / "checkpoints"))
        patch.setattr(supervisor, "ensure_running", lambda store: True)
        (home / "data").mkdir()
        (home / "data" / "cache").symlink_to(demo_cache)
        films().save(paths.data_dir() / "sets" / FILMS)
        launch.train(training_requests.build_requests(MODELS, FILMS, settings=SMALL))
        for run in queue.queued_runs(store_access.open_store()):
            worker.main([run.id, "--threads", "1"])
        store_access._store.cache_clear()
    return home


@pytest.fixture
def trained(trained_folder: Path, own_folders: Path) -> Iterator[dict[str, str]]:
    """The films with five trained models, in folders of this test; the ids of the runs by model."""
    shutil.copytree(trained_folder / "data", paths.data_dir(), symlinks=True)
    shutil.copytree(trained_folder / "checkpoints", paths.checkpoint_dir())
    yield {run.model: run.id for run in store_access.open_store().runs()}
    store_access._store.cache_clear()


@pytest.fixture
def components(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw the page's own components as text fields, since there is no JavaScript here: see `drawn` and `act`."""
    monkeypatch.setattr(component, "mount", _mount_text_field)
    monkeypatch.setattr(component, "query", lambda key: str(st.session_state.get(f"query.{key}") or ""))


def _mount_text_field(
    name: str, key: str, data: Mapping[str, Any], on_action: Callable[..., None], *, reruns_page: bool = False
) -> None:
    """Stand in for `component.mount`: keep the data, and take actions as JSON from a text field."""

    def handle() -> None:
        on_action(json.loads(st.session_state[f"action.{key}"]))
        if reruns_page:
            st.rerun()

    st.session_state.setdefault("_drawn", {})[key] = json.loads(json.dumps(dict(data), allow_nan=False))
    st.text_input("Action", key=f"action.{key}", on_change=handle)
    if name == "title_search":
        st.text_input("Query", key=f"query.{key}")


def drawn(tab: AppTest, key: str) -> dict[str, Any]:
    """What a component on the page shows; raises KeyError if the last run did not draw it."""
    tab.text_input(key=f"action.{key}")
    data: dict[str, Any] = tab.session_state["_drawn"][key]
    return data


def is_drawn(tab: AppTest, key: str) -> bool:
    """Whether the last run drew a component."""
    return any(field.key == f"action.{key}" for field in tab.text_input)


def act(tab: AppTest, key: str, kind: str, **values: Any) -> AppTest:
    """Do in a component what a click does, and run the page."""
    field = tab.text_input(key=f"action.{key}")
    number = json.loads(field.value)["number"] + 1 if field.value else 1
    return field.set_value(json.dumps({"kind": kind, **values, "number": number})).run()


def open_tab(dataset: str = FILMS, page: str = "recommend", **address: Any) -> AppTest:
    """Open a page at once in a new tab; unlike `open_page` without the Overview before it."""
    tab = AppTest.from_file(str(paths.RESOURCES / "app.py"), default_timeout=60)
    for name, value in {"dataset": dataset, **address}.items():
        tab.query_params[name] = value
    return checked(tab.switch_page(f"pages/{page}.py").run())


def checked(tab: AppTest) -> AppTest:
    """The same tab, unless its page shows an error."""
    assert not tab.exception, tab.exception
    assert not tab.error, [error.value for error in tab.error]
    return tab


def view(tab: AppTest) -> dict[str, Any]:
    """What all components show, apart from what only this session knows: the last message, undo and redo."""
    own = ("message", "canUndo", "canRedo")
    return {
        key: {name: value for name, value in drawn(tab, key).items() if name not in own}
        for key in COMPONENTS
        if is_drawn(tab, key)
    }


def picks(tab: AppTest) -> list[tuple[str, str]]:
    """Item ids and marks in the bar of picks; empty without a bar."""
    return (
        [(one["id"], one["mark"]) for one in drawn(tab, "taste_bar")["entries"]] if is_drawn(tab, "taste_bar") else []
    )


def lists(tab: AppTest, key: str = "lists") -> dict[str, list[str]]:
    """Item ids of each list by its key."""
    return {one["key"]: [item["id"] for item in one["items"]] for one in drawn(tab, f"ranked_lists.{key}")["lists"]}


def parameters(tab: AppTest) -> dict[str, Any]:
    """The parameters in the address."""
    return {name: value if len(value) != 1 else value[0] for name, value in all_parameters(tab).items()}


def all_parameters(tab: AppTest) -> dict[str, list[str]]:
    """The parameters in the address, each as a list."""
    values = {name: tab.query_params[name] for name in tab.query_params}
    return {name: value if isinstance(value, list) else [value] for name, value in values.items()}


def markdown(tab: AppTest) -> list[str]:
    """Every text on the page that Streamlit renders as Markdown: bodies, labels, helps, titles of dialogs."""
    found: list[str] = []

    def read(message: Any) -> None:
        for field, value in message.ListFields():
            if field.type == field.TYPE_MESSAGE:
                for one in value if field.is_repeated else [value]:
                    if hasattr(one, "ListFields"):
                        read(one)
            elif field.name in ("body", "label", "help", "title", "content") and isinstance(value, str):
                found.append(value)

    def walk(node: Any) -> None:
        if getattr(node, "proto", None) is not None:
            read(node.proto)
        for child in getattr(node, "children", {}).values():
            walk(child)

    walk(tab._tree)
    return found
