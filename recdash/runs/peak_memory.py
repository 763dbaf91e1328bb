"""The peak memory of a training."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

_PROC_SELF = Path("/proc/self")


def reset_peak() -> None:
    """Reset the peak to what is in use now. Linux can do that; elsewhere the peak since the start stays."""
    with suppress(OSError):
        (_PROC_SELF / "clear_refs").write_text("5")


def peak_bytes() -> int | None:
    """Return the peak resident memory of this process in bytes, or None on a system that does not report it.

    It counts from `reset_peak`, or from the start of the process, and includes libraries and data: it is the memory
    that has to be free for the training.
    """
    with suppress(OSError, ValueError, IndexError):
        for line in (_PROC_SELF / "status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    with suppress(ImportError, OSError):
        import resource  # optional: not on Windows

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return int(peak) * (1 if sys.platform == "darwin" else 1024)
    return None


def gpu_peak_bytes(device: torch.device) -> int | None:
    """Return the peak memory that PyTorch allocated on an NVIDIA GPU, in bytes; None on other devices."""
    import torch  # lazy: torch

    return int(torch.cuda.max_memory_allocated(device)) if device.type == "cuda" else None
