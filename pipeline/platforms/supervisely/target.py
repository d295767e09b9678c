"""Supervisely as a target: images are matched or created, annotations replaced in bulk."""

from collections.abc import AsyncIterable, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace

import anyio

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
    Rejection,
    RowKey,
    SaveReport,
)
from pipeline.errors import RowError, Stopped, TransientError, UsageError
from pipeline.events import Created, NoteSeen
from pipeline.io.matching import Candidate, Matching, OwnTitle
from pipeline.io.streams import together
from pipeline.platforms.supervisely.client import LIMITS
from pipeline.platforms.supervisely.convert import (
    Merged,
    Opened,
    Project,
    blank_row,
    drafted,
    merge_meta,
    pack_row,
)
from pipeline.platforms.supervisely.creating import Creation, planned
from pipeline.platforms.supervisely.datasets import Datasets
from pipeline.platforms.supervisely.images import Images, Made, Wanted
from pipeline.platforms.supervisely.listing import list_all
from pipeline.platforms.supervisely.project import Found, OpenProject, image_of
from pipeline.platforms.supervisely.saving import Saving
from pipeline.platforms.supervisely.spool import Head, Spool
from pipeline.platforms.supervisely.unfinished import Unfinished
from pipeline.platforms.supervisely.wire import DATASET, PLATFORM, Image
from pipeline.ports import MatchRule, Places, Plan, Tools

PROBE_TRIES = 2


