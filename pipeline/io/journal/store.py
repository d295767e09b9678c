"""One connection to the journal's database: transactions, batches of one statement, and reads."""

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from itertools import repeat
from pathlib import Path
from typing import Any

import anyio
import msgspec
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from pipeline.errors import FatalError, Stopped
from pipeline.io.journal.sqlite import failures


class Batch:
    """A writing statement, compiled once: SQLAlchemy's own way for many rows takes twice as long."""

    def __init__(self, statement: sa.Insert | sa.Update | sa.Delete, connection: AsyncConnection) -> None:
        compiled = statement.compile(dialect=connection.dialect)
        self.sql = compiled.string
        self.names: Sequence[str] = compiled.positiontup or ()

    def rows(self, columns: dict[str, object]) -> list[tuple[object, ...]]:
        """Return one tuple for each row. A list is one value per row, anything else the same for all."""
        count = max((len(column) for column in columns.values() if isinstance(column, list)), default=1)
        ordered: Iterable[Iterable[object]] = (
            column if isinstance(column := columns[name], list) else repeat(column, count)
            for name in self.names
        )
        return list(zip(*ordered, strict=True))


class Store:
    """Takes one caller at a time, and lets nobody be cancelled in the middle of a write."""

    def __init__(self, connection: AsyncConnection, path: Path) -> None:
        self.path = path
        self._connection = connection
        self._turn = anyio.Lock()

    def batch(self, statement: sa.Insert | sa.Update | sa.Delete) -> Batch:
        """Compile a statement for `many`."""
        return Batch(statement, self._connection)

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

    async def many(self, batch: Batch, **columns: object) -> None:
        """Run a statement for every row, inside a transaction."""
        if rows := batch.rows(columns):
            await self._connection.exec_driver_sql(batch.sql, rows)

    async def read(self, statement: sa.Select[Any], **values: object) -> Sequence[sa.Row[Any]]:
        """Return all rows of a query. It takes its turn, so it is not for the inside of a transaction."""
        with anyio.CancelScope(shield=True), failures(self.path):
            async with self._turn:
                found: Sequence[sa.Row[Any]] = (await self._connection.execute(statement, values)).all()
        return found


def as_list(values: Iterable[str]) -> str:
    """Return values as the parameter of a `listed` table."""
    return msgspec.json.encode(list(values)).decode()
