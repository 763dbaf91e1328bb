"""The parts of a split that came with the data, as bits of a mark on each pair, and the files that they come in."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from recdash.errors import UsageError

TRAIN, VALIDATION_FOLD_IN, VALIDATION_HELD_OUT, TEST_FOLD_IN, TEST_HELD_OUT = (1 << place for place in range(5))
ROLES = {
    TRAIN: "train",
    VALIDATION_FOLD_IN: "validation fold-in",
    VALIDATION_HELD_OUT: "validation held-out",
    TEST_FOLD_IN: "test fold-in",
    TEST_HELD_OUT: "test held-out",
}
FOLD_IN_OF = {VALIDATION_HELD_OUT: VALIDATION_FOLD_IN, TEST_HELD_OUT: TEST_FOLD_IN}
# where a held-out pair may stand besides its own file: a user's test fold-in may hold what validation held out
ALLOWED = {VALIDATION_HELD_OUT: VALIDATION_HELD_OUT | TEST_FOLD_IN, TEST_HELD_OUT: TEST_HELD_OUT}


@dataclass(frozen=True)
class SplitFiles:
    """The files of a split.

    train: what is learned from.  validation, test: (fold-in, held-out) for users who are read from their fold-in, or
    only (held-out,) for users of `train`, and for ratings to predict.  validation may be empty.
    """

    train: Path
    validation: tuple[Path, ...]
    test: tuple[Path, ...]

    def by_part(self) -> dict[int, Path]:
        """Return the file of each part; raises UsageError for too few, too many, or a file that is given twice."""
        for option, given in (("validation", self.validation), ("test", self.test)):
            if len(given) > 2:
                raise UsageError(
                    f"--{option}: {len(given)} files. Give fold-in and held-out, or only what is held out."
                )
        if not self.test:
            raise UsageError("--test is missing. Give its fold-in and held-out files, or only what is held out.")
        found = {TRAIN: self.train}
        for held_out, given in ((VALIDATION_HELD_OUT, self.validation), (TEST_HELD_OUT, self.test)):
            bits = (FOLD_IN_OF[held_out], held_out) if len(given) == 2 else (held_out,)
            found |= dict(zip(bits, given, strict=False))
        first: dict[str, int] = {}
        for bit, path in found.items():
            before = first.setdefault(os.path.realpath(path), bit)
            if before != bit:
                raise UsageError(f"{path}: given twice, as {ROLES[before]} and as {ROLES[bit]}. Give two files.")
        return found
