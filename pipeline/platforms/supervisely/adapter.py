"""Connects a project of Supervisely, or an export on disk: its two sides, and the checks of `doctor`."""

import os
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import Any

from pipeline.core.labels import Media
from pipeline.errors import BundleRefused, CredentialsError, LabelferryError, RowError, TransientError
from pipeline.platforms.supervisely.client import LIMITS, Client, ProjectInfo, api_token
from pipeline.platforms.supervisely.disk import DiskSource, DiskTarget
from pipeline.platforms.supervisely.project import OpenProject
from pipeline.platforms.supervisely.settings import Settings
from pipeline.platforms.supervisely.source import SuperviselySource
from pipeline.platforms.supervisely.target import SuperviselyTarget
from pipeline.ports import Adapter, Check, Source, Target, Tools


class SuperviselyAdapter:
    """A project, or one dataset of it; everything that it opens is closed with `stack`."""

    def __init__(self, settings: Settings, client: Client, tools: Tools, stack: AsyncExitStack) -> None:
        self._settings = settings
        self._client = client
        self._tools = tools
        self._stack = stack

    def source(self) -> Source:
        """Return the source side."""
        return SuperviselySource(self._project(listed=True), self._below("read"), self._stack)

    def target(self) -> Target:
        """Return the target side."""
        return SuperviselyTarget(self._project(listed=True), self._below("written"), self._stack)

    def _project(self, *, listed: bool = False) -> OpenProject:
        return OpenProject(self._client, self._settings, self._tools.emit, listed=listed)

    def _below(self, side: str) -> Tools:
        return replace(self._tools, scratch=self._tools.scratch / side)

    async def picture(self, media: Media, *, most: int) -> bytes:
        """Return the first `most` bytes of the picture of an image, which is named by its id.

        Raises RowError or TransientError.
        """
        if media.ref is None or not media.ref.isdecimal():
            raise RowError(f"{media.ref!r} is no image of Supervisely")
        try:
            answer = await self._client.download(int(media.ref), most)
        except BundleRefused as error:
            raise RowError(str(error)) from error
        return answer.body[:most]

    async def checks(self) -> AsyncIterator[Check]:
        """Check reachability and the token, then the project, its datasets and classes, and the limits."""
        began, project = time.monotonic(), self._project()
        try:
            info = await project.find()
            took = (time.monotonic() - began) * 1000
            checks = [check async for check in self._about(project, info)]
        except CredentialsError as error:
            yield Check("credentials", ok=False, message=str(error))
            return
        except TransientError as error:
            message = f"{self._settings.url} does not answer: {error}"
            yield Check("reachable", ok=False, message=message)
            return
        except LabelferryError as error:
            yield Check("project", ok=False, message=str(error))
            return
        yield Check("reachable", ok=True, message=f"{self._settings.url} answers in {took:.0f} ms")
        yield Check("credentials", ok=True, message="the API token is accepted")
        for check in checks:
            yield check

    async def _about(self, project: OpenProject, info: ProjectInfo | None) -> AsyncIterator[Check]:
        settings = self._settings
        if info is None:
            text = f"there is no project {settings.project!r} in workspace {settings.workspace}"
            yield Check(
                "project", settings.create, text + ("; it will be created" if settings.create else "")
            )
            return
        datasets = await project.datasets()
        text = f"{info.called} ({info.id}): {datasets.summary(info.images_count)}"
        yield Check("project", ok=True, message=text)
        wanted = settings.dataset
        if wanted is not None:
            missing = wanted not in datasets.ids
            text = datasets.explain_missing(wanted) if missing else f"{wanted} is there"
            more = "; it will be created" if missing and settings.create else ""
            yield Check("dataset", ok=settings.create or not missing, message=text + more)
        classes = (await project.project()).ontology.classes
        names = ", ".join(f"{item.name} ({item.shape.value})" for item in classes) or "none"
        yield Check("ontology", ok=True, message=f"classes: {names}")
        text = f"bundles of up to {LIMITS.max_rows} rows, up to {LIMITS.rate_ceiling:g} requests a second"
        yield Check("limits", ok=True, message=text)


class DiskAdapter:
    """An export of a project in a folder."""

    def __init__(self, settings: Settings, tools: Tools, stack: AsyncExitStack) -> None:
        self._settings = settings
        self._tools = tools
        self._stack = stack

    def source(self) -> Source:
        """Return the source side."""
        return DiskSource(self._settings, self._tools)

    def target(self) -> Target:
        """Return the target side."""
        return DiskTarget(self._settings, self._tools, self._stack)

    async def checks(self) -> AsyncIterator[Check]:
        """Check that the folder can be read, or that it can be made."""
        folder = self._settings.folder
        if folder is None:
            return
        if folder.is_dir():
            ok = os.access(folder, os.R_OK | os.X_OK)
            more = "" if os.access(folder, os.W_OK) else ", to be read only: it cannot be written"
            yield Check("folder", ok, f"{folder} {f'is there{more}' if ok else 'cannot be read'}")
        elif folder.exists():
            yield Check("folder", ok=False, message=f"{folder} is a file; an export is a folder")
        else:
            above = next(place for place in folder.absolute().parents if place.exists())
            ok = os.access(above, os.W_OK)
            yield Check("folder", ok, f"{folder} is no folder; {above} can{'' if ok else 'not'} be written")


@asynccontextmanager
async def connect(settings: Settings, tools: Tools) -> AsyncIterator[Adapter]:
    """Connect a project. Nothing is sent or read yet. Raises CredentialsError or UsageError."""
    if settings.folder is not None:
        async with AsyncExitStack() as stack:
            yield DiskAdapter(settings, tools, stack)
        return
    token = api_token(settings, os.environ)
    client = Client(tools.channel(settings.url, LIMITS), settings, token)
    async with AsyncExitStack() as stack:
        yield SuperviselyAdapter(settings, client, tools, stack)


def address(text: str, fragment: str) -> Mapping[str, Any]:
    """Return the settings of `supervisely:PROJECT_ID`, with `/DATASET` behind it, or `supervisely:FOLDER`.

    Where nothing is there, the query names the place, as in `supervisely:?project=street&workspace=619`.
    """
    whole = f"{text}#{fragment}" if fragment else text
    if not whole:
        return {}
    project, _, dataset = whole.partition("/")
    if not (project.isascii() and project.isdecimal()):
        return {"folder": whole}
    return {"project": int(project), "dataset": dataset} if dataset else {"project": int(project)}
