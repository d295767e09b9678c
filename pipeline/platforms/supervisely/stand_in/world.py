"""What the stand-in keeps: projects, their datasets, images, and the labels of each image."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import TypeVar

from pipeline.platforms.supervisely.stand_in.answers import Json, absent, now
from pipeline.platforms.supervisely.stand_in.meta import Meta
from pipeline.sandbox.pictures import black_png

Key = TypeVar("Key")
Found = TypeVar("Found")

FIRST_ID = 1000
"""No id is below, so that none is taken for a position in a list."""


@dataclass(slots=True, eq=False)
class Image:
    """An image. `objects` are its labels by figure id, as a reader gets them, in the order they came in.

    `alphas` are the masks that came apart from their labels, as JSON by figure id. `custom` is its custom
    data; the size is None while the server does not know that of a linked picture.
    """

    id: int
    name: str
    dataset: "Dataset"
    hash: str | None
    link: str | None
    mime: str | None
    size: int | None
    width: int | None
    height: int | None
    meta: Json = field(default_factory=dict)
    description: str = ""
    tags: list[Json] = field(default_factory=list)
    custom: Json = field(default_factory=dict)
    objects: dict[int, Json] = field(default_factory=dict)
    alphas: dict[int, bytes] = field(default_factory=dict)
    created_at: str = field(default_factory=now)
    updated_at: str = field(default_factory=now)


@dataclass(slots=True, eq=False)
class Dataset:
    """A dataset; `parent` is the one that it is nested in."""

    id: int
    name: str
    project: "Project"
    parent: "Dataset | None"
    description: str = ""
    custom: Json = field(default_factory=dict)
    images: dict[int, Image] = field(default_factory=dict)
    by_name: dict[str, Image] = field(default_factory=dict)
    created_at: str = field(default_factory=now)
    updated_at: str = field(default_factory=now)

    @property
    def path(self) -> str:
        """Return the names from the outermost dataset down, joined by slashes."""
        return self.name if self.parent is None else f"{self.parent.path}/{self.name}"


@dataclass(slots=True, eq=False)
class Project:
    """A project with its datasets, nested ones included."""

    id: int
    name: str
    workspace: int
    meta: Meta
    type: str = "images"
    info: Json = field(default_factory=dict)
    settings: Json = field(default_factory=dict)
    custom: Json = field(default_factory=dict)
    datasets: dict[int, Dataset] = field(default_factory=dict)
    created_at: str = field(default_factory=now)
    updated_at: str = field(default_factory=now)


Kept = Project | Dataset | Image


class World:
    """All that there is.

    Where something listens, `changed` is told of everything that changed, `gone` of everything that was taken
    away, by its kind and id, and `stored` of bytes that came in.

    `files` are the bytes of pictures by their hash, `drawn` the height and width of those that are made when
    they are asked for.
    """

    def __init__(self, user: str, team: int, workspace: int, *, keep: bool) -> None:
        self.user = user
        self.team = team
        self.workspaces = {workspace: "sandbox"}
        self.projects: dict[int, Project] = {}
        self.datasets: dict[int, Dataset] = {}
        self.images: dict[int, Image] = {}
        self.figures: dict[int, Image] = {}
        self.files: dict[str, bytes] = {}
        self.drawn: dict[str, tuple[int, int]] = {}
        self.changed: Callable[[Kept], None] | None = None
        self.gone: Callable[[str, int], None] | None = None
        self.stored: Callable[[bytes], None] | None = None
        self._keep = keep
        self._ids = count(FIRST_ID)

    def next_id(self) -> int:
        """Return an id that was never given."""
        return next(self._ids)

    def go_on_from(self, first: int) -> None:
        """Give no id below this one any more."""
        self._ids = count(max(first, next(self._ids)))

    # ---- finding ----------------------------------------------------------------------------------------

    def project(self, key: int) -> Project:
        """Return a project."""
        return _found(self.projects, key, "project")

    def dataset(self, key: int) -> Dataset:
        """Return a dataset."""
        return _found(self.datasets, key, "dataset")

    def image(self, key: int) -> Image:
        """Return an image."""
        return _found(self.images, key, "image")

    def figure(self, key: int) -> tuple[Image, Json]:
        """Return a label, and the image that it is on."""
        image = _found(self.figures, key, "figure")
        return image, image.objects[key]

    def picture(self, image: Image) -> bytes:
        """Return the bytes of an image. That of a link is black: the server has not got it."""
        if image.hash is None:
            return black_png(image.height or 1, image.width or 1)
        return self.content(image.hash)

    def content(self, digest: str) -> bytes:
        """Return the bytes of a hash."""
        drawn = self.drawn.get(digest)
        return black_png(*drawn) if drawn else _found(self.files, digest, "hash")

    # ---- changing ---------------------------------------------------------------------------------------

    def new_meta(self) -> Meta:
        """Return an empty meta."""
        return Meta(self.next_id, keep=self._keep)

    def add_project(self, project: Project) -> None:
        """Add a project."""
        self.projects[project.id] = project
        self.note(project)

    def add_dataset(self, dataset: Dataset) -> None:
        """Add a dataset to its project."""
        self.datasets[dataset.id] = dataset
        dataset.project.datasets[dataset.id] = dataset
        self.note(dataset)

    def add_image(self, image: Image) -> None:
        """Add an image to its dataset."""
        self.images[image.id] = image
        image.dataset.images[image.id] = image
        image.dataset.by_name[image.name] = image
        for key in image.objects:
            self.figures[key] = image
        self.note(image)

    def store(self, digest: str, data: bytes) -> None:
        """Keep the bytes of a picture."""
        self.files[digest] = data
        if self.stored is not None:
            self.stored(data)

    def rename_image(self, image: Image, name: str) -> None:
        """Give an image another name."""
        names = image.dataset.by_name
        del names[image.name]
        image.name = name
        names[name] = image

    def remove_image(self, image: Image) -> None:
        """Take an image and its labels away."""
        self.clear(image)
        del self.images[image.id], image.dataset.images[image.id], image.dataset.by_name[image.name]
        self._gone("image", image.id)

    def remove_dataset(self, dataset: Dataset) -> None:
        """Take a dataset away, with its images and all that are nested in it."""
        for nested in [one for one in dataset.project.datasets.values() if one.parent is dataset]:
            self.remove_dataset(nested)
        for image in list(dataset.images.values()):
            self.remove_image(image)
        del self.datasets[dataset.id], dataset.project.datasets[dataset.id]
        self._gone("dataset", dataset.id)

    def remove_project(self, project: Project) -> None:
        """Take a project away with all that it holds."""
        for dataset in [one for one in project.datasets.values() if one.parent is None]:
            self.remove_dataset(dataset)
        del self.projects[project.id]
        self._gone("project", project.id)

    def clear(self, image: Image) -> None:
        """Take the labels of an image away."""
        for key in image.objects:
            del self.figures[key]
        image.objects.clear()
        image.alphas.clear()

    def drop(self, image: Image, figure: int) -> None:
        """Take one label away."""
        del self.figures[figure], image.objects[figure]
        image.alphas.pop(figure, None)

    def note(self, changed: Kept) -> None:
        """Tell the listener what changed."""
        if self.changed is not None:
            self.changed(changed)

    def _gone(self, kind: str, key: int) -> None:
        if self.gone is not None:
            self.gone(kind, key)

    def reset(self) -> None:
        """Take all annotations away."""
        for image in self.images.values():
            if image.objects or image.tags or image.custom or image.description:
                self.clear(image)
                image.tags, image.custom, image.description = [], {}, ""
                self.note(image)

    def every_image(self) -> Iterator[Image]:
        """Give all images in the order of their ids."""
        yield from self.images.values()


def _found(among: Mapping[Key, Found], key: Key, what: str) -> Found:
    found = among.get(key)
    if found is None:
        raise absent(what, key)
    return found
