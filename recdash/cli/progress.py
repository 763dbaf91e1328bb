"""Waiting for runs with a progress bar each; Ctrl-C stops the waiting, not the runs."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from recdash.cli.common import say
from recdash.runs.states import State

if TYPE_CHECKING:
    from recdash.runs.run_records import RunRecord


def wait(runs: Sequence[RunRecord]) -> list[RunRecord]:
    """Return the runs when they have ended. Raises KeyboardInterrupt, after saying how to follow them, on Ctrl-C."""
    from recdash.services import launch

    show: Any = _Bars() if sys.stderr.isatty() else _Lines()
    try:
        return launch.wait([run.id for run in runs], show)
    except KeyboardInterrupt:
        show.close()
        going = " ".join(run.id for run in runs)
        say(f"The training goes on. Follow it: recdash runs list    Stop it: recdash runs stop {going}")
        raise
    finally:
        show.close()


def report(runs: Sequence[RunRecord]) -> int:
    """Say which runs did not finish, and why; returns the exit status."""
    bad = [run for run in runs if not run.state.is_finished()]
    for run in bad:
        say(f"recdash: {run.id} is {run.state.value}. {run.error}{_how_to_go_on(run)}".replace("  ", " "))
    return 1 if bad else 0


def _how_to_go_on(run: RunRecord) -> str:
    if run.state.is_active():
        return ""
    if run.state is State.FAILED and not run.epoch:  # of its data or words, which resuming meets again
        return f" Correct that and train again. The same once more: recdash runs resume {run.id}"
    return f" Resume it: recdash runs resume {run.id}"


class _Lines:
    """One line whenever a run changes its state: for logs."""

    def __init__(self) -> None:
        self._seen: dict[str, str] = {}

    def __call__(self, runs: list[RunRecord]) -> None:
        for run in runs:
            if self._seen.get(run.id) != run.state.value:
                self._seen[run.id] = run.state.value
                say(f"{run.id}  {run.state.value}  {run.name}")

    def close(self) -> None:
        """Nothing to clear away."""


class _Bars:
    """One bar per run: epochs, best validation value, time left."""

    def __init__(self) -> None:
        self._bars: dict[str, Any] = {}

    def __call__(self, runs: list[RunRecord]) -> None:
        from tqdm import tqdm

        from recdash.reporting.formatting import duration
        from recdash.services.runs import remaining_s

        for run in runs:
            if run.id not in self._bars:
                form = "{desc} {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} epochs{postfix}"
                self._bars[run.id] = tqdm(
                    desc=run.name, total=run.epochs or 1, bar_format=form, position=len(self._bars), leave=True
                )
            bar = self._bars[run.id]
            bar.total = run.epochs or 1
            bar.n = bar.total if run.state.is_finished() else run.epoch
            best = "" if run.best_value is None else f", best {run.best_value:.4f}"
            left = remaining_s(run)
            time = "" if left is None else f", at most {duration(left)} left"
            bar.set_postfix_str(f"{run.state.value}{best}{time}", refresh=True)

    def close(self) -> None:
        """Leave the bars as they stand."""
        for bar in self._bars.values():
            bar.close()
        self._bars = {}
