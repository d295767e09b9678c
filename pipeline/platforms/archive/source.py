"""Reads an archive: streamed, in order, with flat memory."""

from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import msgspec
from anyio import to_thread

from pipeline.core.ontology import Ontology
from pipeline.core.rows import LabelTask, Rejection, RowKey
from pipeline.errors import RowError, UsageError
from pipeline.io.choosing import unsettled
from pipeline.platforms.archive import wire
from pipeline.platforms.archive.convert import read_key, read_row
from pipeline.platforms.archive.ontology import read_ontology
from pipeline.ports import RowChoice, StillToDo

HEADER = "archive.json"
ONTOLOGY = "ontology.json"
ROWS = "rows.jsonl"

LINES = 500
"""Lines that are read, and asked about, at once."""

MAX_LINE = 1 << 28
"""Bytes of one line; a longer one is not an archive's."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line, with its key, or with what is wrong with it."""

    key: RowKey
    number: int
    data: bytes
    status: str | None = None
    fault: str | None = None


def read_header(folder: Path) -> wire.HeaderWire:
    """Return the header of a finished archive. Raises UsageError that says what is there instead."""
    path = folder / HEADER
    try:
        header = msgspec.json.decode(path.read_bytes(), type=wire.HeaderWire)
    except FileNotFoundError as error:
        if (folder / ROWS).exists() or any(folder.glob(f".{ROWS}.*")):
            message = (
                f"the archive {folder} is not finished: it has no {HEADER}; resume the job that writes it"
            )
            raise UsageError(message) from error
        raise UsageError(f"there is no archive at {folder}: it has no {HEADER}; check the path") from error
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise UsageError(f"{path} is not the header of an archive: {error}") from error
    if header.format != wire.FORMAT:
        raise UsageError(f"{path} says format {header.format!r}; expected {wire.FORMAT!r}")
    if not 1 <= header.version <= wire.VERSION:
        message = (
            f"{folder} is an archive of version {header.version}; this labelferry reads up to version "
            f"{wire.VERSION}; read it with a newer one"
        )
        raise UsageError(message)
    return header


def load_ontology(folder: Path) -> Ontology:
    """Return the ontology of a finished archive. Raises UsageError."""
    path = folder / ONTOLOGY
    try:
        return read_ontology(path.read_bytes())
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from error


class ArchiveSource:
    """Rows of an archive, in its order."""

    restartable = True

    def __init__(self, folder: Path, choice: RowChoice) -> None:
        self._folder = folder
        self._choice = choice

    async def ontology(self) -> Ontology | None:
        """Return the archive's ontology."""
        read_header(self._folder)
        return load_ontology(self._folder)

    async def keys(self) -> AsyncIterator[RowKey]:
        """Give the key of every chosen row that can be read.

        Raises UsageError for an unfinished, truncated or newer archive, and for a key that is there twice.
        """
        header = read_header(self._folder)
        lines, seen, chosen = 0, set[int](), 0
        async for batch in self._batches():
            lines += len(batch)
            for line in batch:
                mark = hash(line.key.key)
                if mark in seen:
                    raise UsageError(self._twice(line))
                seen.add(mark)
                if chosen != self._choice.limit and self._fits(line):
                    chosen += 1
                    if line.fault is None:
                        yield line.key
        if lines != header.rows:
            message = (
                f"{self._folder / ROWS} has {lines} rows and {HEADER} says {header.rows}: the file is "
                f"truncated, or was edited by hand (then correct `rows` in {HEADER})"
            )
            raise UsageError(message)

    async def tasks(self, wanted: StillToDo) -> AsyncGenerator[LabelTask | Rejection, None]:
        """Give the chosen rows that are still to do; a line that cannot be read comes as a Rejection."""
        read_header(self._folder)
        async for lines in unsettled(self._chosen(), wanted):
            for line in lines:
                yield self._read(line)

    def _read(self, line: Line) -> LabelTask | Rejection:
        fault = line.fault
        if fault is None:
            try:
                return LabelTask(line.key, read_row(line.data), len(line.data))
            except RowError as error:
                fault = str(error)
        return Rejection(line.key, "read", f"{self._folder / ROWS} line {line.number}: {fault}")

    async def _chosen(self) -> AsyncIterator[Line]:
        chosen = 0
        async for batch in self._batches():
            for line in batch:
                if chosen == self._choice.limit:
                    return
                if self._fits(line):
                    chosen += 1
                    yield line

    def _fits(self, line: Line) -> bool:
        return self._choice.fits(line.key.title, (line.key.key,), (line.status,))

    def _twice(self, line: Line) -> str:
        where = f"{self._folder / ROWS} line {line.number}"
        return f"{where}: a row with the key {line.key.key!r} is there already; keep one of them"

    async def _batches(self) -> AsyncIterator[list[Line]]:
        path = self._folder / ROWS
        try:
            file = await to_thread.run_sync(path.open, "rb")
        except OSError as error:
            raise UsageError(f"cannot read {path}: {error.strerror}") from error
        with file:
            number = 0
            while batch := await to_thread.run_sync(_read_batch, file, path, number):
                yield batch
                number += len(batch)


def _read_batch(file: BinaryIO, path: Path, before: int) -> list[Line]:
    batch: list[Line] = []
    while len(batch) < LINES and (data := file.readline(MAX_LINE)):
        number = before + len(batch) + 1
        if not data.endswith(b"\n"):
            where = "is longer than any row" if len(data) == MAX_LINE else "ends in the middle"
            raise UsageError(f"{path} line {number} {where}: the file is truncated; copy it again")
        batch.append(_line(data[:-1], number))
    return batch


def _line(data: bytes, number: int) -> Line:
    try:
        key, status = read_key(data, number - 1)
    except RowError as error:
        return Line(_name(data, number), number, data, fault=str(error))
    return Line(key, number, data, status)


def _name(data: bytes, number: int) -> RowKey:
    try:
        name = msgspec.json.decode(data, type=wire.GlanceName)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        name = wire.GlanceName()
    key = f"line {number}" if name.key is msgspec.UNSET else name.key
    return RowKey(key, number - 1, name.title or key)
