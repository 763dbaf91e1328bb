"""Provenance belongs to each cell: merging, grouping, and its description."""

from __future__ import annotations

from typing import Any

import pytest

from recdash.published import provenance
from recdash.published.table_definitions import METAREC, VAE20M
from recdash.published.table_document import TableDocument

MACHINE = {"system": "Linux x86_64", "processor": "Some CPU", "cores": 2}


def cell(when: str = "2026-11-20T10:00:00.000Z", **changes: Any) -> dict[str, Any]:
    made = {"columns": {}, "facts": {}, "seconds": 1.0, "when": when, "about": "a cell", "provenance": "recorded"}
    return made | {"versions": {"recdash": "1.0"}, "machine": MACHINE, "device": "cpu"} | changes


def test_of_two_cells_the_newer_is_kept_whichever_comes_first() -> None:
    old, new = cell(), cell("2026-11-21T10:00:00.000Z", device="cuda: a card")
    assert provenance.merge_newest({"a": old, "b": old}, {"a": new}) == {"a": new, "b": old}
    assert provenance.merge_newest({"a": new}, {"a": old, "b": old}) == {"a": new, "b": old}


def test_of_equally_new_cells_the_one_with_a_known_provenance_is_kept() -> None:
    known, lost = cell(provenance="of the document"), cell(provenance="unknown", versions=None)
    assert (
        provenance.merge_newest({"a": lost}, {"a": known})
        == provenance.merge_newest({"a": known}, {"a": lost})
        == {"a": known}
    )


def test_a_cell_with_provenance_is_never_changed_by_its_document() -> None:
    document = {"versions": {"recdash": "9.0"}, "machine": None}
    assert provenance.with_provenance(cell(), document) == cell()
    bare = {"columns": {}, "facts": {}, "seconds": 1.0, "when": "w"}
    assert provenance.with_provenance(bare, document) == bare | document | {
        "device": None,
        "provenance": "of the document",
    }
    assert provenance.with_provenance(bare, {})["provenance"] == "unknown"


def test_equal_provenances_are_one_source_and_the_earliest_comes_first() -> None:
    cells = {
        "later": cell("2026-11-22T10:00:00.000Z", device="cuda: a card"),
        "b": cell("2026-11-21T10:00:00.000Z", versions={"recdash": "1.0"}),
        "a": cell(),
    }
    first, second = provenance.sources(cells)
    assert (first["cells"], first["dates"], first["device"]) == (["a", "b"], ["2026-11-20", "2026-11-21"], "cpu")
    assert (second["cells"], second["device"]) == (["later"], "cuda: a card")
    assert provenance.describe(first, 3) == (
        "a, b: 2026-11-20 to 2026-11-21; recdash 1.0; Some CPU, Linux x86_64, 2 cores, cpu"
    )
    assert provenance.sources({}) == []


def test_a_document_names_only_what_all_its_cells_share() -> None:
    same = TableDocument(METAREC, "ml-1m", "f", cells={"ease": cell(), "bias": cell()}).to_dict()
    assert (same["versions"], same["machine"]) == ({"recdash": "1.0"}, MACHINE)
    different = TableDocument(
        METAREC, "ml-1m", "f", cells={"ease": cell(), "bias": cell(versions={"recdash": "2.0"})}
    ).to_dict()
    assert (different["versions"], different["machine"]) == (None, MACHINE)
    nothing = TableDocument(METAREC, "ml-1m", "f").to_dict()
    assert (nothing["versions"], nothing["when"], nothing["provenance"]) == (None, None, [])


@pytest.mark.parametrize(
    "other",
    [
        TableDocument(VAE20M, "ml-1m", "f", cells={"ease": cell()}),
        TableDocument(METAREC, "ml-1m", "another", cells={"ease": cell()}),
        TableDocument(METAREC, "ml-1m", "f", epochs=3, cells={"ease": cell()}),
    ],
)
def test_documents_that_differ_in_table_data_or_epochs_are_never_merged(other: TableDocument) -> None:
    mine = TableDocument(METAREC, "ml-1m", "f", cells={"bias": cell()})
    assert mine.difference(other) and mine.merged(other) == mine
    assert not mine.difference(mine)
