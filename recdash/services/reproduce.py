"""The public tables once more: as published, corrected, and under the common protocols; cell by cell, resumable.

The only way into `recdash.published` beside its figures; the evaluation as published is reached from here alone.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recdash import places
from recdash.errors import DataError, UsageError, unknown
from recdash.runs import environment
from recdash.runs.identity import Identity, is_alive
from recdash.runs.records import iso
from recdash.services import datasets
from recdash.services.access import refuse_when_read_only

if TYPE_CHECKING:
    from collections.abc import Iterator

    from recdash.data.dataset import Dataset
    from recdash.published.explained import Explanation
    from recdash.published.running import Step as Step
    from recdash.published.tables import Cell, Table
    from recdash.published.work import Found


@dataclass(frozen=True)
class Live:
    """A reproduction that is going on in some process of this machine."""

    steps: tuple[Step, ...]
    since: float


def run(
    table: str = "metarec",
    *,
    models: Sequence[str] | None = None,
    dataset: str | None = None,
    epochs: int | None = None,
    out: Path | None = None,
    on_step: Callable[[Step], Any] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> dict[str, Any]:
    """Compute what is missing of a table and return the whole of it (see `document`).

    models: only their cells, by default all.  dataset: by default the table's own, or for vae20m the largest MovieLens
    that is here, as a rehearsal.  epochs: at most so many in each training, for a trial.  out: where the document is
    written beside the data folder, by default benchmarks/results/.  Raises UsageError for unknown names, DataError
    where the data is missing, and Interrupted, with everything kept, when `should_stop` says so.
    """
    from recdash.published import running
    from recdash.published.work import Work, write_json

    refuse_when_read_only("reproduced")
    known = find(table)
    wanted = _wanted(known, models)
    data = load(known, dataset)
    home = _home(known, data, epochs)
    done = _cells(home)
    todo = [cell for cell in known.cells if cell.model in wanted and cell.name not in done]
    work = Work(data, home, epochs=epochs, should_stop=should_stop or (lambda: False))
    with _alone(known.name) as note:

        def say(step: Step) -> None:
            note(step)
            if on_step is not None:
                on_step(step)

        def keep(cell: Cell, found: Found, seconds: float) -> None:
            kept = {
                "columns": {name: dict(column) for name, column in found.columns.items()},
                "facts": dict(found.facts),
                "seconds": round(seconds, 1),
                "when": iso(time.time()),
                "about": cell.about,
            }
            write_json(home / f"{cell.name}.json", _finite(kept))
            replace(work, cell=cell.name).clear()
            _publish(known, data, home, epochs, out)

        running.compute(todo, work, say=say, keep=keep, cores=environment.cores())
    return _publish(known, data, home, epochs, out)


def find(table: str) -> Table:
    """Return a public table by name; raises UsageError, listing the known ones, for any other name."""
    from recdash.published.tables import TABLES

    if table not in TABLES:
        raise unknown("table", table, TABLES)
    return TABLES[table]


def load(table: Table, dataset: str | None = None) -> Dataset:
    """Return the data a table is reproduced on; raises DataError, saying how to get it, where it is not here."""
    if dataset is not None:
        return datasets.load(dataset)
    ready = [entry.name for entry in datasets.entries() if entry.ready]
    for name in (table.dataset, *table.others):
        if name in ready:
            return datasets.load(name)
    raise DataError(
        f"The public table was made on {table.dataset}, which is not here. Get it: recdash data get {table.dataset} "
        "(without a network, add --from FOLDER_OR_ZIP)."
    )


def explanations(table: str = "metarec") -> tuple[Explanation, ...]:
    """Return what is wrong with each model's row, in plain words and with the lines of the public code."""
    from recdash.published.explained import BY_TABLE

    return BY_TABLE[find(table).name]


def bare(table: str = "metarec") -> dict[str, Any]:
    """Return a table with nothing computed: the published figures alone."""
    from recdash.published.tables import rows_of

    known = find(table)
    rows, missing = rows_of(known, {}), [cell.name for cell in known.cells]
    found = {"table": known.name, "title": known.title, "url": known.url, "published_on": known.dataset}
    return {**found, "dataset": None, "rehearsal": False, "when": None, "missing": missing, "rows": rows, "cells": {}}


def look(table: str = "metarec") -> dict[str, Any] | None:
    """Return the newest document of a table that was kept here, else the one that came with the program, else None.

    Its rows are made afresh from its cells, so titles and sentences are those of this version.
    """
    from recdash.published.tables import RECIPE, rows_of

    real, rehearsal = _kept_at(table, rehearsal=False), _kept_at(table, rehearsal=True)
    for path in (real, _shipped(table), rehearsal):
        with suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
            found = json.loads(path.read_text(encoding="utf-8"))
            if found["recipe"] == RECIPE:
                known = find(table)
                names = [cell.name for cell in known.cells]
                cells = {name: found["cells"][name] for name in names if name in found["cells"]}
                rows = rows_of(known, cells, rehearsal=found["rehearsal"])
                missing = [name for name in names if name not in cells]
                own = {"title": known.title, "url": known.url, "published_on": known.dataset}
                return {**found, **own, "rows": rows, "cells": cells, "missing": missing}
    return None


def live(table: str = "metarec") -> Live | None:
    """Return what is being computed right now, by whatever process of this machine."""
    from recdash.published.running import Step

    with suppress(OSError, ValueError, TypeError, KeyError):
        found = json.loads(_progress(table).read_text(encoding="utf-8"))
        if is_alive(Identity(**found["who"]), found["time"]):
            return Live(tuple(Step(**step) for step in found["steps"]), float(found["since"]))
    return None


def has_data(table: str = "metarec") -> bool:
    """Whether the table's own data set is here."""
    name = find(table).dataset
    return any(entry.name == name and entry.ready for entry in datasets.entries())


