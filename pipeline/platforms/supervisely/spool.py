"""The images of a project, as they were listed, in a file without a name: in order, found by id."""

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

Result = TypeVar("Result")

AT_ONCE = 500
"""Heads of one question, and images of one INSERT."""

_TABLES = """
    PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA locking_mode=EXCLUSIVE; PRAGMA cache_size=-8192;
    CREATE TABLE image (
        n INTEGER PRIMARY KEY, id INTEGER NOT NULL UNIQUE, dataset INTEGER NOT NULL, head TEXT NOT NULL,
        body TEXT NOT NULL
    );
    CREATE INDEX image_dataset ON image (dataset);
"""
# One row for all: at each row of its own, the thread would let go of the interpreter and wait to get it back.
_HEADS = """
    SELECT json_group_array(json_array(n, json(head)))
    FROM (SELECT n, head FROM image WHERE n > ? ORDER BY n LIMIT ?)
"""
_BODIES = """
    SELECT '[' || group_concat('[' || dataset || ',' || body || ']') || ']' FROM image WHERE id IN ({marks})
"""


class Head(msgspec.Struct):
    """What choosing and matching need of an image. `dataset` is set here, whatever a listing says."""

    id: int
    name: str = ""
    dataset: int = 0
    meta: dict[str, Any] | None = None
    labels: int | str | None = msgspec.field(default=None, name="labelsCount")


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

    async def forget(self, dataset: int) -> None:
        """Forget the images of a dataset."""
        await self._run(self._forget, dataset)

    async def add(self, dataset: int, bodies: Sequence[msgspec.Raw]) -> int:
        """Add images of a dataset that are not there yet, as they came. Returns how many there were.

        Raises TransientError where one is not as an image should be.
        """
        try:
            heads = [msgspec.json.decode(body, type=Head) for body in bodies]
        except (msgspec.DecodeError, ValueError) as error:
            raise TransientError(f"an image of Supervisely is not as expected: {error}") from error
        rows = []
        for head, body in zip(heads, bodies, strict=True):
            head.dataset = dataset
            rows.append((head.id, dataset, msgspec.json.encode(head).decode(), bytes(body).decode()))
        return await self._run(self._insert, rows) if rows else 0

    async def heads(self) -> AsyncIterator[list[Head]]:
        """Give what choosing and matching need of all images, in the order in which they came."""
        last = 0
        while True:
            found = await self._run(self._heads, last)
            if not found:
                return
            last = found[-1][0]
            yield [head for _, head in found]

    async def images(self, ids: Sequence[int]) -> dict[int, tuple[int, dict[str, Any]]]:
        """Return the dataset of each image and the image as it was listed, by id."""
        if not ids:
            return {}
        return {body["id"]: (dataset, body) for dataset, body in await self._run(self._images, ids)}

    async def _run(self, work: Callable[..., Result], *given: object) -> Result:
        return await anyio.to_thread.run_sync(
            partial(self._guarded, work, *given), limiter=self._one_at_a_time
        )

    def _guarded(self, work: Callable[..., Result], *given: object) -> Result:
        with writing(self._folder):
            return work(*given)

    def _open(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / "images.db"
        path.unlink(missing_ok=True)
        self._file = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._file.executescript(_TABLES)
        path.unlink()

    def _forget(self, dataset: int) -> None:
        self._file.execute("DELETE FROM image WHERE dataset = ?", (dataset,))

    def _insert(self, rows: Sequence[tuple[int, int, str, str]]) -> int:
        before = self._file.total_changes
        for start in range(0, len(rows), AT_ONCE):
            some = rows[start : start + AT_ONCE]
            marks = ", ".join(["(?, ?, ?, ?)"] * len(some))
            sql = f"INSERT OR IGNORE INTO image (id, dataset, head, body) VALUES {marks}"  # noqa: S608 - marks
            self._file.execute(sql, tuple(chain.from_iterable(some)))
        return self._file.total_changes - before

    def _heads(self, after: int) -> list[tuple[int, Head]]:
        ((found,),) = self._file.execute(_HEADS, (after, AT_ONCE))
        return _HEAD_LIST.decode(found)

    def _images(self, ids: Sequence[int]) -> list[tuple[int, dict[str, Any]]]:
        sql = _BODIES.format(marks=", ".join("?" * len(ids)))
        ((found,),) = self._file.execute(sql, tuple(ids))
        return [] if found is None else _BODY_LIST.decode(found)


_HEAD_LIST = msgspec.json.Decoder(list[tuple[int, Head]])
_BODY_LIST = msgspec.json.Decoder(list[tuple[int, dict[str, Any]]])
