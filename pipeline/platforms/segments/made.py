"""The samples that a run sets out to make, on disk: after a crash they are told from those of others."""

import sqlite3
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import anyio
import msgspec

from pipeline.core.rows import RowKey
from pipeline.io.matching import Candidate
from pipeline.io.parts import writing
from pipeline.platforms.segments.wire import Json, JsonValue

Result = TypeVar("Result")

_TABLES = """
    PRAGMA synchronous=FULL;
    CREATE TABLE IF NOT EXISTS sample (name TEXT NOT NULL, attributes TEXT NOT NULL, row TEXT NOT NULL);
    CREATE INDEX IF NOT EXISTS sample_name ON sample (name);
"""


class Meant(NamedTuple):
    """A sample that is to be made for a row."""

    name: str
    attributes: Json
    key: RowKey

    @property
    def row(self) -> Json:
        """What the row can be matched by."""
        return {
            "path": self.key.path,
            "external_id": self.key.external_id,
            "metadata": dict(self.key.metadata),
        }


class Meanings(NamedTuple):
    """One time that the run set out to make a sample: as what, and what its row can be matched by."""

    attributes: Json
    row: Mapping[str, Any]

    def candidate(self, uuid: str, name: str) -> Candidate:
        """Return the sample as one that its row matches."""
        return Candidate(uuid, name, **self.row)


class Made:
    """Remembers in `folder`, which outlives the run, what the run set out to make.

    It is written down before it is asked for, so a sample in it may be there or not, or be somebody else's:
    `holds` tells. Every method raises Stopped when the disk is full.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / "made.sqlite"
        self._one_at_a_time = anyio.CapacityLimiter(1)

    async def means(self, samples: Sequence[Meant]) -> None:
        """Write down, for good, what is to be made."""
        rows = [(one.name, _text(one.attributes), _text(one.row)) for one in samples]
        await self._run(partial(_insert, rows=rows))

    async def of(self, names: Sequence[str]) -> Mapping[str, Sequence[Meanings]]:
        """Return what the run, before a crash too, set out to make under these names."""
        if not self._path.exists():
            return {}
        return await self._run(partial(_found, names=names))

    async def forget(self) -> None:
        """Forget everything: the run is over."""
        with writing(self._path):
            for path in (self._path, self._path.with_name(f"{self._path.name}-journal")):
                path.unlink(missing_ok=True)

    async def _run(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        return await anyio.to_thread.run_sync(self._guarded, work, limiter=self._one_at_a_time)

    def _guarded(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        with writing(self._path):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(self._path)) as file:
                file.executescript(_TABLES)
                with file:
                    return work(file)


def holds(found: JsonValue, sent: JsonValue) -> bool:
    """Whether JSON has everything that was sent; a service may add keys of its own."""
    if isinstance(sent, dict):
        return isinstance(found, dict) and all(holds(found.get(key), value) for key, value in sent.items())
    if isinstance(sent, list):
        return isinstance(found, list) and len(found) == len(sent) and all(map(holds, found, sent))
    return bool(found == sent)


def _insert(file: sqlite3.Connection, *, rows: Sequence[tuple[str, str, str]]) -> None:
    file.executemany("INSERT INTO sample VALUES (?, ?, ?)", rows)


def _found(file: sqlite3.Connection, *, names: Sequence[str]) -> Mapping[str, Sequence[Meanings]]:
    sql = f"SELECT name, attributes, row FROM sample WHERE name IN ({', '.join('?' * len(names))})"  # noqa: S608
    found: dict[str, list[Meanings]] = defaultdict(list)
    for name, attributes, row in file.execute(sql, tuple(names)):
        found[name].append(Meanings(msgspec.json.decode(attributes), msgspec.json.decode(row)))
    return found


def _text(value: object) -> str:
    return msgspec.json.encode(value).decode()
