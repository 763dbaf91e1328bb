"""Rebuilds a lost or damaged store from the run folders."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import insert, select

from recdash.atomic_files import wrap_read_errors
from recdash.errors import CheckpointError, StoreError, UsageError
from recdash.json_values import is_count, is_number
from recdash.runs.run_folder import RunFolder, run_folders
from recdash.runs.schema import epochs, runs
from recdash.runs.states import State
from recdash.runs.store import Store, add_event, columns_of, next_seq

_TIMES = ("created", "started", "finished", "heartbeat")
_TEXTS = (
    "host",
    "error",
    "note",
    "request_hash",
    "dataset_fingerprint",
    "split_fingerprint",
    "preset",
    "device",
    "protocol",
)
_COUNTS = ("seed", "split_seed", "epoch", "attempts")
_OBJECTS = ("settings", "config", "versions", "details", "options")
_NUMBERS = ("threads", "epochs", "best_epoch", "best_value", "elapsed_s", "runtime_s")


def rebuild(url: str) -> str:
    """Rebuild a store from the run folders. A damaged SQLite file is renamed, never deleted.

    Args:
        url: URL of the store.

    Returns:
        A sentence that reports what was done.

    Raises:
        UsageError: if the store is not damaged and lacks no run.
        StoreError: if the store cannot be rebuilt because it is not an SQLite file.
    """
    store = Store(url)
    try:
        known = {run.id for run in store.runs()}
    except StoreError as error:
        if store.database.file is None or "damaged" not in str(error):
            raise
        backup = _back_up(store.database.file)
        store.close()
        store = Store(url)
        return f"{store.database.location} was damaged and is now {backup}. {_restore_all(store, set())}"
    if all(folder.path.name in known for folder in run_folders()):
        raise UsageError(f"{store.database.location} is not damaged: nothing to fix.")
    return f"{store.database.location} is readable. {_restore_all(store, known)}"


def _restore_all(store: Store, known: set[str]) -> str:
    restored, skipped = 0, []
    for folder in run_folders():
        if folder.path.name in known:
            continue
        try:
            _restore(store, folder)
            restored += 1
        except CheckpointError:
            skipped.append(folder.path.name)
    rest = f" Unreadable folders: {', '.join(skipped)}." if skipped else ""
    return f"Runs rebuilt from their folders: {restored}.{rest}"


def _restore(store: Store, folder: RunFolder) -> None:
    record, rows = folder.read_record(), folder.read_epochs()
    with wrap_read_errors(folder.path, CheckpointError, "Train the run again.", "damaged record"):
        if record["id"] != folder.path.name:
            raise ValueError("record of another folder")
        state = State(record["state"])
        fields = _fields(record, State.INTERRUPTED if state.is_active() else state)
    with store.database.write() as connection:
        if connection.execute(select(runs.c.id).where(runs.c.id == record["id"])).first():
            return
        seq = next_seq(connection)
        if rows and not state.is_finished():
            fields |= {"epoch": int(rows[-1]["epoch"]), "elapsed_s": float(rows[-1]["seconds"])}
        connection.execute(insert(runs), [columns_of({**fields, "version": seq})])
        add_event(connection, seq, record["id"], "rebuilt", "from its folder")
        for row in rows:
            numbers = {"run": record["id"], "epoch": row["epoch"], "seq": next_seq(connection)}
            texts = {"update_number": row["update"], "seconds": row["seconds"], "numbers": json.dumps(row["values"])}
            connection.execute(insert(epochs), [numbers | texts])


def _fields(record: Mapping[str, Any], state: State) -> dict[str, Any]:
    """Return the columns of a run; raises KeyError, ValueError or TypeError for values that no run has."""
    fields: dict[str, Any] = {name: _checked(record.get(name) or "", _is_text) for name in _TEXTS}
    fields["request_hash"] = fields["request_hash"] or _checked(record.get("twin") or "", _is_text)  # until version 0.2
    fields |= {name: _checked(record[name], _is_text) for name in ("id", "name", "model", "dataset")}
    fields |= {name: _checked(record.get(name), _is_number_or_none) for name in _NUMBERS}
    fields |= {name: _checked(record.get(name) or 0, is_count) for name in _COUNTS}
    fields |= {name: _checked(record.get(name) or {}, _is_object) for name in _OBJECTS}
    fields |= {name: _metrics(record.get(name) or {}) for name in ("metrics", "validation")}
    fields["intervals"] = {name: _interval(pair) for name, pair in (record.get("intervals") or {}).items()}
    fields |= {name: _seconds(record.get(name)) for name in _TIMES}
    created = fields["created"] or time.time()
    return fields | {"state": state, "stop_requested": 0, "created": created, "queued": created, "pid": None}


def _checked(value: Any, is_valid: Callable[[object], bool]) -> Any:
    if not is_valid(value):
        raise ValueError("not a value of a run")
    return value


def _is_text(value: object) -> bool:
    return isinstance(value, str) and value == value.encode(errors="replace").decode()


def _is_number_or_none(value: object) -> bool:
    return value is None or is_number(value)


def _is_object(value: object) -> bool:
    return isinstance(value, dict)


def _metrics(values: Mapping[str, Any]) -> dict[str, float]:
    """Return metrics by name; NaN was written as null."""
    return {name: math.nan if value is None else _checked(value, is_number) for name, value in values.items()}


def _interval(pair: Any) -> tuple[float, float]:
    low, high = pair
    bounds = _metrics({"low": low, "high": high})
    return bounds["low"], bounds["high"]


def _seconds(text: str | None) -> float | None:
    return None if text is None else datetime.fromisoformat(text).timestamp()


def _back_up(file: Path) -> Path:
    backup = file.with_name(f"{file.name}.damaged-{time.strftime('%Y%m%d-%H%M%S')}")
    file.replace(backup)
    for ending in ("-wal", "-shm"):
        companion = file.with_name(file.name + ending)
        if companion.exists():
            companion.replace(backup.with_name(backup.name + ending))
    return backup
