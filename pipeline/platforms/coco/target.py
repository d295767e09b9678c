"""Writes one COCO file: bundles to parts, parts joined in source order when the run is complete."""

from collections.abc import AsyncIterable, Sequence
from functools import partial
from pathlib import Path

from anyio import to_thread

from pipeline.core.ontology import Ontology
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
from pipeline.errors import UsageError
from pipeline.io.parts import Parts, Record, publish, write_beside
from pipeline.io.places import OwnPlaces
from pipeline.platforms.coco.convert.writing import pack_row
from pipeline.platforms.coco.joining import joined
from pipeline.platforms.coco.settings import Style
from pipeline.ports import Limits, Places, Plan


class CocoTarget:
    """A file that is written anew as a whole."""

    limits = Limits(max_rows=1000, max_bytes=64 * 1024 * 1024, open_rows=1000, concurrency_ceiling=4)

    def __init__(self, path: Path, style: Style, scratch: Path, group_field: str | None = None) -> None:
        self._path = path
        self._style = style
        self._group_field = group_field
        self._scratch = scratch
        self._plan = Plan("")
        self._parts: Parts | None = None

    async def ontology(self) -> Ontology | None:
        """Return None: a new file takes every class."""
        return None

    async def prepare(self, plan: Plan, keys: AsyncIterable[RowKey] | None) -> Places:
        """Read the source's keys to their end, and look at what is at the path.

        Raises UsageError where a file is there and the mode is not `replace`.
        """
        if keys is not None:
            async for _ in keys:
                pass
        self._plan = plan
        self._parts = parts = Parts(self._path, plan.run, self._scratch)
        if plan.mode not in (None, Mode.REPLACE):
            message = (
                f"mode {plan.mode.value!r} is not offered by coco: the file is written as a whole; use "
                "`mode: replace`, or keep labels in an archive, which can be added to and edited"
            )
            raise UsageError(message)
        if self._path.is_dir():
            raise UsageError(f"{self._path} is a folder; a COCO file is expected")
        if self._path.exists() and plan.mode is None and not parts.begun:
            message = (
                f"there is a file at {self._path}; set `mode: replace` to write it anew (coco offers neither "
                "`append` nor `skip-existing`), or choose another name"
            )
            raise UsageError(message)
        if not plan.dry_run:
            parts.begin()
        return OwnPlaces()

    async def open(
        self, tasks: Sequence[LabelTask], places: Sequence[Place]
    ) -> Sequence[OpenRow | Rejection]:
        """Open rows; the new file holds nothing of them."""
        return [OpenRow(task, place) for task, place in zip(tasks, places, strict=True)]

    def arrange(self, row: EditedRow) -> EditedRow:
        """Return the row as it is."""
        return row

    def pack(self, row: EditedRow) -> PackedRow:
        """Write the row as an image and its annotations. Raises RowError."""
        return pack_row(row, self._style, self._group_field)

    async def save(self, bundle: Bundle) -> SaveReport:
        """Write one part. Raises Stopped when the disk is full."""
        records = [Record(row.key.ordinal, row.place.id, row.payload) for row in bundle.rows]
        await to_thread.run_sync(self._begun.write, bundle.id, records)
        return SaveReport(tuple(Receipt(row.key.key, row.place.id) for row in bundle.rows))

    async def probe(self) -> None:
        """A file is always there."""

    async def finish(self, *, complete: bool, rejects: bool = False) -> None:
        """Join the parts when the run is complete; safe to repeat after a crash at any point.

        The parts stay while rows are rejected: joined again, they take in those that a retry saves. Where all
        rows are, the output stays as it is.
        """
        if complete and not self._plan.dry_run:
            await to_thread.run_sync(partial(self._join, rejects=rejects))
            if not rejects:
                await to_thread.run_sync(self._begun.settle)

    @property
    def _begun(self) -> Parts:
        if self._parts is None:
            raise UsageError("the COCO file was not prepared")
        return self._parts

    def _join(self, *, rejects: bool) -> None:
        parts = self._begun
        if not parts.joined and not (rejects and parts.is_empty):
            with parts.index() as index:
                write_beside(self._path, joined(index.rows, self._plan.ontology, self._style))
            publish(self._path)
