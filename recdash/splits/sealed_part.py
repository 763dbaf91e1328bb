"""`SealedPart`: what a trial of a search finds in place of the test part."""

from __future__ import annotations

from copy import copy
from typing import Any, NoReturn, TypeVar

from recdash.errors import SplitError

SplitKind = TypeVar("SplitKind")


class SealedPart:
    """Stands for the test part of a split that settings are chosen on: reading anything of it raises SplitError."""

    def __getattr__(self, name: str) -> NoReturn:
        raise SplitError("A trial of a search has no test part: settings are chosen on validation data alone.")

    def __len__(self) -> int:
        return self.__getattr__("__len__")

    def __iter__(self) -> Any:
        return self.__getattr__("__iter__")


def sealed(split: SplitKind) -> SplitKind:
    """Return a copy of a split whose test part is sealed; its fingerprint, which the test part determines, is kept."""
    fingerprint = getattr(split, "fingerprint")  # noqa: B009  # computed and stored before the part is sealed
    without = copy(split)
    without.__dict__.update(test=SealedPart(), fingerprint=fingerprint)
    return without
