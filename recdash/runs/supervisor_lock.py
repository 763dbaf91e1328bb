"""The lock that gives a store one supervisor, and the note that names the process holding it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import blake2b
from pathlib import Path

from filelock import FileLock, Timeout

from recdash import paths
from recdash.atomic_files import replace_file
from recdash.errors import StoreError
from recdash.runs.process_id import ProcessId, is_alive
from recdash.runs.store import Store

# The longest that a process holds `decision`: a supervisor reads the store meanwhile, and a busy store answers after at
# most 30 seconds.
DECISION_TIMEOUT = 40.0


class SupervisorLock:
    """Two file locks and a note next to the store file.

    STORE.supervisor.lock          held by the supervisor while it runs; the system releases it when the process dies
    STORE.supervisor.start.lock    held for a moment by a process that starts, becomes or stops being a supervisor
    STORE.supervisor               JSON: the process that is the supervisor, or that was just started to become it

    A lock cannot be handed to a child process. So the process that starts a supervisor writes the child's identity into
    the note while it holds the second lock; any other process then waits for the second lock, reads the note and starts
    nothing.
    """

    def __init__(self, store: Store) -> None:
        file = store.database.file
        name = blake2b(store.database.location.encode(), digest_size=6).hexdigest()
        self.path = paths.data_dir() / f"store-{name}.supervisor" if file is None else Path(f"{file}.supervisor")
        self.log = self._sibling(".log")
        self._lock = FileLock(self._sibling(".lock"))
        self._decision = FileLock(self._sibling(".start.lock"), timeout=DECISION_TIMEOUT)
        self._inode: int | None = None

    @contextmanager
    def decision(self) -> Iterator[None]:
        """Let no other process start, become or end a supervisor meanwhile.

        Raises:
            StoreError: if the lock file cannot be written, or another process holds the lock for too long.
        """
        with _one_line_errors(self._decision):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._decision.acquire()
        try:
            yield
        finally:
            self._decision.release()

    def acquire(self, wait: float = 0.0) -> bool:
        """Take the supervisor's lock if it gets free within `wait` seconds. Call it inside `decision`.

        Raises:
            StoreError: as for `decision`.
        """
        with _one_line_errors(self._lock):
            try:
                self._lock.acquire(timeout=wait, poll_interval=0.02)
            except Timeout:
                return False
            self._inode = Path(self._lock.lock_file).stat().st_ino
        return True

    def release(self) -> None:
        """Release the supervisor's lock."""
        self._lock.release()
        self._inode = None

    def is_intact(self) -> bool:
        """Whether the lock file is still the one that was locked; others would lock a new file."""
        try:
            return self._inode is not None and Path(self._lock.lock_file).stat().st_ino == self._inode
        except OSError:
            return False

    def write_owner(self, owner: ProcessId) -> None:
        """Note which process is the supervisor. A full disk is no reason to fail: the lock decides."""
        with suppress(OSError):
            replace_file(self.path, json.dumps(vars(owner)).encode())

    def clear_owner(self) -> None:
        """Remove the note."""
        with suppress(OSError):
            self.path.unlink(missing_ok=True)

    def owner(self) -> ProcessId | None:
        """Return the supervisor, or the process started to become it, if it is alive."""
        try:
            process = ProcessId.parse(self.path.read_text(encoding="utf-8"))
        except (OSError, ValueError, KeyError):
            return None
        return process if is_alive(process, None) else None

    def _sibling(self, ending: str) -> Path:
        return self.path.with_name(self.path.name + ending)


@contextmanager
def _one_line_errors(lock: FileLock) -> Iterator[None]:
    try:
        yield
    except Timeout as error:
        raise StoreError(
            f"{lock.lock_file}: locked by another process for over {DECISION_TIMEOUT:.0f} s. "
            "End that process and try again."
        ) from error
    except OSError as error:
        raise StoreError(
            f"{lock.lock_file}: cannot be written ({error.strerror}). Give write permission, or set RECDASH_DATA_DIR."
        ) from error
