"""Projects and their classes and tags; datasets, which nest."""

from typing import Any

import msgspec
from aiohttp import web

from pipeline.platforms.supervisely.stand_in.answers import (
    Json,
    Methods,
    Refused,
    absent,
    decoded,
    invalid,
    json_value,
    named,
    now,
)
from pipeline.platforms.supervisely.stand_in.paging import Asked, Paged, known
from pipeline.platforms.supervisely.stand_in.world import Project, World
from pipeline.sandbox import Sandbox

TYPES = frozenset({"images", "videos", "volumes", "point_clouds", "point_cloud_episodes", "audios", "meshes"})
SETTINGS = {"groupImages": False, "groupImagesByTagId": None, "groupImagesSync": False}


class Key(msgspec.Struct):
    """A body that names one thing."""

    id: int


class New(msgspec.Struct, rename="camel"):
    """The body of `projects.add`."""

    name: str
    workspace_id: int
    description: str = ""
    type: str = "images"
    readme: str = ""
    settings: Json | None = None
    custom_data: Json | None = None


class Listed(Asked):
    """The body of `projects.list`."""

    workspace_id: int | None = msgspec.field(default=None, name="workspaceId")
    team_id: int | None = msgspec.field(default=None, name="groupId")


class Changed(msgspec.Struct, rename="camel"):
    """The body of `projects.editInfo`."""

    id: int
    name: str | None = None
    description: str | None = None
    readme: str | None = None
    custom_data: Json | None = None


class NewMeta(msgspec.Struct):
    """The body of `projects.meta.update`."""

    id: int
    meta: Json


class NewSettings(msgspec.Struct):
    """The body of `projects.settings.update`."""

    id: int
    settings: Json


