"""The connection to the run store: transactions that readers and writers share, errors that fit on one line."""

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
_WRITE_LOCK = 7239105  # any number that no other program on the same PostgreSQL database locks
REBUILD = "To rebuild it: recdash doctor --mend"
ELSEWHERE = "set RECDASH_STORE, or RECDASH_DATA_DIR for the default store, to another place"
EXAMPLE = "Use for example sqlite:////path/runs.db."
_DRIVERS = ("sqlite", "sqlite+pysqlite")
_DAMAGED = ("file is not a database", "malformed", "file is encrypted")


class Database:
    """Transactions on one database URL.

    Readers never wait, writers wait for each other (SQLite in WAL mode: up to 30 seconds). A write transaction takes
    the write lock before its first statement, so what it reads cannot change before it writes. A database file
    that disappears or is replaced is opened (or made) anew; one that cannot be written is opened to read, and if
    absent counts as empty.
    """

    def __init__(self, url: str) -> None:
        self._url = url_of(url)
        self.is_sqlite = self._url.get_backend_name() == "sqlite"
        self.file = _possible(Path(self._url.database or "").absolute()) if self.is_sqlite else None
        self.place = str(self.file) if self.file else self._url.render_as_string(hide_password=True)
        self.writable = self.file is None or _can_write(self.file)
        self._engine = self._connectable()
        self._seen: int | None = None  # inode of the file whose schema is known to be right

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Give a connection that sees one moment of the store."""
        with self._transaction(write=False) as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Give a connection whose changes appear together, or not at all."""
        if not self.writable:
            raise StoreError(f"{self.place} cannot be written here. Give write permission, or {ELSEWHERE}.")
        with self._transaction(write=True) as connection:
            yield connection

    def close(self) -> None:
        """Let go of all connections."""
        self._engine.dispose()

    @contextmanager
    def _transaction(self, *, write: bool) -> Iterator[Connection]:
        with self._told_plainly():
            self._prepare()
            with self._engine.connect().execution_options(recdash_write=write) as connection, connection.begin():
                if write and not self.is_sqlite:
                    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_WRITE_LOCK})")
                yield connection

    def _prepare(self) -> None:
        present = self._inode()
        if present is not None and present == self._seen:
            return
        if self._seen is not None:
            self._engine.dispose()
        if self.file is not None and self.writable:
            try:
                self.file.parent.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                why = f"cannot make the folder of the run store ({error.strerror})"
                raise StoreError(f"{self.place}: {why}. Check the place, or {ELSEWHERE}.") from error
        current = self._version() == schema.VERSION
        if not current:
            if not self.writable and self.file is not None and self.file.exists():
                self._engine = self._copied_to_memory()
            with self._engine.connect().execution_options(recdash_write=True) as connection, connection.begin():
                schema.migrate(connection)
        self._seen = self._inode()

    def _version(self) -> int:
        try:
            with self._engine.connect().execution_options(recdash_write=False) as connection, connection.begin():
                return schema.version_of(connection)
        except (TypeError, ValueError) as error:  # from the driver, for options that it does not take
            raise StoreError(f"RECDASH_STORE: an option after its ? is not valid ({error}). Correct it.") from error

    def _inode(self) -> int | None:
        """Which file is open; 0 where it cannot change."""
        if self.file is None or not self.writable:
            return 0
        try:
            return self.file.stat().st_ino
        except FileNotFoundError:
            return None

    def _connectable(self) -> Engine:
        try:
            return self._sqlite_engine() if self.is_sqlite else create_engine(self._url, pool_pre_ping=True)
        except (NoSuchModuleError, ImportError) as error:
            raise StoreError(
                f"RECDASH_STORE: no driver for {self.place} ({error}). "
                "Install it, for example psycopg for PostgreSQL, or use sqlite."
            ) from error
        except (ArgumentError, TypeError, ValueError) as error:
            said = str(error).strip().splitlines()[0]
            raise StoreError(f"RECDASH_STORE: {self.place} cannot be opened ({said}). {EXAMPLE}") from error

    def _sqlite_engine(self) -> Engine:
        options: dict[str, Any] = {"connect_args": {"timeout": BUSY_SECONDS}}
        url = self._url.set(database=str(self.file))
        if self.file is not None and not self.writable:
            as_it_is = {"mode": "ro", "immutable": "1", "uri": "true"}
            url = URL.create("sqlite", database=f"file:{quote(str(self.file))}", query=as_it_is)
            if not self.file.exists():
                url = URL.create("sqlite")
                options = {"poolclass": StaticPool, "connect_args": {"check_same_thread": False}}
        engine = create_engine(url, **options)
        event.listen(engine, "connect", self._on_connect)
        event.listen(engine, "begin", _on_begin)
        return engine

    def _copied_to_memory(self) -> Engine:
        """Copy a store of an older schema that may not be written to where it can be brought to this one."""
        kept = {"poolclass": StaticPool, "connect_args": {"check_same_thread": False}}
        copy = create_engine(URL.create("sqlite"), **kept)
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
        raw.isolation_level = None  # transactions are begun below, not by the driver
        if self.file is not None and self.writable:
            deadline = time.monotonic() + BUSY_SECONDS
            while True:
                try:
                    raw.execute("PRAGMA journal_mode=WAL").close()
                    break
                except Exception as error:  # switching a new file to WAL does not wait for other switchers by itself
                    if "locked" not in str(error) or time.monotonic() > deadline:
                        raise
                    time.sleep(0.02)
            raw.execute("PRAGMA synchronous=NORMAL").close()

    @contextmanager
    def _told_plainly(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            raise StoreError(self._explain(error)) from error
        except SQLAlchemyError as error:
            raise StoreError(f"{self.place}: the run store cannot be used ({type(error).__name__}).") from error

    def _explain(self, error: DBAPIError) -> str:
        said = str(error.orig).strip().splitlines()[0] if str(error.orig).strip() else type(error).__name__
        if "locked" in said:
            return (
                f"{self.place}: locked by another program for over {BUSY_SECONDS} s. Close that program and try again."
            )
        if any(sign in said for sign in _DAMAGED):
            return f"{self.place} is damaged or no run store ({said}). {REBUILD}"
        if "readonly" in said or "read-only" in said:
            return f"{self.place} cannot be written here. Give write permission, or {ELSEWHERE}."
        if "disk is full" in said or "disk I/O" in said:
            return f"{self.place}: {said}. Free some space and try again."
        if "unable to open" in said:
            return f"{self.place} cannot be opened. Check that the folder exists and may be written, or {ELSEWHERE}."
        if isinstance(error, OperationalError) and not self.is_sqlite:
            return f"{self.place} cannot be reached ({said}). Check RECDASH_STORE and that the server runs."
        return f"{self.place}: the run store answered {said!r}."


def url_of(text: str) -> URL:
    """Return the URL of a store; raises StoreError for what is none, or of a kind that recdash does not know."""
    shown = repr(re.sub(r"//.*@", "//***@", text))  # what stands there may be a password
    try:
        url = make_url(text)
    except (ArgumentError, ValueError) as error:
        raise StoreError(f"RECDASH_STORE = {shown} is no database URL. {EXAMPLE}") from error
    kind = url.get_backend_name()
    if kind != "postgresql" and url.drivername not in _DRIVERS:
        raise StoreError(
            f"RECDASH_STORE: {url.drivername} is no kind of store that recdash knows. Use sqlite or postgresql."
        )
    if kind == "sqlite" and (url.host or url.database in (None, "", ":memory:")):
        raise StoreError(f"RECDASH_STORE = {shown} names no file, which is where other processes find it. {EXAMPLE}")
    return url


def _possible(file: Path) -> Path:
    """Return the path of a database; raises StoreError where there can be none."""
    try:
        with suppress(FileNotFoundError, NotADirectoryError):
            file.stat()  # raises for a name that is too long and for a loop of links
        there = next(path for path in (file, *file.parents) if path.exists())
        is_folder = there.is_dir()
    except OSError as error:
        raise StoreError(
            f"{str(file)[:200]}: the run store cannot lie here ({error.strerror}); {ELSEWHERE}."
        ) from error
    if there == file and is_folder:
        raise StoreError(f"{file} is a folder, and the run store is a file. Name one in it, or {ELSEWHERE}.")
    if there != file and not is_folder:
        raise StoreError(f"{file}: {there} is a file, so the run store cannot lie in it; {ELSEWHERE}.")
    return file


def _on_begin(connection: Connection) -> None:
    kind = "BEGIN IMMEDIATE" if connection.get_execution_options().get("recdash_write") else "BEGIN"
    connection.exec_driver_sql(kind)


def _can_write(file: Path) -> bool:
    """Whether the file, or where it would be made, may be written."""
    if file.exists():
        return os.access(file, os.W_OK) and os.access(file.parent, os.W_OK) and not _on_read_only_disk(file)
    folder = next(parent for parent in file.parents if parent.exists())
    return os.access(folder, os.W_OK) and not _on_read_only_disk(folder)


def _on_read_only_disk(path: Path) -> bool:
    return hasattr(os, "statvfs") and bool(os.statvfs(path).f_flag & os.ST_RDONLY)
