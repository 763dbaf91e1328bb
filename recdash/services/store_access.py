"""Access to the run store, and the check for read-only installations."""

from __future__ import annotations

import os
from functools import lru_cache

from recdash import environment, paths
from recdash.errors import UsageError
from recdash.runs import process_env
from recdash.runs.store import Store


def open_store() -> Store:
    """Return the run store of this installation; raises StoreError when it cannot be opened."""
    return _store(process_env.absolute_url(paths.store_url()))


def check_settings() -> None:
    """Raise UsageError or StoreError for an environment variable with an invalid value, before any work."""
    environment.check_environment()
    if os.environ.get("RECDASH_STORE", "").strip():
        open_store()


def refuse_when_read_only(what: str) -> None:
    """Raise UsageError if RECDASH_READ_ONLY is set; `what` is a participle such as "trained"."""
    if environment.read_only():
        raise UsageError(
            f"RECDASH_READ_ONLY is set: nothing can be {what} here. Unset it, or use another installation."
        )


@lru_cache(maxsize=4)
def _store(url: str) -> Store:
    return Store(url)
