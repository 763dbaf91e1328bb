"""Cells are escaped once for their format, and numbers are aligned to the right."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recdash.reporting.table_format import (
    alignments,
    escape_formula,
    escape_latex,
    latex_table,
    markdown_table,
    plain_table,
)

ROWS = [
    ["Model", "Preset", "NDCG@100", "Training time"],
    ["EASE", "auto", "0.4182 ± 0.0117 *", "under 0.1 s"],
    ["Mult-VAE", "auto, epochs=6", "0.4094 ± 0.0110  ", "12 s"],
    ["Popularity", "12", "-", "3 s"],
]
CELLS = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=12)


def test_numbers_are_aligned_to_the_right_and_text_to_the_left() -> None:
    assert alignments(ROWS) == ["left", "left", "right", "right"]
    lines = plain_table(ROWS).splitlines()
    assert lines[0].startswith("Model ") and set(lines[1]) == {"-", " "}
    assert lines[2].index("0.4182") == lines[3].index("0.4094"), "digits are not aligned under a mark"
    assert len({len(line.rstrip()) for line in lines[2:]}) == 1, "the last column does not end at one place"


@pytest.mark.parametrize("cell", ["0.41", "-", "", "**0.41 ± 0.01**", r"\textbf{0.41}", "-0.5", "1,297", "under 0.1 s"])
def test_these_cells_are_numbers(cell: str) -> None:
    assert alignments([["Heading"], [cell]]) == ["right"]


@pytest.mark.parametrize("cell", ["EASE", "auto, epochs=6", "- none", "**bold**"])
def test_these_cells_are_text(cell: str) -> None:
    assert alignments([["Heading"], [cell]]) == ["left"]


def test_a_table_of_numbers_starts_at_the_first_column() -> None:
    assert plain_table([["Epoch", "Loss"], ["1", "0.5"], ["10", "0.25"]]).startswith("Epoch")


def test_a_table_without_rows_has_its_heading() -> None:
    assert plain_table([["Name", "Users"]]).splitlines()[0].split() == ["Name", "Users"]


@given(st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=4))
def test_no_cell_ends_its_column_or_row_in_markdown(cells: list[tuple[str, str]]) -> None:
    table = markdown_table([["First", "Second"], *map(list, cells)])
    lines = table.split("\n")
    assert len(lines) == 2 + len(cells)
    for line in lines:
        assert len(re.findall(r"(?<!\\)\|", line.replace("\\\\", ""))) >= 3


def test_a_pipe_is_escaped_once() -> None:
    assert r"a\|b" in markdown_table([["Heading"], ["a|b"]])
    assert r"a\\|b" not in markdown_table([["Heading"], ["a|b"]])


def test_a_line_break_in_a_cell_stays_in_its_row() -> None:
    for write in (plain_table, markdown_table, latex_table):
        assert "one two" in write([["Heading"], ["one\ntwo"]])


def test_latex_is_a_booktabs_table_that_escapes_nothing_itself() -> None:
    text = latex_table([["Model", "NDCG"], ["A \\& B", r"\textbf{0.41 $\pm$ 0.01}"]], ["first", "two\nlines"])
    assert text.startswith("% first\n% two lines\n\\begin{tabular}{lr}\n\\toprule\n")
    assert text.endswith("\n\\bottomrule\n\\end{tabular}") and text.count(r"\midrule") == 1
    assert re.search(r"^A \\& B +& \\textbf\{0\.41 \$\\pm\$ 0\.01\} \\\\$", text, re.MULTILINE)


def test_latex_signs_are_escaped_once() -> None:
    assert escape_latex("50% of $5 & #1_a {b} ~^") == (
        r"50\% of \$5 \& \#1\_a \{b\} \textasciitilde{}\textasciicircum{}"
    )
    assert escape_latex("\\") == r"\textbackslash{}"


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_a_formula_is_text_for_a_spreadsheet(cell: str) -> None:
    assert escape_formula(cell) == f"'{cell}" and escape_formula("EASE") == "EASE"
