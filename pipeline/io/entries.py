"""What a service lists, as it came, in order, found by id: in memory while that is little, then in a file."""

from collections.abc import AsyncIterator, Sequence
from functools import partial
from itertools import chain, starmap
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

import msgspec

from pipeline.io.temporary import TemporaryDatabase

Head = TypeVar("Head")
Body = TypeVar("Body")

FEW_BYTES = 6 * 1024 * 1024
"""Of entries that are kept in memory: there, to keep and to find one takes a tenth of the time."""
_HOLDER = 600  # bytes of an entry without its body
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


class _Entry(NamedTuple, Generic[Head]):
    """An entry of the list of that number; its body is JSON."""

    number: int
    head: Head
    body: bytes


def _size(bodies: Sequence[bytes | msgspec.Raw]) -> int:
    return sum(_HOLDER + len(memoryview(body)) for body in bodies)


def _row(id_: str | int, entry: _Entry[Head]) -> tuple[str | int, int, str, str]:
    return id_, entry.number, msgspec.json.encode(entry.head).decode(), entry.body.decode()


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
        self._few: dict[str | int, _Entry[Head]] | None = {}
        self._bytes = 0

    async def put(
        self, number: int, ids: Sequence[str | int], heads: Sequence[Head], bodies: Sequence[msgspec.Raw]
    ) -> int:
        """Add entries of a list that are not there yet, as they came. Returns how many there were."""
        entries = zip(ids, map(partial(_Entry, number), heads, map(bytes, bodies)), strict=True)
        self._bytes += _size(bodies)
        if self._few is not None and self._bytes > FEW_BYTES:
            few, self._few = self._few, None
            await self._run(self._insert, list(few.items()))
        if self._few is None:
            return await self._run(self._insert, list(entries)) if ids else 0
        before = len(self._few)
        for id_, entry in entries:
            self._few.setdefault(id_, entry)
        return len(self._few) - before

    async def forget(self, number: int) -> None:
        """Forget the entries of a list."""
        if self._few is None:
            await self._run(self._forget, number)
            return
        self._few = {id_: entry for id_, entry in self._few.items() if entry.number != number}
        self._bytes = _size([entry.body for entry in self._few.values()])

    async def heads(self) -> AsyncIterator[list[Head]]:
        """Give the heads of all entries, some at a time, in the order in which they came."""
        if self._few is not None:
            entries = list(self._few.values())
            for start in range(0, len(entries), AT_ONCE):
                yield [entry.head for entry in entries[start : start + AT_ONCE]]
            return
        last = 0
        while found := await self._run(self._heads, last):
            last = found[-1][0]
            yield [head for _, head in found]

    async def bodies(self, ids: Sequence[str | int]) -> list[tuple[int, Body]]:
        """Return the entries of these ids that are there, each with the number of its list, in any order."""
        if self._few is None:
            return await self._run(self._bodies, ids) if ids else []
        found = [self._few[id_] for id_ in dict.fromkeys(ids) if id_ in self._few]
        return self._body_decoder.decode(
            b"[%b]" % b",".join(b"[%d,%b]" % (one.number, one.body) for one in found)
        )

    def _insert(self, entries: Sequence[tuple[str | int, _Entry[Head]]]) -> int:
        before = self._file.total_changes
        for start in range(0, len(entries), AT_ONCE):
            some = entries[start : start + AT_ONCE]
            marks = ", ".join(["(?, ?, ?, ?)"] * len(some))
            sql = f"INSERT OR IGNORE INTO entry (id, list, head, body) VALUES {marks}"  # noqa: S608 - only marks
            self._file.execute(sql, tuple(chain.from_iterable(starmap(_row, some))))
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
