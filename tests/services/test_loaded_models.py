"""Loaded models are shared, loaded once, bounded in memory, dropped when unused, and never changed by use."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from hashlib import blake2b

import numpy as np
import pytest

from recdash.errors import CheckpointError
from recdash.models import registry
from recdash.models.base import Model
from recdash.models.data_shape import DataShape
from recdash.recommend.ranked_list import ListOptions
from recdash.recommend.taste import DISLIKE, Taste, TasteEntry
from recdash.services import compare, datasets, loaded_models, recommend
from recdash.services import runs as service
from recdash.services.loaded_models import LoadedModel, ModelCache, model_bytes

SIZE = 100  # items of a model, each with a count of 4 bytes


class Clock:
    """A clock that a test sets."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def cache(clock: Clock) -> Iterator[ModelCache]:
    made = ModelCache(max_bytes=3 * 4 * SIZE, idle_seconds=60, clock=clock)
    yield made
    made.clear()


def counted() -> LoadedModel:
    """A model of 400 bytes."""
    shape = DataShape(2, SIZE, 2)
    model = registry.build("popularity", registry.configure("popularity", shape), shape)
    model.solve(np.eye(2, SIZE))
    return LoadedModel(model)


def is_loaded(cache: ModelCache, key: str) -> bool:
    loads: list[int] = []

    def load() -> LoadedModel:
        loads.append(1)
        raise CheckpointError("not loaded")

    with suppress(CheckpointError):
        cache.get(key, load)
    return not loads


def test_a_model_is_loaded_once(cache: ModelCache) -> None:
    assert cache.get("a", counted) is cache.get("a", counted)
    assert model_bytes(counted().model) == 4 * SIZE == cache.size


def test_the_least_recently_used_model_is_dropped_when_memory_is_full(cache: ModelCache) -> None:
    for key in "abc":
        cache.get(key, counted)
    cache.get("a", counted)
    cache.get("d", counted)
    assert cache.size == cache.max_bytes
    assert [is_loaded(cache, key) for key in "abcd"] == [True, False, True, True]


def test_a_model_larger_than_the_bound_stays_alone(clock: Clock) -> None:
    cache = ModelCache(max_bytes=10, clock=clock)
    cache.get("a", counted)
    large = cache.get("b", counted)
    assert len(cache) == 1 and cache.get("b", counted) is large
    cache.clear()
    assert len(cache) == 0


def test_idle_models_are_dropped(cache: ModelCache, clock: Clock) -> None:
    cache.get("a", counted)
    clock.now = 50
    cache.get("b", counted)
    clock.now = 61
    cache.drop_idle()
    assert [is_loaded(cache, key) for key in "ab"] == [False, True]
    clock.now = 300
    cache.get("c", counted)
    assert len(cache) == 1, "a new model drops the idle ones too"


def test_idle_models_are_dropped_without_any_request() -> None:
    cache = ModelCache(max_bytes=10**6, idle_seconds=0.0)
    cache.get("a", counted)
    deadline = time.monotonic() + 20
    while len(cache) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert len(cache) == 0


def test_threads_that_want_the_same_model_at_once_load_it_once(cache: ModelCache) -> None:
    loads, together = [], threading.Barrier(20)

    def load() -> LoadedModel:
        loads.append(threading.get_ident())
        time.sleep(0.05)
        return counted()

    def ask(_: int) -> LoadedModel:
        together.wait()
        return cache.get("a", load)

    with ThreadPoolExecutor(20) as threads:
        found = list(threads.map(ask, range(20)))
    assert len(loads) == 1 and len({id(one.model) for one in found}) == 1


def test_an_error_of_loading_reaches_every_waiting_thread_and_the_next_request_tries_again(cache: ModelCache) -> None:
    together = threading.Barrier(8)

    def fail() -> LoadedModel:
        time.sleep(0.1)
        raise CheckpointError("damaged")

    def ask(_: int) -> str:
        together.wait()
        try:
            cache.get("a", fail)
        except CheckpointError as error:
            return str(error)
        return ""

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(ask, range(8))) == ["damaged"] * 8
    assert cache.get("a", counted).model.name == "popularity"


def checksum(model: Model) -> str:
    digest = blake2b()
    for name, tensor in sorted(model.tensors().items()):
        digest.update(name.encode() + tensor.cpu().numpy().tobytes())
    return digest.hexdigest()


@pytest.mark.slow
def test_twenty_visitors_with_different_tastes_see_their_own_lists_and_change_no_weights(here, small) -> None:
    names = ["ease", "itemknn", "multvae", "cdae"]
    compare.start(compare.requests("toy", names, settings={key: small[key] for key in ("epochs", "latent")}))
    items = datasets.load("toy").catalogue.items
    tastes = [
        Taste((TasteEntry(items[n]), TasteEntry(items[(n + 7) % 45]), TasteEntry(items[(n + 20) % 45], DISLIKE)))
        for n in range(20)
    ]
    options = ListOptions(k=8)

    def lists(taste: Taste) -> list[object]:
        answer = recommend.recommend("toy", taste=taste, options=options)
        assert answer.taste == taste
        return [(one.model, one.items) for one in answer.lists]

    alone = [lists(taste) for taste in tastes]
    loaded_models.clear()
    with ThreadPoolExecutor(20) as threads:
        together = list(threads.map(lists, tastes * 2))
    for visit, (taste, found) in enumerate(zip(tastes * 2, together, strict=True)):
        assert found == alone[visit % 20]
        mine = {item.id for item in taste.items}
        liked = {item.id for item in taste.liked}
        for _, ranked in found:
            assert not mine & {one.item.id for one in ranked}
            assert {reason.pick.id for one in ranked for reason in one.reasons} <= liked
    assert len(loaded_models._cache()) == len(names)
    runs = service.list_runs()
    used = {run.id: checksum(recommend.load_model(run)) for run in runs}
    loaded_models.clear()
    assert used == {run.id: checksum(recommend.load_model(run)) for run in runs}


def test_a_model_that_is_trained_again_is_loaded_again(here, small) -> None:
    (run,) = compare.start(compare.requests("toy", ["multvae"], settings=small))
    record = service.find(run.id)
    before = recommend.load_model(record)
    before.save(loaded_models.RunFolder(run.id).best)
    after = recommend.load_model(record)
    assert after is not before and checksum(after) == checksum(before)


def test_missing_weights_are_one_line_with_the_way_to_fix_it(runs: object) -> None:
    run_id = runs.finished()  # type: ignore[attr-defined]
    with pytest.raises(CheckpointError, match=r"weights of run .* are missing .*\. Train it again\.$"):
        loaded_models.load_model(service.find(run_id))


def test_made_models_share_the_bound(monkeypatch: pytest.MonkeyPatch, cache: ModelCache) -> None:
    monkeypatch.setattr(loaded_models, "_cache", lambda: cache)
    made: list[int] = []

    def make() -> LoadedModel:
        made.append(1)
        return counted()

    keys: list[Callable[[], LoadedModel]] = [lambda n=n: loaded_models.cached(("ease", n), make) for n in range(5)]
    for ask in keys:
        assert ask() is ask()
    assert len(made) == 5 and cache.size <= cache.max_bytes
