"""One connection to the journal's database, which one thread at a time uses: writes and reads."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import partial
from itertools import chain
from pathlib import Path
from threading import Lock
from typing import Any, TypeVar

import anyio
import msgspec
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from pipeline.errors import FatalError, Stopped
from pipeline.io.journal.sqlite import failures
from pipeline.io.journal.statements import AT_ONCE, Many

Result = TypeVar("Result")
Rows = Sequence[sa.Row[Any]]


class Store:
    """Takes one caller at a time, each in the order in which it came, and lets nobody be cancelled meanwhile.

    What a caller has to do is one function, which runs in a thread beside the event loop: going there and
    back for each statement would take most of the time.
    """

    def __init__(self, connection: sa.Connection, in_use: Lock, path: Path) -> None:
        self.path = path
        self._connection = connection
        self._in_use = in_use
        self._turn = anyio.CapacityLimiter(1)

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
            result: Result = await anyio.to_thread.run_sync(self._alone, work, limiter=self._turn)
        return result

    def _alone(self, work: Callable[[], Result]) -> Result:
        # asyncio, unlike anyio, can cancel a task whose thread goes on: the turn is over, the work is not.
        with self._in_use:
            return work()

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
