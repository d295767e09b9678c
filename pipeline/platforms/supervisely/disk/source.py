"""Reads an export of a project: dataset by dataset, image by image."""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

from anyio import to_thread

from pipeline.core.geometry import Shape
from pipeline.core.labels import LabelRow
from pipeline.core.losses import Note
from pipeline.core.ontology import Ontology
from pipeline.core.rows import LabelTask, Rejection, RowKey
from pipeline.errors import RowError, UsageError
from pipeline.events import NoteSeen
from pipeline.platforms.supervisely.convert import Project, Rules, project_of, read_row, stays
from pipeline.platforms.supervisely.disk.files import load, required_meta
from pipeline.platforms.supervisely.disk.layout import IMG, Item, folder_of, items
from pipeline.platforms.supervisely.settings import Settings
from pipeline.platforms.supervisely.wire import Image
from pipeline.ports import StillToDo, Tools

ROWS = 200
"""Images that are asked about, and read, at once."""

_Read: TypeAlias = tuple[LabelTask | Rejection, tuple[Note, ...]]


class DiskSource:
    """One row for each image of an export."""

    restartable = True

    def __init__(self, settings: Settings, tools: Tools) -> None:
        self._settings = settings
        self._tools = tools
        self._root = root_of(settings)
        self._project: Project | None = None
        self._items: list[Item] | None = None

    async def ontology(self) -> Ontology | None:
        """Return the classes and tags of the export. Raises UsageError as `keys`."""
        return (await to_thread.run_sync(self._known)).ontology

    async def keys(self) -> AsyncIterator[RowKey]:
        """Give the key of every chosen image, also of one that cannot be read: edits in place open all.

        Raises UsageError where there is no export, or not the dataset.
        """
        for start, batch in await self._batches():
            for task, _ in await to_thread.run_sync(self._read_all, start, batch):
                yield task.key

    async def tasks(self, wanted: StillToDo) -> AsyncGenerator[LabelTask | Rejection, None]:
        """Give the chosen images that are still to do; one that cannot be read comes as a Rejection."""
        for start, batch in await self._batches():
            read = await to_thread.run_sync(self._read_all, start, batch)
            left = await wanted([task.key for task, _ in read])
            for task, notes in read:
                if task.key.key in left:
                    for note in notes:
                        self._tools.emit(NoteSeen(note.row, note.object, note.what, note.why))
                    yield task

    async def _batches(self) -> list[tuple[int, list[Item]]]:
        choice = self._tools.rows
        if choice.status:
            raise UsageError("images of an export have no status; choose rows by titles, ids or limit")
        await to_thread.run_sync(self._known)
        if self._items is None:
            self._items = await to_thread.run_sync(lambda: list(items(self._root, self._settings.dataset)))
        chosen = [item for item in self._items if choice.fits(item.name, (item.path,))][: choice.limit]
        return [(at, chosen[at : at + ROWS]) for at in range(0, len(chosen), ROWS)]

    def _known(self) -> Project:
        if self._project is None:
            rules = Rules(confidence_tag=self._settings.confidence_tag)
            self._project = project_of(required_meta(self._root), rules)
        return self._project

    def _read_all(self, start: int, batch: Sequence[Item]) -> list[_Read]:
        return [self._read(ordinal, item) for ordinal, item in enumerate(batch, start)]

    def _read(self, ordinal: int, item: Item) -> _Read:
        try:
            if item.fault is not None:
                raise RowError(item.fault)  # noqa: TRY301 - as others of its kind are
            image, annotation = load(self._root, item)
            read = read_row(image, annotation, self._known())
        except RowError as error:
            key = RowKey(item.path, ordinal, item.name, item.path, item.path)
            return Rejection(key, "read", f"image {item.path}: {error}"), ()
        row = with_picture(read.row, self._root, item)
        return LabelTask(_key(row, ordinal, item, image), row), (*read.notes, *stays(row))


def root_of(settings: Settings) -> Path:
    """Return the folder of an export."""
    if settings.folder is None:
        raise UsageError("no folder of an export is given")
    return settings.folder.expanduser()


def with_picture(row: LabelRow, root: Path, item: Item) -> LabelRow:
    """Return the row with the path of its picture below the export's folder, where that is in it."""
    if not item.picture:
        return row
    path = (folder_of(root, item.dataset) / IMG / item.name).relative_to(root).as_posix()
    return replace(row, media=(replace(row.media[0], path=path),))


def _key(row: LabelRow, ordinal: int, item: Item, image: Image) -> RowKey:
    height, width = row.size_at(0) or (0, 0)
    masks = sum(one.shape is Shape.MASK for one in row.objects)
    return RowKey(
        item.path,
        ordinal,
        item.name,
        item.path,
        item.path,
        image.meta,
        frozenset((one.class_name, one.shape) for one in row.objects),
        row.label_count,
        masks * height * width,
    )
