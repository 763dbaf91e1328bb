"""The rows of an export as records, epochs and events; every value is checked, and an error names file and row."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from recdash.errors import DataError, RecdashError, quote, short_repr
from recdash.models import registry
from recdash.runs.run_folder import RunFolder
from recdash.runs.run_records import RunRecord, rename_old_details
from recdash.runs.states import State
from recdash.services import run_tables
from recdash.services.exchange_cells import LATEST_TIME, is_clean_text
from recdash.services.exchange_files import FIX, Batch
from recdash.services.imported_runs import EPOCH_LIMIT, EpochValues, NewRun
from recdash.services.tie_warnings import add_tie_rules
from recdash.settings import format_setting
from recdash.splits.split_options import describe_options

_NAME_LENGTH, _NOTE_LENGTH, _MODEL_LENGTH, _TAG_LENGTH, _METRIC_LENGTH = 1_000, 10_000, 60, 200, 250
_MANY_EPOCHS = 3e9  # seconds: about a century, more than any training takes
# Entries of `details` that pages and commands compute with, and their types.
_DETAILS: dict[type | tuple[type, ...], tuple[str, ...]] = {
    dict: ("split", "machine", "environment"),
    (int, float): (
        "unordered_ties", "n_scored", "parameters", "peak_memory_bytes", "card_memory_bytes", "seconds_per_list",
        "validation_seconds", "evaluation_seconds",
    ),
    int: ("unstable_epoch", "epochs_run", "n_validations", "users", "items", "interactions"),
    str: ("title", "device", "precision", "assigned_device", "preset_used", "snapshot_note"),
}  # fmt: skip


def parse_runs(batches: Iterable[Batch]) -> tuple[dict[str, NewRun], dict[str, str], list[str]]:
    """Return the runs of an export by id, where each is ("FILE, row N"), and the ids of those that were active.

    Raises:
        DataError: A row is not that of a run.
    """
    found: dict[str, NewRun] = {}
    where: dict[str, str] = {}
    active: list[str] = []
    for batch in batches:
        for number, fields in enumerate(_rows(batch)):
            record = _record(batch, number, fields)
            if record.id in found:
                raise batch.error(number, f"a second run with the id {record.id}")
            if State(fields["state"]).is_active():
                active.append(record.id)
            found[record.id] = NewRun(record=record)
            where[record.id] = f"{batch.file}, row {batch.first_row + number}"
    return found, where, active


def parse_epochs(batches: Iterable[Batch], runs: Mapping[str, NewRun]) -> None:
    """Add the epochs of an export to its runs; raises DataError for an invalid row."""
    for batch in batches:
        columns = {
            name: batch.values(name, kind, required=name != "recorded") for name, kind in run_tables.EPOCHS.items()
        }
        values = {
            _checked_name(batch, run_tables.value_name(name)): batch.values(name, "number")
            for name in batch.columns
            if name not in run_tables.EPOCHS
        }
        for number, run_id in enumerate(columns["run"]):
            run = _run_of(batch, number, run_id, runs)
            epoch, seconds, recorded = (columns[name][number] for name in ("epoch", "seconds", "recorded"))
            if epoch in run.epochs:
                raise batch.error(number, f"epoch {epoch} of {run_id} comes twice")
            if epoch >= EPOCH_LIMIT or not 0 <= seconds < _MANY_EPOCHS:
                raise batch.error(number, f"epoch {epoch} after {seconds:g} s is not one of a training")
            _check_time(batch, number, "recorded", recorded)
            given = {name: column[number] for name, column in values.items() if column[number] is not None}
            run.epochs[epoch] = EpochValues(
                epoch=epoch, update=columns["update"][number], seconds=seconds, recorded=recorded, values=given
            )


def parse_events(batches: Iterable[Batch], runs: Mapping[str, NewRun]) -> None:
    """Add the events of an export to its runs; raises DataError for an invalid row."""
    for batch in batches:
        columns = {name: batch.values(name, kind, required=name != "text") for name, kind in run_tables.EVENTS.items()}
        for number, run_id in enumerate(columns["run"]):
            run = _run_of(batch, number, run_id, runs)
            _check_time(batch, number, "time", columns["time"][number])
            text = columns["text"][number] or ""
            run.events.append((columns["time"][number], columns["kind"][number], text))


def interrupted_note(active: Sequence[str]) -> list[str]:
    """Return a sentence about runs that were active when they were exported, if there are any."""
    if not active:
        return []
    named = ", ".join(active[:3]) + (f" and {len(active) - 3:,} more" if len(active) > 3 else "")
    return [f"Queued or running when exported, interrupted here: {named}."]


def _rows(batch: Batch) -> list[dict[str, Any]]:
    """Return the fields of the runs in a batch, each value of its kind."""
    columns: dict[str, list[Any]] = {}
    for name in run_tables.TEXTS:
        columns[name] = batch.values(name, "text", required=name in ("id", "name", "model", "dataset", "state"))
    for name in (*run_tables.COUNTS, *run_tables.OPTIONAL_COUNTS):
        columns[name] = batch.values(name, "count", required=name in run_tables.COUNTS)
    for name in (*run_tables.NUMBERS, *run_tables.TIMES):
        columns[name] = batch.values(name, "number", required=name == "created")
    for name in (*run_tables.OBJECTS, "tags"):
        columns[name] = batch.values(name, "json")
    for prefix in ("metric", "low", "high", "validation"):
        by_name = {
            _checked_name(batch, name.partition(".")[2]): batch.values(name, "number")
            for name in batch.columns
            if name.startswith(f"{prefix}.")
        }
        columns[prefix] = [
            {name: column[number] for name, column in by_name.items() if column[number] is not None}
            for number in range(batch.n_rows)
        ]
    return [{name: column[number] for name, column in columns.items()} for number in range(batch.n_rows)]


def _checked_name(batch: Batch, name: str) -> str:
    """Return the name of a metric; raises DataError for one that files and pages could not show."""
    if not name.isprintable() or not 1 <= len(name) <= _METRIC_LENGTH:
        raise DataError(f"{batch.file}: {quote(name)} is no name of a metric. {FIX}")
    return name


def _record(batch: Batch, number: int, fields: Mapping[str, Any]) -> RunRecord:
    def refuse(problem: str) -> DataError:
        return batch.error(number, problem)

    run_id = fields["id"]
    try:
        RunFolder(run_id)
    except (RecdashError, OSError, ValueError):
        raise refuse(f"{quote(run_id)} is not the id of a run") from None
    try:
        state = State(fields["state"])
    except ValueError:
        raise refuse(f"{quote(fields['state'])} is not a state of a run") from None
    plain: dict[str, Any] = {name: fields[name] or "" for name in run_tables.TEXTS}
    plain |= {name: fields[name] for name in (*run_tables.COUNTS, *run_tables.OPTIONAL_COUNTS, *run_tables.NUMBERS)}
    for name in ("epoch", "attempts", *run_tables.OPTIONAL_COUNTS):
        if (fields[name] or 0) >= EPOCH_LIMIT:
            raise refuse(f'"{name}" is {fields[name]}, which is too large')
    for name in ("elapsed_s", "runtime_s"):
        if fields[name] is not None and not 0 <= fields[name] < _MANY_EPOCHS:
            raise refuse(f'"{name}" is {fields[name]:g}, which is no duration')
    for name in run_tables.TIMES:
        _check_time(batch, number, name, fields[name])
        plain[name] = fields[name]
    for name in run_tables.OBJECTS:
        plain[name] = {} if fields[name] is None else fields[name]
        if not isinstance(plain[name], dict):
            raise refuse(f'"{name}" is {short_repr(plain[name])}, expected a JSON object')
    plain["details"] = rename_old_details(plain["details"])
    plain |= {"metrics": fields["metric"], "validation": fields["validation"], "tags": _tags(fields["tags"], refuse)}
    plain["intervals"] = _intervals(fields["low"], fields["high"], refuse)
    plain["state"] = State.INTERRUPTED if state.is_active() else state
    plain["source"] = plain["source"] or "recdash export"
    if plain["model"] not in registry.names():
        plain["details"] = {"title": plain["model"], **plain["details"]}  # only known models have a title
    _check_texts(plain, refuse)
    _check_details(plain["details"], refuse)
    record = RunRecord(**plain)
    _check_use(record, refuse)
    return record


def _tags(value: Any, refuse: Callable[[str], DataError]) -> tuple[str, ...]:
    tags = [] if value is None else value
    valid = isinstance(tags, list) and all(
        isinstance(tag, str) and len(tag) <= _TAG_LENGTH and is_clean_text(tag) for tag in tags
    )
    if not valid:
        raise refuse(f'"tags" is {short_repr(tags)}, expected a list of texts')
    return tuple(sorted(set(tags)))


def _intervals(
    lows: Mapping[str, float], highs: Mapping[str, float], refuse: Callable[[str], DataError]
) -> dict[str, tuple[float, float]]:
    if odd := sorted(lows.keys() ^ highs.keys()):
        raise refuse(f"the interval of {quote(odd[0])} has one end only")
    return {name: (low, highs[name]) for name, low in lows.items()}


def _check_texts(plain: Mapping[str, Any], refuse: Callable[[str], DataError]) -> None:
    limits = {"name": _NAME_LENGTH, "note": _NOTE_LENGTH, "model": _MODEL_LENGTH}
    for name, limit in limits.items():
        if len(plain[name]) > limit:
            raise refuse(f'"{name}" has {len(plain[name]):,} characters, the limit is {limit:,}')


def _check_details(details: Mapping[str, Any], refuse: Callable[[str], DataError]) -> None:
    for kind, names in _DETAILS.items():
        for name in names:
            value = details.get(name)
            if value is not None and (not isinstance(value, kind) or isinstance(value, bool)):
                raise refuse(f'"details" has {quote(name)} {short_repr(value)}, which is of another type')


def _check_use(record: RunRecord, refuse: Callable[[str], DataError]) -> None:
    """Raise DataError for a record that commands and pages could not show."""
    try:
        add_tie_rules([record])[0].to_dict()
        describe_options(record.options)
        for value in (*record.settings.values(), *record.config.values()):
            format_setting(value)
    except Exception as error:  # whatever an invalid value makes of them
        raise refuse(f"values that no run has ({type(error).__name__})") from error


def _check_time(batch: Batch, number: int, name: str, value: float | None) -> None:
    if value is not None and not (math.isfinite(value) and 0 <= value < LATEST_TIME):
        raise batch.error(number, f'"{name}" is {value:g}, which is no time in seconds since 1970')


def _run_of(batch: Batch, number: int, run_id: str, runs: Mapping[str, NewRun]) -> NewRun:
    if run_id not in runs:
        raise batch.error(number, f"the table of runs has no {quote(run_id)}")
    return runs[run_id]
