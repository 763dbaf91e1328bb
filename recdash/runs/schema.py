"""The tables of the store, and the migration of an empty or older store to them."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Connection, Float, Integer, MetaData, Table, Text, inspect, select, text

from recdash.errors import StoreError

META = MetaData()

meta = Table("meta", META, Column("name", Text, primary_key=True), Column("value", BigInteger, nullable=False))

runs = Table(
    "runs",
    META,
    Column("id", Text, primary_key=True),
    Column("version", BigInteger, nullable=False),
    Column("request_key", Text, unique=True),
    Column("request_hash", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("note", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("dataset", Text, nullable=False),
    Column("dataset_fingerprint", Text, nullable=False),
    Column("protocol", Text, nullable=False),
    Column("split_seed", BigInteger, nullable=False),
    Column("split_fingerprint", Text, nullable=False),
    Column("preset", Text, nullable=False),
    Column("settings", Text, nullable=False),
    Column("seed", BigInteger, nullable=False),
    Column("device", Text, nullable=False),
    Column("threads", Integer),
    Column("state", Text, nullable=False),
    Column("stop_requested", Integer, nullable=False),
    Column("stop_requested_at", Float),
    Column("attempts", Integer, nullable=False),
    Column("host", Text, nullable=False),
    Column("pid", Integer),
    Column("process_start", Float),
    Column("heartbeat", Float),
    Column("created", Float, nullable=False),
    Column("queued", Float, nullable=False),
    Column("started", Float),
    Column("finished", Float),
    Column("epoch", Integer, nullable=False),
    Column("epochs", Integer),
    Column("best_epoch", Integer),
    Column("best_value", Float),
    Column("elapsed_s", Float),
    Column("runtime_s", Float),
    Column("error", Text, nullable=False),
    Column("metrics", Text, nullable=False),
    Column("intervals", Text, nullable=False),
    Column("validation", Text, nullable=False),
    Column("config", Text, nullable=False),
    Column("versions", Text, nullable=False),
    Column("details", Text, nullable=False),
    Column("options", Text, nullable=False),
    Column("tags", Text, nullable=False),
    Column("archived", Float),
    Column("trashed", Float),
    Column("source", Text, nullable=False),
    Column("queue_position", Float),
)

epochs = Table(
    "epochs",
    META,
    Column("run", Text, primary_key=True),
    Column("epoch", Integer, primary_key=True),
    Column("seq", BigInteger, nullable=False),
    Column("update_number", BigInteger, nullable=False),
    Column("seconds", Float, nullable=False),
    Column("numbers", Text, nullable=False),
    Column("recorded", Float),
)

events = Table(
    "events",
    META,
    Column("seq", BigInteger, primary_key=True),
    Column("run", Text, nullable=False),
    Column("time", Float, nullable=False),
    Column("kind", Text, nullable=False),
    Column("text", Text, nullable=False),
)

# Each step is plain SQL that SQLite and PostgreSQL both accept, and is never edited once released. The tables above are
# the result of the last step; a test compares them.
_TO_1 = (
    """CREATE TABLE runs (
        id TEXT PRIMARY KEY, version BIGINT NOT NULL, request_key TEXT UNIQUE, twin TEXT NOT NULL,
        name TEXT NOT NULL, note TEXT NOT NULL, model TEXT NOT NULL, dataset TEXT NOT NULL,
        dataset_fingerprint TEXT NOT NULL, protocol TEXT NOT NULL, split_seed BIGINT NOT NULL,
        split_fingerprint TEXT NOT NULL, preset TEXT NOT NULL, settings TEXT NOT NULL, seed BIGINT NOT NULL,
        device TEXT NOT NULL, threads INTEGER, state TEXT NOT NULL, wish TEXT NOT NULL, wished DOUBLE PRECISION,
        attempts INTEGER NOT NULL, host TEXT NOT NULL, pid INTEGER, born DOUBLE PRECISION,
        heartbeat DOUBLE PRECISION, created DOUBLE PRECISION NOT NULL, queued DOUBLE PRECISION NOT NULL,
        started DOUBLE PRECISION, finished DOUBLE PRECISION, epoch INTEGER NOT NULL, epochs INTEGER,
        best_epoch INTEGER, best_value DOUBLE PRECISION, elapsed_s DOUBLE PRECISION, runtime_s DOUBLE PRECISION,
        error TEXT NOT NULL, metrics TEXT NOT NULL, intervals TEXT NOT NULL, validation TEXT NOT NULL,
        config TEXT NOT NULL, versions TEXT NOT NULL, details TEXT NOT NULL)""",
    "CREATE INDEX runs_by_state ON runs (state, queued)",
    "CREATE INDEX runs_by_twin ON runs (twin)",
    """CREATE TABLE epochs (
        run TEXT NOT NULL, epoch INTEGER NOT NULL, seq BIGINT NOT NULL, update_number BIGINT NOT NULL,
        seconds DOUBLE PRECISION NOT NULL, numbers TEXT NOT NULL, PRIMARY KEY (run, epoch))""",
    "CREATE INDEX epochs_by_seq ON epochs (seq)",
    """CREATE TABLE events (
        seq BIGINT PRIMARY KEY, run TEXT NOT NULL, time DOUBLE PRECISION NOT NULL, kind TEXT NOT NULL,
        text TEXT NOT NULL)""",
    "CREATE INDEX events_by_run ON events (run)",
)
_TO_2 = ("ALTER TABLE runs ADD COLUMN options TEXT NOT NULL DEFAULT '{}'",)
# Version 0.3 gave columns their standard names. `wish` was "stop" or empty; `stop_requested` is 1 or 0.
_TO_3 = (
    "DROP INDEX runs_by_twin",
    "ALTER TABLE runs RENAME COLUMN twin TO request_hash",
    "ALTER TABLE runs RENAME COLUMN born TO process_start",
    "ALTER TABLE runs RENAME COLUMN wished TO stop_requested_at",
    "ALTER TABLE runs ADD COLUMN stop_requested INTEGER NOT NULL DEFAULT 0",
    "UPDATE runs SET stop_requested = 1 WHERE wish <> ''",
    "ALTER TABLE runs DROP COLUMN wish",
    "CREATE INDEX runs_by_request_hash ON runs (request_hash)",
)
_TO_4 = (
    "ALTER TABLE runs ADD COLUMN tags TEXT NOT NULL DEFAULT '[]'",
    "ALTER TABLE runs ADD COLUMN archived DOUBLE PRECISION",
    "ALTER TABLE runs ADD COLUMN trashed DOUBLE PRECISION",
    "ALTER TABLE runs ADD COLUMN source TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE runs ADD COLUMN queue_position DOUBLE PRECISION",
    "ALTER TABLE epochs ADD COLUMN recorded DOUBLE PRECISION",
)
_STEPS: tuple[tuple[str, ...], ...] = (_TO_1, _TO_2, _TO_3, _TO_4)
VERSION = len(_STEPS)
_MIGRATION_LOCK = 7239104  # an arbitrary number: the key of a PostgreSQL advisory lock


def version_of(connection: Connection) -> int:
    """Return the schema version of a store; 0 for an empty one."""
    if not inspect(connection).has_table("meta"):
        return 0
    found = connection.execute(select(meta.c.value).where(meta.c.name == "schema")).scalar()
    return int(found or 0)


def migrate(connection: Connection) -> None:
    """Migrate the store to this version inside the caller's transaction. A second call changes nothing.

    Raises:
        StoreError: if a newer version of recdash wrote the store.
    """
    if connection.dialect.name == "postgresql":
        # SQLite holds its write lock already.
        connection.execute(text(f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})"))
    found = version_of(connection)
    if found > VERSION:
        raise StoreError(
            f"The run store has schema version {found}, this version of recdash supports up to {VERSION}. "
            "Update recdash, or point RECDASH_STORE at another database."
        )
    if found == 0:
        connection.execute(text("CREATE TABLE meta (name TEXT PRIMARY KEY, value BIGINT NOT NULL)"))
        connection.execute(meta.insert(), [{"name": "schema", "value": 0}, {"name": "seq", "value": 0}])
    for step in _STEPS[found:]:
        for statement in step:
            connection.execute(text(statement))
    if found < VERSION:
        connection.execute(meta.update().where(meta.c.name == "schema").values(value=VERSION))
