"""Rows whose figures are on their way, kept in the folder of the run until they are there.

An annotation that is written takes away all labels of its image, and multipolygons and alpha masks follow in
requests of their own. Where a run ends between, the image holds a half, and an edit would take that for the
row. So the run that goes on writes such a row once more, as it was sent, before anything is read.
"""

from collections.abc import Sequence
from itertools import count
from pathlib import Path

import msgspec
from anyio import to_thread

from pipeline.core.rows import PackedRow, Place, RowKey
from pipeline.io.parts import publish, write_beside, writing
from pipeline.platforms.supervisely.convert import Opened, image_of_row
from pipeline.platforms.supervisely.wire import Image

FOLDER = "unfinished"


class _Kept(msgspec.Struct):
    image: Image
    payload: bytes


class Unfinished:
    """Files of rows. Every method raises UsageError, or Stopped where the disk is full."""

    def __init__(self, scratch: Path) -> None:
        self._folder = scratch / FOLDER
        self._numbers = count()
        self._left: dict[Path, set[int]] = {}
        """The images of each file that are not whole yet."""

    async def keep(self, rows: Sequence[PackedRow]) -> None:
        """Keep rows before their annotations are written."""
        path = self._folder / f"{next(self._numbers)}.json"
        kept = [_Kept(image_of_row(row), row.payload) for row in rows]
        await to_thread.run_sync(self._write, path, msgspec.json.encode(kept))
        self._left[path] = {one.image.id for one in kept}

    async def done(self, rows: Sequence[PackedRow]) -> None:
        """Forget rows that are whole, or that were refused."""
        images = {image_of_row(row).id for row in rows}
        over = [path for path, left in self._left.items() if left <= images]
        self._left = {path: left - images for path, left in self._left.items() if not left <= images}
        await to_thread.run_sync(self._remove, over)

    async def left(self) -> list[PackedRow]:
        """Return the rows that an earlier run has left, and count on from there."""
        found = await to_thread.run_sync(self._read)
        self._left = {path: {one.image.id for one in kept} for path, kept in found.items()}
        self._numbers = count(1 + max((int(path.stem) for path in found), default=-1))
        last = {one.image.id: one for _, kept in sorted(found.items(), key=_age) for one in kept}
        return [_row_of(one) for one in last.values()]

    def _write(self, path: Path, data: bytes) -> None:
        with writing(self._folder):
            self._folder.mkdir(0o700, parents=True, exist_ok=True)  # labels are for their owner only
        write_beside(path, [data])
        publish(path)

    def _remove(self, paths: Sequence[Path]) -> None:
        with writing(self._folder):
            for path in paths:
                path.unlink(missing_ok=True)

    def _read(self) -> dict[Path, list[_Kept]]:
        with writing(self._folder):
            paths = [path for path in self._folder.glob("*.json") if path.stem.isdecimal()]
            return {path: msgspec.json.decode(path.read_bytes(), type=list[_Kept]) for path in paths}


def _age(file: tuple[Path, list[_Kept]]) -> int:
    return int(file[0].stem)


def _row_of(kept: _Kept) -> PackedRow:
    image = kept.image
    place = Place(image.key, image.name, Opened(image))
    return PackedRow(RowKey(image.key, 0, image.name), place, kept.payload, 0, "")
