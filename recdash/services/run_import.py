"""Import of runs that `recdash.services.run_export` wrote. Files are untrusted: all of them are checked first."""

from __future__ import annotations

import hashlib
import io
import re
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from recdash.atomic_files import wrap_read_errors
from recdash.errors import DataError, quote
from recdash.json_values import is_count, json_object
from recdash.runs.staged_folder import StagedFolder, staging_folder
from recdash.services import exchange_files, run_tables
from recdash.services.exchange_files import FIX, Batch
from recdash.services.export_folder import MANIFEST, NAME, OTHER_FORMATS, VERSION
from recdash.services.imported_arrays import ImportedArrays
from recdash.services.imported_records import parse_epochs, parse_events, parse_runs
from recdash.services.imported_runs import ImportReport, add_to_store, split_known
from recdash.services.store_access import open_store, refuse_when_read_only

SOURCE = "recdash export"
_WEIGHT_FILE = re.compile(r"weights/([a-z0-9]+-[0-9a-f]{8})/[\w-][\w.-]*\.(safetensors|json)", re.ASCII)
_LARGEST_ARCHIVE = 8 << 30  # bytes, unpacked


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
    path = Path(folder).expanduser()
    if path.is_file():
        return import_archive(path.name, path.read_bytes(), dry_run=dry_run)
    files = _checked_files(path)
    store = open_store()
    new_runs, where, notes = parse_runs(_batches(path, files, "runs"))
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
        if not dry_run:
            add_to_store(store, list(wanted.values()), folders.values())
    return ImportReport(
        source=SOURCE,
        runs=tuple((run_id, run.record.name) for run_id, run in wanted.items()),
        points=sum(run.n_points for run in wanted.values()),
        already_here=tuple(run_id for run_id in new_runs if run_id in known),
        notes=(*notes, *in_trash),
        dry_run=dry_run,
    )


def import_archive(name: str, content: bytes, *, dry_run: bool = False) -> ImportReport:
    """Import the zip archive of an export, for example an upload; see `import_runs`."""
    with tempfile.TemporaryDirectory(prefix="recdash-") as folder:
        _unpack(name, content, Path(folder))
        return import_runs(_folder_of_manifest(name, Path(folder)), dry_run=dry_run)


def is_export(path: Path) -> bool:
    """Whether a folder is an export of runs, not one for another program."""
    try:
        manifest = json_object((path / MANIFEST).read_text(encoding="utf-8"))
    except OSError:
        return False
    except ValueError:  # `import_runs` says what is wrong with it
        return True
    return manifest.get("file_format") not in OTHER_FORMATS


def is_export_archive(content: bytes) -> bool:
    """Whether bytes are a zip archive with an export of runs."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return any(PurePosixPath(name).name == MANIFEST for name in archive.namelist())
    except (zipfile.BadZipFile, OSError, ValueError):
        return False


def _checked_files(folder: Path) -> dict[str, dict[str, Any]]:
    """Return the manifest's entries; raises DataError unless all files are there, unchanged and of a known kind."""
    path = folder / MANIFEST
    if not path.is_file():
        raise DataError(f"{folder}: no {MANIFEST}, so this is no export of runs. Name the folder of an export.")
    with wrap_read_errors(path, DataError, FIX, "not the manifest of an export"):
        manifest = json_object(path.read_text(encoding="utf-8"))
        version, files = manifest["version"], manifest["files"]
        if manifest["format"] != NAME or not is_count(version) or not isinstance(files, dict):
            raise ValueError("other content")
        entries: dict[str, dict[str, Any]] = {str(name): dict(entry) for name, entry in files.items()}
    if version > VERSION:
        raise DataError(f"{path}: format {version}, this version reads up to {VERSION}. Update recdash.")
    for name, entry in entries.items():
        table, _, ending = name.partition(".")
        is_table = table in run_tables.TABLES and f".{ending}" in exchange_files.FORMATS.values()
        if not is_table and not _WEIGHT_FILE.fullmatch(name):
            raise DataError(f"{path}: names {quote(name)}, which is no file of an export. {FIX}")
        _check_hash(folder / name, name, entry)
    return entries


def _check_hash(path: Path, name: str, entry: dict[str, Any]) -> None:
    if path.is_symlink() or not path.is_file():
        raise DataError(f"{name}: missing, although {MANIFEST} names it. {FIX}")
    with wrap_read_errors(name, DataError, FIX), path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != entry.get("sha256"):
        raise DataError(f"{name}: cut off or changed, its hash differs from {MANIFEST}. {FIX}")


def _batches(folder: Path, files: dict[str, Any], table: str) -> Iterator[Batch]:
    names = [name for name in files if name.partition(".")[0] == table]
    if table == "runs" and not names:
        raise DataError(f"{folder / MANIFEST}: names no table of runs. {FIX}")
    for name in names:
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


def _unpack(name: str, content: bytes, folder: Path) -> None:
    """Unpack an archive; raises DataError for one that is damaged, too large, or leads out of the folder."""
    fix = "Name the zip archive of an export."
    with wrap_read_errors(name, DataError, fix, "damaged zip archive"), zipfile.ZipFile(io.BytesIO(content)) as archive:
        if sum(entry.file_size for entry in archive.infolist()) > _LARGEST_ARCHIVE:
            raise DataError(
                f"{name}: more than {_LARGEST_ARCHIVE >> 30} GiB when unpacked. Unpack it, and name the folder."
            )
        for entry in archive.infolist():
            parts = PurePosixPath(entry.filename).parts
            if ".." in parts or entry.filename.startswith("/") or "\\" in entry.filename:
                raise DataError(f"{name}: {quote(entry.filename)} leads out of the archive. {fix}")
        archive.extractall(folder)


def _folder_of_manifest(name: str, folder: Path) -> Path:
    found = sorted(folder.rglob(MANIFEST), key=lambda path: len(path.parts))
    if not found:
        raise DataError(f"{name}: no {MANIFEST} in it, so this is no export of runs. Name an export.")
    return found[0].parent
