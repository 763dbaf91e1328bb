"""The fast parser counts the rows of a chunk by its bytes, and takes no chunk that is not sound."""

from __future__ import annotations

import csv
import re
from io import StringIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recdash.data.readers.delimited import _count_equal_rows, _count_rows

LINES = st.lists(st.sampled_from(["1,2", "3,", ",", "4", "5,6,7", "", " ", "8,9\r", "\r"]), max_size=6)


@given(LINES, st.sampled_from(["", "\n"]), st.integers(1, 3))
def test_rows_are_counted_only_where_every_line_is_a_row_or_blank(lines: list[str], end: str, fields: int) -> None:
    data = "\n".join(lines) + end
    found = _count_rows(data.encode(), ",", fields, quoted=False)
    listed = re.findall(r"[^\n]*\n|[^\n]+", data)
    rows = [line for line in listed if line.count(",") == fields - 1]
    are_blank = [len(line) <= len("\r\n") for line in listed if line not in rows]
    assert found == (len(rows) if all(are_blank) else None)
    if (quick := _count_equal_rows(data.encode(), ",", fields)) is not None:
        assert quick == len(rows) == len(listed)


@pytest.mark.parametrize("text", ["1,2\n3,4\n", "1,2\n3,4"])
def test_a_chunk_of_equal_lines_is_counted_the_quick_way(text: str) -> None:
    assert _count_equal_rows(text.encode(), ",", 2) == len(list(csv.reader(StringIO(text)))) == 2


def test_quoted_delimiters_are_text() -> None:
    assert _count_rows(b'1,"2,3"\n4,5\n', ",", 2, quoted=True) == 2
    assert _count_rows(b'1,"2,3"\n4,5\n', ",", 2, quoted=False) is None
