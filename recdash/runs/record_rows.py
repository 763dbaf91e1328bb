"""Rows of the table `runs` as records and back, and the errors for runs that are not there or in the trash."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from sqlalchemy import RowMapping

from recdash.errors import UsageError
from recdash.runs.process_id import ProcessId, is_alive
from recdash.runs.run_records import RunRecord, rename_old_details
from recdash.runs.states import State

_JSON = ("settings", "metrics", "intervals", "validation", "config", "versions", "details", "options", "tags")
_FIELDS = tuple(field.name for field in fields(RunRecord) if field.name not in {"stopping", *_JSON})


def columns_of(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Convert fields of RunRecord to column values."""
    plain = {name: json.dumps(value) if name in _JSON else value for name, value in fields.items()}
    return {name: value.value if isinstance(value, State) else value for name, value in plain.items()}


def record_of(row: RowMapping) -> RunRecord:
    """Convert a row to a record. A running run whose process died becomes `interrupted`."""
    values: dict[str, Any] = {name: row[name] for name in _FIELDS}
    values.update({name: json.loads(row[name]) for name in _JSON})
    values["intervals"] = {name: (low, high) for name, (low, high) in values["intervals"].items()}
    values["details"] = rename_old_details(values["details"])
    values["tags"] = tuple(values["tags"])
    state = State(row["state"])
    if state is State.RUNNING and not owner_is_alive(row):
        state = State.INTERRUPTED
        values["error"] = (
            row["error"] or "The process that trained this run ended unexpectedly. Resume it from its last checkpoint."
        )
        values["finished"] = row["heartbeat"]
    return RunRecord(**{**values, "state": state, "stopping": state is State.RUNNING and row["stop_requested"] != 0})


def owner_is_alive(row: RowMapping) -> bool:
    """Whether the process that claimed this run is alive."""
    if row["pid"] is None:
        return False
    return is_alive(ProcessId(row["host"], row["pid"], row["process_start"]), row["heartbeat"])


def is_active(row: RowMapping) -> bool:
    """Whether a run is queued, or running in a process that is alive."""
    return row["state"] == State.QUEUED or (row["state"] == State.RUNNING and owner_is_alive(row))


def no_such_run(run_id: str) -> UsageError:
    """Return the error for a run that does not exist."""
    return UsageError(f"Unknown run: {run_id!r}. See `recdash runs list`.")


def run_in_trash(run_id: str) -> UsageError:
    """Return the error for a run in the trash."""
    return UsageError(f"Run {run_id} is in the trash. Restore it: recdash runs restore {run_id}")
