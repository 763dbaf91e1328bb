"""Maps of trained runs: computed once, stored when slow, the same at the next visit, and never another run's."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from recdash.data.items import Item
from recdash.errors import CheckpointError, UsageError
from recdash.models import registry
from recdash.recommend import item_map as layout
from recdash.runs.run_folder import RunFolder
from recdash.services import compare, loaded_models
from recdash.services import item_map as maps
from recdash.services import runs as service


@pytest.fixture(autouse=True)
def no_maps() -> None:
    maps._MAPS.clear()
    loaded_models.clear()


@pytest.fixture
def computed(monkeypatch) -> list[str]:
    """Lists the methods of the maps that were computed."""
    calls: list[str] = []

    def project(vectors, popularity, *, method):
        calls.append(method)
        return layout.project(vectors, popularity, method="pca")

    monkeypatch.setattr(maps, "layout", type("Layout", (), {"project": staticmethod(project), "VERSION": 1}))
    return calls


def trained(model: str = "ease", **settings: object):
    (run,) = compare.start(compare.requests("toy", [model], settings=settings))
    return service.find(run.id)


def test_a_map_lists_the_items_most_popular_first(here, computed) -> None:
    run = trained()
    found = maps.item_map(run)
    model = loaded_models.load_model(run)
    assert len(found) == len(set(found.ids)) == int((model.popularity > 0).sum())
    assert (np.diff(found.popularity) <= 0).all()
    index = model.catalogue.index_of[found.ids[4]]
    assert found.titles[4] == model.catalogue[index].title and found.years[4] == model.catalogue[index].year
    expected = layout.project(model.item_vectors(), model.popularity)[index]
    assert (found.x[4], found.y[4]) == tuple(expected)
    with pytest.raises(ValueError, match="read-only"):
        found.x[0] = 0


def test_a_map_is_computed_once_also_for_visitors_at_the_same_time(here, computed) -> None:
    run = trained()
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: maps.item_map(run), range(16)))
    assert computed == ["pca"] and all(one is found[0] for one in found)


def test_a_slow_map_is_stored_and_read_back_in_the_next_process(here, computed, monkeypatch) -> None:
    run = trained()
    stored = RunFolder(run.id).path / "maps" / "pca.npz"
    first = maps.item_map(run)
    assert not stored.exists()
    monkeypatch.setattr(maps, "_STORE_AFTER_S", -1.0)
    maps._MAPS.clear()
    maps.item_map(run)
    assert stored.is_file() and len(computed) == 2
    maps._MAPS.clear()
    again = maps.item_map(run)
    assert len(computed) == 2  # read, not computed
    np.testing.assert_array_equal(again.x, first.x)
    assert again.ids == first.ids


@pytest.mark.parametrize("damage", ["empty", "text", "of other weights", "of other items", "beyond the square"])
def test_a_stored_map_that_does_not_fit_is_computed_again(here, computed, monkeypatch, damage: str) -> None:
    monkeypatch.setattr(maps, "_STORE_AFTER_S", -1.0)
    run = trained()
    first = maps.item_map(run)
    path = RunFolder(run.id).path / "maps" / "pca.npz"
    with np.load(path) as file:
        parts = dict(file)
    if damage == "empty":
        path.write_bytes(b"")
    elif damage == "text":
        path.write_bytes(b"not a zip file")
    elif damage == "of other weights":
        np.savez(path, **parts | {"weights": np.array("0" * 32)})
    elif damage == "of other items":
        np.savez(path, **parts | {"positions": parts["positions"][1:]})
    else:
        np.savez(path, **parts | {"positions": parts["positions"] + np.float32(5)})
    maps._MAPS.clear()
    np.testing.assert_array_equal(maps.item_map(run).x, first.x)
    assert len(computed) == 2


def test_nothing_is_written_in_read_only_mode(here, computed, monkeypatch) -> None:
    run = trained()
    monkeypatch.setattr(maps, "_STORE_AFTER_S", -1.0)
    monkeypatch.setenv("RECDASH_READ_ONLY", "1")
    assert len(maps.item_map(run)) and not (RunFolder(run.id).path / "maps").exists()


def test_memory_holds_a_bounded_number_of_maps(here, computed, monkeypatch) -> None:
    monkeypatch.setattr(maps, "_MAX_MAPS", 1)
    one, other = trained(), trained("itemknn")
    maps.item_map(one), maps.item_map(other)
    assert [key[0] for key in maps._MAPS] == [other.id]


def test_a_model_without_vectors_has_an_empty_map_with_a_reason(here) -> None:
    found = maps.item_map(trained("popularity"))
    assert len(found) == 0 and "Popularity has no item vectors" in found.note


def test_an_unavailable_method_and_missing_weights_are_refused(here, monkeypatch) -> None:
    run = trained()
    monkeypatch.setattr(maps, "available_methods", lambda: ("pca",))
    with pytest.raises(UsageError, match="umap"):
        maps.item_map(run, "umap")
    (RunFolder(run.id).best / "checkpoint.json").unlink()
    with pytest.raises(CheckpointError):
        maps.item_map(run)


def test_the_map_of_a_model_without_a_run_is_cached_with_it(toy, computed) -> None:
    from recdash.recommend import ease_fallback
    from tests.toy_data import toy_dataset

    model = ease_fallback.fit_ease(toy_dataset())[0]
    assert maps.item_map_of_model(model) is maps.item_map_of_model(model) and computed == ["pca"]
    assert isinstance(model.catalogue[0], Item) and registry.names()
