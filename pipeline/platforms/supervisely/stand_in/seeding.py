"""Fills the first project: one dataset with one image per row of the seed. Ids are always the same."""

from collections.abc import Iterable

from pipeline.core.labels import LabelRow, Media, MediaKind
from pipeline.errors import UsageError
from pipeline.platforms.supervisely.stand_in.answers import Json, Refused
from pipeline.platforms.supervisely.stand_in.files import Files
from pipeline.platforms.supervisely.stand_in.projects import SETTINGS
from pipeline.platforms.supervisely.stand_in.world import Dataset, Image, Project, World
from pipeline.sandbox.pictures import DEFAULT_SIZE

DATASET = "dataset"


def plant(
    world: World, files: Files, title: str, workspace: int, meta: Json, rows: Iterable[LabelRow]
) -> Project:
    """Make a project from a seed.

    Raises:
        UsageError: two rows have the same title, or one is no image; or the meta is none.
    """
    project = Project(world.next_id(), title, workspace, world.new_meta())
    project.info, project.settings = {"description": "", "readme": ""}, dict(SETTINGS)
    try:
        project.meta.update(meta, lambda _: False)
    except Refused as error:
        raise UsageError(f"the sandbox cannot make a project from the seed: {error.details}") from error
    world.add_project(project)
    dataset = Dataset(world.next_id(), DATASET, project, None)
    world.add_dataset(dataset)
    for row in rows:
        name = row.title or row.key
        if name in dataset.by_name:
            raise UsageError(f"seed row {name!r}: a dataset of Supervisely has one image of a name")
        if row.media_kind is not MediaKind.IMAGE:
            raise UsageError(f"seed row {name!r}: a project of images holds no {row.media_kind.value}")
        world.add_image(_image(world, files, dataset, name, row))
    return project


def _image(world: World, files: Files, dataset: Dataset, name: str, row: LabelRow) -> Image:
    media = row.media[0] if row.media else Media()
    height, width = media.height or DEFAULT_SIZE[0], media.width or DEFAULT_SIZE[1]
    meta = dict(row.metadata)
    if media.url:
        return Image(world.next_id(), name, dataset, None, media.url, "image/jpeg", None, width, height, meta)
    digest = files.draw(height, width)
    known = files.known(digest)
    mime, size = (None, None) if known is None else known[:2]
    return Image(world.next_id(), name, dataset, digest, None, mime, size, width, height, meta)
