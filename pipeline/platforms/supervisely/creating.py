"""Creates what a job may create: the project under a free name, classes and tags, and datasets.

Creating is not idempotent. A project is marked with the run that it is made for. That mark, or the path of a
dataset, is looked up before each attempt that follows one without an answer.
"""

from collections.abc import Callable, Collection, Sequence
from typing import Final

import anyio
import msgspec

from pipeline.core.ontology import Ontology
from pipeline.errors import BundleRefused, UsageError
from pipeline.events import Created, Event
from pipeline.platforms.supervisely.client import DatasetInfo, ProjectInfo
from pipeline.platforms.supervisely.convert import Merged, Project, merge_meta, project_of
from pipeline.platforms.supervisely.project import IMAGES, OpenProject, checked
from pipeline.platforms.supervisely.wire import Json
from pipeline.ports import Answer

MARK: Final = "labelferry"
"""The key of the custom data that says which run made a project."""
RACES: Final = 100
"""Names that others may take first, before it is given up."""
NOTHING: Final[Json] = {"classes": [], "tags": []}
"""The classes and tags of a project that is not there yet."""
NO_ID: Final = 1 << 52
"""Ids from here on are given by no server."""
READINGS: Final = 10
"""Times that classes and tags are written where somebody else changes them meanwhile."""


