"""Formatting needs neither a store nor a dataset library."""

from __future__ import annotations

import math
import subprocess
import sys

import pytest

from recdash.reporting.formatting import ago, byte_size, count, duration, listed, plural


def test_formatting_loads_no_heavy_library() -> None:
    code = (
        "import sys; from recdash.reporting import formatting, table_format; "
        "print([name for name in ('torch', 'pandas', 'numpy', 'sqlalchemy', 'streamlit') if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "–"), (math.nan, "–"), (0.01, "under 0.1 s"), (9.94, "9.9 s"), (59.6, "1 min"), (7500, "2 h 5 min")],
)
def test_a_duration_has_two_units_at_most(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("age", "text"),
    [(0, "just now"), (-5, "just now"), (300, "5 min ago"), (86400, "1 day ago"), (200000, "2 days ago")],
)
def test_an_age_is_rounded_down(age: float, text: str) -> None:
    assert ago(1000.0, now=1000.0 + age) == text


def test_counts_and_lists() -> None:
    assert (count(1000209), count(None), plural(1, "run"), plural(2000, "run")) == (
        "1,000,209", "–", "1 run", "2,000 runs"
    )  # fmt: skip
    assert (listed(["a"]), listed(["a", "b"]), listed("abc", "or")) == ("a", "a and b", "a, b or c")


@pytest.mark.parametrize(
    ("n_bytes", "text"), [(0, "0 KiB"), (655_360, "640 KiB"), (36_700_160, "35 MiB"), (1_503_238_553, "1.4 GiB")]
)
def test_a_size_has_a_binary_unit(n_bytes: int, text: str) -> None:
    assert byte_size(n_bytes) == text
