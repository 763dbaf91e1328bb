"""Import of runs that `recdash.services.run_export` wrote. Files are untrusted: all of them are checked first."""

from __future__ import annotations

import errno
import hashlib
import io
import re
import shutil
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from recdash.atomic_files import wrap_read_errors
from recdash.errors import DataError, quote
from recdash.json_values import is_count, json_object
from recdash.paths import user_path
from recdash.reporting.formatting import byte_size
from recdash.runs.run_folder import RUN_ID
from recdash.runs.staged_folder import StagedFolder, staging_folder
from recdash.services import exchange_files, run_tables
from recdash.services.exchange_files import FIX, Batch
from recdash.services.export_folder import MANIFEST, NAME, OTHER_FORMATS, VERSION
from recdash.services.imported_arrays import ImportedArrays
from recdash.services.imported_records import interrupted_note, parse_epochs, parse_events, parse_runs
from recdash.services.imported_runs import ImportReport, add_to_store, split_known
from recdash.services.store_access import open_store, refuse_when_read_only

SOURCE = "recdash export"
_WEIGHT_FILE = re.compile(rf"weights/({RUN_ID.pattern})/[\w-][\w.-]*\.(safetensors|json)", re.ASCII)
_LARGEST_ARCHIVE, _LARGEST_MANIFEST = 8 << 30, 64 << 20  # bytes, unpacked


def import_runs(folder: Path | str, *, dry_run: bool = False) -> ImportReport:
    """Import an export with the ids of its runs: everything in one transaction, or nothing.

    A run that the store has already is skipped; one that was queued or running becomes interrupted.

    Args:
        folder: Folder, or zip archive, of an export.
        dry_run: Whether to check everything and store nothing.

    Raises:
        DataError: A file is damaged or invalid, or the store has a different run of the same id.
    """
    refuse_when_read_only("imported")
    path = user_path(folder)
    if path.is_file():
        return import_archive(path.name, path, dry_run=dry_run)
    return _import_folder(path, str(path), dry_run=dry_run)


def _import_folder(path: Path, shown: str, *, dry_run: bool) -> ImportReport:
    """Import an unpacked export; messages call it `shown`."""
    files = _checked_files(path, shown)
    store = open_store()
    new_runs, where, active = parse_runs(_batches(path, files, "runs"))
    known, in_trash = split_known(store, [run.record for run in new_runs.values()], where)
    parse_epochs(_batches(path, files, "epochs"), new_runs)
    parse_events(_batches(path, files, "events"), new_runs)
    wanted = {run_id: run for run_id, run in new_runs.items() if run_id not in known}
    with staging_folder() as staging:
        folders = {run_id: StagedFolder(run_id, staging) for run_id in wanted}
        for run_id, run in wanted.items():
            run.write_folder(folders[run_id])
        arrays = ImportedArrays(set(new_runs), folders)
        arrays.add_per_user(_batches(path, files, "per_user"), _batches(path, files, "top_lists"))
        arrays.add_arrays(_batches(path, files, "arrays"))
        arrays.add_resources(_batches(path, files, "resources"))
        _copy_weights(path, files, folders, set(new_runs))
        added = set(wanted) if dry_run else add_to_store(store, list(wanted.values()), folders)
    new = [run for run_id, run in wanted.items() if run_id in added]
    return ImportReport(
        source=SOURCE,
        runs=tuple((run.record.id, run.record.name) for run in new),
        points=sum(run.n_points for run in new),
        already_here=tuple(run_id for run_id in new_runs if run_id not in added),
        notes=(*interrupted_note([run_id for run_id in active if run_id in added]), *in_trash),
        dry_run=dry_run,
    )


def import_archive(name: str, content: bytes | Path, *, dry_run: bool = False) -> ImportReport:
    """Import the zip archive of an export, a file or the content of an upload; see `import_runs`."""
    refuse_when_read_only("imported")
    with tempfile.TemporaryDirectory(prefix="recdash-") as folder:
        return _import_folder(_unpack(name, content, Path(folder)), name, dry_run=dry_run)


def is_export(path: Path) -> bool:
    """Whether a folder is an export of runs, not one for another program."""
    try:
        manifest = json_object((path / MANIFEST).read_text(encoding="utf-8"))
    except OSError:
        return False
    except ValueError:  # `import_runs` says what is wrong with it
        return True
    return manifest.get("file_format") not in OTHER_FORMATS


def is_export_archive(content: bytes | Path) -> bool:
    """Whether a file or the content of one is a zip archive with an export of runs."""
    try:
        with zipfile.ZipFile(_opened(content)) as archive:
            return any(PurePosixPath(name).name == MANIFEST for name in archive.namelist())
    except (zipfile.BadZipFile, OSError, ValueError):
        return False


