"""The split on which a run was trained, made again."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from recdash.data.dataset import Dataset
from recdash.errors import DataError
from recdash.runs.run_records import RunRecord
from recdash.services import datasets
from recdash.settings import DEFAULT_SPLIT_SEED
from recdash.splits import RatingSplit, Split
from recdash.splits.split_options import SplitOptions


@dataclass(frozen=True)
class SplitSource:
    """Everything that determines a split; equal for runs on the same split, so it can be a cache key.

    Attributes:
        dataset: Name of the dataset, or path of a file.
        fingerprint: Fingerprint of the dataset; "" if unknown.
        protocol: Name of the protocol.
        seed: Seed of the split.
        options: `SplitOptions.to_dict` as JSON.
    """

    dataset: str
    fingerprint: str
    protocol: str = "strong"
    seed: int = DEFAULT_SPLIT_SEED
    options: str = "{}"

    @classmethod
    def of_run(cls, run: RunRecord) -> Self:
        """Return the source of a run's split."""
        options = json.dumps(dict(run.options), sort_keys=True)
        return cls(run.dataset, run.dataset_fingerprint, run.protocol, run.split_seed, options)

    def load(self) -> Dataset:
        """Load the dataset. Raises DataError if it has changed."""
        is_path = Path(self.dataset).is_absolute()  # a file is read with the options of the run
        dataset = self._options.load(self.dataset) if is_path else datasets.load(self.dataset)
        if self.fingerprint and dataset.fingerprint != self.fingerprint:
            raise DataError(f"{self.dataset} has changed since the run, so its split is gone. Train a new run.")
        return dataset

    def make(self) -> Split | RatingSplit:
        """Make the split. Raises DataError if the dataset has changed, SplitError if it cannot be split."""
        return self._options.make(self.load(), self.protocol, seed=self.seed)

    @property
    def _options(self) -> SplitOptions:
        return SplitOptions.from_dict(json.loads(self.options))
