"""Output files written in parts that survive a crash, and joined in source order at the end.

Each bundle becomes one part file in a hidden folder beside the output, written whole before it gets its name,
so that a kill leaves no half line. Its first line is a `_Head`, each other line `[ordinal,"key"]`, a tab and
a payload of one line. A row that was sent again, in whatever bundle, is taken from the part written last.
"""

import errno
import os
import re
import shutil
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import blake2b
from itertools import chain
from pathlib import Path
from typing import BinaryIO, Self

import msgspec

from pipeline.errors import Stopped, UsageError

_SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,79}")
_HEAD = msgspec.json.Decoder(tuple[int, str])
_OLDER = -(1 << 62)
_OPEN_FILES = 32


class _Head(msgspec.Struct):
    """The first line of a part: parts are numbered in the order in which they were written."""

    part: int


@dataclass(frozen=True, slots=True)
class Record:
    """One row of the output: its place in the source, its key, and its bytes, without a newline."""

    ordinal: int
    key: str
    payload: bytes


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn what goes wrong while writing below `path` into an error that says whether the run can go on."""
    try:
        yield
    except OSError as error:
        message = f"cannot write {path}: {error.strerror or error}"
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EFBIG):
            raise Stopped(f"{message}; make room there, then resume") from error
        raise UsageError(f"{message}; choose a place that can be written") from error
    except sqlite3.OperationalError as error:
        raise Stopped(f"cannot write {path}: {error}; make room there, then resume") from error


def write_beside(path: Path, pieces: Iterable[bytes]) -> None:
    """Write what `publish` makes the file of this name. Raises UsageError, or Stopped for a full disk."""
    beside = unfinished(path)
    with writing(path):
        # What a run left there, or a link that somebody else did: writing would go where that leads.
        beside.unlink(missing_ok=True)
        with beside.open("xb") as file:
            file.writelines(pieces)
            file.flush()
            os.fsync(file.fileno())


def publish(*paths: Path) -> None:
    """Put what was written beside files in their place: readers see the old one or the new one, whole."""
    for path in paths:
        with writing(path):
            unfinished(path).replace(path)
    for folder in dict.fromkeys(path.parent for path in paths):
        with writing(folder):
            sync_folder(folder)


def unfinished(path: Path) -> Path:
    """Return what `write_beside` calls a file until it gets its name."""
    return path.with_name(f".{path.name}.unfinished")


def sync_folder(folder: Path) -> None:
    """Make names that were given or taken in a folder last."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class Parts:
    """The parts of one output file in one run. Threads may write at the same time.

    `output` is the file that the parts become; `run` is the same after a restart; `scratch` is a folder that
    outlives the run, where a finished join is remembered.
    """

    def __init__(self, output: Path, run: str, scratch: Path) -> None:
        self.name = run if _SAFE.fullmatch(run) else blake2b(run.encode(), digest_size=16).hexdigest()
        where = blake2b(os.fsencode(output.absolute()), digest_size=8).hexdigest()
        self.output = output
        self.folder = output.parent / f".{output.name}.parts-{self.name}"
        self._joined = scratch / f"joined-{where}-{self.name}"
        self._lock = threading.Lock()
        self._next: int | None = None

    @property
    def begun(self) -> bool:
        """Whether this run has started to write this output, or has finished."""
        return self.folder.exists() or self.joined

    @property
    def joined(self) -> bool:
        """Whether this run's output is in place; what is left of its parts is of no use any more."""
        return self._joined.exists()

    @property
    def is_empty(self) -> bool:
        """Whether nothing was written yet."""
        return next(self._numbered(), None) is None

    def begin(self) -> None:
        """Make the folder of the parts."""
        with writing(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)

    def write(self, bundle: str, records: Iterable[Record]) -> None:
        """Write one part, named for its bundle. Raises Stopped when the disk is full."""
        name = blake2b(bundle.encode(), digest_size=16).hexdigest()
        with self._lock:
            number = self._next = self._last() + 1 if self._next is None else self._next + 1
        path = self.folder / f"{name}.part"
        write_beside(path, chain([msgspec.json.encode(_Head(number)), b"\n"], map(_line_of, records)))
        publish(path)

    def index(self, base: Path | None = None) -> "Index":
        """Return the index of all rows written so far.

        `base` is an older output of one row a line with a `key`: its rows come first, in their order, and
        those written again are replaced where they are.
        """
        with writing(self.folder):
            index = Index(self.folder / "index.sqlite")
            if base is not None:
                index.add_file(base, _lines_of(base))
            for _, path in sorted(self._numbered()):
                index.add_file(path, _records_of(path))
            return index

    def settle(self) -> None:
        """Remember that the output is in place, then remove the parts; safe to repeat."""
        with writing(self._joined):
            self._joined.parent.mkdir(parents=True, exist_ok=True)
            self._joined.touch()
            sync_folder(self._joined.parent)
            if self.folder.exists():
                shutil.rmtree(self.folder)

    def _numbered(self) -> Iterator[tuple[int, Path]]:
        for path in self.folder.glob("*.part"):
            with path.open("rb") as file:
                yield msgspec.json.decode(file.readline(), type=_Head).part, path

    def _last(self) -> int:
        return max((number for number, _ in self._numbered()), default=0)