def _checked_files(folder: Path, shown: str) -> dict[str, dict[str, Any]]:
    """Return the manifest's entries; raises DataError unless all files are there, unchanged and of a known kind."""
    if not (folder / MANIFEST).is_file():
        raise DataError(f"{shown}: no {MANIFEST}, so this is no export of runs. Name the folder of an export.")
    entries = _manifest_entries(folder, shown)
    if not any(_table_of(name) == "runs" for name in entries):
        raise DataError(f"{shown}/{MANIFEST}: names no table of runs. {FIX}")
    for name, entry in entries.items():
        _check_hash(folder / name, name, entry)
    return entries


def _manifest_entries(folder: Path, shown: str) -> dict[str, dict[str, Any]]:
    """Return the manifest's entries; raises DataError for a damaged manifest, and for names that no export has."""
    path = f"{shown}/{MANIFEST}"
    with wrap_read_errors(path, DataError, FIX, "not the manifest of an export"):
        manifest = json_object((folder / MANIFEST).read_text(encoding="utf-8"))
        version, files = manifest["version"], manifest["files"]
        if manifest["format"] != NAME or not is_count(version) or not isinstance(files, dict):
            raise ValueError("other content")
        entries: dict[str, dict[str, Any]] = {str(name): dict(entry) for name, entry in files.items()}
    if version > VERSION:
        raise DataError(f"{path}: format {version}, this version reads up to {VERSION}. Update recdash.")
    for name in entries:
        if not _table_of(name) and not _WEIGHT_FILE.fullmatch(name):
            raise DataError(f"{path}: names {quote(name)}, which is no file of an export. {FIX}")
    return entries


def _table_of(name: str) -> str:
    """Return the table that a file of this name holds, or an empty text."""
    table, _, ending = name.partition(".")
    return table if table in run_tables.TABLES and f".{ending}" in exchange_files.FORMATS.values() else ""


def _check_hash(path: Path, name: str, entry: dict[str, Any]) -> None:
    if path.is_symlink() or not path.is_file():
        raise DataError(f"{name}: missing, although {MANIFEST} names it. {FIX}")
    with wrap_read_errors(name, DataError, FIX), path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != entry.get("sha256"):
        raise DataError(f"{name}: cut off or changed, its hash differs from {MANIFEST}. {FIX}")


def _batches(folder: Path, files: dict[str, Any], table: str) -> Iterator[Batch]:
    for name in files:
        if _table_of(name) == table:
            yield from exchange_files.read_batches(folder / name)


def _copy_weights(folder: Path, files: dict[str, Any], folders: dict[str, StagedFolder], known: set[str]) -> None:
    for name in files:
        if not (found := _WEIGHT_FILE.fullmatch(name)):
            continue
        if found[1] not in known:
            raise DataError(f"{name}: the export has no run with this id. {FIX}")
        if found[1] in folders:
            best = folders[found[1]].best
            best.mkdir(exist_ok=True)
            shutil.copyfile(folder / name, best / PurePosixPath(name).name)


def _unpack(name: str, content: bytes | Path, folder: Path) -> Path:
    """Unpack the manifest of an archive and the files that it names, and nothing else; return the manifest's folder.

    Raises:
        DataError: The archive is damaged or too large, leads out of the folder, or the disk is full.
    """
    fix = "Name the zip archive of an export."
    damaged = wrap_read_errors(name, DataError, fix, "damaged zip archive")
    with damaged, zipfile.ZipFile(_opened(content)) as archive:
        entries = {PurePosixPath(entry.filename): entry for entry in archive.infolist() if not entry.is_dir()}
        for path, entry in entries.items():
            if ".." in path.parts or path.is_absolute() or "\\" in entry.filename:
                raise DataError(f"{name}: {quote(entry.filename)} leads out of the archive. {fix}")
        manifests = [path for path in entries if path.name == MANIFEST]
        if not manifests:
            raise DataError(f"{name}: no {MANIFEST} in it, so this is no export of runs. Name an export.")
        top = min(manifests, key=lambda path: len(path.parts)).parent
        _extract(name, archive, [entries[top / MANIFEST]], folder, _LARGEST_MANIFEST)
        named = [top / file for file in _manifest_entries(folder / top, name)]
        _extract(name, archive, [entries[path] for path in named if path in entries], folder, _LARGEST_ARCHIVE)
    return folder / top


def _extract(name: str, archive: zipfile.ZipFile, entries: Sequence[zipfile.ZipInfo], folder: Path, limit: int) -> None:
    size = sum(entry.file_size for entry in entries)
    if size > limit:
        found = f"{byte_size(size)} when unpacked, the limit is {byte_size(limit)}"
        raise DataError(f"{name}: {found}. Unpack it, and name the folder.")
    try:
        archive.extractall(folder, entries)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        fix = "Free some space, or set TMPDIR."
        raise DataError(f"{folder.parent}: {name} cannot be unpacked here ({error.strerror}). {fix}") from error


def _opened(content: bytes | Path) -> io.BytesIO | Path:
    return io.BytesIO(content) if isinstance(content, bytes) else content
