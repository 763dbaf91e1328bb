"""Files of an unfinished training: its saved state and its log of epochs. Both survive a stop and a crash."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from recdash.atomic_files import append_json_line, read_json_lines, wrap_read_errors
from recdash.errors import CheckpointError
from recdash.json_values import is_count, is_number
from recdash.training.state import TrainingState

SAVE_EVERY = 20.0  # seconds between two saved states, at least
MAX_TIME_SHARE = 0.05  # share of the training time spent on saving, at most
MetricValues = dict[str, float]


class SavedState:
    """The state of a training in a folder: written every 20 seconds or more, and at a stop.

    Args:
        folder: the folder.
        should_stop: asked after every epoch.
        before_save: called before the state is written, to write what must not be older than the state.
    """

    def __init__(
        self, folder: Path, should_stop: Callable[[], bool], before_save: Callable[[], Any] = lambda: None
    ) -> None:
        self.folder, self.should_stop, self.before_save = folder, should_stop, before_save
        self._next_save = time.monotonic() + SAVE_EVERY

    def load(self) -> TrainingState | None:
        """Return the saved state, or None if there is none that can be read."""
        try:
            return TrainingState.load(self.folder)
        except CheckpointError:
            return None

    def save_if_due(self, state: TrainingState) -> None:
        """Save the state if enough time has passed or the training is about to stop."""
        started = time.monotonic()
        if started < self._next_save and not self.should_stop():
            return
        self.before_save()
        state.save(self.folder)
        now = time.monotonic()
        self._next_save = now + max(SAVE_EVERY, (now - started) / MAX_TIME_SHARE)

    def delete(self) -> None:
        """Delete the saved state."""
        shutil.rmtree(self.folder, ignore_errors=True)


class EpochLog:
    """Metrics by epoch as JSON lines, in a file next to the saved state.

    Args:
        path: the log file.
        renamed: current names of metrics by the names that earlier versions logged.
    """

    def __init__(self, path: Path, renamed: Mapping[str, str] | None = None) -> None:
        self.path, self.renamed = path, dict(renamed or {})

    def start(self) -> None:
        """Delete the log of an earlier training."""
        with self._write_errors():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.unlink(missing_ok=True)

    def append(self, epoch: int, values: MetricValues) -> None:
        """Append one epoch; raises CheckpointError if the log cannot be written."""
        with self._write_errors():
            append_json_line(self.path, {"epoch": epoch, **values})

    def read(self, last: int) -> dict[int, MetricValues]:
        """Return the values of epochs 1 to `last`.

        An epoch that was trained twice counts as logged last. Lines truncated by a crash are skipped.

        Raises:
            CheckpointError: if the log cannot be read.
        """
        found: dict[int, MetricValues] = {}
        with wrap_read_errors(self.path, CheckpointError, "Start the reproduction again."):
            for row in read_json_lines(self.path):
                epoch = row.pop("epoch", None)
                if is_count(epoch) and all(map(is_number, row.values())):
                    found[epoch] = {self.renamed.get(name, name): value for name, value in row.items()}
        return {epoch: values for epoch, values in sorted(found.items()) if epoch <= last}

    def is_complete(self, last: int) -> bool:
        """Whether the log has every epoch up to `last`; without them a saved state is useless."""
        with suppress(CheckpointError):
            return len(self.read(last)) == last
        return False

    @contextmanager
    def _write_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise CheckpointError(
                f"{self.path}: cannot be written ({error.strerror}). Free some space, or remove what is in its place."
            ) from error
