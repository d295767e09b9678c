"""Everything about the journal that is SQLite's own: opening a file, its settings, and its errors."""

import errno
import os
import sqlite3
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from functools import cache, partial
from pathlib import Path

import anyio
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from pipeline.errors import FatalError, Stopped, UsageError
from pipeline.io.journal.tables import VERSION, labelferry, metadata, own
from pipeline.io.one_thread import OneThread

BEGIN = "BEGIN IMMEDIATE"
"""Takes the place of the one writer before anything is read."""

BUSY_SECONDS = 10
_PRAGMAS = (
    # Of a new file only. A bundle changes neighbouring rows: fewer pages to write make a commit a quarter
    # quicker.
    "PRAGMA page_size=16384",
    "PRAGMA journal_mode=TRUNCATE",
    "PRAGMA synchronous=FULL",
    "PRAGMA cache_size=-4096",
    "PRAGMA temp_store=FILE",
    "PRAGMA temp.journal_mode=MEMORY",
    "PRAGMA temp.cache_size=-32768",
)


@asynccontextmanager
async def connected(path: Path, thread: OneThread, *, must_exist: bool) -> AsyncIterator[sa.Connection]:
    """Open the file, which only its owner can read, and make the tables where there are none.

    The connection is for this thread. Raises UsageError.
    """
    _make(path, must_exist=must_exist)
    with anyio.CancelScope(shield=True), failures(path, busy=UsageError):
        connection = await thread.run(partial(_opened, path))
    try:
        yield connection
    finally:
        with anyio.CancelScope(shield=True):
            await thread.run(connection.close)
        thread.end()


def _connected() -> sqlite3.Connection:
    return sqlite3.connect(
        _path.get().absolute(),
        timeout=BUSY_SECONDS,
        isolation_level="IMMEDIATE",
        cached_statements=16,
        check_same_thread=False,  # the garbage collector of any thread may be the one that closes it
    )


_path: ContextVar[Path] = ContextVar("path")
_engine = sa.create_engine("sqlite://", creator=_connected, poolclass=NullPool)
"""One for all journals, at the path that is set: so a statement is compiled once in a process."""


def _opened(path: Path) -> sa.Connection:
    _path.set(path)
    connection = _engine.connect()
    try:
        for pragma in _PRAGMAS:
            connection.exec_driver_sql(pragma)
        _prepare(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def _make(path: Path, *, must_exist: bool) -> None:
    if must_exist and not path.exists():
        raise UsageError(f"there is no journal {path}; run a job first, or name its journal")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as error:
        if error.errno in _FULL:
            raise Stopped(f"journal {path}: the disk is full; make room there, then resume") from error
        message = f"cannot open the journal {path}: {error.strerror}; choose a file that can be written"
        raise UsageError(message) from error


def _prepare(connection: sa.Connection, path: Path) -> None:
    connection.exec_driver_sql(BEGIN)
    found = sa.inspect(connection).get_table_names()
    if not found:
        _create(connection, metadata)
        connection.execute(labelferry.insert().values(version=VERSION))
    elif labelferry.name not in found:
        raise UsageError(f"{path} is a database, but not a journal of labelferry; name another file")
    else:
        version = connection.scalar(sa.select(labelferry.c.version))
        if version != VERSION:
            raise UsageError(
                f"the journal {path} has version {version}, expected {VERSION}: it was written by another "
                "labelferry; install that one, or name another file"
            )
    connection.commit()
    _create(connection, own)
    connection.commit()


def _create(connection: sa.Connection, tables: sa.MetaData) -> None:
    for statement in _statements(tables):
        connection.exec_driver_sql(statement)


@cache
def _statements(tables: sa.MetaData) -> Sequence[str]:
    """Return what makes the tables, compiled once in a process."""
    found: list[str] = []
    mock = sa.create_mock_engine("sqlite://", lambda made, *_, **__: found.append(str(made.compile(_engine))))
    tables.create_all(mock, checkfirst=False)
    return found


def listed(name: str) -> sa.TableValuedAlias:
    """Return the values of a parameter (a JSON list) as a table with the one column `value`."""
    return sa.func.json_each(sa.bindparam(name, type_=sa.Text)).table_valued("value", name=name)


# ---- errors ---------------------------------------------------------------------------------------

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_FOREIGN = ("SQLITE_NOTADB", "SQLITE_CORRUPT")
_CLOSED = ("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM", "SQLITE_AUTH")


@contextmanager
def failures(path: Path, *, busy: type[FatalError] = Stopped) -> Iterator[None]:
    """Turn an error of the database into one that says what to do; `busy` is that of a locked file."""
    try:
        yield
    except DBAPIError as error:
        name = getattr(error.orig, "sqlite_errorname", "")
        raise _told(path, name, str(error.orig), busy) from error


def _told(path: Path, name: str, what: str, busy: type[FatalError]) -> FatalError:
    if name == "SQLITE_FULL":
        return Stopped(f"journal {path}: the disk is full; make room there, then resume")
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return busy(
            f"journal {path}: another process has locked it for {BUSY_SECONDS} seconds; end it, then resume"
        )
    if name.startswith(_FOREIGN):
        return UsageError(
            f"{path} is damaged, or not a journal of labelferry ({what}); "
            "put back a good copy, or name another file"
        )
    if name.startswith(_CLOSED):
        return UsageError(f"cannot open the journal {path}: {what}; choose a file that can be written")
    return Stopped(f"journal {path} cannot be written: {what}; mend that, then resume")
