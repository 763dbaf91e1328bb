"""The fixtures of tests/run_helpers.py, and a command line that must succeed."""

from tests.cli.conftest import call
from tests.run_helpers import here, runs, small, store, toy, waiting

__all__ = ["call", "here", "runs", "small", "store", "toy", "waiting"]
