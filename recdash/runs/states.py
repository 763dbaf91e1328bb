"""The states of a run: queued -> running -> finished | failed | stopped | interrupted."""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    """State of a run. `interrupted` means that its process died; this is detected when the run is read."""

    QUEUED = "queued"
    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"
    STOPPED = "stopped"
    INTERRUPTED = "interrupted"

    def is_finished(self) -> bool:
        """Whether training and test are complete; such a run is never altered."""
        return self is State.FINISHED

    def is_active(self) -> bool:
        """Whether the run is waiting or training."""
        return self in (State.QUEUED, State.RUNNING)

    def can_resume(self) -> bool:
        """Whether the run can be queued again, to continue from its last checkpoint."""
        return self in (State.FAILED, State.STOPPED, State.INTERRUPTED)
