"""The journal: what became of every row, kept so that a run can go on after any end."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

from pipeline.errors import UsageError
from pipeline.io.journal.book import SqlJournal
from pipeline.io.journal.sqlite import connected
from pipeline.io.journal.store import Store
from pipeline.io.one_thread import OneThread

__all__ = ["SqlJournal", "journal_path", "open_journal"]

PATIENCE = 0.005
"""Seconds for which a run stands still for its journal: twice what most of its work takes."""
_SQLITE = "sqlite:///"


@asynccontextmanager
async def open_journal(
    url: str, *, must_exist: bool = False, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
) -> AsyncIterator[SqlJournal]:
    """Open the journal at `sqlite:///FILE`, and make the file unless it must exist.

    Raises UsageError for another kind of address, and for a file that is no journal, is damaged, is locked,
    or is of another version.
    """
    path = journal_path(url)
    thread = OneThread("journal", patience=PATIENCE)
    async with connected(path, thread, must_exist=must_exist) as connection:
        yield SqlJournal(Store(connection, thread, path), clock)


def journal_path(url: str) -> Path:
    """Return the file of a journal; a relative one is relative to the working folder. Raises UsageError."""
    path = url.removeprefix(_SQLITE)
    if path == url:
        scheme = url.partition(":")[0]
        raise UsageError(f"journal: {scheme!r} is not built; write {_SQLITE}FILE")
    if not path or path.startswith(":memory:") or "?" in path:
        raise UsageError(f"journal {url!r}: expected {_SQLITE}FILE")
    return Path(path)
