"""Rebuilds a lost or damaged store from the run folders."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import insert, select

from recdash.atomic_files import wrap_read_errors
from recdash.errors import CheckpointError, StoreError, UsageError
from recdash.json_values import is_count, is_number
from recdash.runs.record_rows import columns_of
from recdash.runs.run_folder import RunFolder, run_folders
from recdash.runs.schema import epochs, runs
from recdash.runs.states import State
from recdash.runs.store import Store, add_event, next_seq

_TIMES = ("created", "started", "finished", "heartbeat", "archived", "trashed")
_TEXTS = (
    "host",
    "error",
    "note",
    "source",
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
        known = {run.id for run in store.runs(trashed=None)}
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
        fields = columns_from(record)
    insert_run(store, fields, rows, "rebuilt", "from its folder")


def insert_run(
    store: Store, fields: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], event: str, text: str = ""
) -> bool:
    """Insert a run with its epochs, in one transaction.

    Args:
        store: Gets the run.
        fields: From `columns_from`.
        rows: Epochs in order, with the fields of a line of epochs.jsonl: `epoch`, `update`, `seconds`, `values` and,
            where known, `recorded`.
        event: Kind of the event that is recorded, for example "imported".
        text: Text of the event.

    Returns:
        Whether it was inserted; False if the store has a run of this id, which is left unchanged.
    """
    run_id = fields["id"]
    with store.database.write() as connection:
        if connection.execute(select(runs.c.id).where(runs.c.id == run_id)).first():
            return False
        seq = next_seq(connection)
        columns = columns_of({**fields, "version": seq})
        if rows and not fields["state"].is_finished():
            columns |= {"epoch": int(rows[-1]["epoch"]), "elapsed_s": float(rows[-1]["seconds"])}
        connection.execute(insert(runs), [columns])
        add_event(connection, seq, run_id, event, text)
        inserted = [
            {
                "run": run_id,
                "epoch": row["epoch"],
                "seq": next_seq(connection),
                "update_number": row["update"],
                "seconds": row["seconds"],
                "numbers": json.dumps(row["values"]),
                "recorded": row.get("recorded"),
            }
            for row in rows
        ]
        if inserted:
            connection.execute(insert(epochs), inserted)
    return True


def columns_from(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a run for `insert_run` from `RunRecord.to_dict`.

    A run that was queued or running becomes interrupted. Raises KeyError, ValueError or TypeError for values that no
    run has.
    """
    state = State(record["state"])
    state = State.INTERRUPTED if state.is_active() else state
    fields: dict[str, Any] = {name: _checked(record.get(name) or "", _is_text) for name in _TEXTS}
    fields["request_hash"] = fields["request_hash"] or _checked(record.get("twin") or "", _is_text)  # until version 0.2
    fields |= {name: _checked(record[name], _is_text) for name in ("id", "name", "model", "dataset")}
    fields |= {name: _checked(record.get(name), _is_number_or_none) for name in _NUMBERS}
    fields |= {name: _checked(record.get(name) or 0, is_count) for name in _COUNTS}
    fields |= {name: _checked(record.get(name) or {}, _is_object) for name in _OBJECTS}
    fields |= {name: _metrics(record.get(name) or {}) for name in ("metrics", "validation")}
    fields["intervals"] = {name: _interval(pair) for name, pair in (record.get("intervals") or {}).items()}
    fields |= {name: _seconds(record.get(name)) for name in _TIMES}
    fields["tags"] = [_checked(tag, _is_text) for tag in _checked(record.get("tags") or [], _is_list)]
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


def _is_list(value: object) -> bool:
    return isinstance(value, list)


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
