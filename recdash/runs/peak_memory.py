"""The most memory that a training needed."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

_OWN = Path("/proc/self")


def forget_peak() -> None:
    """Let the highest mark fall to what is used now, where the system can do that (Linux)."""
    with suppress(OSError):
        (_OWN / "clear_refs").write_text("5")


def peak_bytes() -> int | None:
    """Return the most resident memory of this process since `forget_peak`, or since its start; None if unknown.

    Libraries and the data are part of it: it is what has to be free for the training.
    """
    with suppress(OSError, ValueError, IndexError):
        for line in (_OWN / "status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    with suppress(ImportError, OSError):
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return int(peak) * (1 if sys.platform == "darwin" else 1024)
    return None


def gpu_bytes(device: torch.device) -> int | None:
    """Return the most memory that PyTorch held on an NVIDIA GPU; None on other devices."""
    import torch

    return int(torch.cuda.max_memory_allocated(device)) if device.type == "cuda" else None
