"""The fixtures of tests/run_helpers.py."""

from tests.run_helpers import demo_cache, here, runs, small, store, toy, waiting

__all__ = ["demo_cache", "here", "runs", "small", "store", "toy", "waiting"]
