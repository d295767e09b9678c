"""Datasets of a project. One may be nested in another; names are unique beside each other."""

from typing import Any

import msgspec
from aiohttp import web

from pipeline.platforms.supervisely.stand_in.answers import Json, Methods, decoded, invalid, json_value, now
from pipeline.platforms.supervisely.stand_in.paging import Asked, Paged, known
from pipeline.platforms.supervisely.stand_in.projects import Key, unique
from pipeline.platforms.supervisely.stand_in.world import Dataset, Project, World
from pipeline.sandbox import Sandbox


class New(msgspec.Struct, rename="camel"):
    """The body of `datasets.add`."""

    project_id: int
    name: str
    description: str = ""
    parent_id: int | None = None
    custom_data: Json | None = None


class Listed(Asked):
    """The body of `datasets.list`."""

    project_id: int = msgspec.field(name="projectId")
    recursive: bool = False


class Changed(msgspec.Struct, rename="camel"):
    """The body of `datasets.editInfo`."""

    id: int
    name: str | None = None
    description: str | None = None
    custom_data: Json | None = None


class Datasets:
    """Answers requests about datasets."""

    def __init__(self, world: World, sandbox: Sandbox, paged: Paged) -> None:
        self._world = world
        self._sandbox = sandbox
        self._paged = paged

    def methods(self) -> Methods:
        """Return what the service answers."""
        yield "datasets.add", self.add
        yield "datasets.list", self.page
        yield "datasets.info", self.info
        yield "datasets.editInfo", self.edit
        yield "datasets.archive", self.remove
        yield "datasets.remove", self.remove

    def add(self, request: web.Request, body: bytes) -> web.Response:
        """Create a dataset."""
        asked, world = decoded(body, New), self._world
        project = world.project(asked.project_id)
        parent = None if asked.parent_id is None else world.dataset(asked.parent_id)
        if parent is not None and parent.project is not project:
            raise invalid(f"dataset {parent.id} is not in project {project.id}")
        _refuse_taken(project, parent, asked.name)
        custom = asked.custom_data or {}
        dataset = Dataset(world.next_id(), asked.name, project, parent, asked.description, custom)
        world.add_dataset(dataset)
        self._sandbox.written(request, "dataset", ((str(dataset.id), dataset.path, "", 0),))
        return json_value(self._told(dataset))

    def page(self, _: web.Request, body: bytes) -> web.Response:
        """Return the outermost datasets of a project, or all of them."""
        asked = decoded(body, Listed)
        found = [
            one
            for one in self._world.project(asked.project_id).datasets.values()
            if asked.recursive or one.parent is None
        ]
        return json_value(self._paged.of(found, asked, self._field, self._told))

    def info(self, _: web.Request, body: bytes) -> web.Response:
        """Return a dataset."""
        return json_value(self._told(self._world.dataset(decoded(body, Key).id)))

    def edit(self, _: web.Request, body: bytes) -> web.Response:
        """Change what is told of a dataset."""
        asked, world = decoded(body, Changed), self._world
        dataset = world.dataset(asked.id)
        if asked.name is not None and asked.name != dataset.name:
            _refuse_taken(dataset.project, dataset.parent, asked.name)
            dataset.name = asked.name
        if asked.description is not None:
            dataset.description = asked.description
        if asked.custom_data is not None:
            dataset.custom = asked.custom_data
        dataset.updated_at = now()
        world.note(dataset)
        return json_value(self._told(dataset))

    def remove(self, _: web.Request, body: bytes) -> web.Response:
        """Take a dataset away, with all that are nested in it."""
        self._world.remove_dataset(self._world.dataset(decoded(body, Key).id))
        return json_value({"success": True})

    def _field(self, dataset: Dataset, name: str) -> Any:  # noqa: ANN401 - of many types
        return known(self._told(dataset), name)

    def _told(self, dataset: Dataset) -> Json:
        count = len(dataset.images)
        return {
            "id": dataset.id,
            "name": dataset.name,
            "description": dataset.description,
            "size": str(sum(image.size or 0 for image in dataset.images.values())),
            "projectId": dataset.project.id,
            "imagesCount": count,
            "itemsCount": count,
            "createdAt": dataset.created_at,
            "updatedAt": dataset.updated_at,
            "referenceImageUrl": None,
            "teamId": self._world.team,
            "workspaceId": dataset.project.workspace,
            "parentId": None if dataset.parent is None else dataset.parent.id,
            "customData": dataset.custom,
            "createdBy": 1,
        }


def _refuse_taken(project: Project, parent: Dataset | None, name: str) -> None:
    if not name or "/" in name:
        raise invalid('"name" is not allowed to be empty, or to have a slash')
    taken = [one for one in project.datasets.values() if one.parent is parent and one.name == name]
    if taken:
        raise unique("Dataset", [{"id": one.id, "name": one.name} for one in taken])
