"""One cell in a subprocess, in parallel with the others: its steps are too small to use a second core.

`python -m recdash.published.subprocess_cell HANDLE` is that process. HANDLE is an inherited socket, over which the
process receives the cell and the request to stop, and sends its progress and its result.
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

import torch

from recdash.errors import RecdashError, TrainingError
from recdash.published.context import CellContext, CellResult, run_timed

SUPPORTED = os.name == "posix"  # elsewhere a process inherits no sockets
_DISCONNECTED = (BrokenPipeError, ConnectionResetError)
_STOP_TIMEOUT = 60.0  # seconds that a stopped training has to save its state


class SubprocessCell:
    """A cell that a subprocess computes with one thread; the caller polls it. A context manager, which stops it.

    Args:
        run: the function of the cell; must be picklable.
        context: what the cell works with.
        on_epoch: called with the epoch and the planned number of epochs.
        on_result: called once, with the result and its seconds.
    """

    def __init__(
        self,
        run: Callable[[CellContext], CellResult],
        context: CellContext,
        on_epoch: Callable[[int, int], Any],
        on_result: Callable[[CellResult, float], Any],
    ) -> None:
        self._on_epoch, self._on_result = on_epoch, on_result
        self._done = False
        self._connection, child_end = multiprocessing.Pipe()
        handle = child_end.fileno()
        # not multiprocessing.Process: it would import the main module of the calling program again
        self._process = subprocess.Popen(
            [sys.executable, "-m", "recdash.published.subprocess_cell", str(handle)],
            stdin=subprocess.DEVNULL,
            pass_fds=(handle,),
            start_new_session=True,  # Ctrl-C reaches only the caller, which then sends "stop"
        )
        child_end.close()
        with suppress(*_DISCONNECTED):  # `poll` reports a process that has ended
            self._connection.send((run, replace(context, on_epoch=_ignore_epoch, should_stop=_never_stop)))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *reason: object) -> None:
        """Stop the process if it still runs; it saves its state first."""
        with suppress(*_DISCONNECTED):
            self._connection.send("stop")
        try:
            self._process.wait(_STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._connection.close()

    def poll(self, wait: float = 0.0) -> bool:
        """Handle all messages of the process.

        Args:
            wait: seconds to wait for the first message.

        Returns:
            Whether the cell is done.

        Raises:
            RecdashError: what the cell raised.
            TrainingError: the process ended without a result.
        """
        while not self._done and self._connection.poll(wait):
            try:
                message = self._connection.recv()
            except (EOFError, ConnectionResetError) as error:
                raise TrainingError(
                    f"The process of one run ended with status {self._process.wait(_STOP_TIMEOUT)}; its last "
                    "saved state is kept. Run the same command again to resume."
                ) from error
            if isinstance(message, RecdashError):
                raise message
            if isinstance(message[0], CellResult):
                self._done = True
                self._on_result(*message)
            else:
                self._on_epoch(*message)
        return self._done


def main(handle: int) -> None:
    """Compute one cell and send its progress; the cell stops when the caller sends "stop" or has ended."""
    torch.set_num_threads(1)
    connection: Connection[Any, Any] = Connection(handle)
    run, context = connection.recv()
    ready = replace(
        context, on_epoch=lambda epoch, epochs: connection.send((epoch, epochs)), should_stop=connection.poll
    )
    with suppress(*_DISCONNECTED):
        try:
            connection.send(run_timed(run, ready))
        except RecdashError as error:
            connection.send(error)


def _ignore_epoch(epoch: int, epochs: int) -> None:
    """Picklable stand-in for a callback."""


def _never_stop() -> bool:
    return False


if __name__ == "__main__":
    main(int(sys.argv[1]))
