"""The last epochs of many runs with one query."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import and_, select

from recdash.runs.schema import epochs, runs

if TYPE_CHECKING:
    from recdash.runs.store import Store

_PER_QUERY = 500  # databases bound the number of parameters


@dataclass(frozen=True)
class LastEpoch:
    """Number and values of the last epoch of a run."""

    epoch: int
    values: dict[str, float]


def last_epochs(store: Store, run_ids: Sequence[str]) -> dict[str, LastEpoch]:
    """Return the last recorded epoch of each run, by run id; runs without epochs are left out."""
    joined = epochs.join(runs, and_(runs.c.id == epochs.c.run, runs.c.epoch == epochs.c.epoch))
    query = select(epochs.c.run, epochs.c.epoch, epochs.c.numbers).select_from(joined)
    found: dict[str, LastEpoch] = {}
    with store.database.read() as connection:
        for start in range(0, len(run_ids), _PER_QUERY):
            wanted = query.where(epochs.c.run.in_(run_ids[start : start + _PER_QUERY]))
            for run_id, epoch, numbers in connection.execute(wanted):
                found[run_id] = LastEpoch(epoch, json.loads(numbers))
    return found
