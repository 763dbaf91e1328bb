"""Uploaded files stored on disk."""

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

MAX_MB = 300
_FOLDER_PREFIX = "recdash-upload-"
_MAX_AGE = 24 * 3600  # seconds; older folders belong to closed tabs


def save(given: Any) -> Path:
    """Store an uploaded file on disk, once per upload. The name is sanitised and the extension checked."""
    known: dict[str, Path] = st.session_state.setdefault("_uploads", {})
    if given.file_id not in known or not known[given.file_id].exists():
        _delete_abandoned()
        ending = "".join(Path(given.name).suffixes[-2:]).lower()
        ending = ending if re.fullmatch(r"(\.[a-z0-9]{1,7}){0,2}", ending) else ""
        folder = Path(tempfile.mkdtemp(prefix=_FOLDER_PREFIX))
        path = folder / f"{dataset_name(given.name)}{ending}"
        path.write_bytes(given.getbuffer())
        known[given.file_id] = path
    return known[given.file_id]


def delete(path: Path) -> None:
    """Delete a file that `save` wrote."""
    shutil.rmtree(path.parent, ignore_errors=True)


def touch(path: Path) -> None:
    """Mark a file that `save` wrote as in use, so that it is not deleted as abandoned."""
    with suppress(OSError):
        os.utime(path.parent)


def dataset_name(file_name: str) -> str:
    """Return a dataset name derived from a file name."""
    stem = re.sub(r"[^A-Za-z0-9._-]+", "-", Path(file_name).name.split(".")[0]).strip("-._")
    return stem[:60] or "data"


def _delete_abandoned() -> None:
    """Delete this user's upload folders that were unused for a day; their tabs were closed."""
    oldest = time.time() - _MAX_AGE
    for folder in Path(tempfile.gettempdir()).glob(f"{_FOLDER_PREFIX}*"):
        with suppress(OSError):
            status = folder.lstat()
            if status.st_mtime < oldest and _is_ours(status.st_uid) and not folder.is_symlink():
                shutil.rmtree(folder, ignore_errors=True)


def _is_ours(owner: int) -> bool:
    return not hasattr(os, "getuid") or owner == os.getuid()
