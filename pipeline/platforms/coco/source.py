"""Reads COCO files: image by image, with the annotations of each."""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, suppress
from itertools import islice
from pathlib import Path

import msgspec
from anyio import to_thread

from pipeline.core.geometry import Shape
from pipeline.core.ontology import Ontology
from pipeline.core.rows import LabelTask, Rejection, RowKey
from pipeline.errors import RowError, UsageError
from pipeline.platforms.coco.convert.categories import Categories, read_ontology
from pipeline.platforms.coco.convert.reading import Reader
from pipeline.platforms.coco.index import CocoIndex, Entry
from pipeline.platforms.coco.settings import Settings
from pipeline.platforms.coco.wire import Json
from pipeline.ports import RowChoice, StillToDo

ROWS = 500
"""Images that are asked about, and read, at once."""


class CocoSource:
    """One row for each image."""

    restartable = True

    def __init__(self, settings: Settings, scratch: Path, choice: RowChoice) -> None:
        self._settings = settings
        self._scratch = scratch
        self._choice = choice
        self._index: CocoIndex | None = None

    async def ontology(self) -> Ontology | None:
        """Return the classes that the annotations use. Raises UsageError as `keys`."""
        index = await self._indexed()
        return read_ontology(index.categories, index.pairs, index.extras)

    async def keys(self) -> AsyncIterator[RowKey]:
        """Give the key of every chosen image that can be read.

        Raises UsageError for a file that is missing, truncated, not JSON or not COCO, with the position.
        """
        categories = (await self._indexed()).categories
        async with aclosing(self._batches()) as batches:
            async for batch in batches:
                for entry in batch:
                    if entry.problem is None:
                        yield _key(entry, categories)

    async def tasks(self, wanted: StillToDo) -> AsyncGenerator[LabelTask | Rejection, None]:
        """Give the chosen images that are still to do; one that cannot be read comes as a Rejection."""
        index = await self._indexed()
        async with aclosing(self._batches()) as batches:
            async for batch in batches:
                keys = [_key(entry, index.categories) for entry in batch]
                left = await wanted(keys)
                for key, entry in zip(keys, batch, strict=True):
                    if key.key in left:
                        yield self._task(index, key, entry)

    def close(self) -> None:
        """Remove the index."""
        if self._index is not None:
            self._index.close()
            self._index = None

    async def _indexed(self) -> CocoIndex:
        if self._choice.status:
            raise UsageError("COCO images have no status; choose rows by titles, ids or limit")
        if self._index is None:
            index = CocoIndex(self._scratch / "coco-source.sqlite", self._settings)
            try:
                await to_thread.run_sync(index.build)
            except BaseException:
                index.close()
                raise
            self._index = index
        return self._index

    async def _batches(self) -> AsyncGenerator[list[Entry], None]:
        index = await self._indexed()
        entries = islice(filter(self._fits, index.entries()), self._choice.limit)
        while batch := await to_thread.run_sync(index.some, entries, ROWS):
            yield batch

    def _fits(self, entry: Entry) -> bool:
        return self._choice.fits(entry.title, (entry.key,))

    def _task(self, index: CocoIndex, key: RowKey, entry: Entry) -> LabelTask | Rejection:
        if entry.problem is not None:
            return Rejection(key, "read", f"image {entry.key} ({entry.title}): {entry.problem}")
        image, annotations, size = index.load(entry.key)
        reader = Reader(index.categories, self._settings.geometry, index.results, self._settings.group_field)
        try:
            own = _decoded(image) if image is not None else _bare(annotations)
            row = reader.row(own, [_decoded(item) for item in annotations], size)
        except RowError as error:
            return Rejection(key, "read", str(error))
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            return Rejection(key, "read", f"image {entry.key} ({entry.title}): its JSON is wrong: {error}")
        return LabelTask(key, row, len(image or b"") + sum(map(len, annotations)))


def _key(entry: Entry, categories: Categories) -> RowKey:
    pairs = set()
    for number, shape, _ in entry.labels:
        own = int(number) if number.isdecimal() and not categories.given else number
        # The row of an unknown category is rejected when it is read.
        with suppress(ValueError):
            pairs.add((categories.find(own, points=shape is Shape.SKELETON).name, shape))
    return RowKey(
        entry.key,
        entry.ordinal - 1,
        entry.title,
        entry.title,
        external_id=entry.key,
        pairs=frozenset(pairs),
        labels=len(entry.labels),
        mask_pixels=sum(pixels for _, shape, pixels in entry.labels if shape is Shape.MASK),
    )


def _decoded(data: bytes) -> Json:
    return msgspec.json.decode(data, type=Json)


def _bare(annotations: Sequence[bytes]) -> Json:
    """Return an image of which only the id is known, as results name it."""
    return {"id": _decoded(annotations[0])["image_id"]}
