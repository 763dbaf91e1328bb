"""Each known complaint about experiment trackers (docs/faq.md) has the tests that the table names."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ROWS = re.findall(r"^\| C(\d+)\. .*$", (ROOT / "docs" / "faq.md").read_text(encoding="utf-8"), re.MULTILINE)


@pytest.mark.parametrize("number", range(1, 15))
def test_the_named_files_have_tests_of_that_number(number: int) -> None:
    text = (ROOT / "docs" / "faq.md").read_text(encoding="utf-8")
    (row,) = re.findall(rf"^\| C{number}\. .*$", text, re.MULTILINE)
    files = re.findall(r"`((?:tests/\w+/)?test_\w+\.py)`", row)
    folder, checked = "", 0
    for name in files:
        folder = str(Path(name).parent) if "/" in name else folder
        source = (ROOT / folder / Path(name).name).read_text(encoding="utf-8")
        assert f"def test_c{number}_" in source, f"{folder}/{name}"
        checked += 1
    assert checked


def test_there_are_fourteen() -> None:
    assert [int(number) for number in ROWS] == list(range(1, 15))
