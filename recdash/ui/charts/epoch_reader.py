"""Reads the epochs of some runs incrementally and keeps them as arrays, one per value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import streamlit as st

from recdash.runs.run_records import EpochRow

FloatArray = npt.NDArray[np.float64]
_NAN = float("nan")


@dataclass(frozen=True)
class RunEpochs:
    """All epochs of one run, in order of their numbers.

    Attributes:
        seq: Sequence number of the newest one; it differs whenever the epochs differ.
        epoch: (epochs,) Numbers from 1.
        update: (epochs,) Updates so far.
        seconds: (epochs,) Seconds of training since the start, earlier attempts included.
        recorded: (epochs,) Clock time in seconds since 1970; NaN where an older version did not record it.
        values: By name, (epochs,) values; NaN where a value was not recorded or is not a number.
        has: By name, (epochs,) whether the epoch has the value.
    """

    seq: int
    epoch: FloatArray
    update: FloatArray
    seconds: FloatArray
    recorded: FloatArray
    values: Mapping[str, FloatArray]
    has: Mapping[str, npt.NDArray[np.bool_]]


@dataclass
class EpochReader:
    """Reads the epochs of some runs; each epoch is read from the store once.

    Args:
        run_ids: Ids of the runs. Runs may be added later with `read`.
        seq: Sequence number of the last epoch read; the next query returns later ones only.
    """

    run_ids: tuple[str, ...]
    seq: int = 0
    _rows: dict[str, dict[int, tuple[int, int, float, float, Mapping[str, float]]]] = field(default_factory=dict)
    _arrays: dict[str, RunEpochs] = field(default_factory=dict)

    def read(self) -> None:
        """Read the epochs written since the last call. A repeated epoch (after a resume) replaces the earlier one."""
        from recdash.services import curves  # lazy: sqlalchemy

        for row in curves.epochs_after(self.run_ids, self.seq):
            self.add(row)

    def add(self, row: EpochRow) -> None:
        """Add one epoch."""
        recorded = _NAN if row.recorded is None else row.recorded
        self._rows.setdefault(row.run, {})[row.epoch] = row.seq, row.update, row.seconds, recorded, row.values
        self._arrays.pop(row.run, None)
        self.seq = max(self.seq, row.seq)

    def names(self, run_ids: Sequence[str] | None = None) -> set[str]:
        """Return the names of all values of any epoch of these runs (all, by default)."""
        return {name for run_id in run_ids or self.run_ids for name in self.arrays(run_id).values}

    def values(self, run_id: str) -> list[tuple[int, Mapping[str, float]]]:
        """Return (epoch, values) of a run in epoch order."""
        return [(epoch, row[4]) for epoch, row in sorted(self._rows.get(run_id, {}).items())]

    def arrays(self, run_id: str) -> RunEpochs:
        """Return the epochs of a run as arrays; without epochs, empty ones. Not copied: do not change them."""
        if run_id not in self._arrays:
            self._arrays[run_id] = _as_arrays(self._rows.get(run_id, {}))
        return self._arrays[run_id]


def epoch_reader(page: str, run_ids: Sequence[str]) -> EpochReader:
    """Return this session's reader of these runs on a page, with all epochs up to now.

    While runs are only added, the epochs of the others are not read again.
    """
    key = f"_epoch_reader.{page}"
    reader: EpochReader | None = st.session_state.get(key)
    if reader is None or reader.run_ids != tuple(run_ids):
        reader = st.session_state[key] = _extended(reader, tuple(run_ids))
    reader.read()
    return reader


def _extended(old: EpochReader | None, run_ids: tuple[str, ...]) -> EpochReader:
    """Return a reader of these runs that keeps what the old one has read."""
    if old is None:
        return EpochReader(run_ids)
    added = EpochReader(tuple(run_id for run_id in run_ids if run_id not in old.run_ids))
    if added.run_ids:
        added.read()
    rows, arrays = {**old._rows, **added._rows}, {**old._arrays, **added._arrays}
    same = {run_id: rows[run_id] for run_id in run_ids if run_id in rows}
    # The number stays that of the old reader: its runs may have got epochs since. Reading some twice changes nothing.
    return EpochReader(run_ids, old.seq, same, {run_id: arrays[run_id] for run_id in run_ids if run_id in arrays})


def _as_arrays(rows: Mapping[int, tuple[int, int, float, float, Mapping[str, float]]]) -> RunEpochs:
    ordered = [(epoch, *rows[epoch]) for epoch in sorted(rows)]
    names = dict.fromkeys(name for row in ordered for name in row[5])
    return RunEpochs(
        seq=max((row[1] for row in ordered), default=0),
        epoch=np.array([row[0] for row in ordered], dtype=np.float64),
        update=np.array([row[2] for row in ordered], dtype=np.float64),
        seconds=np.array([row[3] for row in ordered], dtype=np.float64),
        recorded=np.array([row[4] for row in ordered], dtype=np.float64),
        values={name: np.array([row[5].get(name, _NAN) for row in ordered], dtype=np.float64) for name in names},
        has={name: np.array([name in row[5] for row in ordered], dtype=np.bool_) for name in names},
    )