Entry = tuple[int, str, int, int]
"""Ordinal, key, offset and length of one row in a file."""


def _line_of(record: Record) -> bytes:
    return b"%b\t%b\n" % (msgspec.json.encode((record.ordinal, record.key)), record.payload)


def _records_of(path: Path) -> Iterator[Entry]:
    with path.open("rb") as file:
        at = len(file.readline())
        for line in file:
            split = line.index(b"\t")
            ordinal, key = _HEAD.decode(line[:split])
            yield ordinal, key, at + split + 1, len(line) - split - 2
            at += len(line)


class _Keyed(msgspec.Struct):
    key: str


def _lines_of(path: Path) -> Iterator[Entry]:
    decoder = msgspec.json.Decoder(_Keyed)
    with path.open("rb") as file:
        at = 0
        for number, line in enumerate(file):
            try:
                key = decoder.decode(line).key
            except (msgspec.MsgspecError, ValueError) as error:
                message = f"{path} line {number + 1} is not a row: {error}; repair or remove the line"
                raise UsageError(message) from error
            # Numbers below zero, so that older rows stay before those of this run.
            yield number + _OLDER, key, at, len(line.rstrip(b"\n"))
            at += len(line)


class Index:
    """Where each row's bytes are, kept on disk, so that memory stays flat. For one thread at a time."""

    def __init__(self, path: Path) -> None:
        path.unlink(missing_ok=True)
        self._database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._database.executescript(
            "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;"
            "CREATE TABLE row (key TEXT PRIMARY KEY, ordinal INTEGER, file INTEGER, at INTEGER, size INTEGER)"
        )
        self._files: list[Path] = []
        self._open: dict[int, BinaryIO] = {}

    @classmethod
    def of(cls, path: Path, rows: Path) -> Self:
        """Return the index, kept at `path`, of a file of one row a line with a `key`. Raises UsageError."""
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            index = cls(path)
            index.add_file(rows, _lines_of(rows))
            return index

    def add_file(self, path: Path, entries: Iterable[Entry]) -> None:
        """Add the rows of a file. A key that is there already keeps its place and takes the new bytes."""
        number = len(self._files)
        self._files.append(path)
        self._database.execute("BEGIN")
        self._database.executemany(
            "INSERT INTO row (ordinal, key, at, size, file) VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT (key) DO UPDATE SET file = excluded.file, at = excluded.at, size = excluded.size,"
            " ordinal = CASE WHEN ordinal < 0 THEN ordinal ELSE excluded.ordinal END",
            ((*entry, number) for entry in entries),
        )
        self._database.execute("COMMIT")

    def __len__(self) -> int:
        """The number of rows."""
        return int(self._database.execute("SELECT count(*) FROM row").fetchone()[0])

    def get(self, key: str) -> bytes | None:
        """Return one row's bytes, or None."""
        found = self._database.execute("SELECT file, at, size FROM row WHERE key = ?", (key,)).fetchone()
        return None if found is None else self._read(*found)

    def rows(self) -> Iterator[bytes]:
        """Give every row's bytes, in source order."""
        for found in self._database.execute("SELECT file, at, size FROM row ORDER BY ordinal, key"):
            yield self._read(*found)

    def close(self) -> None:
        """Close every file."""
        self._database.close()
        for file in self._open.values():
            file.close()
        self._open.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _read(self, file: int, at: int, size: int) -> bytes:
        source = self._open.pop(file, None)
        if source is None:
            if len(self._open) == _OPEN_FILES:
                self._open.pop(next(iter(self._open))).close()
            source = self._files[file].open("rb")
        self._open[file] = source  # last again, so that the one not used for longest is closed first
        source.seek(at)
        return source.read(size)
