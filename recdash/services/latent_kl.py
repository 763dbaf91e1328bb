"""Epochs and KL divergence per latent dimension of runs, read once and then only as they grow."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from recdash import paths
from recdash.analysis.kl_over_time import KlOverTime, kl_over_time
from recdash.runs.run_folder import RunFolder
from recdash.runs.run_records import RunRecord
from recdash.services.curves import epochs_after

_NAME = "kl_by_dimension"
_MAX_RUNS = 16  # kept in memory: 200 epochs of 200 dimensions take 160 kB
_RETRIED = 3  # newest epochs whose arrays are looked for again: a worker writes them just after the record


@dataclass(frozen=True, eq=False)
class LatentHistory:
    """What was recorded of a run's latent code up to now.

    Attributes:
        epochs: Recorded values by epoch.
        updates_per_epoch: Updates in an epoch; None before the first one.
        kl: KL divergence per dimension by epoch; None for runs without.
    """

    epochs: Mapping[int, Mapping[str, float]]
    updates_per_epoch: int | None
    kl: KlOverTime | None


@dataclass
class _Reader:
    seq: int = 0
    version: int = -1
    values: dict[int, Mapping[str, float]] = field(default_factory=dict)
    updates: dict[int, int] = field(default_factory=dict)
    arrays: dict[int, NDArray[np.float32]] = field(default_factory=dict)
    history: LatentHistory | None = None


_readers: OrderedDict[tuple[str, str, str], _Reader] = OrderedDict()
_lock = threading.Lock()


def history(run: RunRecord) -> LatentHistory:
    """Return the epochs of a run and its KL divergence per dimension; reads what is new since the last call."""
    key = (paths.store_url(), str(paths.checkpoint_dir()), run.id)
    with _lock:
        reader = _readers.setdefault(key, _Reader())
        _readers.move_to_end(key)
        while len(_readers) > _MAX_RUNS:
            _readers.popitem(last=False)
        if reader.history is None or reader.version != run.version or _missing(reader):
            reader.history = _read(reader, run)
        return reader.history


def _read(reader: _Reader, run: RunRecord) -> LatentHistory:
    reader.version = run.version
    folder, changed = RunFolder(run.id), _missing(reader)
    for row in epochs_after(run.id, reader.seq):
        reader.values[row.epoch], reader.updates[row.epoch] = row.values, row.update
        reader.seq = max(reader.seq, row.seq)
        changed.add(row.epoch)
    if len(changed) > _RETRIED and not reader.arrays:
        reader.arrays |= folder.arrays(_NAME)
    else:
        for epoch in changed:
            reader.arrays |= folder.arrays(_NAME, epoch)
    per_epoch = next((reader.updates[epoch] // epoch for epoch in sorted(reader.updates) if epoch), None)
    kl = kl_over_time({epoch: reader.arrays[epoch] for epoch in reader.arrays if epoch in reader.values})
    return LatentHistory(dict(reader.values), per_epoch, kl)


def _missing(reader: _Reader) -> set[int]:
    """Return the newest epochs whose arrays have not been found."""
    newest = sorted(reader.values)[-_RETRIED:]
    return {epoch for epoch in newest if epoch not in reader.arrays}