class Projects:
    """Answers requests about projects."""

    def __init__(self, world: World, sandbox: Sandbox, paged: Paged) -> None:
        self._world = world
        self._sandbox = sandbox
        self._paged = paged

    def methods(self) -> Methods:
        """Return what the service answers."""
        yield "projects.add", self.add
        yield "projects.list", self.page
        yield "projects.info", self.info
        yield "projects.meta", self.meta
        yield "projects.meta.update", self.update_meta
        yield "projects.settings.update", self.update_settings
        yield "projects.editInfo", self.edit
        yield "projects.archive", self.remove
        yield "projects.remove", self.remove

    def add(self, request: web.Request, body: bytes) -> web.Response:
        """Create an empty project."""
        asked, world = decoded(body, New), self._world
        if asked.workspace_id not in world.workspaces:
            raise absent("workspace", asked.workspace_id)
        if asked.type not in TYPES:
            raise invalid(f'"type" must be one of {sorted(TYPES)}')
        self._refuse_taken(asked.name, asked.workspace_id)
        project = Project(world.next_id(), asked.name, asked.workspace_id, world.new_meta(), asked.type)
        project.info = {"description": asked.description, "readme": asked.readme}
        project.settings = {**SETTINGS, **(asked.settings or {})}
        project.custom = asked.custom_data or {}
        world.add_project(project)
        self._sandbox.written(request, "project", ((str(project.id), project.name, "", 0),))
        return json_value(told(world, project))

    def page(self, _: web.Request, body: bytes) -> web.Response:
        """Return the projects of a workspace, or of the team."""
        asked, world = decoded(body, Listed), self._world
        if asked.workspace_id is None and asked.team_id is None:
            raise invalid('"workspaceId" is required')
        if asked.team_id not in {None, world.team}:
            raise absent("team", asked.team_id)
        if asked.workspace_id is not None and asked.workspace_id not in world.workspaces:
            raise absent("workspace", asked.workspace_id)
        found = [one for one in world.projects.values() if asked.workspace_id in {None, one.workspace}]
        return json_value(self._paged.of(found, asked, self._field, lambda one: told(world, one)))

    def info(self, _: web.Request, body: bytes) -> web.Response:
        """Return a project."""
        return json_value(told(self._world, self._world.project(decoded(body, Key).id)))

    def meta(self, _: web.Request, body: bytes) -> web.Response:
        """Return the classes and tags of a project."""
        return json_value(self._world.project(decoded(body, Key).id).meta.json())

    def update_meta(self, request: web.Request, body: bytes) -> web.Response:
        """Replace the classes and tags of a project. Labels of a class that goes, go with it."""
        asked, world = decoded(body, NewMeta), self._world
        project = world.project(asked.id)
        images = [image for dataset in project.datasets.values() for image in dataset.images.values()]

        def used(key: int) -> bool:
            return any(label["classId"] == key for image in images for label in image.objects.values())

        changes = project.meta.update(asked.meta, used)
        if changes.classes or changes.tags or changes.renamed:
            for image in images:
                for figure, label in list(image.objects.items()):
                    if label["classId"] in changes.classes:
                        world.drop(image, figure)
                    label["classTitle"] = changes.renamed.get(label["classId"], label["classTitle"])
                    label["tags"] = [tag for tag in label["tags"] if tag["tagId"] not in changes.tags]
                image.tags = [tag for tag in image.tags if tag["tagId"] not in changes.tags]
                world.note(image)
        project.updated_at = now()
        world.note(project)
        self._sandbox.written(request, "meta", ((str(project.id), project.name, "", 0),))
        return json_value(project.meta.json())

    def update_settings(self, _: web.Request, body: bytes) -> web.Response:
        """Change settings of a project."""
        asked = decoded(body, NewSettings)
        project = self._world.project(asked.id)
        project.settings |= asked.settings
        self._world.note(project)
        return json_value({"success": True})

    def edit(self, _: web.Request, body: bytes) -> web.Response:
        """Change what is told of a project."""
        asked, world = decoded(body, Changed), self._world
        project = world.project(asked.id)
        if asked.name is not None and asked.name != project.name:
            self._refuse_taken(asked.name, project.workspace)
            project.name = asked.name
        for key, value in (("description", asked.description), ("readme", asked.readme)):
            if value is not None:
                project.info[key] = value
        if asked.custom_data is not None:
            project.custom = asked.custom_data
        project.updated_at = now()
        world.note(project)
        return json_value(told(world, project))

    def remove(self, _: web.Request, body: bytes) -> web.Response:
        """Take a project away."""
        self._world.remove_project(self._world.project(decoded(body, Key).id))
        return json_value({"success": True})

    def _refuse_taken(self, name: str, workspace: int) -> None:
        if not name:
            raise invalid('"name" is not allowed to be empty')
        taken = [
            one for one in self._world.projects.values() if (one.name, one.workspace) == (name, workspace)
        ]
        if taken:
            raise unique("Project", [{"id": one.id, "name": one.name} for one in taken])

    def _field(self, project: Project, name: str) -> Any:  # noqa: ANN401 - of many types
        return known(told(self._world, project), name)


def unique(what: str, rows: list[Json]) -> Refused:
    """Return the refusal of a name that is taken."""
    return named("NONUNIQUE", f"{what} with the same name already exists", rows)


def told(world: World, project: Project) -> Json:
    """Return a project as JSON. Sizes come as text."""
    datasets = project.datasets.values()
    count = sum(len(dataset.images) for dataset in datasets)
    size = sum(image.size or 0 for dataset in datasets for image in dataset.images.values())
    return {
        "id": project.id,
        "name": project.name,
        **project.info,
        "size": str(size),
        "workspaceId": project.workspace,
        "teamId": world.team,
        "groupId": world.team,
        "imagesCount": count,
        "itemsCount": count,
        "datasetsCount": len(project.datasets),
        "createdAt": project.created_at,
        "updatedAt": project.updated_at,
        "type": project.type,
        "referenceImageUrl": None,
        "customData": project.custom,
        "backupArchive": {},
        "importSettings": {},
        "version": None,
        "createdBy": 1,
        "settings": project.settings,
    }
