"""Errors shown to the user. Each message is one line: what was found, where, and how to fix it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from difflib import get_close_matches

_MAX_REPR = 80
Fixes = Mapping[str, Mapping[str, object]]  # label of each possible interpretation, and the reading options for it


class RecdashError(Exception):
    """Base class of all errors of recdash. The message is one line, written for the user.

    Attributes:
        exit_status: Exit status of the command line for this error.
    """

    exit_status = 1


class DataError(RecdashError):
    """A file or an array is invalid, damaged or ambiguous.

    Attributes:
        fixes: Possible interpretations of an ambiguous file: for each label, the options of
            `recdash.data.readers.read_options.ReadOptions` that select it.
    """

    def __init__(self, *args: object, fixes: Fixes | None = None) -> None:
        super().__init__(*args)
        self.fixes: Fixes = fixes or {}


class SplitError(RecdashError):
    """The data cannot be split or scored as requested."""


class TrainingError(RecdashError):
    """Training failed, for example because the loss became NaN."""


class CheckpointError(RecdashError):
    """A checkpoint is missing, damaged or incompatible."""


class StoreError(RecdashError):
    """The run store cannot be read or written."""


class UsageError(RecdashError):
    """An argument is invalid: an unknown name, a value out of range, or options that exclude each other."""

    exit_status = 2


class DataWarning(UserWarning):
    """Results are valid, but a property of the data, such as many ties in time, affects their interpretation."""


def short_repr(value: object) -> str:
    """Return the `repr` of a value on one line, shortened to about 80 characters, for a message."""
    try:
        text = " ".join(repr(value).split())
    except Exception:  # code of arbitrary classes; Python itself refuses to format very long integers
        text = f"a {type(value).__name__}"
    return text if len(text) <= _MAX_REPR else f"{text[:_MAX_REPR]}..."


def quote(value: str) -> str:
    """Quote text from a file for a message: short and on one line."""
    short = value if len(value) <= 40 else value[:37] + "..."
    return f'"{short}"' if short.isprintable() else json.dumps(short)


def unknown_name(kind: str, name: object, known: Iterable[str]) -> UsageError:
    """Return the error for an unknown name. It lists the known names and suggests the most similar one.

    kind: What the name stands for, as in "Unknown KIND: 'name'".
    """
    names = list(known)
    near = get_close_matches(name, names, n=1) if isinstance(name, str) else []
    guess = f" Did you mean {near[0]!r}?" if near else ""
    return UsageError(f"Unknown {kind}: {short_repr(name)}.{guess} Known: {', '.join(names) or 'none yet'}.")
