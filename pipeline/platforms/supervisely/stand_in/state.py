"""Keeps everything in a file, so that a stand-in goes on where an earlier one ended, also after a kill.

The file has one line of JSON for each project, dataset and image whenever it changes; the last one holds. The
bytes of pictures are files of their own beside it.
"""

import hashlib
import os
from pathlib import Path
from typing import Any

import msgspec

from pipeline.errors import UsageError
from pipeline.platforms.supervisely.stand_in.answers import Json
from pipeline.platforms.supervisely.stand_in.files import hash_of
from pipeline.platforms.supervisely.stand_in.world import Dataset, Image, Kept, Project, World


class KeptProject(msgspec.Struct, frozen=True, tag_field="kind", tag="project"):
    """A project."""

    id: int
    last: int
    name: str
    workspace: int
    type: str
    info: Json
    settings: Json
    custom: Json
    meta: Json
    created_at: str
    updated_at: str


class KeptDataset(msgspec.Struct, frozen=True, tag_field="kind", tag="dataset"):
    """A dataset."""

    id: int
    last: int
    name: str
    project: int
    parent: int | None
    description: str
    custom: Json
    created_at: str
    updated_at: str


class KeptImage(msgspec.Struct, frozen=True, tag_field="kind", tag="image"):
    """An image with its annotation."""

    id: int
    last: int
    name: str
    dataset: int
    fields: dict[str, Any]
    objects: list[Json]
    alphas: dict[int, msgspec.Raw]


class Gone(msgspec.Struct, frozen=True, tag_field="kind", tag="gone"):
    """Something that was taken away."""

    what: str
    id: int
    last: int


Line = KeptProject | KeptDataset | KeptImage | Gone

FIELDS = (
    "hash",
    "link",
    "mime",
    "size",
    "width",
    "height",
    "meta",
    "description",
    "tags",
    "custom",
    "created_at",
    "updated_at",
)
_KINDS: dict[type, str] = {KeptProject: "project", KeptDataset: "dataset", KeptImage: "image"}


class State:
    """The file of one stand-in.

    Raises:
        UsageError: the file is not one that a stand-in wrote.
    """

    def __init__(self, path: Path, world: World) -> None:
        self._path = path
        self._world = world
        self._file: int | None = None
        self._last: dict[tuple[str, int], Line] = {}
        # What a killed stand-in was writing ends without a line break, and was never answered.
        lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
        try:
            for line in lines:
                kept = msgspec.json.decode(line, type=Line)
                self._last[_key(kept)] = kept
        except msgspec.DecodeError as error:
            raise UsageError(
                f"{path} holds no state of a stand-in: {error}; remove it or name another"
            ) from error

    def serve(self) -> None:
        """Put back what was kept over what the seed made, and keep all changes from now on."""
        self._files.mkdir(parents=True, exist_ok=True)
        self._put_back()
        fresh = self._path.with_name(self._path.name + ".new")
        self._file = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)
        world = self._world
        world.changed, world.gone, world.stored = self.keep, self.forget, self.store
        for kept in self._last.values():
            if isinstance(kept, Gone):
                self._write(kept)
        for group in (world.projects, world.datasets, world.images):
            for one in group.values():
                self.keep(one)
        fresh.replace(self._path)

    def keep(self, changed: Kept) -> None:
        """Write what has changed."""
        last = self._world.next_id()
        if isinstance(changed, Image):
            self._keep_image(changed, last)
        elif isinstance(changed, Dataset):
            parent = None if changed.parent is None else changed.parent.id
            fields = (changed.name, changed.project.id, parent, changed.description, changed.custom)
            self._write(KeptDataset(changed.id, last, *fields, changed.created_at, changed.updated_at))
        else:
            self._write(
                KeptProject(
                    changed.id,
                    last,
                    changed.name,
                    changed.workspace,
                    changed.type,
                    changed.info,
                    changed.settings,
                    changed.custom,
                    changed.meta.json(),
                    changed.created_at,
                    changed.updated_at,
                )
            )

    def forget(self, what: str, key: int) -> None:
        """Write that something was taken away."""
        self._write(Gone(what, key, self._world.next_id()))

    def store(self, data: bytes) -> None:
        """Write the bytes of a picture, unless they are there."""
        path = self._files / hashlib.sha256(data).hexdigest()
        if not path.exists():
            path.write_bytes(data)

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    @property
    def _files(self) -> Path:
        return self._path.with_name(self._path.name + ".files")

    # ---- putting back -----------------------------------------------------------------------------------

    def _put_back(self) -> None:
        world, last = self._world, self._last.values()
        if not last:
            return
        for project in list(world.projects.values()):
            world.remove_project(project)
        for path in self._files.iterdir():
            data = path.read_bytes()
            world.files[hash_of(data)] = data
        try:
            for kept in last:
                if isinstance(kept, KeptProject):
                    self._project(kept)
            self._datasets([kept for kept in last if isinstance(kept, KeptDataset)])
            for kept in sorted((one for one in last if isinstance(one, KeptImage)), key=lambda one: one.id):
                self._image(kept)
        except (KeyError, TypeError) as error:
            raise UsageError(f"{self._path}: something cannot be put back: {error!r}") from error
        world.go_on_from(max(kept.last for kept in last) + 1)

    def _project(self, kept: KeptProject) -> None:
        meta = self._world.new_meta()
        meta.put_back(kept.meta)
        fields = (kept.type, kept.info, kept.settings, kept.custom)
        project = Project(kept.id, kept.name, kept.workspace, meta, *fields)
        project.created_at, project.updated_at = kept.created_at, kept.updated_at
        self._world.workspaces.setdefault(kept.workspace, "workspace")
        self._world.add_project(project)

    def _datasets(self, kept: list[KeptDataset]) -> None:
        # A nested dataset is younger than the one that it is in.
        for one in sorted(kept, key=lambda one: one.id):
            parent = None if one.parent is None else self._world.datasets[one.parent]
            project = self._world.projects[one.project]
            dataset = Dataset(one.id, one.name, project, parent, one.description, one.custom)
            dataset.created_at, dataset.updated_at = one.created_at, one.updated_at
            self._world.add_dataset(dataset)

    def _image(self, kept: KeptImage) -> None:
        image = Image(kept.id, kept.name, self._world.datasets[kept.dataset], **kept.fields)
        image.objects = {label["id"]: label for label in kept.objects}
        image.alphas = {key: bytes(data) for key, data in kept.alphas.items()}
        if image.hash is not None and image.hash not in self._world.files:
            # The pictures of a seed are the only ones whose bytes are not kept.
            self._world.drawn[image.hash] = image.height or 1, image.width or 1
        self._world.add_image(image)

    # ---- writing ----------------------------------------------------------------------------------------

    def _keep_image(self, image: Image, last: int) -> None:
        fields = {name: getattr(image, name) for name in FIELDS}
        alphas = {key: msgspec.Raw(mask) for key, mask in image.alphas.items()}
        objects = list(image.objects.values())
        self._write(KeptImage(image.id, last, image.name, image.dataset.id, fields, objects, alphas))

    def _write(self, line: Line) -> None:
        if self._file is not None:
            left = memoryview(msgspec.json.encode(line) + b"\n")
            while left:
                left = left[os.write(self._file, left) :]


def _key(kept: Line) -> tuple[str, int]:
    return (kept.what, kept.id) if isinstance(kept, Gone) else (_KINDS[type(kept)], kept.id)
