"""What runs use while they train: processor, memory, GPU."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from recdash.runs.resource_sampler import ResourceSample, read_samples
from recdash.runs.run_folder import RunFolder

__all__ = ["ResourceSample", "samples"]


def samples(run_id: str) -> list[ResourceSample]:
    """Return what a run's process used, one sample in two seconds, oldest first.

    Of a long run the past is coarser: merged samples have the time of the later one and the larger of each value. A
    run that was resumed has a gap. The list is empty for runs of versions up to 0.3, for imported runs and before the
    first sample.
    """
    file = RunFolder(run_id).resources
    try:
        stat = file.stat()
    except OSError:
        return []
    return list(_samples(file, stat.st_mtime_ns, stat.st_size))


@lru_cache(maxsize=32)
def _samples(file: Path, _written_ns: int, _size: int) -> tuple[ResourceSample, ...]:
    return tuple(read_samples(file))
