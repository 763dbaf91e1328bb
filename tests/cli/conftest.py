"""The fixtures of tests/run_helpers.py, and a command line that must succeed."""

from __future__ import annotations

from typing import Any

import pytest

from recdash.cli.main import main
from tests.run_helpers import here, runs, small, store, toy, waiting

__all__ = ["call", "here", "runs", "small", "store", "toy", "waiting"]


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Any:
    """Run a command line that must succeed; gives standard output and standard error."""

    def do(*words: str) -> tuple[str, str]:
        capsys.readouterr()
        status = main(list(words))
        out, err = capsys.readouterr()
        assert status == 0, err
        return out, err

    return do