def ease_now() -> dict[str, float]:
    """Solve EASE on the public table's split and rank with and without the movies already seen; some seconds.

    Returns NDCG@100 as "as_published" and "corrected", "seen_places" and "seconds".  Raises DataError without the data.
    """
    from recdash.published import implicit
    from recdash.published.work import Work

    table = find("metarec")
    data = load(table)
    started = time.perf_counter()
    work = Work(data, _home(table, data, None), "ease-now")
    found = implicit.closed_form(work, "ease", preset="published")
    return {
        "as_published": found.columns["as_published"]["ndcg@100"],
        "corrected": found.columns["corrected"]["ndcg@100"],
        "seen_places": float(found.facts["seen_places"] or 0),
        "seconds": time.perf_counter() - started,
    }


def document(table: Table, data: Dataset, cells: Mapping[str, Any], epochs: int | None = None) -> dict[str, Any]:
    """Return a table as one JSON document.

    rows: {"model", "metric", "published", "as_published", "corrected", "common", "what_was_wrong", ...}, None for what
    is not computed yet; cells: what the rows are made of, with seconds and dates; missing: cells still to be computed.
    """
    from recdash.published.tables import RECIPE, rows_of
    from recdash.training import devices

    rehearsal = data.name != table.dataset or epochs is not None
    return {
        "table": table.name,
        "title": table.title,
        "url": table.url,
        "dataset": data.name,
        "dataset_fingerprint": data.fingerprint,
        "published_on": table.dataset,
        "rehearsal": rehearsal,
        "epochs_at_most": epochs,
        "recipe": RECIPE,
        "when": max((cell["when"] for cell in cells.values()), default=None),
        "seconds": round(sum(cell["seconds"] for cell in cells.values()), 1),
        "versions": devices.versions(),
        "machine": devices.machine(),
        "missing": [cell.name for cell in table.cells if cell.name not in cells],
        "rows": rows_of(table, cells, rehearsal=rehearsal),
        "cells": dict(cells),
    }


def _publish(table: Table, data: Dataset, home: Path, epochs: int | None, out: Path | None) -> dict[str, Any]:
    """Write the document to its places, with what an earlier run on the same data has left there and this one lacks."""
    from recdash.published.work import write_json

    cells = _cells(home)
    rehearsal = data.name != table.dataset or epochs is not None
    shipped = _shipped(table.name)
    places_of = [_kept_at(table.name, rehearsal=rehearsal)]
    if out is not None:
        places_of.append(out)
    elif not rehearsal and shipped.parent.is_dir():
        places_of.append(shipped)
    whole: dict[str, Any] = {}
    for path in places_of:
        whole = document(table, data, {**_left_at(path, table, data, epochs), **cells}, epochs)
        write_json(path, whole)
    return document(table, data, cells, epochs)


def _left_at(path: Path, table: Table, data: Dataset, epochs: int | None) -> dict[str, Any]:
    from recdash.published.tables import RECIPE

    with suppress(OSError, ValueError, KeyError, TypeError):
        found = json.loads(path.read_text(encoding="utf-8"))
        same = (found["dataset_fingerprint"], found["recipe"], found["epochs_at_most"]) == (
            data.fingerprint,
            RECIPE,
            epochs,
        )
        known = {cell.name for cell in table.cells}
        return {name: cell for name, cell in found["cells"].items() if name in known} if same else {}
    return {}


def _wanted(table: Table, models: Sequence[str] | None) -> tuple[str, ...]:
    chosen = table.models() if models is None or "all" in models else tuple(models)
    for model in chosen:
        if model not in table.models():
            raise unknown(f"model in the table {table.name}", model, table.models())
    return chosen


def _home(table: Table, data: Dataset, epochs: int | None) -> Path:
    from recdash.published.tables import RECIPE

    trial = "" if epochs is None else f"-at-most-{epochs}-epochs"
    return places.data_dir() / "reproduce" / f"{table.name}-{data.fingerprint}-{RECIPE}{trial}"


def _cells(home: Path) -> dict[str, Any]:
    found = {}
    for path in sorted(home.glob("*.json")):
        with suppress(OSError, ValueError):
            found[path.stem] = json.loads(path.read_text(encoding="utf-8"))
    return found


def _kept_at(table: str, *, rehearsal: bool) -> Path:
    return places.data_dir() / "reproduce" / f"{table}{'-rehearsal' if rehearsal else ''}.json"


def _shipped(table: str) -> Path:
    return places.PROJECT / "benchmarks" / "results" / f"reproduce_{table}.json"


def _progress(table: str) -> Path:
    return places.data_dir() / "reproduce" / f"{table}-progress.json"


@contextmanager
def _alone(table: str) -> Iterator[Callable[[Step], None]]:
    """Say where this process stands while it works; raises UsageError when another one works on the same table."""
    from recdash.published.work import write_json

    now = live(table)
    if now is not None:
        about = ", ".join(step.about for step in now.steps)
        raise UsageError(
            f"This table is being reproduced by another process already ({about}). Wait for it, or stop it."
        )
    me, since, last = Identity.mine(), time.time(), [0.0]
    going: dict[str, Step] = {}

    def note(step: Step) -> None:
        going[step.cell] = step
        if step.over:
            del going[step.cell]
        if step.epoch and not step.over and time.monotonic() - last[0] < 0.5:
            return
        last[0] = time.monotonic()
        steps = [asdict(one) for one in going.values()]
        write_json(_progress(table), {"steps": steps, "who": asdict(me), "since": since, "time": time.time()})

    try:
        yield note
    finally:
        _progress(table).unlink(missing_ok=True)


def _finite(value: Any) -> Any:
    """Replace what JSON has no word for by None."""
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value
