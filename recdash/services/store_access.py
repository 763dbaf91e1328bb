"""The store behind the services, and the one refusal of installations that are for looking only."""

from __future__ import annotations

import os
from functools import lru_cache

from recdash import paths
from recdash.errors import UsageError
from recdash.runs import process_env
from recdash.runs.store import Store


def open_store() -> Store:
    """Return the run store of this installation; raises StoreError when it cannot be opened."""
    return _store(process_env.absolute(paths.store_url()))


def check_settings() -> None:
    """Raise UsageError or StoreError for an environment variable whose value cannot mean anything, before any work."""
    paths.check()
    if os.environ.get("RECDASH_STORE", "").strip():
        open_store()


def refuse_when_read_only(what: str) -> None:
    """Raise UsageError where RECDASH_READ_ONLY is set; `what` completes "nothing can be ... here"."""
    if paths.read_only():
        raise UsageError(
            f"RECDASH_READ_ONLY is set: nothing can be {what} here. Unset it, or use another installation."
        )


@lru_cache(maxsize=4)
def _store(url: str) -> Store:
    return Store(url)
