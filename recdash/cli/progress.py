"""Progress of long work on standard error: bars on a terminal, lines in a log; and waiting for runs."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from recdash.cli.common import print_message
from recdash.runs.states import State

if TYPE_CHECKING:
    from recdash.runs.run_records import RunRecord


@dataclass(frozen=True)
class Progress:
    """Progress of one task: a run, or a cell of a reproduced table.

    Attributes:
        key: Identifies the task.
        title: Text before the bar.
        status: Line of a log; printed whenever it changes.
        epoch: Finished epochs.
        epochs: Epochs in total, at least 1.
        note: Text after the bar; None for the elapsed and remaining time.
        is_done: Whether the task has ended and needs no bar any more.
    """

    key: str
    title: str
    status: str
    epoch: int
    epochs: int
    note: str | None = None
    is_done: bool = False


class ProgressDisplay(Protocol):
    """Shows the progress of several tasks."""

    def show(self, progress: Progress) -> None:
        """Update one task."""

    def close(self) -> None:
        """Stop drawing; what is on the screen stays."""


class ProgressLines:
    """One line whenever the status of a task changes, for logs."""

    def __init__(self) -> None:
        self._status: dict[str, str] = {}

    def show(self, progress: Progress) -> None:
        """Print the status if it is new."""
        if self._status.get(progress.key) != progress.status:
            self._status[progress.key] = progress.status
            print_message(progress.status)

    def close(self) -> None:
        """Do nothing: lines need no cleaning up."""


class ProgressBars:
    """One bar per task, in epochs."""

    def __init__(self) -> None:
        self._bars: dict[str, Any] = {}

    def show(self, progress: Progress) -> None:
        """Draw the bar of the task."""
        from tqdm import tqdm  # lazy: tqdm

        if progress.is_done:
            if progress.key in self._bars:
                self._bars.pop(progress.key).close()
            return
        if progress.key not in self._bars:
            after = "{postfix}" if progress.note is not None else " [{elapsed}<{remaining}]"
            bar_format = "{desc} {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} epochs" + after
            self._bars[progress.key] = tqdm(desc=progress.title, total=progress.epochs, bar_format=bar_format)
        bar = self._bars[progress.key]
        bar.total, bar.n = progress.epochs, progress.epoch
        bar.set_postfix_str(progress.note or "", refresh=True)

    def close(self) -> None:
        """Close all bars; their last state stays on the screen."""
        for bar in self._bars.values():
            bar.close()
        self._bars.clear()


def progress_display() -> ProgressDisplay:
    """Return bars if standard error is a terminal, else lines."""
    return ProgressBars() if sys.stderr.isatty() else ProgressLines()


def wait(runs: Sequence[RunRecord]) -> list[RunRecord]:
    """Wait for runs with a progress display.

    Args:
        runs: Queued or running runs.

    Returns:
        The same runs when they have ended.

    Raises:
        KeyboardInterrupt: On Ctrl-C, which leaves the runs going; how to follow or stop them is printed first.
    """
    from recdash.services import launch  # lazy: SQLAlchemy

    display = progress_display()

    def show(current: list[RunRecord]) -> None:
        for run in current:
            display.show(_progress_of(run))

    try:
        return launch.wait([run.id for run in runs], show)
    except KeyboardInterrupt:
        display.close()
        ids = " ".join(run.id for run in runs)
        print_message(f"The runs continue. Follow them: recdash runs list    Stop them: recdash runs stop {ids}")
        raise
    finally:
        display.close()


def report_unfinished(runs: Sequence[RunRecord]) -> int:
    """Print which runs did not finish and why; returns the exit status."""
    unfinished = [run for run in runs if not run.state.is_finished()]
    for run in unfinished:
        print_message(f"recdash: Run {run.id} {_state_text(run)}. {run.error}{_next_step(run)}".replace("  ", " "))
    return 1 if unfinished else 0


def _state_text(run: RunRecord) -> str:
    return run.state.value if run.state is State.FAILED else f"is {run.state.value}"


def _next_step(run: RunRecord) -> str:
    if run.state.is_active():
        return ""
    if run.state is State.FAILED and not run.epoch:  # caused by the data or the options: resuming would fail again
        return f" Fix the cause and train again. To start it again unchanged: recdash runs retry {run.id}"
    return f" Resume it: recdash runs resume {run.id}"


def _progress_of(run: RunRecord) -> Progress:
    from recdash.reporting.formatting import duration  # lazy: loaded while the runs start
    from recdash.services.runs import remaining_s  # lazy: SQLAlchemy

    epochs = run.epochs or 1
    left = remaining_s(run)
    best = "" if run.best_value is None else f", best {run.best_value:.4f}"
    time = "" if left is None else f", at most {duration(left)} left"
    return Progress(
        key=run.id,
        title=run.name,
        status=f"{run.id}  {run.state.value}  {run.name}",
        epoch=epochs if run.state.is_finished() else run.epoch,
        epochs=epochs,
        note=f"{run.state.value}{best}{time}",
    )