class Creation:
    """Creates the project of a run, and what it lacks."""

    def __init__(self, project: OpenProject, emit: Callable[[Event], None]) -> None:
        self._project = project
        self._client = project.client
        self._settings = project.settings
        self._emit = emit
        self._lock = anyio.Lock(fast_acquire=True)

    # ---- the project -----------------------------------------------------------------------------------

    async def existing(self, run: str) -> ProjectInfo | None:
        """Return the project that the rows go to, or None where it is to be created. Raises UsageError."""
        name, workspace = self._settings.project, self._settings.workspace
        if not self._settings.create or not isinstance(name, str) or workspace is None:
            return await self._project.info()
        infos = await self._client.projects(workspace)
        found = self._fitting(infos, run)
        if found is not None:
            self._project.assume(found)
        return found

    def _fitting(self, infos: Sequence[ProjectInfo], run: str) -> ProjectInfo | None:
        """Return the project that this run made, or the one that the job may use. Raises UsageError."""
        name = self._settings.project
        made = [info for info in infos if (info.custom_data or {}).get(MARK) == run]
        named = [info for info in infos if info.called == name]
        if made:
            return checked(made[0])
        if not named or self._settings.if_taken == "new-name":
            return None
        if self._settings.if_taken == "fail":
            text = f"there is a project {name!r} ({named[0].id}) in workspace {self._settings.workspace}"
            raise UsageError(f"{text}; set `if_taken: use` or `if_taken: new-name`, or choose another name")
        if len(named) > 1:
            ids = ", ".join(str(info.id) for info in named)
            raise UsageError(f"there are several projects {name!r}: {ids}; name the one to use by its id")
        return checked(named[0])

    async def create_project(self, run: str) -> None:
        """Create the project under a free name, or find the one that this run made. Raises UsageError."""
        name, workspace = self._settings.project, self._settings.workspace
        if not isinstance(name, str) or workspace is None:
            raise UsageError("a project is created by its name, in a workspace")

        settled: list[ProjectInfo] = []

        async def settle() -> Answer | None:
            found = self._fitting(await self._client.projects(workspace), run)
            settled[:] = [] if found is None else [found]
            return None if found is None else Answer(200, {}, msgspec.json.encode(found))

        tried, refusal = "", BundleRefused("")
        for _ in range(RACES):
            infos = await self._client.projects(workspace)
            found = self._fitting(infos, run)
            if found is not None:
                return self._project.assume(found)
            free = free_name(name, {info.called for info in infos})
            if free == tried:  # it is not taken, so it was refused for another reason
                raise UsageError(f"project {free!r} was not created: {refusal}") from refusal
            tried = free
            body = {"name": free, "workspaceId": workspace, "description": "", "type": IMAGES}
            try:
                made = await self._client.create_project({**body, "customData": {MARK: run}}, settle)
            except BundleRefused as error:
                refusal = error
                continue
            self._project.assume(checked(made))
            if not settled or (settled[0].custom_data or {}).get(MARK) == run:
                self._emit(Created(f"project {made.called} ({made.id})"))
            return None
        raise UsageError(f"project {name!r} was not created: others take every free name first")

    # ---- classes and tags ------------------------------------------------------------------------------

    async def merged(self, ontology: Ontology | None, *, exists: bool = True, strict: bool = True) -> Merged:
        """Return the project's classes and tags with those of an ontology.

        Raises UsageError where they conflict, if it is `strict`: otherwise the rows themselves are refused.
        """
        present = (await self._project.project()).meta if exists else NOTHING
        if ontology is None or not self._settings.create:
            return Merged(present)
        merged = merge_meta(present, ontology, self._project.rules)
        if merged.conflicts and strict:
            raise UsageError("nothing was written:\n" + "\n".join(merged.conflicts))
        return merged

    async def add_classes(self, ontology: Ontology | None, *, strict: bool = True) -> bool:
        """Add the classes and tags that the project lacks; it loses none. Returns whether it lacked any.

        They are read again afterwards: another job that adds its own at the same time may have undone it.
        Raises UsageError.
        """
        told: set[str] = set()
        for _ in range(READINGS):
            self._project.forget_meta()
            merged = await self.merged(ontology, strict=strict)
            if not merged.added:
                return bool(told)
            info = await self._project.info()
            try:
                await self._client.update_meta(info.id, merged.meta)
            except BundleRefused as error:
                raise UsageError(f"the classes and tags were not added to the project: {error}") from error
            for line in merged.added:
                if line not in told:
                    self._emit(Created(line))
            told.update(merged.added)
        raise UsageError("classes and tags that are added to the project do not stay; does another job run?")

    # ---- datasets --------------------------------------------------------------------------------------

    async def dataset(self, path: str) -> int:
        """Return the id of a dataset, which is created if it is not there, with those that it is nested in.

        Raises UsageError.
        """
        async with self._lock:
            above: int | None = None
            for part in prefixes(path):
                known = (await self._project.datasets()).ids
                above = known[part] if part in known else await self._create_dataset(part, above)
            if above is None:
                raise UsageError("no dataset is named")
            return above

    async def _create_dataset(self, path: str, above: int | None) -> int:
        name = path.rpartition("/")[2]

        async def settle() -> Answer | None:
            known = (await self._project.datasets_anew()).ids
            if path not in known:
                return None
            return Answer(200, {}, msgspec.json.encode(DatasetInfo(known[path], name, above)))

        if await settle() is not None:  # another job may have made it since the listing
            return (await self._project.datasets()).ids[path]
        project = await self._project.info()
        try:
            made = await self._client.create_dataset(project.id, name, above, settle)
        except BundleRefused as error:
            if await settle() is None:
                raise UsageError(f"dataset {path!r} was not created: {error}") from error
            return (await self._project.datasets()).ids[path]
        await self._project.datasets_anew()
        self._emit(Created(f"dataset {path}"))
        return made.id


def free_name(name: str, taken: Collection[str]) -> str:
    """Return the name, or the first of name_001, name_002 ... that is not taken."""
    free, number = name, 0
    while free in taken:
        number += 1
        free = f"{name}_{number:03d}"
    return free


def prefixes(path: str) -> list[str]:
    """Return the paths of the datasets that a dataset is nested in, from the outermost, and its own."""
    parts = path.split("/")
    return ["/".join(parts[: at + 1]) for at in range(len(parts))]


def planned(merged: Merged, project: OpenProject) -> Project:
    """Return the project as it will be. Classes that are still to be made have ids of no class."""
    classes = [{"id": NO_ID + at, **item} for at, item in enumerate(merged.meta["classes"])]
    return project_of({**merged.meta, "classes": classes}, project.rules)
