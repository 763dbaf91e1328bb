"""Folders that an export fills: they appear complete, take the place of a former export only, and are reported."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from recdash import __version__
from recdash.errors import DataError, UsageError
from recdash.json_values import json_object
from recdash.reporting.formatting import byte_size, plural
from recdash.runs.run_records import RunRecord, iso
from recdash.runs.store import Store
from recdash.settings import name_list

MANIFEST, NAME = "manifest.json", "recdash runs"
VERSION = 1  # of the layout in `recdash.services.run_tables`
OTHER_FORMATS = ("tensorboard", "mlflow")  # of exports that other programs read, and that are not imported


@dataclass(frozen=True)
class ExportReport:
    """What an export wrote.

    Attributes:
        folder: The folder, or the address of a server.
        file_format: Format of the files.
        runs: Ids of the runs.
        epochs: Number of epochs.
        rows: Rows by table, or number of values.
        bytes: Size of all files; 0 on a server.
        notes: Sentences about what could not be exported; often empty.
    """

    folder: Path
    file_format: str
    runs: tuple[str, ...]
    epochs: int
    rows: Mapping[str, int]
    bytes: int
    notes: tuple[str, ...] = ()

    def summary(self) -> str:
        """Return one sentence, for example "2 runs with 40 epochs written to out (csv, 12 MiB)."."""
        size = f", {byte_size(self.bytes)}" if self.bytes else ""
        written = f"{plural(len(self.runs), 'run')} with {plural(self.epochs, 'epoch')} written"
        return f"{written} to {self.folder} ({self.file_format}{size})."

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON values."""
        plain = {"folder": str(self.folder), "format": self.file_format, "runs": list(self.runs), "epochs": self.epochs}
        return {**plain, "rows": dict(self.rows), "bytes": self.bytes, "notes": list(self.notes)}


def selected_runs(store: Store, run_ids: str | Sequence[str] | None) -> list[RunRecord]:
    """Return runs in the order of their ids, without `run_ids` all, newest first; raises UsageError for unknown ids."""
    if run_ids is None:
        return store.runs()
    names = list(dict.fromkeys(name_list(run_ids)))
    if not names:
        raise UsageError("No run to export. Name at least one, or leave the ids out to export all.")
    found = {run.id: run for run in store.runs(ids=names)}
    return [found[name] if name in found else store.run(name) for name in names]


@contextmanager
def replaced_folder(target: Path, file_format: str) -> Iterator[Path]:
    """Yield an empty folder that takes the place of `target` when the block ends without an error.

    A manifest is added, which names every file.

    Raises:
        UsageError: `target` holds files that no export wrote.
        DataError: It cannot be written.
    """
    check_target(target)
    temporary = target.with_name(f".{target.name}.{uuid4().hex}.tmp")
    former = target.with_name(f".{target.name}.{uuid4().hex}.old")
    try:
        temporary.mkdir(parents=True)
        yield temporary
        _write_manifest(temporary, file_format)
        if target.exists():
            target.replace(former)
        temporary.replace(target)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        fix = "Free some space, or choose another folder."
        raise DataError(f"{target}: cannot be written ({reason}). {fix}") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        if former.exists() and not target.exists():  # an error or Ctrl-C between the two renames
            with suppress(OSError):
                former.replace(target)
        if target.exists():
            shutil.rmtree(former, ignore_errors=True)


def check_target(target: Path) -> None:
    """Raise UsageError unless `target` is new, empty, or holds a former export and nothing else."""
    if target.is_symlink() or (target.exists() and not target.is_dir()):
        raise UsageError(f"{target} is not a folder. Name a new folder.")
    try:
        manifest = json_object((target / MANIFEST).read_text(encoding="utf-8"))
        known = {MANIFEST, *manifest["files"]} if manifest["format"] == NAME else set()
    except (OSError, ValueError, KeyError, TypeError):
        known = set()
    for folder, _, names in os.walk(target):  # ends at the first file that is not ours: the target may be a whole disk
        for path in (Path(folder, name).relative_to(target).as_posix() for name in sorted(names)):
            if path not in known:
                raise UsageError(f"{target} holds other files, such as {path}. Name a new or empty folder.")


def _write_manifest(folder: Path, file_format: str) -> None:
    files = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        files[path.relative_to(folder).as_posix()] = {"bytes": path.stat().st_size, "sha256": digest}
    document = {"format": NAME, "version": VERSION, "file_format": file_format, "recdash": __version__}
    text = json.dumps({**document, "created": iso(time.time()), "files": files}, indent=1)
    (folder / MANIFEST).write_text(text + "\n", encoding="utf-8")
