"""The samples of a dataset, as they came, in a file without a name: in order, found by uuid."""

import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, Self, TypeVar

import anyio
import msgspec

from pipeline.errors import TransientError
from pipeline.io.parts import writing
from pipeline.platforms.segments.wire import UNLABELED, Sample

Result = TypeVar("Result")

AT_ONCE = 500
"""Heads of one question, and samples of one INSERT."""

_TABLES = """
    PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA locking_mode=EXCLUSIVE; PRAGMA cache_size=-8192;
    CREATE TABLE sample (
        n INTEGER PRIMARY KEY, uuid TEXT NOT NULL UNIQUE, head TEXT NOT NULL, body TEXT NOT NULL
    )
"""
# One row for all: at each row of its own, the thread would let go of the interpreter and wait to get it back.
_HEADS = """
    SELECT json_group_array(json_array(n, json(head)))
    FROM (SELECT n, head FROM sample WHERE n > ? ORDER BY n LIMIT ?)
"""
_BODIES = "SELECT '[' || group_concat(body) || ']' FROM sample WHERE uuid IN ({marks})"


class Picture(msgspec.Struct):
    """Where a picture is."""

    url: str | None = None


class Place(msgspec.Struct):
    """What a sample annotates, as far as it is used."""

    image: Picture | None = None


class Mark(msgspec.Struct):
    """How far a label is."""

    label_status: str | None = None


class Head(msgspec.Struct, frozen=True):
    """What choosing and matching need of a sample."""

    uuid: str
    name: str = ""
    metadata: dict[str, Any] | None = None
    attributes: Place | None = None
    label: Mark | None = None

    @property
    def url(self) -> str | None:
        """The address of its picture, where it has one."""
        return self.attributes.image.url if self.attributes and self.attributes.image else None

    @property
    def status(self) -> str:
        """How far its label is; without one it is unlabelled."""
        return (self.label and self.label.label_status) or UNLABELED


class Spool:
    """A listing on disk. Raises Stopped when the disk is full."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._one_at_a_time = anyio.CapacityLimiter(1)
        self._file: sqlite3.Connection

    async def __aenter__(self) -> Self:
        await self._run(self._open)
        return self

    async def __aexit__(self, *_: object) -> None:
        with anyio.CancelScope(shield=True):
            await self._run(self._file.close)

    async def clear(self) -> None:
        """Forget all samples."""
        await self._run(self._clear)

    async def add(self, bodies: Sequence[msgspec.Raw]) -> int:
        """Add samples that are not there yet, as they came. Returns how many there were.

        Raises TransientError where one is not as a sample should be.
        """
        try:
            heads = [msgspec.json.decode(body, type=Head) for body in bodies]
        except (msgspec.DecodeError, ValueError) as error:
            raise TransientError(f"a sample of Segments.ai is not as expected: {error}") from error
        rows = [
            (head.uuid, msgspec.json.encode(head).decode(), bytes(body).decode())
            for head, body in zip(heads, bodies, strict=True)
        ]
        return await self._run(self._insert, rows) if rows else 0

    async def heads(self) -> AsyncIterator[list[Head]]:
        """Give what choosing and matching need of all samples, in the order in which they came."""
        last = 0
        while True:
            found = await self._run(self._heads, last)
            if not found:
                return
            last = found[-1][0]
            yield [head for _, head in found]

    async def samples(self, uuids: Sequence[str]) -> dict[str, Sample]:
        """Return whole samples by uuid."""
        return {sample.uuid: sample for sample in await self._run(self._samples, uuids)} if uuids else {}

    async def _run(self, work: Callable[..., Result], *given: object) -> Result:
        return await anyio.to_thread.run_sync(
            partial(self._guarded, work, *given), limiter=self._one_at_a_time
        )

    def _guarded(self, work: Callable[..., Result], *given: object) -> Result:
        with writing(self._folder):
            return work(*given)

    def _open(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / "samples.db"
        path.unlink(missing_ok=True)
        self._file = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._file.executescript(_TABLES)
        path.unlink()

    def _clear(self) -> None:
        self._file.execute("DELETE FROM sample")

    def _insert(self, rows: Sequence[tuple[str, str, str]]) -> int:
        before = self._file.total_changes
        for start in range(0, len(rows), AT_ONCE):
            some = rows[start : start + AT_ONCE]
            marks = ", ".join(["(?, ?, ?)"] * len(some))
            sql = f"INSERT OR IGNORE INTO sample (uuid, head, body) VALUES {marks}"  # noqa: S608 - only marks
            self._file.execute(sql, tuple(chain.from_iterable(some)))
        return self._file.total_changes - before

    def _heads(self, after: int) -> list[tuple[int, Head]]:
        ((found,),) = self._file.execute(_HEADS, (after, AT_ONCE))
        return _HEAD_LIST.decode(found)

    def _samples(self, uuids: Sequence[str]) -> list[Sample]:
        sql = _BODIES.format(marks=", ".join("?" * len(uuids)))
        ((found,),) = self._file.execute(sql, tuple(uuids))
        return [] if found is None else _SAMPLES.decode(found)


_HEAD_LIST = msgspec.json.Decoder(list[tuple[int, Head]])
_SAMPLES = msgspec.json.Decoder(list[Sample])
