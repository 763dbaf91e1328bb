"""Memory that a training frees is used again without going back to the operating system."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # parameters of mallopt
_LARGEST = 32 << 20  # bytes; glibc accepts no larger threshold, and takes larger blocks from the system anyway
_USERS_CHOICE = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "GLIBC_TUNABLES", "LD_PRELOAD")


@contextmanager
def reused() -> Iterator[None]:
    """Let glibc keep freed memory inside the block, and return it to the system afterwards.

    An update frees and allocates the same large tensors again; each time, glibc would ask the system for fresh pages.
    Other C libraries, and processes whose environment chooses an allocator, are left alone.
    """
    library = _glibc()
    if library is None:
        yield
        return
    library.mallopt(_MMAP_THRESHOLD, _LARGEST)
    library.mallopt(_TRIM_THRESHOLD, 2**31 - 1)
    try:
        yield
    finally:
        library.mallopt(_TRIM_THRESHOLD, 2 * _LARGEST)  # what glibc arrives at when blocks of this size are freed
        library.malloc_trim(0)


@cache
def _glibc() -> ctypes.CDLL | None:
    if sys.platform != "linux" or any(name in os.environ for name in _USERS_CHOICE):
        return None
    library = ctypes.CDLL(None)
    return library if hasattr(library, "gnu_get_libc_version") and hasattr(library, "mallopt") else None
