"""Size of files and folders on disk."""

from __future__ import annotations

import os
from pathlib import Path


def folder_bytes(path: Path | str) -> int:
    """Return the size of all files in a folder, in bytes; symbolic links and what cannot be read count as nothing."""
    total = 0
    try:
        with os.scandir(path) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    total += folder_bytes(entry.path)
                elif entry.is_file(follow_symlinks=False):
                    total += entry.stat(follow_symlinks=False).st_size
    except OSError:
        return total  # deleted meanwhile, or without permission
    return total
