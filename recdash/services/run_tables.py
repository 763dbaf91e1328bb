"""The layout of an export: its tables, their columns, and its manifest.

FOLDER/runs       one row per run: its fields, `setting.NAME`, `metric.NAME`, `low.NAME`, `high.NAME`, `validation.NAME`
       epochs     one row per run and epoch: run, epoch, update, seconds, recorded, and every value by its name
       events     one row per event: run, time, kind, text
       per_user   one row per run and test user: the test metrics of this user
       top_lists  one row per run and test user: item indices of the top list, -1 after its end
       arrays     one row per array: facts about test users and items, and short arrays per epoch
       resources  one row per sample of processor, memory and GPU use
       weights/RUN/   the best weights, if asked for
       manifest.json  version of the layout; size and SHA-256 of every file

Times are in seconds since 1970. In CSV, missing is an empty cell, NaN is `nan`, and text that a spreadsheet would take
for a formula starts with an apostrophe; in JSON, NaN and infinite numbers are the texts "nan", "inf" and "-inf".
A value whose name is that of a fixed column is called `value.NAME`. The columns `setting.NAME` repeat `config` for
reading.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from recdash.runs.run_records import RunRecord
from recdash.services.exchange_cells import Kind, clean_text

WEIGHTS = "weights"
TABLES = ("runs", "epochs", "events", "per_user", "top_lists", "arrays", "resources")

TEXTS = (
    "id", "name", "model", "dataset", "protocol", "state", "preset", "device", "dataset_fingerprint",
    "split_fingerprint", "error", "note", "host", "request_hash", "source",
)  # fmt: skip
COUNTS = ("seed", "split_seed", "epoch", "attempts")
OPTIONAL_COUNTS = ("epochs", "best_epoch", "threads", "pid")
NUMBERS = ("best_value", "elapsed_s", "runtime_s")
TIMES = ("created", "started", "finished", "heartbeat", "archived")
OBJECTS = ("settings", "config", "versions", "details", "options")

EPOCHS: dict[str, Kind] = {
    "run": "text", "epoch": "count", "update": "count", "seconds": "number", "recorded": "number",
}  # fmt: skip
EVENTS: dict[str, Kind] = {"run": "text", "time": "number", "kind": "text", "text": "text"}
PER_USER: dict[str, Kind] = {"run": "text", "user": "count"}
TOP_LISTS: dict[str, Kind] = {"run": "text", "user": "count", "items": "numbers"}
ARRAYS: dict[str, Kind] = {
    "run": "text", "part": "text", "name": "text", "epoch": "count", "type": "text", "shape": "json",
    "values": "numbers",
}  # fmt: skip
RESOURCES: dict[str, Kind] = {
    "run": "text", "time": "number", "cpu_percent": "number", "memory_bytes": "count", "gpu_percent": "number",
    "gpu_memory_bytes": "count",
}  # fmt: skip


def run_columns(runs: Sequence[RunRecord]) -> tuple[dict[str, Kind], dict[str, list[Any]]]:
    """Return the schema of the table of runs, and its columns."""
    schema: dict[str, Kind] = dict.fromkeys(TEXTS, "text")
    schema |= dict.fromkeys((*COUNTS, *OPTIONAL_COUNTS), "count")
    schema |= dict.fromkeys((*NUMBERS, *TIMES), "number")
    schema |= dict.fromkeys((*OBJECTS, "tags"), "json")
    rows = [_row(run) for run in runs]
    for prefix, kind in (("metric", "number"), ("low", "number"), ("high", "number"), ("validation", "number")):
        schema |= dict.fromkeys(_names_with(prefix, rows), kind)  # type: ignore[arg-type]  # the kinds are literals
    schema |= dict.fromkeys(_names_with("setting", rows), "any")
    return schema, {name: [row.get(name) for row in rows] for name in schema}


def value_columns(names: Iterable[str], fixed: Mapping[str, Kind]) -> dict[str, str]:
    """Return the column of each value; `value_name` is the inverse."""
    return {name: f"value.{name}" if name in fixed or name.startswith("value.") else name for name in names}


def value_name(column: str) -> str:
    """Return the name of the value that a column of a table holds."""
    return column.removeprefix("value.")


def _row(run: RunRecord) -> dict[str, Any]:
    row: dict[str, Any] = {name: clean_text(str(getattr(run, name))) for name in TEXTS}
    row |= {name: getattr(run, name) for name in (*COUNTS, *OPTIONAL_COUNTS, *NUMBERS, *TIMES)}
    row |= {name: dict(getattr(run, name)) for name in OBJECTS}
    row["tags"] = list(run.tags)
    row |= {f"setting.{name}": _readable(value) for name, value in (run.config or run.settings).items()}
    row |= {f"metric.{name}": value for name, value in run.metrics.items()}
    row |= {f"low.{name}": low for name, (low, _) in run.intervals.items()}
    row |= {f"high.{name}": high for name, (_, high) in run.intervals.items()}
    return row | {f"validation.{name}": value for name, value in run.validation.items()}


def _names_with(prefix: str, rows: Sequence[Mapping[str, Any]]) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row if name.startswith(f"{prefix}.")))


def _readable(value: Any) -> Any:
    return value if value is None or isinstance(value, (str, int, float)) else json.dumps(value)
