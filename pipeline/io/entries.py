"""What a service lists, as it came, in a file without a name: in order, found by id."""

from collections.abc import AsyncIterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Generic, TypeVar

import msgspec

from pipeline.io.temporary import TemporaryDatabase

Head = TypeVar("Head")
Body = TypeVar("Body")

AT_ONCE = 500
"""Heads of one question, and entries of one INSERT."""

_TABLES = """
    PRAGMA cache_size=-8192;
    CREATE TABLE entry (
        n INTEGER PRIMARY KEY, id NOT NULL UNIQUE, list INTEGER NOT NULL, head TEXT NOT NULL,
        body TEXT NOT NULL
    );
    CREATE INDEX entry_list ON entry (list);
"""
# One row for all: at each row of its own, the thread would let go of the interpreter and wait to get it back.
_HEADS = """
    SELECT json_group_array(json_array(n, json(head)))
    FROM (SELECT n, head FROM entry WHERE n > ? ORDER BY n LIMIT ?)
"""
_BODIES = """
    SELECT '[' || group_concat('[' || list || ',' || body || ']') || ']' FROM entry WHERE id IN ({marks})
"""


class Entries(TemporaryDatabase, Generic[Head, Body]):
    """The entries of some lists, which are numbered. An id counts once in all of them, where it came first.

    A head is what choosing and matching need of an entry, its body the whole. `heads` decodes heads, each
    behind its number, and `bodies` bodies, each behind the number of its list.
    """

    def __init__(
        self,
        folder: Path,
        heads: msgspec.json.Decoder[list[tuple[int, Head]]],
        bodies: msgspec.json.Decoder[list[tuple[int, Body]]],
    ) -> None:
        super().__init__(folder, "listing.db", _TABLES)
        self._head_decoder = heads
        self._body_decoder = bodies

    async def put(
        self, number: int, ids: Sequence[str | int], heads: Sequence[Head], bodies: Sequence[msgspec.Raw]
    ) -> int:
        """Add entries of a list that are not there yet, as they came. Returns how many there were."""
        rows = [
            (id_, number, msgspec.json.encode(head).decode(), bytes(body).decode())
            for id_, head, body in zip(ids, heads, bodies, strict=True)
        ]
        return await self._run(self._insert, rows) if rows else 0

    async def forget(self, number: int) -> None:
        """Forget the entries of a list."""
        await self._run(self._forget, number)

    async def heads(self) -> AsyncIterator[list[Head]]:
        """Give the heads of all entries, some at a time, in the order in which they came."""
        last = 0
        while found := await self._run(self._heads, last):
            last = found[-1][0]
            yield [head for _, head in found]

    async def bodies(self, ids: Sequence[str | int]) -> list[tuple[int, Body]]:
        """Return the entries of these ids that are there, each with the number of its list, in any order."""
        return await self._run(self._bodies, ids) if ids else []

    def _insert(self, rows: Sequence[tuple[str | int, int, str, str]]) -> int:
        before = self._file.total_changes
        for start in range(0, len(rows), AT_ONCE):
            some = rows[start : start + AT_ONCE]
            marks = ", ".join(["(?, ?, ?, ?)"] * len(some))
            sql = f"INSERT OR IGNORE INTO entry (id, list, head, body) VALUES {marks}"  # noqa: S608 - only marks
            self._file.execute(sql, tuple(chain.from_iterable(some)))
        return self._file.total_changes - before

    def _forget(self, number: int) -> None:
        self._file.execute("DELETE FROM entry WHERE list = ?", (number,))

    def _heads(self, after: int) -> list[tuple[int, Head]]:
        ((found,),) = self._file.execute(_HEADS, (after, AT_ONCE))
        return self._head_decoder.decode(found)

    def _bodies(self, ids: Sequence[str | int]) -> list[tuple[int, Body]]:
        sql = _BODIES.format(marks=", ".join("?" * len(ids)))
        ((found,),) = self._file.execute(sql, tuple(ids))
        return [] if found is None else self._body_decoder.decode(found)
