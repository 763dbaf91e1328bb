"""Rows of cells as a plain, Markdown or LaTeX table, and the escaping each of these needs.

Rows are lists of text, the heading first. A column is right-aligned if every cell below its heading is a number.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from tabulate import DataRow, Line, TableFormat, tabulate

Rows = Sequence[Sequence[str]]

# Numbers of our tables, with their marks: "0.41 ± 0.02 *", "**0.41**", "\textbf{0.41}", "under 0.1 s", "-" if missing.
_NUMBER = re.compile(r"(\*\*|\\textbf\{|under )?[-+±]?\d|-?$")
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
_LATEX_ESCAPES = {sign: f"\\{sign}" for sign in "&%$#_{}"} | {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
}


def plain_table(rows: Rows) -> str:
    """Return rows as aligned columns for a terminal."""
    return _format(rows, "simple")


def markdown_table(rows: Rows) -> str:
    """Return rows as a Markdown table; pipes in cells are escaped."""
    return _format([[escape_markdown_cell(cell) for cell in row] for row in rows], "pipe")


def latex_table(rows: Rows, comments: Sequence[str] = ()) -> str:
    r"""Return rows as a LaTeX `tabular` for the package booktabs.

    Args:
        rows: Cells in LaTeX; apply `escape_latex` to text first.
        comments: Lines to put above the table as LaTeX comments.
    """
    return "\n".join([*(f"% {' '.join(line.split())}" for line in comments), _format(rows, _BOOKTABS)])


def escape_markdown_cell(cell: str) -> str:
    """Return a cell that does not end its column in a Markdown table."""
    return cell.replace("|", "\\|")


def escape_latex(text: str) -> str:
    """Return text without characters that are special in LaTeX."""
    return "".join(_LATEX_ESCAPES.get(sign, sign) for sign in text)


def escape_formula(cell: str) -> str:
    """Return a text cell that no spreadsheet evaluates as a formula."""
    return f"'{cell}" if cell.startswith(_FORMULA_STARTS) else cell


def alignments(rows: Rows) -> list[str]:
    """Return "right" for each column of numbers, "left" for the others."""
    columns = zip(*rows[1:], strict=True) if len(rows) > 1 else [()] * len(rows[0])
    return ["right" if all(_NUMBER.match(cell.strip()) for cell in column) else "left" for column in columns]


def _format(rows: Rows, style: str | TableFormat) -> str:
    head, *body = [[cell.replace("\n", " ") for cell in row] for row in rows]  # tabulate would start a new line
    aligned = alignments(rows)
    text: str = tabulate(
        body,
        head,
        tablefmt=style,
        colalign=aligned,
        headersalign=["left", *aligned[1:]],  # so that no table starts with spaces
        disable_numparse=True,
        preserve_whitespace=True,
    )
    return text


def _begin_tabular(_widths: Sequence[int], aligned: Sequence[str]) -> str:
    return f"\\begin{{tabular}}{{{''.join(align[0] for align in aligned)}}}\n\\toprule"


# tabulate's own booktabs format escapes every cell and with it the bold of the best value.
_BOOKTABS = TableFormat(
    lineabove=_begin_tabular,
    linebelowheader=Line("\\midrule", "", "", ""),
    linebetweenrows=None,
    linebelow=Line("\\bottomrule\n\\end{tabular}", "", "", ""),
    headerrow=DataRow("", " & ", " \\\\"),
    datarow=DataRow("", " & ", " \\\\"),
    padding=0,
    with_header_hide=None,
)
