"""`Cursor`: where a training is, one update after the other, from the start or from a saved position."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from recdash.training.state import Position


class Step(NamedTuple):
    """The next update of an epoch: indices of its phase, pass and batch, from 0."""

    phase: int
    pass_index: int
    batch: int
    enters_phase: bool  # the first update of its phase, or the first one after a resume
    enters_pass: bool

    @property
    def resumes_phase(self) -> bool:
        """Whether updates of this phase were done before this one."""
        return self.pass_index + self.batch > 0


class Cursor:
    """Iterates over the updates of an epoch and advances a `Position`.

    Iteration yields the next `Step` until the epoch is complete; the caller does the update and calls `advance`. A
    caller that stops half-way leaves a position from which another cursor yields exactly the remaining steps.

    Args:
        position: Where to start; by default at the first update of the first epoch.
        passes: Number of passes of each phase.
        batches: Number of batches of each pass.
    """

    def __init__(self, passes: Sequence[int], batches: int, position: Position | None = None) -> None:
        self.passes, self.batches = tuple(passes), batches
        self.position = Position() if position is None else position

    @property
    def updates_per_epoch(self) -> int:
        """Updates in one epoch."""
        return sum(self.passes) * self.batches

    def __iter__(self) -> Iterator[Step]:
        """Yield the remaining steps of the current epoch."""
        previous: tuple[int, int] | None = None
        while self._enter_next():
            current = self.position.phase, self.position.pass_index
            enters_phase = previous is None or previous[0] != current[0]
            yield Step(*current, self.position.batch, enters_phase, previous != current)
            previous = current

    def advance(self, seconds: float) -> None:
        """Count one update that took so many seconds."""
        position = self.position
        self.position = replace(
            position,
            update=position.update + 1,
            batch=position.batch + 1,
            seconds=position.seconds + seconds,
            epoch_seconds=position.epoch_seconds + seconds,
        )

    def wait(self, seconds: float) -> None:
        """Count time that belongs to no single update, such as that of waiting for a device."""
        position = self.position
        self.position = replace(
            position, seconds=position.seconds + seconds, epoch_seconds=position.epoch_seconds + seconds
        )

    def finish_epoch(self, **changes: Any) -> None:
        """Move to the start of the next epoch, whose sums are empty; `changes` are other fields to set."""
        start = Position()
        self.position = replace(
            self.position,
            epoch=self.position.epoch + 1,
            phase=start.phase,
            pass_index=start.pass_index,
            batch=start.batch,
            epoch_seconds=start.epoch_seconds,
            sums={},
            arrays={},
            **changes,
        )

    def _enter_next(self) -> bool:
        """Move past a finished pass or phase; return False at the end of the epoch."""
        phase, pass_index, batch = self.position.phase, self.position.pass_index, self.position.batch
        if batch >= self.batches:
            pass_index, batch = pass_index + 1, 0
        while phase < len(self.passes) and pass_index >= self.passes[phase]:
            phase, pass_index = phase + 1, 0
        if (phase, pass_index, batch) != (self.position.phase, self.position.pass_index, self.position.batch):
            self.position = replace(self.position, phase=phase, pass_index=pass_index, batch=batch)
        return phase < len(self.passes)
