"""One project, as both sides of the adapter use it: asked once, its annotations read in bulk."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import anyio

from pipeline.core.labels import LabelRow
from pipeline.errors import BundleRefused, LabelferryError, UsageError
from pipeline.events import Event, NoteSeen
from pipeline.io.streams import together
from pipeline.platforms.supervisely.client import AT_ONCE, PAGE, Client, Page, ProjectInfo
from pipeline.platforms.supervisely.convert import Project, Rules, alpha_figures, project_of, read_row
from pipeline.platforms.supervisely.datasets import Datasets
from pipeline.platforms.supervisely.settings import Settings
from pipeline.platforms.supervisely.wire import Image, Json

IMAGES = "images"
"""The type of a project whose labels can be moved."""


class Found(NamedTuple):
    """What an image holds: its annotation, and the geometries that are kept apart from it, by figure."""

    annotation: Json
    geometries: Mapping[int, Json] = {}

    def finished(self) -> "Found":
        """Leave out alpha masks without a bitmap: a writing that ended before its last request left them."""
        lost = {one for one in alpha_figures(self.annotation) if one not in self.geometries}
        if not lost:
            return self
        labels = [one for one in self.annotation["objects"] if one.get("id") not in lost]
        return self._replace(annotation={**self.annotation, "objects": labels})


class OpenProject:
    """Reads a project through its client. `emit` tells what is met while labels are read.

    `listed`: its images will be listed, so that the first of them are asked for beside the project itself.
    """

    def __init__(
        self,
        client: Client,
        settings: Settings,
        emit: Callable[[Event], None],
        *,
        listed: bool = False,
    ) -> None:
        self.client = client
        self.settings = settings
        self.rules = Rules(confidence_tag=settings.confidence_tag, polygons=settings.polygons)
        self._emit = emit
        self._lock = anyio.Lock(fast_acquire=True)
        self._info: ProjectInfo | None = None
        self._project: Project | None = None
        self._datasets: Datasets | None = None
        self._listed = listed
        self._beginning: Page | None = None

    def require_answers(self, *, required: bool) -> None:
        """Say whether an object may lack an answer that its class asks for."""
        self.rules = replace(self.rules, require_answers=required)
        self._project = None

    # ---- what there is ---------------------------------------------------------------------------------

    async def info(self) -> ProjectInfo:
        """Return the project; asked for once. UsageError where there is none, or one of another type."""
        found = await self.find()
        if found is None:
            text = f"there is no project {self.settings.project!r} in workspace {self.settings.workspace}"
            raise UsageError(f"{text}, or the token may not see it; check both, and the token")
        return found

    async def find(self) -> ProjectInfo | None:
        """Return the project, or None where there is none of that name. UsageError as for `info`."""
        if self._info is None and isinstance(self.settings.project, int):
            await self._look()
        async with self._lock:
            if self._info is None:
                self._info = await self._find()
            return self._info

    async def _find(self) -> ProjectInfo | None:
        wanted, workspace = self.settings.project, self.settings.workspace
        if isinstance(wanted, int):
            return checked(await self.client.project(wanted))
        if wanted is None or workspace is None:
            raise UsageError("no project is named")
        named = [info for info in await self.client.projects(workspace) if info.called == wanted]
        if len(named) > 1:
            ids = ", ".join(str(info.id) for info in named)
            raise UsageError(
                f"workspace {workspace} has several projects named {wanted!r}: {ids}; name it by id"
            )
        return checked(named[0]) if named else None

    def assume(self, info: ProjectInfo) -> None:
        """Take this as the project: one that has just been created, or found in another way."""
        self._info, self._project, self._datasets = info, None, None

    async def _look(self) -> None:
        """Ask for all that is not known yet, at once. UsageError as for `info`."""
        wanted = self.settings.project
        if self._info is None and not isinstance(wanted, int):
            await self.info()
        async with self._lock:
            known = self._info.id if self._info is not None else wanted
            if not isinstance(known, int):
                raise UsageError("no project is named")
            calls = [
                partial(_outcome, call)
                for call, missing in (
                    (self._ask_info, self._info is None),
                    (partial(self._ask_meta, known), self._project is None),
                    (partial(self._ask_datasets, known), self._datasets is None),
                    (partial(self._ask_beginning, known), self._listed),
                )
                if missing
            ]
            # Of several errors, that of the project itself says most.
            failed = [error for error in await together(calls) if error is not None]
            if failed:
                raise failed[0]

    async def _ask_info(self) -> None:
        self._info = await self._find()

    async def _ask_meta(self, project: int) -> None:
        self._project = project_of(await self.client.meta(project), self.rules)

    async def _ask_datasets(self, project: int) -> None:
        self._datasets = Datasets.of(await self.client.datasets(project))

    async def _ask_beginning(self, project: int) -> None:
        """Try it once. Where that fails, the datasets are listed as if it had not been asked for."""
        self._listed = False
        with suppress(LabelferryError):
            self._beginning = await self.client.images_of_project(project, PAGE, tries=1)

    def beginning(self) -> Page | None:
        """Return the first page of all images if it came with the project: once, as it grows old."""
        page, self._beginning = self._beginning, None
        return page

    async def project(self) -> Project:
        """Return the project's classes and tags; asked for once."""
        if self._project is None:
            await self._look()
        if self._project is None:
            raise UsageError("the project was not read")
        return self._project

    def forget_meta(self) -> None:
        """Ask for the classes and tags again when they are needed next."""
        self._project = None

    async def datasets(self) -> Datasets:
        """Return all datasets of the project; asked for once."""
        if self._datasets is None:
            await self._look()
        if self._datasets is None:
            raise UsageError("the project was not read")
        return self._datasets

    async def datasets_anew(self) -> Datasets:
        """Return all datasets of the project as they are now."""
        self._datasets = None
        return await self.datasets()

    # ---- annotations -----------------------------------------------------------------------------------

    async def annotations(self, images: Sequence[Image]) -> dict[int, Found]:
        """Return what images hold, by image; those that are gone are left out."""
        by_dataset: dict[int, list[int]] = {}
        for image in images:
            by_dataset.setdefault(image.dataset_id, []).append(image.id)
        calls = [
            partial(self.client.annotations, dataset, ids[start : start + AT_ONCE])
            for dataset, ids in by_dataset.items()
            for start in range(0, len(ids), AT_ONCE)
        ]
        answers = [await calls[0]()] if len(calls) == 1 else await together(calls)
        found = {key: annotation for answer, _ in answers for key, annotation in answer.items()}
        apart = {key: figures for key, one in found.items() if (figures := alpha_figures(one))}
        if not apart:
            return {key: Found(one) for key, one in found.items()}
        geometries = await self._geometries([figure for figures in apart.values() for figure in figures])
        return {
            key: Found(one, {n: geometries[n] for n in apart.get(key, ()) if n in geometries})
            for key, one in found.items()
        }

    async def _geometries(self, figures: Sequence[int]) -> dict[int, Json]:
        calls = [
            partial(self._some_geometries, figures[start : start + AT_ONCE])
            for start in range(0, len(figures), AT_ONCE)
        ]
        return {key: one for answer in await together(calls) for key, one in answer.items()}

    async def _some_geometries(self, figures: Sequence[int]) -> dict[int, Json]:
        """Return the geometries of some figures; one that is gone by now does not hide the others."""
        try:
            return await self.client.geometries(figures)
        except BundleRefused:
            if len(figures) == 1:
                return {}
        half = len(figures) // 2
        return {
            **await self._some_geometries(figures[:half]),
            **await self._some_geometries(figures[half:]),
        }

    def read(self, image: Image, found: Found, project: Project) -> LabelRow:
        """Return the labels of an image. Raises RowError."""
        read = read_row(image, found.annotation, project, found.geometries)
        for note in read.notes:
            self._emit(NoteSeen(note.row, note.object, note.what, note.why))
        return read.row


async def _outcome(call: Callable[[], Awaitable[None]]) -> LabelferryError | None:
    """Return how a call fails, so that it does not end the others."""
    try:
        await call()
    except LabelferryError as error:
        return error
    return None


def image_of(info: Json, dataset: int, path: str) -> Image:
    """Return an image as it was listed, in the dataset that it was listed in."""
    image = Image.of(info, path)
    image.dataset_id = dataset
    return image


def checked(info: ProjectInfo) -> ProjectInfo:
    """Return a project of images. Raises UsageError for any other."""
    if info.type not in (None, IMAGES):
        text = f"project {info.called!r} ({info.id}) is of type {info.type}"
        raise UsageError(f"{text}; labels of projects of images can be moved")
    return info
