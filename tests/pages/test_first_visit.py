"""The first page is on screen before the large libraries are imported."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
VISIT = """
import sys
from streamlit.testing.v1 import AppTest

tab = AppTest.from_file("app.py", default_timeout=60).run()
assert not tab.exception and tab.title[0].value == "recdash", tab
print([name for name in ("torch", "pandas", "pyarrow", "scipy") if name in sys.modules])
"""


@pytest.mark.slow
@pytest.mark.usefixtures("own_folders")
def test_the_first_page_needs_neither_pandas_nor_pytorch() -> None:
    done = subprocess.run([sys.executable, "-c", VISIT], capture_output=True, text=True, cwd=ROOT, timeout=120)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr[-2000:]
