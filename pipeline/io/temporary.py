"""Files that have no name: they take no memory, and nothing is left of them after a crash."""

import sqlite3
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryFile
from threading import Lock
from typing import IO, Self, TypeVar

import anyio

from pipeline.io.parts import writing

Result = TypeVar("Result")

_PRAGMAS = "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA locking_mode=EXCLUSIVE;"


def temporary_file(folder: Path) -> IO[bytes]:
    """Open a file in the folder that goes when it is closed."""
    folder.mkdir(parents=True, exist_ok=True)
    return TemporaryFile(dir=folder)


class TemporaryDatabase:
    """A SQLite file in a folder, used by one thread at a time; `name` is what it is called for a moment.

    It is made when it is used for the first time. Every method raises Stopped when the disk is full.
    """

    def __init__(self, folder: Path, name: str, tables: str) -> None:
        self._folder = folder
        self._path = folder / name
        self._tables = tables
        self._one_at_a_time = anyio.CapacityLimiter(1)
        self._in_use = Lock()
        self._file: sqlite3.Connection
        self._is_made = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._is_made:
            with anyio.CancelScope(shield=True):
                await self._run(self._file.close)

    async def _run(self, work: Callable[..., Result], *given: object) -> Result:
        return await anyio.to_thread.run_sync(
            partial(self._guarded, work, *given), limiter=self._one_at_a_time
        )

    def _guarded(self, work: Callable[..., Result], *given: object) -> Result:
        # asyncio, unlike anyio, can cancel a task whose thread goes on: nothing may be closed meanwhile.
        with self._in_use, writing(self._folder):
            if not self._is_made:
                self._open()
            return work(*given)

    def _open(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        self._path.unlink(missing_ok=True)
        self._file = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
        try:
            self._file.executescript(_PRAGMAS + self._tables)
            self._path.unlink()
        except BaseException:
            self._file.close()
            raise
        self._is_made = True
