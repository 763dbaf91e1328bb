"""One process per table: a file lock, and a progress file that other processes read.

The operating system releases the lock of a process that ends in any way. The progress file may stay behind; it counts
only while the process that wrote it is alive.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from recdash.atomic_files import write_json
from recdash.errors import DataError, UsageError
from recdash.runs.process_id import ProcessId, is_alive
from recdash.services import reproduce_files

if TYPE_CHECKING:
    from recdash.published.runner import CellProgress

_WRITE_EVERY = 0.5  # seconds between two writes of the progress within a cell


@dataclass(frozen=True)
class RunningReproduction:
    """A reproduction that a process is computing.

    Args:
        cells: progress of the cells in computation.
        since: when it started, seconds since 1970.
    """

    cells: tuple[CellProgress, ...]
    since: float


def running(table: str = "metarec") -> RunningReproduction | None:
    """Return what a process is computing now, or None."""
    from recdash.published.runner import CellProgress  # lazy: torch

    with suppress(OSError, ValueError, TypeError, KeyError):
        found = json.loads(progress_path(table).read_text(encoding="utf-8"))
        if is_alive(ProcessId.from_dict(found["who"]), found["time"]):
            cells = tuple(CellProgress(**step) for step in found["steps"])
            return RunningReproduction(cells, float(found["since"]))
    return None


@contextmanager
def exclusive(table: str) -> Iterator[Callable[[CellProgress], None]]:
    """Lock a table for this process within the block.

    Yields:
        A function that writes the progress of a cell for other processes.

    Raises:
        UsageError: if another process is reproducing the table.
        DataError: if the lock cannot be created.
    """
    path = reproduce_files.tables_folder() / f"{table}.lock"
    lock = FileLock(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout:
        now = running(table)
        about = f" ({', '.join(cell.about for cell in now.cells)})" if now is not None else ""
        raise UsageError(
            f"The table {table} is being reproduced by another process{about}. Wait for it, or stop it."
        ) from None
    except OSError as error:
        raise DataError(
            f"{path}: cannot be locked ({error.strerror}). Make the folder writable, or set RECDASH_DATA_DIR."
        ) from error
    try:
        yield _progress_writer(table)
    finally:
        progress_path(table).unlink(missing_ok=True)
        lock.release()


def progress_path(table: str) -> Path:
    """Return the file with the progress of a running reproduction."""
    return reproduce_files.tables_folder() / f"{table}-progress.json"


def _progress_writer(table: str) -> Callable[[CellProgress], None]:
    owner, since, last_write = ProcessId.mine(), time.time(), 0.0
    cells: dict[str, CellProgress] = {}

    def write(progress: CellProgress) -> None:
        nonlocal last_write
        cells[progress.cell] = progress
        if progress.over:
            del cells[progress.cell]
        if progress.epoch and not progress.over and time.monotonic() - last_write < _WRITE_EVERY:
            return
        last_write = time.monotonic()
        steps = [asdict(cell) for cell in cells.values()]
        write_json(progress_path(table), {"steps": steps, "who": asdict(owner), "since": since, "time": time.time()})

    return write
