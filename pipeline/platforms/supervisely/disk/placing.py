"""Where a row goes in an export: which dataset, under which name."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import msgspec

from pipeline.core.labels import LabelRow, MediaKind
from pipeline.core.rows import LabelTask, Place
from pipeline.errors import RowError
from pipeline.platforms.supervisely.disk.files import hash_of, id_of
from pipeline.platforms.supervisely.disk.layout import PICTURES, Item, check_length, check_names
from pipeline.platforms.supervisely.wire import DATASET, PLATFORM, Image


class Placing:
    """The images of an export, and those that rows make. `dataset` is that of all new ones, if it is given.

    Otherwise a new image goes to the dataset that it had in Supervisely, or to that of its folder's name, or
    to the only one that there is, or to one named `dataset`.
    """

    def __init__(self, there: Mapping[str, Item], dataset: str | None = None) -> None:
        self.items = dict(there)
        self._dataset = dataset
        names = {item.dataset for item in there.values()}
        self._only = names.pop() if len(names) == 1 else DATASET
        self._users: dict[str, str] = {}

    def of(self, task: LabelTask, place: Place, *, copies: bool) -> Item:
        """Return the image of a row. Raises RowError where it can have none."""
        item = self._there(place.id) if place.id else self._new(task, copies=copies)
        user = self._users.setdefault(item.path, task.key.key)
        if user != task.key.key:
            raise RowError(
                f"it would be {item.path}, as would row {user!r}; rename one, or set `match: {{by: path}}` "
                "where the folders of the rows differ"
            )
        self.items[item.path] = item
        return item

    def has_picture(self, path: str) -> None:
        """Remember that the picture of an image is in the export."""
        self.items[path] = replace(self.items[path], picture=True)

    def _there(self, path: str) -> Item:
        if path not in self.items:
            raise RowError(f"image {path} is not in the export any more")
        check_length(self.items[path].name)
        return self.items[path]

    def _new(self, task: LabelTask, *, copies: bool) -> Item:
        folder, _, name = (task.key.title or task.key.key).rpartition("/")
        dataset = (
            self._dataset or _own_dataset(task.row) or _folder(task.key.path, name) or folder or self._only
        )
        check_names(dataset, name)
        if copies and not name.lower().endswith(PICTURES):
            raise RowError(f"{name!r} does not end as a picture does ({', '.join(PICTURES)}); rename it")
        return self.items.get(f"{dataset}/{name}") or Item(dataset, name, None)


def _own_dataset(row: LabelRow | None) -> str:
    raw = row.raw if row is not None else None
    return str(raw.data.get("dataset") or "") if raw is not None and raw.platform == PLATFORM else ""


def _folder(path: str | None, name: str) -> str:
    """Return the folder of a path to an image of this name, where that could be a dataset, or ""."""
    folder, _, last = (path or "").rpartition("/")
    if last != name or ":" in folder:
        return ""
    try:
        check_names(folder, name)
    except RowError:
        return ""
    return folder


def image_for(image: Image, row: LabelRow, *, links: bool) -> Image:
    """Return a new image with what its row knows of its picture. Raises RowError for what is no picture."""
    if row.media_kind is not MediaKind.IMAGE or len(row.media) != 1:
        return image
    media, size = row.media[0], row.size_at(0)
    raw = row.raw.data if row.raw is not None and row.raw.platform == PLATFORM else None
    if links and media.url is None:
        raise RowError("the source gives no URL of its picture; use `media: copy`")
    return msgspec.structs.replace(
        image,
        width=size[1] if size else None,
        height=size[0] if size else None,
        hash=hash_of(media.sha256),
        # Other URLs may be signed, and such are secrets.
        link=media.url if links or raw is not None else None,
        # What the vendor's tools find a picture by that is not in the export.
        origin=_origin(raw or {}),
    )


def _origin(raw: Mapping[str, Any]) -> int:
    about = raw.get("image")
    return id_of(about.get("id")) if isinstance(about, Mapping) else 0
