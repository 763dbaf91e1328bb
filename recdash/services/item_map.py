"""Maps of the items of trained models, computed once and the same at every visit."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from recdash import environment
from recdash.atomic_files import atomic_writer, wrap_read_errors
from recdash.errors import CheckpointError, UsageError
from recdash.models import checkpoint_io
from recdash.models.base import Model
from recdash.recommend import item_map as layout
from recdash.recommend.item_map import Method, available_methods
from recdash.reporting.genre_colours import primary_genre
from recdash.runs.run_folder import RunFolder
from recdash.runs.run_records import RunRecord
from recdash.services.loaded_models import load_model

__all__ = ["ItemMap", "available_methods", "item_map", "item_map_of_model"]

_MAX_MAPS = 12  # in memory; a map of 20,000 items takes about 2 MB
_STORE_AFTER_S = 1.0  # slower maps are stored next to the run's weights
_FOLDER = "maps"  # in the folder of the run
_MAPS: OrderedDict[tuple[str, str, Method], ItemMap] = OrderedDict()
_MAPS_OF_MODELS: WeakKeyDictionary[Model, dict[Method, ItemMap]] = WeakKeyDictionary()
_LOCK = threading.Lock()
_COMPUTING = [threading.Lock() for _ in range(8)]  # by hash of the key, so that a map is computed once at a time


@dataclass(frozen=True, eq=False)
class ItemMap:
    """Items on a map, most popular first; items without training interactions are left out.

    Attributes:
        ids: Item ids.
        x: (points,) float32 within [-1, 1].
        y: (points,) float32 within [-1, 1].
        titles: Titles.
        years: Years, None where unknown.
        genres: Primary genre of each item: the first that the dataset lists, "" without any.
        popularity: (points,) training interactions.
        method: "pca" or "umap".
        note: What kept the map from being drawn, or an empty text.
    """

    ids: tuple[str, ...]
    x: NDArray[np.float32]
    y: NDArray[np.float32]
    titles: tuple[str, ...]
    years: tuple[int | None, ...]
    genres: tuple[str, ...]
    popularity: NDArray[np.int64]
    method: Method = "pca"
    note: str = ""

    def __len__(self) -> int:
        return len(self.ids)


def item_map(run: RunRecord, method: Method = "pca") -> ItemMap:
    """Return the map of a run's items; without item vectors (Popularity, Random, Bias) it is empty, with a note.

    The last few maps stay in memory. One that takes more than a second to compute is stored in the folder of the run.

    Raises:
        CheckpointError: The weights are missing or damaged.
        UsageError: The method is unknown or not installed.
    """
    if method not in available_methods():
        raise UsageError(f"The map method {method!r} is not available here. Choose one of: {_names()}.")
    folder = RunFolder(run.id)
    digest = str(checkpoint_io.read_manifest(folder.best).get("blake2b", ""))
    key = (run.id, digest, method)
    with _COMPUTING[hash(key) % len(_COMPUTING)]:
        with _LOCK:
            if key in _MAPS:
                _MAPS.move_to_end(key)
                return _MAPS[key]
        found = _of_run(run, folder, digest, method)
        with _LOCK:
            _MAPS[key] = found
            while len(_MAPS) > _MAX_MAPS:
                _MAPS.popitem(last=False)
        return found


def item_map_of_model(model: Model, method: Method = "pca") -> ItemMap:
    """Return the map of a model without a run, such as EASE fitted before any training; cached as long as it."""
    with _COMPUTING[0]:
        maps = _MAPS_OF_MODELS.setdefault(model, {})
        if method not in maps:
            maps[method] = _assemble(model, _positions(model, method), method)
        return maps[method]


def _names() -> str:
    return ", ".join(available_methods())


def _of_run(run: RunRecord, folder: RunFolder, digest: str, method: Method) -> ItemMap:
    model = load_model(run)
    path = folder.path / _FOLDER / f"{method}.npz"
    with suppress(CheckpointError):  # damaged, or of other weights or an older version
        return _assemble(model, _read(path, digest, model.shape.items), method)
    started = time.monotonic()
    positions = _positions(model, method)
    slow = time.monotonic() - started > _STORE_AFTER_S
    if slow and positions is not None and not environment.read_only():
        with suppress(OSError):  # a full disk costs the next visit time, nothing else
            _write(path, digest, positions)
    return _assemble(model, positions, method)


def _positions(model: Model, method: Method) -> NDArray[np.float32] | None:
    """Return the positions of all items, (items, 2), or None for a model without item vectors."""
    vectors = model.item_vectors()
    return None if vectors is None else layout.project(vectors, model.popularity, method=method)


def _assemble(model: Model, positions: NDArray[np.float32] | None, method: Method) -> ItemMap:
    items = model.catalogue.items
    if positions is None or len(items) != len(positions):
        reason = f"{model.title} has no item vectors" if positions is None else "the items have no titles"
        nothing = np.zeros(0, np.float32)
        return ItemMap((), nothing, nothing, (), (), (), np.zeros(0, np.int64), method, f"no map: {reason}")
    popularity = np.ones(len(items), np.int64) if model.popularity is None else model.popularity
    order = np.lexsort((np.arange(len(items)), -popularity))
    order = order[np.isfinite(positions[order]).all(1)]  # (points,)
    chosen = [items[index] for index in order.tolist()]
    x, y = (np.ascontiguousarray(positions[order, axis]) for axis in (0, 1))
    counts = popularity[order].astype(np.int64)
    for array in (x, y, counts):
        array.flags.writeable = False  # visitors share the map
    return ItemMap(
        ids=tuple(item.id for item in chosen),
        x=x,
        y=y,
        titles=tuple(item.title for item in chosen),
        years=tuple(item.year for item in chosen),
        genres=tuple(primary_genre(item.genres) for item in chosen),
        popularity=counts,
        method=method,
    )


def _read(path: Path, digest: str, items: int) -> NDArray[np.float32]:
    """Return stored positions, (items, 2); raises CheckpointError unless they fit these weights."""
    with (
        wrap_read_errors(path, CheckpointError, "It will be computed again."),
        np.load(path, allow_pickle=False) as file,
    ):
        positions: NDArray[Any] = file["positions"]
        if str(file["weights"]) != digest or int(file["version"]) != layout.VERSION:
            raise ValueError("of other weights")
        inside = np.isnan(positions) | (np.abs(positions) <= 1)
        if positions.shape != (items, 2) or positions.dtype != np.float32 or not inside.all():
            raise ValueError("not positions of these items")
        return positions


def _write(path: Path, digest: str, positions: NDArray[np.float32]) -> None:
    path.parent.mkdir(exist_ok=True)
    with atomic_writer(path) as file:
        np.savez_compressed(file, positions=positions, weights=np.array(digest), version=np.array(layout.VERSION))
