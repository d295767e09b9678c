"""Writes an export of a project: each image's annotation in a file of its own.

What is there stays unless a row is written to it. Every file is whole or not there, and a row that is written
again is the same file again, so that a run can be ended at any moment and resumed.
"""

from collections.abc import AsyncIterable, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path

import msgspec
from anyio import to_thread

from pipeline.core.labels import LabelRow
from pipeline.core.ontology import Ontology
from pipeline.core.rows import (
    Bundle,
    EditedRow,
    LabelTask,
    MediaMode,
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
from pipeline.events import Created
from pipeline.io.matching import Candidate, Matching, OwnTitle
from pipeline.io.parts import unfinished
from pipeline.io.streams import together
from pipeline.platforms.supervisely.convert import Opened, Rules, pack_row, read_row, to_file
from pipeline.platforms.supervisely.disk.classes import Classes
from pipeline.platforms.supervisely.disk.files import (
    load,
    load_image,
    load_meta,
    required_meta,
    save_all,
    written,
)
from pipeline.platforms.supervisely.disk.layout import Item, items
from pipeline.platforms.supervisely.disk.placing import Placing, image_for
from pipeline.platforms.supervisely.disk.saving import files_of, lay_beside, make_folders, picture_of, size_of
from pipeline.platforms.supervisely.disk.source import root_of, with_picture
from pipeline.platforms.supervisely.settings import Settings
from pipeline.platforms.supervisely.wire import Image, Json
from pipeline.ports import Limits, MatchRule, Places, Plan, Tools

AT_ONCE = 1000


class DiskTarget:
    """An export in a folder, which may be there. `stack` closes what `prepare` opens."""

    limits = Limits(max_rows=200, max_bytes=64 * 1024 * 1024, open_rows=200, concurrency_ceiling=4)

    def __init__(self, settings: Settings, tools: Tools, stack: AsyncExitStack) -> None:
        self._settings = settings
        self._tools = tools
        self._stack = stack
        self._root = root_of(settings)
        self._plan = Plan("")
        self._classes: Classes | None = None
        self._placing = Placing({})
        self._waiting: set[str] = set()
        """Images whose pictures lie beside their place."""

    async def ontology(self) -> Ontology | None:
        """Return the classes and tags as they will be, or None where those of the rows are not known yet."""
        return None if self._classes is None else self._classes.ontology

    async def additions(self, ontology: Ontology | None) -> Sequence[str]:
        """Say, one line each, what is made before the first row. Raises UsageError as `prepare`."""
        await to_thread.run_sync(partial(self._check, edits=False))
        rules = Rules(self._settings.confidence_tag, polygons=self._settings.polygons)
        return self._additions(await to_thread.run_sync(Classes, self._root, ontology, rules))

    async def prepare(self, plan: Plan, keys: AsyncIterable[RowKey] | None) -> Places:
        """Look at what the folder holds, match the keys.

        The folder and its classes are written when the first rows are opened: until then the job may still
        turn out to be wrong. Raises UsageError for a folder of anything else, and for classes that differ.
        """
        self._plan = plan
        rules = Rules(self._settings.confidence_tag, plan.require_answers, polygons=self._settings.polygons)
        edits = plan.mode is Mode.EDIT
        await to_thread.run_sync(partial(self._check, edits=edits))
        self._classes = await to_thread.run_sync(Classes, self._root, plan.ontology, rules)
        there = await to_thread.run_sync(self._items) if self._classes.exists else []
        self._placing = Placing({item.path: item for item in there}, self._settings.dataset)
        # The paths of an export's own images say which they are; names need not be unique.
        rule = MatchRule("external_id") if edits else self._tools.match
        needs_none = rule.by in ("path", "external_id")  # names are unique in each dataset only
        own_title = OwnTitle.NEED_NOT if needs_none else OwnTitle.AMONG_SOURCE
        matching = Matching(self._tools.scratch, rule, creates=not edits, own_title=own_title)
        await self._stack.enter_async_context(matching)
        await self._add_places(matching, there, rule)
        if keys is not None:
            await matching.add_source(keys)
        if plan.dry_run:
            for line in self._additions(self._classes):
                self._tools.emit(Created(line, planned=True))
        return matching

    def _check(self, *, edits: bool) -> None:
        root = self._root
        if edits:
            required_meta(root)
        if root.exists() and not root.is_dir():
            raise UsageError(f"{root} is a file; an export is a folder")
        foreign = root.exists() and any(not path.name.startswith(".") for path in root.iterdir())
        if foreign and not edits and load_meta(root) is None:
            raise UsageError(
                f"{root} has files and is no export of a project: it has no meta.json; name an export, or a "
                "folder that is empty or not there"
            )

    def _items(self) -> list[Item]:
        wanted = self._settings.dataset
        found = list(items(self._root))
        return [item for item in found if wanted in (None, item.dataset)]

    def _additions(self, classes: Classes) -> list[str]:
        return [*([] if classes.exists else [f"export {self._root}"]), *classes.added]

    async def _add_places(self, matching: Matching, there: Sequence[Item], rule: MatchRule) -> None:
        reads = rule.by not in ("title", "path", "external_id")
        for start in range(0, len(there), AT_ONCE):
            some = there[start : start + AT_ONCE]
            metas = await to_thread.run_sync(self._metas, some) if reads else {}
            await matching.add_places(
                [
                    Candidate(item.path, item.name, item.path, item.path, metas.get(item.path, {}))
                    for item in some
                ]
            )

    def _metas(self, some: Sequence[Item]) -> dict[str, Json]:
        found = {}
        for item in some:
            try:
                found[item.path] = load_image(self._root, item).meta
            except RowError:
                found[item.path] = {}  # it is rejected when it is opened
        return found

    async def open(
        self, tasks: Sequence[LabelTask], places: Sequence[Place]
    ) -> Sequence[OpenRow | Rejection]:
        """Read what the export holds of rows; new ones get their place, and their picture if it is copied."""
        if not self._plan.dry_run:
            await to_thread.run_sync(self._known.write)
        calls = [partial(self._open, task, place) for task, place in zip(tasks, places, strict=True)]
        if self._plan.media is MediaMode.COPY and not self._plan.dry_run:
            return await together(calls)
        return [await call() for call in calls]

    async def _open(self, task: LabelTask, place: Place) -> OpenRow | Rejection:
        media, row = self._plan.media, task.row
        try:
            item = self._placing.of(task, place, copies=media is MediaMode.COPY)
            opened = await to_thread.run_sync(self._opened, item)
            if row is not None and opened.annotation is None:
                image = image_for(opened.image, row, links=media is MediaMode.LINK)
                opened = opened._replace(image=image)
            if row is not None and media is MediaMode.COPY and not item.picture:
                opened = opened._replace(image=await self._copied(item, opened.image, row))
            existing = read_row(opened.image, opened.annotation, self._known.project).row
        except RowError as error:
            reason = f"row {task.key.title or task.key.key!r}: {error}"
            return Rejection(task.key, "open", reason, row)
        return OpenRow(task, Place(item.path, item.name, opened), with_picture(existing, self._root, item))

    async def _copied(self, item: Item, image: Image, row: LabelRow) -> Image:
        """Fetch the picture of a row, return its image with the size. Raises RowError or TransientError."""
        if len(row.media) != 1 or self._plan.dry_run:
            return image
        data = await self._tools.media.read(row.media[0])
        size = size_of(item, data) or (image.width, image.height)
        await to_thread.run_sync(lay_beside, self._root, item, data)
        self._waiting.add(item.path)
        return msgspec.structs.replace(image, width=size[0], height=size[1])

    def _opened(self, item: Item) -> Opened:
        if item.fault is not None:
            raise RowError(item.fault)
        return Opened(*load(self._root, item))

    def arrange(self, row: EditedRow) -> EditedRow:
        """Return the row as it is."""
        return row

    def pack(self, row: EditedRow) -> PackedRow:
        """Return the file of the annotation. Raises RowError."""
        opened: Opened = row.place.details
        image, meta = opened.image, dict(row.row.metadata) or opened.image.meta
        new = opened.annotation is None or meta != image.meta or row.place.id in self._waiting
        image = msgspec.structs.replace(image, meta=meta)
        place = Place(row.place.id, row.place.title, opened._replace(image=image))
        edited = EditedRow(row.key, place, row.row, row.existing, row.append, row.layers)
        packed = pack_row(edited, self._known.for_row(row.row), inline=True)
        try:
            annotation = msgspec.json.decode(packed.payload, type=Json)["annotation"]
        except msgspec.DecodeError as error:  # a mask that came encoded is put in as it came
            raise RowError(f"row {row.row.title or row.row.key!r}: a bitmap is no JSON: {error}") from error
        if not annotation.get("size"):
            raise RowError(
                f"row {row.row.title or row.row.key!r}: nobody says how large its image is, and an export "
                "has to; use `media: copy`, or a source that knows"
            )
        payload = written(to_file(annotation))
        return replace(packed, payload=payload, unchanged=packed.unchanged and not new)

    async def save(self, bundle: Bundle) -> SaveReport:
        """Write the files of a bundle. Raises UsageError, or Stopped for a full disk."""
        await to_thread.run_sync(self._save, bundle)
        return SaveReport(tuple(Receipt(row.key.key, row.place.id) for row in bundle.rows))

    def _save(self, bundle: Bundle) -> None:
        root, items_ = self._root, self._placing.items
        self._known.write([row.row for row in bundle.rows if row.row is not None])
        make_folders(root, [items_[row.place.id].dataset for row in bundle.rows])
        files: dict[Path, bytes] = {}
        for row in bundle.rows:
            files |= files_of(root, items_[row.place.id], row.place.details.image, row.payload)
        pictures = [row.place.id for row in bundle.rows if row.place.id in self._waiting]
        save_all(files, [picture_of(root, items_[path]) for path in pictures])
        for path in pictures:
            self._placing.has_picture(path)
            self._waiting.discard(path)

    async def probe(self) -> None:
        """A folder is always there."""

    async def finish(self, *, complete: bool, rejects: bool = False) -> None:  # noqa: ARG002 - it is all the same
        """Write the classes of an export without a row, and remove pictures of rows that were rejected."""
        if complete and not self._plan.dry_run:
            await to_thread.run_sync(self._known.write)
            await to_thread.run_sync(self._tidy)

    def _tidy(self) -> None:
        for path in self._waiting:
            unfinished(picture_of(self._root, self._placing.items[path])).unlink(missing_ok=True)
        self._waiting.clear()

    @property
    def _known(self) -> Classes:
        if self._classes is None:
            raise UsageError("the export was not prepared")
        return self._classes
