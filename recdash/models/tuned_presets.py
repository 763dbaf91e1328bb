"""The shipped preset `tuned`: settings found by search, each for data of one size.

An entry of `tuned` in `presets/MODEL.json` lists the sizes of the data it was found on, of the whole dataset and of the
training part. It is used for data whose users, items and interactions are all within 5% of one of them. The data
decide, not their name: the file of a release may be named and dated in any way, and the training part of another split
seed has other items, but nearly as many.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

from recdash.models.data_shape import DataShape

TOLERANCE = 0.05


@dataclass(frozen=True)
class TunedPreset:
    """One entry of `tuned`.

    Attributes:
        settings: Settings that differ from `auto`.
        data: Name of the dataset that they were found on, for the reader.
        shapes: (users, items, interactions) of that data; empty for an entry that suits any data.
        provenance: Fingerprint of the data, protocol, split seed, number of trials, validation figure and versions.
    """

    settings: Mapping[str, Any]
    data: str = ""
    shapes: tuple[tuple[int, int, int], ...] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """Hash of the settings."""
        return blake2b(json.dumps(dict(self.settings), sort_keys=True).encode(), digest_size=8).hexdigest()

    def distance(self, shape: DataShape) -> float:
        """Return the largest relative difference to the nearest of the sizes; 0 for an entry without sizes."""
        found = (shape.users, shape.items, shape.interactions)
        differences = [
            max(abs(number / other - 1) for number, other in zip(found, sizes, strict=True)) for sizes in self.shapes
        ]
        return min(differences, default=0.0)


def parse(stored: Any) -> list[TunedPreset]:
    """Return the entries of `tuned` in a preset file: a list of them, or settings that suit any data."""
    if not stored:
        return []
    if isinstance(stored, Mapping):
        return [TunedPreset({name: value for name, value in stored.items() if name != "base"})]
    return [
        TunedPreset(
            settings=entry["settings"],
            data=entry.get("data", ""),
            shapes=tuple(tuple(sizes) for sizes in entry.get("shapes", ())),
            provenance=entry.get("provenance", {}),
        )
        for entry in stored
    ]


def nearest(entries: Sequence[TunedPreset], shape: DataShape) -> TunedPreset | None:
    """Return the entry that was found on data of this size, or None."""
    best = min(entries, key=lambda entry: entry.distance(shape), default=None)
    return best if best is not None and best.distance(shape) <= TOLERANCE else None
