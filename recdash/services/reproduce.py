"""Reproducing published tables: as published, corrected, and under the common protocols; cell by cell, resumable.

The only way into `recdash.published` beside its figures; the evaluation as published is reached from here alone.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recdash import paths
from recdash.errors import DataError, UsageError, unknown
from recdash.runs import process_env
from recdash.runs.process_id import ProcessId, is_alive
from recdash.runs.run_records import iso
from recdash.services import datasets
from recdash.services.store_access import refuse_when_read_only
from recdash.settings import as_names

if TYPE_CHECKING:
    from collections.abc import Iterator

    from recdash.data.dataset import Dataset
    from recdash.published.context import Found, Work
    from recdash.published.explanations import Explanation
    from recdash.published.runner import Step as Step
    from recdash.published.table_definitions import PublicTable, TableCell
    from recdash.published.table_document import CellFolder, Document


@dataclass(frozen=True)
class Live:
    """A reproduction that is going on in some process of this machine."""

    steps: tuple[Step, ...]
    since: float


def run(
    table: str = "metarec",
    *,
    models: str | Sequence[str] | None = None,
    dataset: str | None = None,
    epochs: int | None = None,
    out: Path | None = None,
    on_step: Callable[[Step], Any] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> dict[str, Any]:
    """Compute what is missing of a table and return the whole of it (see `published.document.Document.to_dict`).

    models: only their cells, by default all.  dataset: by default the table's own, or for vae20m the largest MovieLens
    that is here, as a rehearsal.  epochs: at most so many in each training, for a trial.  out: a file that gets the
    document as well as the data folder; cells of the same table and data that it holds already are kept.  Raises
    UsageError for unknown names and where `out` is something else, DataError where the data is missing, and
    Interrupted, with everything kept, when `should_stop` says so.
    """
    from recdash.published import runner
    from recdash.published.context import Work
    from recdash.published.table_document import CellFolder

    refuse_when_read_only("reproduced")
    known = find(table)
    wanted = _wanted(known, models)
    data = load(known, dataset)
    folder = CellFolder(_home(), known, data, epochs)
    done = folder.document()
    if out is not None:
        _already_at(out, done)
    todo = [cell for cell in known.cells if cell.model in wanted and cell.name not in done.cells]
    work = Work(data, folder.path, epochs=epochs, should_stop=should_stop or (lambda: False))
    with _alone(known.name) as note:

        def say(step: Step) -> None:
            note(step)
            if on_step is not None:
                on_step(step)

        def keep(cell: TableCell, found: Found, seconds: float) -> None:
            folder.keep(cell, found, seconds=seconds, when=_now(), device=_device(found, work))
            replace(work, cell=cell.name).clear()
            _publish(folder, out)

        runner.compute(todo, work, say=say, keep=keep, cores=process_env.cores())
    return _publish(folder, out)


def find(table: str) -> PublicTable:
    """Return a public table by name; raises UsageError, listing the known ones, for any other name."""
    from recdash.published.table_definitions import TABLES

    if table not in TABLES:
        raise unknown("table", table, TABLES)
    return TABLES[table]


def load(table: PublicTable, dataset: str | None = None) -> Dataset:
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
    from recdash.published.explanations import BY_TABLE

    return BY_TABLE[find(table).name]


def bare(table: str = "metarec") -> dict[str, Any]:
    """Return a table with nothing computed: the published figures alone."""
    from recdash.published.table_document import Document

    known = find(table)
    return Document(known, known.dataset, "").to_dict() | {"dataset": None}


def look(table: str = "metarec") -> dict[str, Any] | None:
    """Return a table as far as it was computed here or came with the program, else a rehearsal, else None.

    Of each cell the newest is shown. What was computed on different data is never mixed: the newest document counts.
    """
    for candidates in ((_kept_at(table, rehearsal=False), _shipped(table)), (_kept_at(table, rehearsal=True),)):
        with suppress(ValueError, KeyError, TypeError, AttributeError):  # a file that somebody has changed
            found = sorted(filter(None, map(_readable, candidates)), key=lambda one: one.when or "", reverse=True)
            if found:
                first, *others = found
                for other in others:
                    first = first.merged(other)
                return first.to_dict()
    return None


def sources_in_words(found: Mapping[str, Any]) -> list[str]:
    """Return in words where the cells of a document come from, one line per provenance."""
    from recdash.published import provenance

    return [provenance.in_words(source, len(found["cells"])) for source in found["provenance"]]


def live(table: str = "metarec") -> Live | None:
    """Return what is being computed right now, by whatever process of this machine."""
    from recdash.published.runner import Step

    with suppress(OSError, ValueError, TypeError, KeyError):
        found = json.loads(_progress(table).read_text(encoding="utf-8"))
        if is_alive(ProcessId.from_dict(found["who"]), found["time"]):
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
    from recdash.published import implicit_rows
    from recdash.published.context import Work
    from recdash.published.table_document import CellFolder

    table = find("metarec")
    data = load(table)
    started = time.perf_counter()
    work = Work(data, CellFolder(_home(), table, data).path, "ease-now")
    found = implicit_rows.closed_form(work, "ease", preset="published")
    return {
        "as_published": found.columns["as_published"]["ndcg@100"],
        "corrected": found.columns["corrected"]["ndcg@100"],
        "seen_places": float(found.facts["seen_places"] or 0),
        "seconds": time.perf_counter() - started,
    }


def _publish(folder: CellFolder, out: Path | None) -> dict[str, Any]:
    """Write the document to the data folder, and to `out`; each keeps the cells that it has already."""
    from recdash.atomic_files import write_json

    found = folder.document()
    path = _kept_at(folder.table.name, rehearsal=found.rehearsal)
    found = found.merged(_readable(path))
    write_json(path, found.to_dict())
    if out is not None:
        write_json(out, found.merged(_already_at(out, found)).to_dict())
    return found.to_dict()


def _already_at(out: Path, found: Document) -> Document | None:
    """Return the document in a file that is to be written to; raises UsageError where the file is anything else."""
    from recdash.published.table_document import read

    if not out.exists():
        return None
    advice = "It is not overwritten: name another file with --out."
    try:
        there = read(out)
    except DataError as error:
        raise UsageError(f"{error} {advice}") from error
    if other := found.difference(there):
        raise UsageError(f"{out} holds {other}. {advice}")
    return there


def _readable(path: Path) -> Document | None:
    from recdash.published.table_document import read

    with suppress(DataError):
        return read(path)
    return None


def _device(found: Found, work: Work) -> str:
    """Return the device that a cell was computed on, such as "cpu": its own where it names one."""
    from recdash import devices

    return str(found.facts.get("device") or devices.describe(devices.choose(work.device)))


def _now() -> str:
    return str(iso(time.time()))


def _wanted(table: PublicTable, models: str | Sequence[str] | None) -> tuple[str, ...]:
    named = ["all"] if models is None else as_names(models)
    chosen = table.models() if "all" in named else tuple(named)
    for model in chosen:
        if model not in table.models():
            raise unknown(f"model in the table {table.name}", model, table.models())
    return chosen


def _home() -> Path:
    return paths.data_dir() / "reproduce"


def _kept_at(table: str, *, rehearsal: bool) -> Path:
    return _home() / f"{table}{'-rehearsal' if rehearsal else ''}.json"


def _shipped(table: str) -> Path:
    return paths.PROJECT / "benchmarks" / "results" / f"reproduce_{table}.json"


def _progress(table: str) -> Path:
    return _home() / f"{table}-progress.json"


@contextmanager
def _alone(table: str) -> Iterator[Callable[[Step], None]]:
    """Say where this process stands while it works; raises UsageError when another one works on the same table."""
    from recdash.atomic_files import write_json

    now = live(table)
    if now is not None:
        about = ", ".join(step.about for step in now.steps)
        raise UsageError(
            f"This table is being reproduced by another process already ({about}). Wait for it, or stop it."
        )
    me, since, last = ProcessId.mine(), time.time(), [0.0]
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
