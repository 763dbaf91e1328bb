"""Freed memory is reused inside the block, and goes back to the system after it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from recdash import freed_memory

# Page faults of allocating and freeing 8 MiB fifty times, inside the block and before it, and the resident memory.
MEASURE = """
import resource, numpy, psutil
from recdash import freed_memory

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(50):
        held = [numpy.ones(1 << 20), numpy.ones(1 << 20), numpy.ones(1 << 20)]
        del held
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

outside = faults()
with freed_memory.reused():
    faults()
    inside = faults()
    del_me = [numpy.ones(1 << 20) for _ in range(30)]
    top = psutil.Process().memory_info().rss
    del del_me
print(outside, inside, top - psutil.Process().memory_info().rss)
"""


@pytest.mark.skipif(freed_memory._glibc() is None, reason="another C library, or an allocator chosen by the user")
def test_pages_are_reused_inside_and_returned_afterwards() -> None:
    found = subprocess.run([sys.executable, "-c", MEASURE], capture_output=True, text=True, check=True, timeout=60)
    outside, inside, returned = (int(value) for value in found.stdout.split())
    assert inside < outside / 10 and returned > 150 << 20


def test_a_chosen_allocator_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LD_PRELOAD", "")
    freed_memory._glibc.cache_clear()
    assert freed_memory._glibc() is None
    with freed_memory.reused():
        pass
    freed_memory._glibc.cache_clear()
