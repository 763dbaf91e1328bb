"""The connection to the run store: transactions, and one-line errors."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, OperationalError, SQLAlchemyError
from sqlalchemy.pool import StaticPool

from recdash.errors import StoreError
from recdash.runs import schema

BUSY_SECONDS = 30
_WRITE_LOCK = 7239105  # an arbitrary number: the key of a PostgreSQL advisory lock
REBUILD = "To rebuild it: recdash doctor --fix"
OTHER_LOCATION = "set RECDASH_STORE, or RECDASH_DATA_DIR for the default store, to another location"
EXAMPLE = "Example: sqlite:////path/runs.db."
_DRIVERS = ("sqlite", "sqlite+pysqlite")
_DAMAGE_SIGNS = ("file is not a database", "malformed", "file is encrypted")


class Database:
    """Transactions on one database URL.

    Readers never wait. Writers wait for each other (SQLite in WAL mode: up to 30 seconds). A write transaction takes
    the write lock before its first statement, so what it reads cannot change before it writes. A database file that
    was deleted or replaced is opened or created again. One without write permission is opened read-only; if it does
    not exist, the store is empty.
    """

    def __init__(self, url: str) -> None:
        self._url = parse_url(url)
        self.is_sqlite = self._url.get_backend_name() == "sqlite"
        self.file = _checked_path(Path(self._url.database or "").absolute()) if self.is_sqlite else None
        self.location = str(self.file) if self.file else self._url.render_as_string(hide_password=True)
        self.writable = self.file is None or _can_write(self.file)
        self._engine = self._create_engine()
        self._checked_inode: int | None = None  # of the file whose schema was checked
        self.n_opened = 0  # how often a file was opened, since it can be deleted or replaced

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Yield a connection that sees one state of the store."""
        with self._transaction(write=False) as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Yield a connection whose changes appear together, or not at all; raises StoreError for a read-only store."""
        if not self.writable:
            raise StoreError(f"{self.location} cannot be written here. Give write permission, or {OTHER_LOCATION}.")
        with self._transaction(write=True) as connection:
            yield connection

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    @contextmanager
    def _transaction(self, *, write: bool) -> Iterator[Connection]:
        with self._one_line_errors():
            self._prepare()
            with self._engine.connect().execution_options(recdash_write=write) as connection, connection.begin():
                if write and not self.is_sqlite:
                    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_WRITE_LOCK})")
                yield connection

    def _prepare(self) -> None:
        """Connect to the present file, and migrate it where needed."""
        inode = self._inode()
        if inode is not None and inode == self._checked_inode:
            return
        if self._checked_inode is not None:
            self._engine.dispose()
        if self.file is not None and self.writable:
            try:
                self.file.parent.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                reason = f"the folder of the run store cannot be created ({error.strerror})"
                raise StoreError(f"{self.location}: {reason}. Check the path, or {OTHER_LOCATION}.") from error
        current = self._version() == schema.VERSION
        if not current:
            if not self.writable and self.file is not None and self.file.exists():
                self._engine = self._copied_to_memory()
            with self._engine.connect().execution_options(recdash_write=True) as connection, connection.begin():
                schema.migrate(connection)
        self._checked_inode = self._inode()
        self.n_opened += 1

    def _version(self) -> int:
        try:
            with self._engine.connect().execution_options(recdash_write=False) as connection, connection.begin():
                return schema.version_of(connection)
        except (TypeError, ValueError) as error:  # from the driver, for an option that it does not know
            raise StoreError(f"RECDASH_STORE: an option after the ? is not valid ({error}). Correct it.") from error

    def _inode(self) -> int | None:
        """Return the inode of the file; 0 where it cannot change, None where there is no file."""
        if self.file is None or not self.writable:
            return 0
        try:
            return self.file.stat().st_ino
        except FileNotFoundError:
            return None

    def _create_engine(self) -> Engine:
        try:
            return self._sqlite_engine() if self.is_sqlite else create_engine(self._url, pool_pre_ping=True)
        except (NoSuchModuleError, ImportError) as error:
            raise StoreError(
                f"RECDASH_STORE: no driver for {self.location} ({error}). "
                "Install it, for example psycopg for PostgreSQL, or use sqlite."
            ) from error
        except (ArgumentError, TypeError, ValueError) as error:
            reason = str(error).strip().splitlines()[0]
            raise StoreError(f"RECDASH_STORE: {self.location} cannot be opened ({reason}). {EXAMPLE}") from error

    def _sqlite_engine(self) -> Engine:
        options: dict[str, Any] = {"connect_args": {"timeout": BUSY_SECONDS}}
        url = self._url.set(database=str(self.file))
        if self.file is not None and not self.writable:
            read_only = {"mode": "ro", "immutable": "1", "uri": "true"}
            url = URL.create("sqlite", database=f"file:{quote(str(self.file))}", query=read_only)
            if not self.file.exists():
                url = URL.create("sqlite")
                options = {"poolclass": StaticPool, "connect_args": {"check_same_thread": False}}
        engine = create_engine(url, **options)
        event.listen(engine, "connect", self._on_connect)
        event.listen(engine, "begin", _on_begin)
        return engine

    def _copied_to_memory(self) -> Engine:
        """Copy a read-only store of an older schema into memory, where it can be migrated."""
        shared = {"poolclass": StaticPool, "connect_args": {"check_same_thread": False}}
        copy = create_engine(URL.create("sqlite"), **shared)
        event.listen(copy, "connect", self._on_connect)
        event.listen(copy, "begin", _on_begin)
        from_file, to_memory = self._engine.raw_connection(), copy.raw_connection()
        try:
            source: Any = from_file.driver_connection
            source.backup(to_memory.driver_connection)
        finally:
            from_file.close()
            to_memory.close()
        self._engine.dispose()
        return copy

    def _on_connect(self, raw: Any, _: Any) -> None:
        raw.isolation_level = None  # `_on_begin` starts transactions, not the driver
        if self.file is not None and self.writable:
            deadline = time.monotonic() + BUSY_SECONDS
            while True:
                try:
                    raw.execute("PRAGMA journal_mode=WAL").close()
                    break
                except Exception as error:  # SQLite does not wait when two processes switch to WAL
                    if "locked" not in str(error) or time.monotonic() > deadline:
                        raise
                    time.sleep(0.02)
            raw.execute("PRAGMA synchronous=NORMAL").close()

    @contextmanager
    def _one_line_errors(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            raise StoreError(self._explain(error)) from error
        except SQLAlchemyError as error:
            raise StoreError(f"{self.location}: the run store cannot be used ({type(error).__name__}).") from error

    def _explain(self, error: DBAPIError) -> str:
        reason = str(error.orig).strip().splitlines()[0] if str(error.orig).strip() else type(error).__name__
        if "locked" in reason:
            return f"{self.location}: locked by another program for over {BUSY_SECONDS} s. Close it and try again."
        if any(sign in reason for sign in _DAMAGE_SIGNS):
            return f"{self.location} is damaged or not a run store ({reason}). {REBUILD}"
        if "readonly" in reason or "read-only" in reason:
            return f"{self.location} cannot be written here. Give write permission, or {OTHER_LOCATION}."
        if "disk is full" in reason or "disk I/O" in reason:
            return f"{self.location}: {reason}. Free some disk space and try again."
        if "unable to open" in reason:
            return (
                f"{self.location} cannot be opened. Check that the folder exists and is writable, or {OTHER_LOCATION}."
            )
        if isinstance(error, OperationalError) and not self.is_sqlite:
            return f"{self.location} cannot be reached ({reason}). Check RECDASH_STORE and that the server is running."
        return f"{self.location}: the run store reported {reason!r}."


def parse_url(text: str) -> URL:
    """Parse the URL of a store; raises StoreError for an invalid URL or an unsupported database."""
    shown = repr(re.sub(r"//.*@", "//***@", text))  # hides a password
    try:
        url = make_url(text)
    except (ArgumentError, ValueError) as error:
        raise StoreError(f"RECDASH_STORE = {shown} is not a database URL. {EXAMPLE}") from error
    backend = url.get_backend_name()
    if backend != "postgresql" and url.drivername not in _DRIVERS:
        raise StoreError(f"RECDASH_STORE: {url.drivername} is not supported. Use sqlite or postgresql.")
    if backend == "sqlite" and (url.host or url.database in (None, "", ":memory:")):
        raise StoreError(f"RECDASH_STORE = {shown} names no file, so other processes cannot open it. {EXAMPLE}")
    return url


def _checked_path(file: Path) -> Path:
    """Return the path of a database file; raises StoreError where no file can be."""
    try:
        with suppress(FileNotFoundError, NotADirectoryError):
            file.stat()  # raises for a name that is too long and for circular links
        existing = next(path for path in (file, *file.parents) if path.exists())
        is_folder = existing.is_dir()
    except OSError as error:
        raise StoreError(
            f"{str(file)[:200]}: not a valid path for the run store ({error.strerror}); {OTHER_LOCATION}."
        ) from error
    if existing == file and is_folder:
        raise StoreError(f"{file} is a folder, but the run store is a file. Name a file in it, or {OTHER_LOCATION}.")
    if existing != file and not is_folder:
        raise StoreError(f"{file}: {existing} is a file, not a folder; {OTHER_LOCATION}.")
    return file


def _on_begin(connection: Connection) -> None:
    statement = "BEGIN IMMEDIATE" if connection.get_execution_options().get("recdash_write") else "BEGIN"
    connection.exec_driver_sql(statement)


def _can_write(file: Path) -> bool:
    """Whether the file is writable; if it does not exist, whether it can be created."""
    if file.exists():
        return os.access(file, os.W_OK) and os.access(file.parent, os.W_OK) and not _on_read_only_disk(file)
    folder = next(parent for parent in file.parents if parent.exists())
    return os.access(folder, os.W_OK) and not _on_read_only_disk(folder)


def _on_read_only_disk(path: Path) -> bool:
    return hasattr(os, "statvfs") and bool(os.statvfs(path).f_flag & os.ST_RDONLY)
