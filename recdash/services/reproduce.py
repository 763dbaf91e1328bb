"""Reproducing published tables: as published, corrected, and with the common protocols; cell by cell, resumable.

This module and its parts `reproduce_files` and `reproduce_lock` are the only ones that import `recdash.published`
(its figures excepted). So the evaluation as published cannot be reached in any other way; a test proves it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recdash import devices
from recdash.errors import DataError, unknown_name
from recdash.published.explanations import BY_TABLE
from recdash.published.explanations import Explanation as Explanation
from recdash.runs import process_env
from recdash.runs.run_records import iso
from recdash.services import datasets, reproduce_files, reproduce_lock
from recdash.services.store_access import refuse_when_read_only
from recdash.settings import name_list

if TYPE_CHECKING:
    from recdash.data.dataset import Dataset
    from recdash.published.context import CellContext, CellResult
    from recdash.published.runner import CellProgress as CellProgress
    from recdash.published.table_schema import PublishedTable, TableCell


def run(
    table: str = "metarec",
    *,
    models: str | Sequence[str] | None = None,
    dataset: str | None = None,
    epochs: int | None = None,
    out: Path | None = None,
    on_progress: Callable[[CellProgress], Any] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> dict[str, Any]:
    """Compute the missing cells of a table and return the whole table.

    Args:
        table: name of the table.
        models: models whose cells are computed; None: all.
        dataset: data to use; None: the table's own dataset, or for vae20m, as a trial run, the largest installed
            MovieLens.
        epochs: maximum number of epochs in each run, for a trial run.
        out: a file to write the document to, in addition to the data folder; its cells of the same table and data stay.
        on_progress: called when a cell starts, after each epoch, and when it is done.
        should_stop: asked after every update.

    Returns:
        See `TableDocument.to_dict`.

    Raises:
        UsageError: for unknown names, if `out` holds anything else, or while another process reproduces the table.
        DataError: if the data are not installed.
        Interrupted: when `should_stop` returns True; everything is saved.
    """
    from recdash.published import runner  # lazy: torch
    from recdash.published.cell_store import CellStore  # lazy: torch
    from recdash.published.context import CellContext  # lazy: torch

    refuse_when_read_only("reproduced")
    known = _find_table(table)
    wanted = _model_names(known, models)
    data = _load_data(known, dataset)
    store = CellStore(reproduce_files.tables_folder(), known, data, epochs)
    with reproduce_lock.exclusive(known.name) as write_progress:
        done = store.load()
        if out is not None:
            reproduce_files.read_output(out, done)  # refuse a wrong file before anything is computed
        cells = [cell for cell in known.cells if cell.model in wanted and cell.name not in done.cells]
        context = CellContext(data, store.folder, epochs=epochs, should_stop=should_stop or (lambda: False))

        def report(progress: CellProgress) -> None:
            write_progress(progress)
            if on_progress is not None:
                on_progress(progress)

        def save(cell: TableCell, result: CellResult, seconds: float) -> None:
            now = str(iso(time.time()))
            store.save(cell, result, seconds=seconds, when=now, device=_device_of(result, context))
            replace(context, cell=cell.name).delete_training_files()
            reproduce_files.write_document(store.load(), out)

        runner.run_cells(cells, context, on_progress=report, on_result=save, cores=process_env.cores())
        return reproduce_files.write_document(store.load(), out)


def explanations(table: str = "metarec") -> tuple[Explanation, ...]:
    """Return the mistakes in each model's rows, in plain English and with links to the public code."""
    return BY_TABLE[_find_table(table).name]


def dataset_of(table: str = "metarec") -> str:
    """Return the name of the dataset that a table was made on."""
    return _find_table(table).dataset


def has_data(table: str = "metarec") -> bool:
    """Whether the table's own dataset is installed."""
    name = dataset_of(table)
    return any(entry.name == name and entry.ready for entry in datasets.entries())


def ease_with_and_without_seen() -> dict[str, float]:
    """Solve EASE on the metarec table's split, and rank with and without seen movies. Takes some seconds.

    Returns:
        NDCG@100 as "as_published" and "corrected", the mean number of seen movies in a list as "seen_places", and
        "seconds".

    Raises:
        DataError: if the data are not installed.
    """
    from recdash.published import implicit_rows  # lazy: torch
    from recdash.published.context import CellContext  # lazy: torch

    table = _find_table("metarec")
    data = _load_data(table, None)
    started = time.perf_counter()
    context = CellContext(data, reproduce_files.tables_folder(), "ease-now")
    found = implicit_rows.closed_form(context, "ease", preset="published")
    return {
        "as_published": found.columns["as_published"]["ndcg@100"],
        "corrected": found.columns["corrected"]["ndcg@100"],
        "seen_places": float(found.facts["seen_places"] or 0),
        "seconds": time.perf_counter() - started,
    }


def _find_table(name: str) -> PublishedTable:
    from recdash.published.table_definitions import find_table  # lazy: torch

    return find_table(name)


def _load_data(table: PublishedTable, dataset: str | None) -> Dataset:
    if dataset is not None:
        return datasets.load(dataset)
    ready = [entry.name for entry in datasets.entries() if entry.ready]
    for name in (table.dataset, *table.rehearsal_datasets):
        if name in ready:
            return datasets.load(name)
    raise DataError(
        f"The published table was made on {table.dataset}, which is not downloaded. Run recdash data get "
        f"{table.dataset} (without a network connection, add --from FOLDER_OR_ZIP)."
    )


def _model_names(table: PublishedTable, models: str | Sequence[str] | None) -> tuple[str, ...]:
    names = ["all"] if models is None else name_list(models)
    chosen = table.models() if "all" in names else tuple(names)
    for model in chosen:
        if model not in table.models():
            raise unknown_name(f"model in the table {table.name}", model, table.models())
    return chosen


def _device_of(result: CellResult, context: CellContext) -> str:
    """Return the device that computed a cell, such as "cpu"; a cell that chooses its own device records it."""
    return str(result.facts.get("device") or devices.describe(devices.choose(context.device)))
