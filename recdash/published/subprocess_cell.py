"""One cell in a subprocess, at the same time as the others: for small steps, which a second core cannot speed up.

`python -m recdash.published.subprocess_cell HANDLE` is that process. HANDLE is an inherited socket: over it the process
is told what to compute and when to stop, and reports its progress.
"""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from multiprocessing.connection import Connection
from typing import Any, Self

from recdash.errors import RecdashError, TrainingError
from recdash.published.context import Found, Work, timed

POSSIBLE = os.name == "posix"  # elsewhere a process inherits no sockets
_GONE = (BrokenPipeError, ConnectionResetError)
_PATIENCE = 60.0  # seconds in which a stopped training must have kept its state


class Beside:
    """A cell that is being computed elsewhere, with one thread; the caller listens now and then.

    on_epoch: called with the epoch and their planned number.  on_found: called once, with the result and its seconds.
    """

    def __init__(
        self,
        run: Callable[[Work], Found],
        work: Work,
        on_epoch: Callable[[int, int], Any],
        on_found: Callable[[Found, float], Any],
    ) -> None:
        self._on_epoch, self._on_found = on_epoch, on_found
        self._done = False
        self._line, theirs = multiprocessing.Pipe()
        handle = theirs.fileno()
        # a process begun by hand: one begun by multiprocessing would import again whatever program this one runs
        self._process = subprocess.Popen(
            [sys.executable, "-m", "recdash.published.subprocess_cell", str(handle)],
            stdin=subprocess.DEVNULL,
            pass_fds=(handle,),
            start_new_session=True,  # Ctrl-C is for whoever waits, who says "stop"
        )
        theirs.close()
        with suppress(*_GONE):  # `listen` says so
            self._line.send((run, replace(work, tell=_nobody, should_stop=_never)))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *reason: object) -> None:
        """Stop it if it is still going on, after it has kept its state."""
        with suppress(*_GONE):
            self._line.send("stop")
        try:
            self._process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._line.close()

    def listen(self, wait: float = 0.0) -> bool:
        """Take in what is new, waiting so many seconds for it; returns whether the cell is done.

        Raises what the cell raised, and TrainingError when its process has ended without a word.
        """
        while not self._done and self._line.poll(wait):
            try:
                news = self._line.recv()
            except (EOFError, ConnectionResetError) as error:
                raise TrainingError(
                    f"The process of one training ended with status {self._process.wait(_PATIENCE)}; what it kept is "
                    "there. The same command goes on from here."
                ) from error
            if isinstance(news, RecdashError):
                raise news
            said = self._on_found if isinstance(news[0], Found) else self._on_epoch
            self._done = said is self._on_found
            said(*news)
        return self._done


def main(handle: int) -> None:
    """Compute a cell and tell how it goes; whoever wants it says "stop", or is gone."""
    import torch

    torch.set_num_threads(1)
    line: Connection[Any, Any] = Connection(handle)
    run, work = line.recv()
    ready = replace(work, tell=lambda epoch, epochs: line.send((epoch, epochs)), should_stop=line.poll)
    with suppress(*_GONE):
        try:
            line.send(timed(run, ready))
        except RecdashError as error:
            line.send(error)


def _nobody(epoch: int, epochs: int) -> None:
    """Tell nobody."""


def _never() -> bool:
    return False


if __name__ == "__main__":
    main(int(sys.argv[1]))
