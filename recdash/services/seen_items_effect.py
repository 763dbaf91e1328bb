"""What removing seen movies changes for EASE on the split of the published table: computed once, then kept."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from recdash.atomic_files import write_json
from recdash.services import datasets, reproduce, reproduce_files

_FIGURES = ("as_published", "corrected", "seen_places", "seconds", "when")


def stored() -> dict[str, float] | None:
    """Return the figures that `compute` kept for the installed data; None without them.

    Returns:
        What `compute` returns.
    """
    with suppress(OSError, ValueError, TypeError, KeyError):  # a file that was edited by hand
        document: dict[str, Any] = json.loads(_file().read_text(encoding="utf-8"))
        if document["fingerprint"] == _fingerprint():
            return {name: float(document[name]) for name in _FIGURES}
    return None


def compute() -> dict[str, float]:
    """Compute the figures and keep them in the data folder. Takes some seconds.

    Returns:
        See `reproduce.ease_with_and_without_seen`, and the time of the computation as "when" (seconds since 1970).

    Raises:
        DataError: if the data are not installed.
    """
    fingerprint = _fingerprint()
    figures = {**reproduce.ease_with_and_without_seen(), "when": time.time()}
    write_json(_file(), {**figures, "fingerprint": fingerprint})
    return figures


def _file() -> Path:
    return reproduce_files.tables_folder() / "ease-with-and-without-seen.json"


def _fingerprint() -> str:
    return datasets.entry(reproduce.dataset_of("metarec")).fingerprint
