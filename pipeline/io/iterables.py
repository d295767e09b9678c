"""Rows that a Python program hands over, and a target's own rows, as sources."""

from bisect import bisect_left
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Iterable, Iterator
from dataclasses import replace
from time import monotonic
from typing import Any
from weakref import WeakSet, ref

import numpy as np
from anyio import lowlevel

from pipeline.core.instances import Instance, InstanceMap
from pipeline.core.labels import LabelRow
from pipeline.core.masks import Raster
from pipeline.core.ontology import Ontology
from pipeline.core.rows import LabelTask, Rejection, RowKey
from pipeline.errors import UsageError
from pipeline.io.choosing import KEYS_AT_ONCE
from pipeline.io.streams import batched
from pipeline.ports import Source, StillToDo

_BEGUN: WeakSet[Any] = WeakSet()
"""Iterators from which a run has taken rows: they do not come again."""


class GivenRows:
    """Rows from any plain or async iterable, taken once, in order. Keys must be unique.

    `known`: rows that a run takes and does not save cannot be missed by the next one, as the iterable gives
    them again, or is refused. Raises UsageError for an iterator that a run has begun to read.
    """

    restartable = False

    def __init__(self, rows: Iterable[Any] | AsyncIterable[Any]) -> None:
        self._rows = rows
        self._passes = isinstance(rows, Iterator | AsyncIterator)
        self.known = not self._passes or _can_be_known(rows)
        if self._passes and self.known and rows in _BEGUN:
            text = (
                "an earlier run has begun to read the iterator that is the source, and has taken rows from it"
            )
            raise UsageError(f"{text}; give a new one, or a list")

    async def ontology(self) -> Ontology | None:
        """Nothing is known of rows that were not read yet."""
        return None

    def keys(self) -> AsyncIterator[RowKey]:
        """Not to be had without taking the rows. Raises UsageError."""
        message = "rows from an iterable can be read once only, so their keys cannot be read first"
        raise UsageError(message)

    async def tasks(self, wanted: StillToDo) -> AsyncGenerator[LabelTask | Rejection, None]:
        """Give each row that is not settled."""
        if self._passes and self.known:
            _BEGUN.add(self._rows)
        ordinal = 0
        seen = _Seen()
        async for rows in _together(self._rows):
            keys = [_key(row, number) for number, row in enumerate(rows, ordinal)]
            ordinal += len(rows)
            left = await wanted(keys)
            for key, row in zip(keys, rows, strict=True):
                if seen.before(key.key):
                    again = _again(key, row)
                    if await wanted([again.key]):
                        yield again
                elif key.key in left:
                    yield LabelTask(key, row, size_of(row))


class OwnRows:
    """A target's own rows, to be edited in place: tasks without a row."""

    restartable = True

    def __init__(self, source: Source) -> None:
        self._source = source

    async def ontology(self) -> Ontology | None:
        """Return the ontology of the platform."""
        return await self._source.ontology()

    def keys(self) -> AsyncIterator[RowKey]:
        """Give the keys of the rows."""
        return self._source.keys()

    async def tasks(self, wanted: StillToDo) -> AsyncGenerator[LabelTask | Rejection, None]:
        """Give the keys of the rows that are not settled; opening them brings the rows."""
        async for keys in batched(self._source.keys(), KEYS_AT_ONCE):
            left = await wanted(keys)
            for key in keys:
                if key.key in left:
                    yield LabelTask(key, None)


NEW_KEYS = 4096
ROWS_AT_ONCE = 64
"""Rows of a plain iterable that are taken at once: the journal is asked about all of them together."""
READING_SECONDS = 0.005
"""How long they may take, where each is computed when it is taken: meanwhile nothing else goes on."""


def size_of(row: LabelRow) -> int:
    """Return about how many bytes the row takes in memory."""
    size = 200
    maps: dict[int, int] = {}  # a picture of instances is one for many objects
    for item in row.objects:
        for occurrence in item.occurrences.values():
            geometry = occurrence.geometry
            size += geometry.array.size if isinstance(geometry, Raster) else 200
            if isinstance(geometry, Instance) and isinstance(geometry.of, InstanceMap):
                maps[id(geometry.of)] = 2 * geometry.of.starts.nbytes
    return size + sum(maps.values())


def _can_be_known(rows: object) -> bool:
    """Whether an iterator can be recognised later: generators can, `map` and the like cannot."""
    try:
        hash(ref(rows))
    except TypeError:
        return False
    return True


def _key(row: object, ordinal: int) -> RowKey:
    if not isinstance(row, LabelRow):
        message = f"row {ordinal} of the source is a {type(row).__name__}, expected a LabelRow"
        raise UsageError(message)
    return RowKey(
        row.key,
        ordinal,
        row.title or row.key,
        metadata=row.metadata,
        external_id=row.key,
        path=row.media[0].path if row.media else None,
        labels=row.label_count,
    )


class _Seen:
    """The keys met so far, as 64-bit hashes: sorted, eight bytes each, and beside them a few new ones."""

    def __init__(self) -> None:
        self._sorted = np.empty(0, np.int64).data
        self._new: set[int] = set()

    def before(self, key: str) -> bool:
        """Tell whether the key was met before, and remember it."""
        mark = hash(key)
        at = bisect_left(self._sorted, mark)
        if mark in self._new or (at < len(self._sorted) and self._sorted[at] == mark):
            return True
        self._new.add(mark)
        if len(self._new) == NEW_KEYS:
            new = np.fromiter(self._new, np.int64, NEW_KEYS)
            self._sorted = np.sort(np.concatenate((self._sorted, new)), kind="stable").data
            self._new.clear()
        return False


def _again(key: RowKey, row: LabelRow) -> Rejection:
    """Reject a second row of one key, under a key of its own, so that the first keeps its record."""
    reason = f"row {key.key!r}: its key was used by an earlier row of the source; keys must be unique"
    return Rejection(replace(key, key=f"{key.key} (row {key.ordinal})"), "read", reason, row)


async def _together(rows: Iterable[Any] | AsyncIterable[Any]) -> AsyncIterator[list[Any]]:
    """Give some rows of a plain iterable at once; of an async one each alone, as the next may take long."""
    if isinstance(rows, AsyncIterable):
        async for row in rows:
            yield [row]
        return
    some: list[Any] = []
    began = monotonic()
    for row in rows:
        some.append(row)
        if len(some) == ROWS_AT_ONCE or monotonic() - began > READING_SECONDS:
            yield some
            await lowlevel.checkpoint()
            some, began = [], monotonic()
    if some:
        yield some
