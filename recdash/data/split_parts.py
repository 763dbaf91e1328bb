"""Parts of a user-defined split, as bits that mark each (user, item) pair, and the files of the parts."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from recdash.errors import UsageError

TRAIN, VALIDATION_FOLD_IN, VALIDATION_HELD_OUT, TEST_FOLD_IN, TEST_HELD_OUT = (1 << index for index in range(5))
PART_NAMES = {
    TRAIN: "train",
    VALIDATION_FOLD_IN: "validation fold-in",
    VALIDATION_HELD_OUT: "validation held-out",
    TEST_FOLD_IN: "test fold-in",
    TEST_HELD_OUT: "test held-out",
}
FOLD_IN_OF = {VALIDATION_HELD_OUT: VALIDATION_FOLD_IN, TEST_HELD_OUT: TEST_FOLD_IN}
# Parts that may contain a held-out pair besides its own: a test fold-in may include the user's validation items.
ALLOWED = {VALIDATION_HELD_OUT: VALIDATION_HELD_OUT | TEST_FOLD_IN, TEST_HELD_OUT: TEST_HELD_OUT}


@dataclass(frozen=True)
class SplitFiles:
    """The files of a user-defined split.

    Attributes:
        train: File of the training data.
        validation: (fold-in, held-out) files for unseen users; (held-out,) for users of `train` and for ratings to
            predict; () without validation.
        test: Likewise; at least one file.
    """

    train: Path
    validation: tuple[Path, ...]
    test: tuple[Path, ...]

    def by_part(self) -> dict[int, Path]:
        """Return the file of each part. Raises UsageError for too few or too many files, or a repeated file."""
        for option, given in (("validation", self.validation), ("test", self.test)):
            if len(given) > 2:
                raise UsageError(
                    f"--{option}: {len(given)} files. Give the fold-in and held-out files, or only the held-out file."
                )
        if not self.test:
            raise UsageError("--test is missing. Give the fold-in and held-out files, or only the held-out file.")
        found = {TRAIN: self.train}
        for held_out, given in ((VALIDATION_HELD_OUT, self.validation), (TEST_HELD_OUT, self.test)):
            bits = (FOLD_IN_OF[held_out], held_out) if len(given) == 2 else (held_out,)
            found |= dict(zip(bits, given, strict=False))
        first: dict[str, int] = {}
        for bit, path in found.items():
            earlier = first.setdefault(os.path.realpath(path), bit)
            if earlier != bit:
                raise UsageError(
                    f"{path}: given twice, as {PART_NAMES[earlier]} and as {PART_NAMES[bit]}. Give two files."
                )
        return found
