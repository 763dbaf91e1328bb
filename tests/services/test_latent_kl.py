"""The KL divergence per dimension of a training run is read as it grows, and each epoch once."""

from __future__ import annotations

import numpy as np
import pytest

from recdash.runs import queue
from recdash.runs.run_folder import RunFolder
from recdash.runs.run_records import RunRecord
from recdash.services import latent_kl
from tests.run_helpers import Runs


def record(runs: Runs, run_id: str) -> RunRecord:
    """The run as stored now."""
    (run,) = runs.store.runs(ids=[run_id])
    return run


def add(runs: Runs, run_id: str, epoch: int, kl: float, *, arrays: bool = True) -> None:
    """Record an epoch, as a worker does: first the record, then its arrays."""
    row = {"epoch": epoch, "update": 7 * epoch, "seconds": 1.0 * epoch, "values": {"kl": 2 * kl}}
    runs.store.add_epoch(run_id, runs.me, **row)  # type: ignore[arg-type]
    if arrays:
        RunFolder(run_id).make()
        RunFolder(run_id).add_epoch(row, {"kl_by_dimension": np.array([kl, kl], np.float32)})


def test_a_growing_run_is_read_epoch_by_epoch(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    run_id = runs.queued()
    queue.claim(runs.store, run_id, runs.me, 1)
    assert latent_kl.history(record(runs, run_id)).kl is None
    add(runs, run_id, 1, 0.1)
    add(runs, run_id, 2, 0.2, arrays=False)  # the worker is about to write them
    first = latent_kl.history(record(runs, run_id))
    assert first.kl is not None and first.kl.epochs.tolist() == [1] and first.updates_per_epoch == 7
    add(runs, run_id, 2, 0.2)
    add(runs, run_id, 3, 0.3)
    second = latent_kl.history(record(runs, run_id))
    assert second.kl is not None and second.kl.epochs.tolist() == [1, 2, 3]
    assert second.kl.values[:, 0].tolist() == pytest.approx([0.1, 0.2, 0.3])

    read: list[int | None] = []
    original = RunFolder.arrays
    monkeypatch.setattr(
        RunFolder, "arrays", lambda self, name, epoch=None: read.append(epoch) or original(self, name, epoch)
    )
    assert latent_kl.history(record(runs, run_id)) is second and read == []
    add(runs, run_id, 3, 0.9)  # computed again after a resume
    third = latent_kl.history(record(runs, run_id))
    assert third.kl is not None and third.kl.values[-1, 0] == pytest.approx(0.9) and read == [3]
