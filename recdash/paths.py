"""Folders and files. Each folder comes from an environment variable, with a default relative to the checkout."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from urllib.parse import quote

from recdash.errors import UsageError

_PACKAGE = Path(__file__).resolve().parent
IMPORT_ROOT = _PACKAGE.parent  # the folder that makes `import recdash` work
IS_CHECKOUT = (IMPORT_ROOT / "pyproject.toml").is_file() and (IMPORT_ROOT / "app.py").is_file()
# The dashboard, its pages, the demo catalogue and the delivered results: at the top level of a checkout; in
# an installed package where setup.py copies them.
RESOURCES = IMPORT_ROOT if IS_CHECKOUT else _PACKAGE / "bundle"

_FIX_FOLDER = "Set it to a folder, or unset it."


def _folder(variable: str, default: Path) -> Path:
    value = os.environ.get(variable, "").strip()
    try:
        value.encode()
        folder = Path(value).expanduser().resolve() if value else default
        folder.exists()  # raises for a name that is too long
        return folder
    except (OSError, RuntimeError, UnicodeError) as error:  # a loop of links, an unknown "~user", undecodable bytes
        other = "not valid text" if isinstance(error, UnicodeError) else "no such path"
        reason = getattr(error, "strerror", None) or other
        raise UsageError(f"{variable} = {value[:200]!a} cannot be a folder ({reason}). {_FIX_FOLDER}") from error


def user_path(text: Path | str) -> Path:
    """Return a path that the user named, with "~" expanded; raises UsageError where no file can be."""
    try:
        path = Path(text).expanduser()
        path.exists()  # raises for a name that is too long, and in a folder that may not be entered
    except (OSError, RuntimeError) as error:  # RuntimeError: an unknown "~user"
        reason = getattr(error, "strerror", None) or "no such user"
        raise UsageError(f"{str(text)[:200]}: not a path to use ({reason}). Name another file or folder.") from error
    return path


def _check_folder(variable: str, folder: Path) -> None:
    """Raise UsageError if the folder does not exist and cannot be created, because a file is in its place."""
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    if not existing.is_dir():
        raise UsageError(f"{variable} = {str(folder)!r}: {existing} is not a folder. {_FIX_FOLDER}")


def user_folder() -> Path:
    """Return the default home of data and checkpoints: the checkout, or the user's data folder when installed."""
    if IS_CHECKOUT:
        return IMPORT_ROOT
    home = Path.home()
    if sys.platform == "darwin":
        return home / "Library" / "Application Support" / "recdash"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local") / "recdash"
    return Path(os.environ.get("XDG_DATA_HOME") or home / ".local" / "share") / "recdash"


def data_dir() -> Path:
    """Return the folder of datasets, their caches and the default store (RECDASH_DATA_DIR)."""
    return _folder("RECDASH_DATA_DIR", user_folder() / "data")


def checkpoint_dir() -> Path:
    """Return the folder of checkpoints, with one folder per run (RECDASH_CHECKPOINT_DIR)."""
    return _folder("RECDASH_CHECKPOINT_DIR", user_folder() / "checkpoints")


def demo_films() -> Path:
    """Return the catalogue file of the demo dataset. It is part of recdash and independent of RECDASH_DATA_DIR."""
    return RESOURCES / "data" / "demo" / "films.csv"


def store_url() -> str:
    """Return the database URL of the run store (RECDASH_STORE); default: an SQLite file in the data folder."""
    return os.environ.get("RECDASH_STORE", "").strip() or f"sqlite:///{quote(str(data_dir() / 'recdash.db'))}"


def check_folders() -> None:
    """Raise UsageError if the folder of data or of checkpoints cannot exist."""
    _check_folder("RECDASH_DATA_DIR", data_dir())
    _check_folder("RECDASH_CHECKPOINT_DIR", checkpoint_dir())
