"""Rows that a Python program hands over, and a target's own rows, as sources."""

from bisect import bisect_left
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Iterable, Iterator
from contextlib import aclosing
from dataclasses import replace
from time import monotonic
from typing import Any, TypeVar
from weakref import WeakValueDictionary, ref

import anyio
import numpy as np
from anyio import lowlevel

from pipeline.core.instances import Instance, InstanceMap
from pipeline.core.labels import LabelRow
from pipeline.core.masks import Raster
from pipeline.core.ontology import Ontology
from pipeline.core.rows import LabelTask, Rejection, RowKey
from pipeline.errors import UsageError
from pipeline.io.choosing import KEYS_AT_ONCE
from pipeline.io.streams import batched, taken_until
from pipeline.ports import Source, StillToDo

Rows = TypeVar("Rows")

_END = object()
_BEGUN: WeakValueDictionary[int, Any] = WeakValueDictionary()
"""Iterators from which a run has taken rows, by their identity: they do not come again."""


class GivenRows:
    """Rows from any plain or async iterable, taken once, in order. Keys must be unique.

    Once `stop` is set, no more are taken, and those that were are given. `can_be_ahead`: rows may be taken
    before it is known whether the run can go on, as the next run gets them again, or says that they are gone.
    Raises UsageError for an iterator that a run has begun to read.
    """

    restartable = False

    def __init__(self, rows: Iterable[Any] | AsyncIterable[Any], stop: anyio.Event | None = None) -> None:
        self._rows = rows
        self._stop = stop or anyio.Event()
        self.can_be_ahead = True
        if isinstance(rows, Iterator | AsyncIterator):
            self.can_be_ahead = _can_be_known(rows)
            _refuse_begun(rows)

    async def ontology(self) -> Ontology | None:
        """Nothing is known of rows that were not read yet."""
        return None

    def keys(self) -> AsyncIterator[RowKey]:
        """Not to be had without taking the rows. Raises UsageError."""
        message = "rows from an iterable can be read once only, so their keys cannot be read first"
        raise UsageError(message)

    async def tasks(self, wanted: StillToDo) -> AsyncGenerator[LabelTask | Rejection, None]:
        """Give each row that is not settled."""
        ordinal = 0
        seen = _Seen()
        async with aclosing(self._parts()) as some:
            async for rows in some:
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

    def _parts(self) -> AsyncGenerator[list[Any], None]:
        """Give some rows of a plain iterable at once; of an async one each alone: the next may take long."""
        if isinstance(self._rows, AsyncIterable):
            return _one_by_one(_begin(aiter(self._rows)), self._stop)
        return _together(_begin(iter(self._rows)), self._stop)


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
            if type(geometry) is Raster:
                size += geometry.array.size
                continue
            size += 200
            if type(geometry) is Instance and isinstance(geometry.of, InstanceMap):
                maps[id(geometry.of)] = 2 * geometry.of.starts.nbytes
    return size + sum(maps.values())


def _can_be_known(rows: object) -> bool:
    """Whether an iterator can be recognised later: generators can, `map` and the like cannot."""
    try:
        ref(rows)
    except TypeError:
        return False
    return True


def _refuse_begun(rows: object) -> None:
    if _BEGUN.get(id(rows)) is rows:
        text = "an earlier run has begun to read the iterator that is the source, and has taken rows from it"
        raise UsageError(f"{text}; give a new one, or a list")


def _begin(iterator: Rows) -> Rows:
    _refuse_begun(iterator)  # what is no iterator itself may still give the same one each time
    if _can_be_known(iterator):
        _BEGUN[id(iterator)] = iterator
    return iterator


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


async def _one_by_one(rows: AsyncIterator[Any], stop: anyio.Event) -> AsyncGenerator[list[Any], None]:
    async with aclosing(taken_until(stop, rows)) as taken:
        async for row in taken:
            yield [row]


async def _together(rows: Iterator[Any], stop: anyio.Event) -> AsyncGenerator[list[Any], None]:
    some: list[Any] = []
    began = monotonic()
    while (row := next(rows, _END)) is not _END:  # `for` would ask more of an iterator than that
        some.append(row)
        if len(some) == ROWS_AT_ONCE or monotonic() - began > READING_SECONDS or stop.is_set():
            yield some
            if stop.is_set():
                return
            await lowlevel.checkpoint()
            some, began = [], monotonic()
    if some:
        yield some
