"""The fixtures of tests/running.py."""

from tests.running import demo_cache, here, small, toy, waiting

__all__ = ["demo_cache", "here", "small", "toy", "waiting"]
