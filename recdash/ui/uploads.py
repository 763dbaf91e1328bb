"""Files that somebody uploads, as files on disk."""

from __future__ import annotations

import re
import shutil
import tempfile
from pathlib import Path
from typing import Any

import streamlit as st

MOST_MB = 300


def kept(given: Any) -> Path:
    """Return an uploaded file as a file on disk, written once per upload. Its name is ours, its ending is checked."""
    known: dict[str, Path] = st.session_state.setdefault("_uploads", {})
    if given.file_id not in known or not known[given.file_id].exists():
        ending = "".join(Path(given.name).suffixes[-2:]).lower()
        ending = ending if re.fullmatch(r"(\.[a-z0-9]{1,7}){0,2}", ending) else ""
        folder = Path(tempfile.mkdtemp(prefix="recdash-upload-"))
        path = folder / f"{plain_name(given.name)}{ending}"
        path.write_bytes(given.getbuffer())
        known[given.file_id] = path
    return known[given.file_id]


def forget(path: Path) -> None:
    """Remove a file that `kept` wrote, when it is not needed any more."""
    shutil.rmtree(path.parent, ignore_errors=True)


def plain_name(file_name: str) -> str:
    """Return a name for a data set made from the name of a file."""
    stem = re.sub(r"[^A-Za-z0-9._-]+", "-", Path(file_name).name.split(".")[0]).strip("-._")
    return stem[:60] or "data"
