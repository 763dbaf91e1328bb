"""One cell in a process of its own, beside the others: for small steps, which a second core cannot help."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from multiprocessing.connection import Connection
from typing import Any, Self

from recdash.errors import RecdashError, TrainingError
from recdash.published.work import Found, Work

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
        context = multiprocessing.get_context("spawn")
        self._on_epoch, self._on_found = on_epoch, on_found
        self._ears, mouth = context.Pipe(duplex=False)
        self._stop = context.Event()
        bare = replace(work, tell=_nobody, should_stop=_never)
        self._process = context.Process(target=_compute, args=(run, bare, mouth, self._stop), daemon=True)
        self._process.start()
        mouth.close()
        self._done = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *reason: object) -> None:
        """Stop it if it is still going on, after it has kept its state."""
        self._stop.set()
        self._process.join(_PATIENCE)
        if self._process.is_alive():
            self._process.terminate()
        self._ears.close()

    def listen(self, wait: float = 0.0) -> bool:
        """Take in what is new, waiting so many seconds for it; returns whether the cell is done.

        Raises what the cell raised, and TrainingError when its process has ended without a word.
        """
        while not self._done and self._ears.poll(wait):
            try:
                news = self._ears.recv()
            except EOFError as error:
                self._process.join(_PATIENCE)
                raise TrainingError(
                    f"The process of one training ended with status {self._process.exitcode}; what it kept is there. "
                    "The same command goes on from here."
                ) from error
            if isinstance(news, RecdashError):
                raise news
            said = self._on_found if isinstance(news[0], Found) else self._on_epoch
            self._done = said is self._on_found
            said(*news)
        return self._done


def _compute(run: Callable[[Work], Found], work: Work, mouth: Connection, stop: Any) -> None:
    """Compute a cell and tell how it goes; ends when the process that wants it is gone."""
    import torch

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever waits has heard it too, and says so through `stop`
    torch.set_num_threads(1)
    parent, started = os.getppid(), time.perf_counter()
    ready = replace(
        work,
        tell=lambda epoch, epochs: mouth.send((epoch, epochs)),
        should_stop=lambda: stop.is_set() or os.getppid() != parent,
    )
    with suppress(BrokenPipeError):
        try:
            mouth.send((run(ready), time.perf_counter() - started))
        except RecdashError as error:
            mouth.send(error)


def _nobody(epoch: int, epochs: int) -> None:
    """Tell nobody."""


def _never() -> bool:
    return False
