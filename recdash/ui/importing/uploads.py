"""Files that somebody uploads, as files on disk."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import streamlit as st

MOST_MB = 300
_FOLDERS = "recdash-upload-"
_KEPT_FOR = 24 * 3600  # seconds, for files whose tab was closed without a word


def kept(given: Any) -> Path:
    """Return an uploaded file as a file on disk, written once per upload. Its name is ours, its ending is checked."""
    known: dict[str, Path] = st.session_state.setdefault("_uploads", {})
    if given.file_id not in known or not known[given.file_id].exists():
        _sweep()
        ending = "".join(Path(given.name).suffixes[-2:]).lower()
        ending = ending if re.fullmatch(r"(\.[a-z0-9]{1,7}){0,2}", ending) else ""
        folder = Path(tempfile.mkdtemp(prefix=_FOLDERS))
        path = folder / f"{plain_name(given.name)}{ending}"
        path.write_bytes(given.getbuffer())
        known[given.file_id] = path
    return known[given.file_id]


def forget(path: Path) -> None:
    """Remove a file that `kept` wrote, when it is not needed any more."""
    shutil.rmtree(path.parent, ignore_errors=True)


def in_use(path: Path) -> None:
    """Say that a file that `kept` wrote is still needed, so that it does not count as left behind."""
    with suppress(OSError):
        os.utime(path.parent)


def plain_name(file_name: str) -> str:
    """Return a name for a data set made from the name of a file."""
    stem = re.sub(r"[^A-Za-z0-9._-]+", "-", Path(file_name).name.split(".")[0]).strip("-._")
    return stem[:60] or "data"


def _sweep() -> None:
    """Remove the folders of this user that were not in use for a day: their tabs are closed."""
    oldest = time.time() - _KEPT_FOR
    for folder in Path(tempfile.gettempdir()).glob(f"{_FOLDERS}*"):
        with suppress(OSError):
            found = folder.lstat()
            if found.st_mtime < oldest and _is_ours(found.st_uid) and not folder.is_symlink():
                shutil.rmtree(folder, ignore_errors=True)


def _is_ours(owner: int) -> bool:
    return not hasattr(os, "getuid") or owner == os.getuid()
