"""Documents of reproduced tables on disk: computed here, delivered with the program, or exported with --out."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recdash import paths
from recdash.atomic_files import write_json
from recdash.errors import DataError, UsageError
from recdash.published import provenance

if TYPE_CHECKING:
    from recdash.published.table_document import TableDocument


def tables_folder() -> Path:
    """Return the folder of all reproduced tables."""
    return paths.data_dir() / "reproduce"


def document_path(table: str, *, rehearsal: bool) -> Path:
    """Return the file in the data folder that holds a table."""
    return tables_folder() / f"{table}{'-rehearsal' if rehearsal else ''}.json"


def delivered_path(table: str) -> Path:
    """Return the file of a table that is delivered with the program."""
    return paths.RESOURCES / "benchmarks" / "results" / f"reproduce_{table}.json"


def latest(table: str = "metarec") -> dict[str, Any] | None:
    """Return the newest document of a table.

    The newest of each cell is used, from the data folder and from the program. Cells of different data are never
    mixed: the newest document decides. A trial run is returned only if there is nothing else.

    Returns:
        See `TableDocument.to_dict`; None if there is no document.
    """
    for files in (
        (document_path(table, rehearsal=False), delivered_path(table)),
        (document_path(table, rehearsal=True),),
    ):
        with suppress(ValueError, KeyError, TypeError, AttributeError):  # a file that was edited by hand
            documents = [document for document in map(_read_if_valid, files) if document is not None]
            if documents:
                first, *others = sorted(documents, key=lambda document: document.when or "", reverse=True)
                for other in others:
                    first = first.merged(other)
                return first.to_dict()
    return None


def empty(table: str = "metarec") -> dict[str, Any]:
    """Return a document without any cell: the published figures only."""
    from recdash.published.table_definitions import find_table  # lazy: torch
    from recdash.published.table_document import TableDocument  # lazy: torch

    known = find_table(table)
    return TableDocument(known, known.dataset, "").to_dict() | {"dataset": None}


def provenance_lines(document: Mapping[str, Any]) -> list[str]:
    """Return where the cells of a document were computed, one line of text for each provenance."""
    return [provenance.describe(source, len(document["cells"])) for source in document["provenance"]]


def write_document(document: TableDocument, out: Path | None) -> dict[str, Any]:
    """Write a document to the data folder and to `out`; cells that these files already have stay in them.

    Returns:
        The document in the data folder.
    """
    path = document_path(document.table.name, rehearsal=document.rehearsal)
    document = document.merged(_read_if_valid(path))
    write_json(path, document.to_dict())
    if out is not None:
        write_json(out, document.merged(read_output(out, document)).to_dict())
    return document.to_dict()


def read_output(out: Path, document: TableDocument) -> TableDocument | None:
    """Return the document that an output file already holds, or None if there is no such file.

    Args:
        out: the file.
        document: what is to be written to it.

    Raises:
        UsageError: if the file holds anything else than the same table on the same data.
    """
    from recdash.published.table_document import read_document  # lazy: torch

    if not out.exists():
        return None
    advice = "It is not overwritten: name another file with --out."
    try:
        existing = read_document(out)
    except DataError as error:
        raise UsageError(f"{error} {advice}") from error
    if other := document.difference(existing):
        raise UsageError(f"{out} holds {other}. {advice}")
    return existing


def _read_if_valid(path: Path) -> TableDocument | None:
    from recdash.published.table_document import read_document  # lazy: torch

    with suppress(DataError):
        return read_document(path)
    return None
