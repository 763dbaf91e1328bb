"""The fixtures of tests/run_helpers.py."""

from tests.run_helpers import here, runs, small, store, toy, waiting

__all__ = ["here", "runs", "small", "store", "toy", "waiting"]
