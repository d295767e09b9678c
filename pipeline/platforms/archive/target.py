"""Writes an archive: bundles to parts, parts joined in source order when the run is complete."""

from collections.abc import AsyncIterable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from hashlib import blake2b
from pathlib import Path

import msgspec
from anyio import to_thread

from pipeline.core.geometry import Shape
from pipeline.core.merging import appended
from pipeline.core.ontology import ClassDef, Ontology
from pipeline.core.rows import (
    Bundle,
    EditedRow,
    LabelTask,
    Mode,
    OpenRow,
    PackedRow,
    Place,
    Receipt,
    Rejection,
    RowKey,
    SaveReport,
)
from pipeline.errors import RowError, UsageError
from pipeline.io.parts import Index, Parts, Record, publish, write_beside
from pipeline.io.places import OwnPlaces
from pipeline.platforms.archive import wire
from pipeline.platforms.archive.convert import read_key, read_row, write_row
from pipeline.platforms.archive.ontology import write_ontology
from pipeline.platforms.archive.source import HEADER, ONTOLOGY, ROWS, load_ontology, read_header
from pipeline.ports import Limits, Places, Plan

_KEEPING = frozenset({Mode.SKIP, Mode.APPEND, Mode.EDIT})
"""Modes in which the rows that are there stay, unless they are written again."""


class ArchiveTarget:
    """A folder that becomes an archive."""

    limits = Limits(max_rows=1000, max_bytes=64 * 1024 * 1024, open_rows=1000, concurrency_ceiling=4)

    def __init__(self, folder: Path, scratch: Path) -> None:
        self._folder = folder
        self._scratch = scratch
        self._plan = Plan("")
        self._parts: Parts | None = None
        self._there: Index | None = None

    async def ontology(self) -> Ontology | None:
        """Return None: an archive takes every class."""
        return None

    async def prepare(self, plan: Plan, keys: AsyncIterable[RowKey] | None) -> Places:
        """Read the source's keys to their end, and look at what the folder holds.

        Raises UsageError where an archive is there and the job sets no mode, or where none is there to edit.
        """
        if keys is not None:
            async for _ in keys:
                pass
        self._plan = plan
        self._parts = parts = Parts(self._folder / ROWS, plan.run, self._scratch)
        if self._folder.exists() and not self._folder.is_dir():
            raise UsageError(f"{self._folder} is a file; an archive is a folder")
        there = (self._folder / HEADER).exists()
        if there and plan.mode is None and not parts.begun:
            message = (
                f"there is an archive at {self._folder}; set `mode: replace` to write it anew, "
                "`mode: append` or `mode: skip-existing` to add to it, or choose another folder"
            )
            raise UsageError(message)
        if not plan.dry_run:
            parts.begin()
        if plan.mode in _KEEPING and (there or plan.mode is Mode.EDIT):
            read_header(self._folder)
            place = self._scratch / f"there-{parts.name}.sqlite"
            self._there = await to_thread.run_sync(Index.of, place, self._folder / ROWS)
        return OwnPlaces()

    async def open(
        self, tasks: Sequence[LabelTask], places: Sequence[Place]
    ) -> Sequence[OpenRow | Rejection]:
        """Open rows with what the archive holds of them, in the modes that keep it."""
        return [self._opened(task, place) for task, place in zip(tasks, places, strict=True)]

    def _opened(self, task: LabelTask, place: Place) -> OpenRow | Rejection:
        line = self._there.get(place.id) if self._there is not None else None
        if line is None:
            return OpenRow(task, place)
        try:
            return OpenRow(task, place, read_row(line))
        except RowError as error:
            return Rejection(task.key, "open", f"{self._folder / ROWS}: {error}", task.row)

    def arrange(self, row: EditedRow) -> EditedRow:
        """Return the row as it is."""
        return row

    def pack(self, row: EditedRow) -> PackedRow:
        """Write the row as one line. Raises RowError."""
        whole = row.row if row.row.key == row.place.id else replace(row.row, key=row.place.id)
        if row.append and row.existing is not None:
            whole = appended(row.existing, whole)
        line = write_row(whole)
        return PackedRow(
            row.key,
            row.place,
            line,
            whole.label_count,
            blake2b(line, digest_size=16).hexdigest(),
            unchanged=row.existing is not None and write_row(row.existing) == line,
            row=row.row,
        )

    async def save(self, bundle: Bundle) -> SaveReport:
        """Write one part. Raises Stopped when the disk is full."""
        records = [Record(row.key.ordinal, row.place.id, row.payload) for row in bundle.rows]
        await to_thread.run_sync(self._begun.write, bundle.id, records)
        return SaveReport(tuple(Receipt(row.key.key, row.place.id) for row in bundle.rows))

    async def probe(self) -> None:
        """A folder is always there."""

    async def finish(self, *, complete: bool, rejects: bool = False) -> None:
        """Join the parts when the run is complete; safe to repeat after a crash at any point.

        The parts stay while rows are rejected: joined again, they take in those that a retry saves. Where all
        rows are, the output stays as it is.
        """
        if self._there is not None:
            self._there.close()
            self._there = None
        if complete and not self._plan.dry_run:
            await to_thread.run_sync(partial(self._join, rejects=rejects))
            if not rejects:
                await to_thread.run_sync(self._begun.settle)

    @property
    def _begun(self) -> Parts:
        if self._parts is None:
            raise UsageError("the archive was not prepared")
        return self._parts

    def _join(self, *, rejects: bool) -> None:
        parts, rows = self._begun, self._folder / ROWS
        if not parts.joined and not (rejects and parts.is_empty):
            keeps = self._plan.mode in _KEEPING and rows.exists()
            base = load_ontology(self._folder) if keeps and (self._folder / ONTOLOGY).exists() else None
            pairs: dict[tuple[str, Shape], None] = {}
            with parts.index(rows if keeps else None) as index:
                write_beside(rows, _lines(index.rows(), pairs))
                header = wire.HeaderWire(wire.FORMAT, wire.VERSION, len(index))
            whole = joined_ontology(base, self._plan.ontology, pairs)
            write_beside(self._folder / ONTOLOGY, [write_ontology(whole)])
            write_beside(self._folder / HEADER, [msgspec.json.encode(header), b"\n"])
            for name in (ROWS, ONTOLOGY, HEADER):
                publish(self._folder / name)


def _lines(rows: Iterable[bytes], pairs: dict[tuple[str, Shape], None]) -> Iterator[bytes]:
    for row in rows:
        key, _ = read_key(row, 0)
        pairs.update(dict.fromkeys(sorted(key.pairs or ())))
        yield row + b"\n"


def joined_ontology(
    base: Ontology | None, planned: Ontology | None, pairs: Iterable[tuple[str, Shape]]
) -> Ontology:
    """Return the first ontology that is known, with what it lacks of the other and of the classes in rows."""
    first, *others = [item for item in (base, planned) if item is not None] or [Ontology()]
    for other in others:
        first = replace(
            first,
            classes=first.classes
            + tuple(item for item in other.classes if not _exact(first, item.name, item.shape)),
            classifications=first.classifications
            + tuple(item for item in other.classifications if first.classification(item.name) is None),
        )
    missing = tuple(ClassDef(name, shape) for name, shape in pairs if first.find(name, shape) is None)
    return replace(first, classes=first.classes + missing)


def _exact(ontology: Ontology, name: str, shape: Shape) -> bool:
    return any(item.name == name and item.shape is shape for item in ontology.classes)
