"""The tables of a run's database, and how it is opened."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from urllib.parse import quote

from pondera.door import check_database, check_opened
from pondera.errors import RunError

DATABASE, SNAPSHOTS, STATES = "run.sqlite", "snapshots", "states"
LOCK, PAUSE, STOP = "run.lock", "run.pause", "run.stop"
"""What is in the folder of a run: files and folders of them."""

VERSION = 1
"""Of the tables; kept in SQLite's ``user_version``."""

APPLICATION = 0x506F6E64
"""``Pond``, kept in SQLite's ``application_id``: no other program's database is taken for a run."""

PATIENCE = 10.0
"""Seconds that a reader waits for a writer, and a writer for another."""

CACHE = 8 << 20
"""Bytes of pages that a writer keeps in memory: figures of all steps fit, which are now and then averaged anew."""

TABLES = """
CREATE TABLE about (           -- what is known of the run as a whole
    name TEXT PRIMARY KEY,     -- 'plan', 'data', 'versions', 'machine', …
    value TEXT NOT NULL        -- JSON
);
CREATE TABLE tensors (         -- the arrays of weights of each part: a network of a population, a process, a shard
    id INTEGER PRIMARY KEY,
    part INTEGER NOT NULL,
    name TEXT NOT NULL,
    shape TEXT NOT NULL,       -- JSON
    dtype TEXT NOT NULL,
    initializer TEXT NOT NULL, -- JSON; null where it is not known
    places BLOB,               -- int64: which weights are followed one by one; NULL for all of them
    UNIQUE (part, name)
);
CREATE TABLE steps (           -- loss, learning rate and gradient norm of every step, many to a row
    part INTEGER NOT NULL,
    first INTEGER NOT NULL,    -- the first step
    stride INTEGER NOT NULL,   -- how many steps each figure is the mean of; what is not known is left out of it
    figures BLOB NOT NULL,     -- float32: losses, then rates, then norms
    PRIMARY KEY (part, first)
) WITHOUT ROWID;
CREATE TABLE epochs (
    part INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    figures TEXT NOT NULL,     -- JSON
    PRIMARY KEY (part, epoch)
) WITHOUT ROWID;
CREATE TABLE tensor_figures (  -- a tensor just before a step, and what the step did to it
    step INTEGER NOT NULL,
    tensor INTEGER NOT NULL REFERENCES tensors,
    figures BLOB NOT NULL,     -- float64, in the order of TensorFigures
    histogram BLOB NOT NULL,   -- uint16 bins, then uint32 counts
    PRIMARY KEY (tensor, step)
) WITHOUT ROWID;
CREATE TABLE unit_figures (    -- a layer's outputs for the batch of a step
    part INTEGER NOT NULL,
    step INTEGER NOT NULL,
    layer TEXT NOT NULL,
    figures TEXT NOT NULL,     -- JSON of UnitFigures
    PRIMARY KEY (part, step, layer)
) WITHOUT ROWID;
CREATE TABLE looks (           -- a step's own batch, before and after its update
    part INTEGER NOT NULL,
    step INTEGER NOT NULL,
    before REAL,               -- its mean loss; NULL for NaN
    after REAL,
    PRIMARY KEY (part, step)
) WITHOUT ROWID;
CREATE TABLE weights (         -- weights one by one just before a step, and their gradients in it
    tensor INTEGER NOT NULL REFERENCES tensors,
    step INTEGER NOT NULL,
    weights BLOB NOT NULL,     -- of the tensor's dtype
    gradients BLOB,            -- the same; NULL where they are not known
    PRIMARY KEY (tensor, step)
);
CREATE TABLE snapshots (       -- files of all weights
    part INTEGER NOT NULL,
    step INTEGER NOT NULL,
    file TEXT NOT NULL,
    PRIMARY KEY (part, step)
) WITHOUT ROWID;
"""


INSTEAD = "Give another folder, or replace it: --replace, in Python replace=True."
"""What to do where a folder holds what a training cannot go on with."""


class EmptyRunError(RunError):
    """The database of a run has nothing in it."""


class NoDatabaseError(RunError):
    """The database of a run is none, or cannot be read any more."""


def create(path: Path) -> sqlite3.Connection:
    """Make a run's database, or open the one that is there, to write to; another thread may use it.

    Raises
    ------
    RunError
        If the file holds something else, or cannot be written.
    """
    try:
        connection = sqlite3.connect(path, PATIENCE, isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA secure_delete = OFF")  # where it is on, all that is thinned out is written once more
        connection.execute(f"PRAGMA cache_size = -{CACHE >> 10}")
        if connection.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,):
            connection.execute("BEGIN IMMEDIATE")
            for statement in TABLES.split(";\n"):
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {APPLICATION}")
            connection.execute(f"PRAGMA user_version = {VERSION}")
            connection.execute("COMMIT")
        _check(connection, path)
    except sqlite3.Error as error:
        if _is_garbage(error):
            raise RunError(f"{path}: expected the database of a run, found a file that is none. {INSTEAD}") from error
        raise RunError(f"{path}: cannot be written to: {error}. Give another folder, or free some space.") from error
    return connection


def _is_garbage(error: sqlite3.Error) -> bool:
    """Return whether an error says that a file is no database, or one that cannot be read any more."""
    return getattr(error, "sqlite_errorcode", None) in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT)


def connect(path: Path) -> sqlite3.Connection:
    """Open a run's database to read, also while training writes to it.

    Raises
    ------
    EmptyRunError, NoDatabaseError
        If there is nothing in it, or it is no database.
    RunError
        If there is none, or it holds something else.
    """
    if not path.is_file():
        raise RunError(f"{path.parent}: expected the folder of a run, with a {DATABASE} in it. Give such a folder.")
    address = f"file:{quote(str(path.absolute()))}"
    try:
        check_database(path)
        connection = sqlite3.connect(f"{address}?mode=ro", PATIENCE, uri=True, check_same_thread=False)
        try:
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        except sqlite3.OperationalError:  # where nothing can be written, not even the lock that readers share
            connection.close()
            beside = path.with_name(f"{path.name}-wal")
            if beside.is_file() and beside.stat().st_size:
                raise RunError(
                    f"{path.parent}: what was written last is in {beside.name}, which cannot be read where nothing can "
                    "be written. Copy the folder to where it can."
                ) from None
            connection = sqlite3.connect(f"{address}?immutable=1", PATIENCE, uri=True, check_same_thread=False)
        try:
            _check(connection, path)
            check_opened(connection)
        except BaseException:
            connection.close()
            raise
    except OSError as error:
        raise RunError(f"{path}: cannot be read: {error.strerror}.") from error
    except sqlite3.Error as error:
        found = f"{path}: expected the database of a run, found one that cannot be read ({error})."
        if _is_garbage(error):
            raise NoDatabaseError(f"{found} Record the training again.") from error
        raise RunError(found) from error
    return connection


def _check(connection: sqlite3.Connection, path: Path) -> None:
    (application,), (version,) = (
        connection.execute(f"PRAGMA {name}").fetchone() for name in ("application_id", "user_version")
    )
    if application == 0 and connection.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,):
        raise EmptyRunError(
            f"{path}: expected the database of a run, found an empty one: it was cut off before anything was written. "
            "Record the training again."
        )
    if application != APPLICATION:
        raise RunError(f"{path}: expected the database of a run, found that of another program. Give another folder.")
    if version != VERSION:
        raise RunError(
            f"{path}: expected a run of version {VERSION}, found version {version}. "
            "It was written by another version of Pondera; upgrade Pondera."
        )
