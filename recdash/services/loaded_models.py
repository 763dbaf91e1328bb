"""Loaded models, shared by all visitors: bounded in memory, dropped when unused, never changed."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from recdash import devices
from recdash.errors import CheckpointError
from recdash.models import registry
from recdash.runs.run_folder import RunFolder
from recdash.runs.run_records import RunRecord
from recdash.services import snapshots

if TYPE_CHECKING:
    import torch

    from recdash.models.base import Model

MIN_CACHE_BYTES, MAX_CACHE_BYTES = 1 << 30, 4 << 30
MEMORY_SHARE = 0.25  # of the memory that is available when the first model is loaded
IDLE_SECONDS = 600.0
BYTES_PER_ITEM = 700  # of a catalogue: measured on MovieLens-1M with its titles, genres and index


class LoadedModel(NamedTuple):
    """A model, with a note if it could not be moved to the requested device."""

    model: Model
    note: str = ""


@dataclass
class _Entry:
    """A cached model; `used` is the time of its last use, on the monotonic clock."""

    loaded: LoadedModel
    size: int
    used: float


class ModelCache:
    """Models by key, shared between threads.

    Of several threads that ask for a missing model one loads it and the others wait. The least recently used models
    are dropped when all together exceed the bound, and each after some time without use. The model used last always
    stays, even if it alone exceeds the bound. Callers must not change a model; those that hold a dropped one can go on
    using it.

    Args:
        max_bytes: Bound of all models together.
        idle_seconds: Time without use after which a model is dropped.
        clock: Monotonic clock in seconds.
    """

    def __init__(
        self, max_bytes: int, idle_seconds: float = IDLE_SECONDS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.max_bytes, self.idle_seconds, self._clock = max_bytes, idle_seconds, clock
        self._lock = threading.Lock()
        self._entries: OrderedDict[Hashable, _Entry] = OrderedDict()  # least recently used first
        self._loading: dict[Hashable, Future[LoadedModel]] = {}
        self._timer: threading.Timer | None = None

    def get(self, key: Hashable, load: Callable[[], LoadedModel]) -> LoadedModel:
        """Return the model of a key, loaded on first use. An error of `load` reaches every waiting thread."""
        with self._lock:
            if (entry := self._entries.get(key)) is not None:
                entry.used = self._clock()
                self._entries.move_to_end(key)
                return entry.loaded
            waiting = self._loading.get(key)
            if waiting is None:
                mine = self._loading[key] = Future[LoadedModel]()
        if waiting is not None:
            return waiting.result()
        try:
            loaded = load()
            size = model_bytes(loaded.model)
        except BaseException as error:
            with self._lock:
                del self._loading[key]
            mine.set_exception(error)
            raise
        with self._lock:
            self._entries[key] = _Entry(loaded, size, self._clock())
            del self._loading[key]
            self._drop_idle()
            while self._total() > self.max_bytes and len(self._entries) > 1:
                self._entries.popitem(last=False)
            self._start_timer()
        mine.set_result(loaded)
        return loaded

    @property
    def size(self) -> int:
        """Bytes of all cached models."""
        with self._lock:
            return self._total()

    def __len__(self) -> int:
        return len(self._entries)

    def drop_idle(self) -> None:
        """Drop models that were not used for `idle_seconds`."""
        with self._lock:
            self._drop_idle()
            self._start_timer()

    def clear(self) -> None:
        """Drop all models."""
        with self._lock:
            self._entries.clear()
            self._start_timer()

    def _total(self) -> int:
        return sum(entry.size for entry in self._entries.values())

    def _drop_idle(self) -> None:
        oldest = self._clock() - self.idle_seconds
        for key in [key for key, entry in self._entries.items() if entry.used < oldest]:
            del self._entries[key]

    def _start_timer(self) -> None:
        """Make sure that a timer drops the remaining models even if nobody asks for one any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._entries:
            oldest = min(entry.used for entry in self._entries.values())
            pause = max(1.0, oldest + self.idle_seconds - self._clock() + 1.0)
            self._timer = threading.Timer(pause, self.drop_idle)
            self._timer.daemon = True
            self._timer.start()


def model_bytes(model: Model) -> int:
    """Return the memory of a model in bytes: its tensors, and about what its catalogue takes."""
    tensors = sum(tensor.numel() * tensor.element_size() for tensor in model.tensors().values())
    return tensors + BYTES_PER_ITEM * len(model.catalogue)


def load_model(run: RunRecord, device: str = "cpu", epoch: int | None = None) -> Model:
    """Return the trained model of a run, see `load`. It is shared, so callers must not change it."""
    return load(run, devices.choose(device), epoch).model


def load(run: RunRecord, device: torch.device, epoch: int | None = None) -> LoadedModel:
    """Return the trained model of a run, or its snapshot after an epoch.

    Args:
        run: The run.
        device: Device of the model; if its memory is full, the model stays on the CPU and the note says so.
        epoch: Epoch of a snapshot (`recdash.services.snapshots`), 0 for the untrained model. The best epoch, and None,
            are the run's saved model.

    Raises:
        CheckpointError: The weights are missing or damaged.
    """
    folder = RunFolder(run.id).best
    try:
        modified = (folder / "checkpoint.json").stat().st_mtime_ns
    except OSError as error:
        raise CheckpointError(f"The weights of run {run.id} are missing ({folder}). Train it again.") from error
    if epoch is None or epoch == run.best_epoch:
        return _cache().get((str(folder), modified, str(device)), lambda: _load_best(str(folder), device))
    key = (str(folder), modified, str(device), epoch)
    return _cache().get(key, lambda: _load_snapshot(run, epoch, device))


def cached(key: Hashable, make: Callable[[], LoadedModel]) -> LoadedModel:
    """Return a model that belongs to no saved run, such as EASE with another penalty; made on first use."""
    return _cache().get(("made", key), make)


def clear() -> None:
    """Drop all loaded models."""
    _cache().clear()


def _load_best(folder: str, device: torch.device) -> LoadedModel:
    model = registry.load(folder)
    return LoadedModel(model, registry.move(model, device))


def _load_snapshot(run: RunRecord, epoch: int, device: torch.device) -> LoadedModel:
    model = snapshots.load_snapshot(run, epoch, best=load(run, devices.choose("cpu")).model)
    return LoadedModel(model, registry.move(model, device))


@cache
def _cache() -> ModelCache:
    """Return the cache of this process."""
    available = devices.available_bytes(devices.choose("cpu"))
    share = MIN_CACHE_BYTES if available is None else int(MEMORY_SHARE * available)
    return ModelCache(min(MAX_CACHE_BYTES, max(MIN_CACHE_BYTES, share)))
