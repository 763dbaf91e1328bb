"""Every error a user can cause: one line that says what was found, where, and how to mend it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches

_LONGEST = 80
Fixes = Mapping[str, Mapping[str, object]]  # what to say about a file, in a few words, and the options that say it


class RecdashError(Exception):
    """Something could not be done; the message is written for the user and fits on one line."""

    exit_status = 1


class DataError(RecdashError):
    """A file or an array is not what it should be.

    fixes: what its owner can say so that it is read, with the options of `data.readers.options.ReadOptions` for it.
    """

    def __init__(self, *args: object, fixes: Fixes | None = None) -> None:
        super().__init__(*args)
        self.fixes: Fixes = fixes or {}


class SplitError(RecdashError):
    """The data cannot be split, or scored, in the way that was asked for."""


class TrainingError(RecdashError):
    """A training could not go on, for example because the loss was no longer a number."""


class CheckpointError(RecdashError):
    """A checkpoint is missing, damaged or of another kind."""


class StoreError(RecdashError):
    """The run store cannot be read or written."""


class UsageError(RecdashError):
    """The words of a request are off: an unknown name, a value out of bounds, options that exclude each other."""

    exit_status = 2


class DataWarning(UserWarning):
    """A figure can be had, but the data leave something open that its reader has to know."""


def shown(value: object) -> str:
    """Return a value as a message shows it: its `repr` on one line, cut to some 80 characters."""
    try:
        text = " ".join(repr(value).split())
    except Exception:  # the code of any class; Python itself refuses to write out the longest numbers
        text = f"a {type(value).__name__}"
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def unknown(kind: str, name: object, known: Iterable[str]) -> UsageError:
    """Return the error for a name that does not exist: it lists those that do and guesses the one meant."""
    names = list(known)
    near = get_close_matches(name, names, n=1) if isinstance(name, str) else []
    guess = f" Did you mean {near[0]!r}?" if near else ""
    return UsageError(f"There is no {kind} {shown(name)}.{guess} Known: {', '.join(names) or 'none yet'}.")