class SuperviselyTarget:
    """The images of a project, or of one dataset. `stack` closes what `prepare` opens."""

    limits = LIMITS

    def __init__(self, project: OpenProject, tools: Tools, stack: AsyncExitStack) -> None:
        self._project = project
        self._settings = project.settings
        self._tools = tools
        self._stack = stack
        self._saving = Saving(project.client, Unfinished(tools.scratch))
        self._creation = Creation(project, tools.emit)
        self._images = Images(project.client, project.settings, tools.media)
        self._lock = anyio.Lock(fast_acquire=True)
        self._plan = Plan("")
        self._exists = True
        self._complete = False
        self._users: dict[int, str] | None = None
        """The row of each image, where several rows could come to use one."""
        self._classes: Project | None = None
        self._added: Ontology | None = None
        """The classes and tags that were added last, until it was seen that they stay."""
        self._spool: Spool | None = None

    async def ontology(self) -> Ontology | None:
        """Return the classes and tags, with those that the job adds; None where those are not known yet."""
        if self._classes is not None:
            return self._classes.ontology
        return None if self._settings.create else (await self._project.project()).ontology

    async def additions(self, ontology: Ontology | None) -> Sequence[str]:
        """Say, one line each, what the job creates before its first row. Raises UsageError on a conflict."""
        if not self._settings.create:
            return ()
        exists = await self._creation.existing("") is not None
        merged = await self._creation.merged(ontology, exists=exists)
        datasets = await self._project.datasets() if exists else Datasets()
        wanted = self._settings.dataset
        return (
            *([] if exists else [f"project {self._settings.project}"]),
            *([] if wanted is None or wanted in datasets.ids else [f"dataset {wanted}"]),
            *merged.added,
            *(f"nothing for {line}" for line in merged.left_out),
        )

    async def prepare(self, plan: Plan, keys: AsyncIterable[RowKey] | None) -> Places:
        """Look at the project, list its images, match the keys.

        What the job may create comes into being when the first rows are opened: until then the job may still
        turn out to be wrong.

        Raises:
            Stopped: the project cannot be listed at the moment.
        """
        self._plan = plan
        self._project.require_answers(required=plan.require_answers)
        creates = plan.media is not MediaMode.MATCH
        # Keys of the project itself say which image they are; names need not be unique.
        rule = MatchRule("external_id") if plan.mode is Mode.EDIT else self._tools.match
        own_title = self._own_title(rule)
        if creates and own_title is OwnTitle.NEED_NOT and self._settings.if_image_taken == "use":
            self._users = {}
        matching = Matching(self._tools.scratch, rule, creates=creates, own_title=own_title)

        async def open_files() -> None:
            await self._stack.enter_async_context(matching)
            self._spool = await self._stack.enter_async_context(Spool(self._tools.scratch))
            await self._saving.look()

        try:
            await together([self._look, open_files])
            if self._exists:
                await self._finish()
                await self._list(matching)
        except TransientError as error:
            raise Stopped(f"the images of the Supervisely project could not be looked at: {error}") from error
        if keys is not None:
            await matching.add_source(keys)
        return matching

    async def _finish(self) -> None:
        """Write whole what an earlier run has left half written."""
        for image, why in (await self._saving.finish()).items():
            text = f"it cannot be ended: {why}; some of its labels may be missing, so write the row again"
            self._tools.emit(NoteSeen(image, None, "unfinished save", text))

    def _own_title(self, rule: MatchRule) -> OwnTitle:
        """Say with whom a new image may share its name: names are unique in each dataset only."""
        if self._settings.if_image_taken == "new-name":
            return OwnTitle.NEED_NOT
        if rule.by in ("path", "external_id") and self._settings.dataset is None:
            return OwnTitle.NEED_NOT
        return OwnTitle.AMONG_SOURCE if self._settings.if_image_taken == "use" else OwnTitle.AMONG_ALL

    async def _look(self) -> None:
        self._exists = await self._creation.existing(self._plan.run) is not None
        merged = await self._creation.merged(self._plan.ontology, exists=self._exists)
        self._classes = planned(merged, self._project)
        if self._plan.dry_run:
            for line in await self.additions(self._plan.ontology):
                self._tools.emit(Created(line, planned=True))

    async def _list(self, matching: Matching) -> None:
        datasets, wanted = await self._project.datasets(), self._settings.dataset
        if wanted is not None and wanted not in datasets.ids and self._settings.create:
            return
        beginning = self._project.beginning()
        await list_all(self._project.client, self._samples, datasets, datasets.chosen(wanted), beginning)
        async for heads in self._samples.heads():
            await matching.add_places([_candidate(head, datasets) for head in heads])

    async def _create(self) -> None:
        """Create the project, its classes and the dataset where they are missing. UsageError or Stopped."""
        async with self._lock:
            if self._complete or self._plan.dry_run:
                return
            try:
                if not self._exists:
                    await self._creation.create_project(self._plan.run)
                    self._exists = True
                if self._settings.create:
                    if await self._creation.add_classes(self._plan.ontology):
                        self._added = self._plan.ontology
                    self._classes = await self._project.project()
                if self._settings.create and self._settings.dataset is not None:
                    await self._creation.dataset(self._settings.dataset)
            except TransientError as error:
                raise Stopped(f"the project or what it lacks could not be created: {error}") from error
            self._complete = True

    async def _meet(self, rows: Sequence[LabelRow]) -> None:
        """Add the classes and tags of rows whose source does not tell them before. UsageError or Stopped."""
        if self._plan.ontology is not None or not self._settings.create:
            return
        async with self._lock:
            wanted = self._plan.revise(drafted(rows, self._known.ontology))
            merged = merge_meta(self._known.meta, wanted, self._project.rules) if wanted else Merged({})
            if not merged.added:
                return
            if self._plan.dry_run:
                self._classes = planned(merged, self._project)
                for line in merged.added:
                    self._tools.emit(Created(line, planned=True))
                return
            try:
                await self._creation.add_classes(wanted, strict=False)
                self._added, self._classes = wanted, await self._project.project()
            except TransientError as error:
                raise Stopped(f"classes of the project could not be added: {error}") from error

    async def _confirm(self) -> None:
        """Look once more, before labels are written, whether the classes and tags that were added are there.

        Another job, which had read what there was before they were added, may have written its own after it.
        Raises Stopped.
        """
        async with self._lock:
            if self._added is None:
                return
            try:
                await self._creation.add_classes(self._added, strict=False)
                self._added, self._classes = None, await self._project.project()
            except TransientError as error:
                raise Stopped(f"classes of the project could not be looked at: {error}") from error

    async def open(
        self, tasks: Sequence[LabelTask], places: Sequence[Place]
    ) -> Sequence[OpenRow | Rejection]:
        """Read what images hold, and create those that the project does not have."""
        await self._create()
        await self._meet([task.row for task in tasks if task.row is not None])
        datasets = await self._project.datasets() if self._exists else Datasets()
        listed = await self._samples.images([int(place.id) for place in places if place.id])
        images: dict[str, Made | RowError] = {}
        for key, (dataset, info) in listed.items():
            images[str(key)] = Made(image_of(info, dataset, datasets.paths[dataset]), found=True)
        pairs = list(zip(tasks, places, strict=True))
        made = await self._new([task for task, place in pairs if not place.id])
        await self._confirm()
        there = [
            one.image for one in (*images.values(), *made.values()) if isinstance(one, Made) and one.found
        ]
        found = await self._held(there)
        rows = [
            self._opened(task, made.get(task.key.key) if not place.id else images.get(place.id), found)
            for task, place in pairs
        ]
        self._images.opened(list(made))
        return rows

    async def _held(self, images: Sequence[Image]) -> dict[int, Found]:
        """Return what images hold, by image; those that are gone are left out."""
        trusted = self._plan.mode is Mode.REPLACE and not self._settings.read_unlabelled
        unread = {image.id: Found({}) for image in images if image.unlabelled} if trusted else {}
        asked = [image for image in images if image.id not in unread]
        return {**unread, **(await self._project.annotations(asked) if asked else {})}

    async def _new(self, tasks: Sequence[LabelTask]) -> dict[str, Made | RowError]:
        """Create the images of rows that have no place, by key."""
        wanted: list[Wanted] = []
        failed: dict[str, Made | RowError] = {}
        for task in tasks:
            if task.row is None:
                continue
            try:
                path = await self._path_for(task)
                number = 0 if self._plan.dry_run else await self._creation.dataset(path)
                wanted.append(Wanted(task.key.key, task.row, path, number))
            except RowError as error:
                failed[task.key.key] = error
        return {**(await self._images.make(wanted, self._plan) if wanted else {}), **failed}

    async def _path_for(self, task: LabelTask) -> str:
        """Return the dataset that a new image belongs to. Raises RowError."""
        if self._settings.dataset is not None:
            return self._settings.dataset
        known = list((await self._project.datasets()).ids) if self._exists else []
        raw = task.row.raw if task.row else None
        path = str(raw.data.get("dataset") or "") if raw is not None and raw.platform == PLATFORM else ""
        if not path and len(known) == 1:
            return known[0]
        if not path and not known and self._settings.create:
            return DATASET
        if path and (path in known or self._settings.create):
            return path
        text = (
            f"the project has no dataset {path!r}, and `create` is off"
            if path
            else "it belongs to no dataset"
        )
        raise RowError(f"row {task.key.title!r}: {text}; set `dataset` of the target")

    def _opened(
        self, task: LabelTask, made: Made | RowError | None, found: dict[int, Found]
    ) -> OpenRow | Rejection:
        try:
            if made is None:
                raise RowError(f"row {task.key.title!r}: its image is not in the listing any more")  # noqa: TRY301
            if isinstance(made, RowError):
                raise made
            image = made.image
            if made.found and image.id not in found:
                raise RowError(f"row {image.name!r}: image {image.id} is not there any more")  # noqa: TRY301
            self._claim(task, image)
            held = found.get(image.id, Found({}))
            edits = self._plan.mode is Mode.EDIT  # then a label that is lost has to be told
            if held.annotation or edits:
                existing = self._project.read(image, held if edits else held.finished(), self._known)
            else:
                existing = blank_row(image)
        except RowError as error:
            return Rejection(task.key, "open", str(error), task.row)
        opened = Opened(image, held.annotation or None, held.geometries, is_new=not made.found)
        place = Place(image.key if image.id else f"new:{image.path}", image.name, opened)
        return OpenRow(task, place, existing)

    def _claim(self, task: LabelTask, image: Image) -> None:
        """Raise RowError for an image that another row of the job is."""
        if self._users is None or not image.id:
            return
        user = self._users.setdefault(image.id, task.key.key)
        if user != task.key.key:
            text = f"image {image.id} ({image.path}) is that of another row, {user!r}"
            raise RowError(f"row {task.key.title!r}: {text}; rename one, or set `if_image_taken: new-name`")

    def arrange(self, row: EditedRow) -> EditedRow:
        """Return the row as it is."""
        return row

    def pack(self, row: EditedRow) -> PackedRow:
        """Return the JSON of the whole annotation, and of the figures that go beside it. Raises RowError."""
        packed = pack_row(row, self._known, in_place=self._plan.mode is Mode.EDIT)
        # An image that was made is no row that was there, even if there is nothing to draw on it.
        return replace(packed, unchanged=False) if packed.unchanged and row.place.details.is_new else packed

    async def save(self, bundle: Bundle) -> SaveReport:
        """Replace annotations. Raises BundleRefused, TransientError or FatalError."""
        return await self._saving.save(bundle)

    async def probe(self) -> None:
        """Ask for the project."""
        await self._project.client.project((await self._project.info()).id, PROBE_TRIES)

    async def finish(self, *, complete: bool, rejects: bool = False) -> None:
        """Do nothing: what was saved is saved."""

    @property
    def _known(self) -> Project:
        if self._classes is None:
            raise UsageError("the Supervisely project was not prepared")
        return self._classes

    @property
    def _samples(self) -> Spool:
        if self._spool is None:
            raise UsageError("the Supervisely project was not prepared")
        return self._spool


def _candidate(head: Head, datasets: Datasets) -> Candidate:
    """Return an image for matching; its id is its external id."""
    name = str(head.id)
    return Candidate(name, head.name, f"{datasets.paths[head.dataset]}/{head.name}", name, head.meta or {})
