"""One connection to the journal's database, which one thread uses: writes and reads."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

import anyio
import msgspec
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from pipeline.errors import FatalError, Stopped
from pipeline.io.journal.sqlite import failures
from pipeline.io.journal.statements import AT_ONCE, Many
from pipeline.io.one_thread import OneThread

Result = TypeVar("Result")
Rows = Sequence[sa.Row[Any]]


class Store:
    """Takes one caller at a time, each in the order in which it came, and lets nobody be cancelled meanwhile.

    What a caller has to do is one function, which runs in the connection's thread: going there and back for
    each statement would take most of the time.
    """

    def __init__(self, connection: sa.Connection, thread: OneThread, path: Path) -> None:
        self.path = path
        self._connection = connection
        self._thread = thread

    async def write(
        self, work: Callable[[sa.Connection], Result], *, busy: type[FatalError] = Stopped
    ) -> Result:
        """Return what `work` returns, and commit what it wrote, or roll back where it raises.

        Its first statement that writes takes the place of the one writer. Work that must not be overtaken
        between what it reads and what it writes executes BEGIN first. `busy` is the error of a locked file.
        """
        return await self._run(partial(self._written, work), busy)

    async def read(self, statement: sa.Select[Any], **values: object) -> Rows:
        """Return all rows of a query."""
        return await self._run(lambda: self._connection.execute(statement, values).all(), Stopped)

    async def _run(self, work: Callable[[], Result], busy: type[FatalError]) -> Result:
        with anyio.CancelScope(shield=True), failures(self.path, busy=busy):
            result: Result = await self._thread.run(work)
        return result

    def _written(self, work: Callable[[sa.Connection], Result]) -> Result:
        try:
            result = work(self._connection)
            self._connection.commit()
        except BaseException:
            # A full disk has already rolled it back.
            with suppress(DBAPIError):
                self._connection.rollback()
            raise
        return result


def many(connection: sa.Connection, statement: Many, rows: Sequence[tuple[object, ...]]) -> None:
    """Execute a statement for many rows."""
    for start in range(0, len(rows), AT_ONCE):
        some = rows[start : start + AT_ONCE]
        connection.exec_driver_sql(statement.of(len(some)), tuple(chain.from_iterable(some)))


def as_list(values: Iterable[str]) -> str:
    """Return values as the parameter of a `listed` table."""
    return msgspec.json.encode(list(values)).decode()
