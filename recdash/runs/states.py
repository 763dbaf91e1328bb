"""The states of a run: queued -> running -> finished | failed | stopped | interrupted."""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    """Where a run stands. `interrupted` means that its process died; it is found out when the run is read."""

    QUEUED = "queued"
    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"
    STOPPED = "stopped"
    INTERRUPTED = "interrupted"

    def is_finished(self) -> bool:
        """Whether training and test came to their end; the record of such a run is never altered."""
        return self is State.FINISHED

    def is_active(self) -> bool:
        """Whether something will still happen without anybody asking for it."""
        return self in (State.QUEUED, State.RUNNING)

    def can_resume(self) -> bool:
        """Whether the run may be queued again, to go on from its last checkpoint."""
        return self in (State.FAILED, State.STOPPED, State.INTERRUPTED)
