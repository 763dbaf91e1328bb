"""The fixtures of tests/running.py."""

from tests.running import demo_cache, here, runs, small, store, toy, waiting

__all__ = ["demo_cache", "here", "runs", "small", "store", "toy", "waiting"]
