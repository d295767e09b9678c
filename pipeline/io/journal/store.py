"""One connection to the journal's database: transactions, writes of many rows, and reads."""

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from itertools import chain
from pathlib import Path
from typing import Any

import anyio
import msgspec
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from pipeline.errors import FatalError, Stopped
from pipeline.io.journal.sqlite import failures
from pipeline.io.journal.statements import AT_ONCE, Many


class Store:
    """Takes one caller at a time, and lets nobody be cancelled in the middle of a write."""

    def __init__(self, connection: AsyncConnection, path: Path) -> None:
        self.path = path
        self._connection = connection
        self._turn = anyio.Lock()

    @asynccontextmanager
    async def transaction(self, busy: type[FatalError] = Stopped) -> AsyncIterator[AsyncConnection]:
        """Commit at the end of the block, or roll back where it raises.

        The first statement that writes takes the place of the one writer. A block that must not be overtaken
        between what it reads and what it writes runs BEGIN first.
        """
        with anyio.CancelScope(shield=True), failures(self.path, busy=busy):
            async with self._turn:
                try:
                    yield self._connection
                    await self._connection.commit()
                except BaseException:
                    # A full disk has already rolled it back.
                    with suppress(DBAPIError):
                        await self._connection.rollback()
                    raise

    async def many(self, statement: Many, rows: Sequence[tuple[object, ...]]) -> None:
        """Write rows, inside a transaction."""
        for start in range(0, len(rows), AT_ONCE):
            some = rows[start : start + AT_ONCE]
            await self._connection.exec_driver_sql(statement.of(len(some)), tuple(chain.from_iterable(some)))

    async def read(self, statement: sa.Select[Any], **values: object) -> Sequence[sa.Row[Any]]:
        """Return all rows of a query. It takes its turn, so it is not for the inside of a transaction."""
        with anyio.CancelScope(shield=True), failures(self.path):
            async with self._turn:
                found: Sequence[sa.Row[Any]] = (await self._connection.execute(statement, values)).all()
        return found


def as_list(values: Iterable[str]) -> str:
    """Return values as the parameter of a `listed` table."""
    return msgspec.json.encode(list(values)).decode()
