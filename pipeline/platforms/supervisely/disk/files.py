"""The files of an export, read and written as JSON."""

import json
import os
from base64 import b64encode
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from stat import S_ISREG
from typing import Final

import msgspec

from pipeline.core.headers import image_size
from pipeline.errors import RowError, UsageError
from pipeline.io.parts import publish, write_beside, writing
from pipeline.platforms.supervisely.convert import GeometryError, from_file
from pipeline.platforms.supervisely.disk.layout import ANN, IMG, INFO, META, MORE, Item, folder_of
from pipeline.platforms.supervisely.wire import Image, Json, JsonValue, is_size

MOST_JSON: Final = 1 << 28
"""Bytes of a JSON file; a longer one is not read."""

_HEADS: Final = (1 << 16, 1 << 20)
"""Bytes of a picture in which its size is: these, then these."""

ON_SERVER: Final = "a project on a server is supervisely:ID, or supervisely:?project=NAME&workspace=ID"

IMAGES: Final = "images"
"""What a project is of."""

_INFO_KEYS: Final = (
    "id", "name", "link", "hash", "mime", "ext", "size", "width", "height", "labels_count", "dataset_id",
    "created_at", "updated_at", "meta", "path_original", "full_storage_url", "tags", "created_by",
    "related_data_id", "download_id", "offset_start", "offset_end",
)  # fmt: skip
"""What the vendor's tools keep of an image; they expect all keys to be there."""


def load_meta(root: Path) -> Json | None:
    """Return the classes and tags of an export, or None where there is no export. Raises UsageError."""
    try:
        meta = _load(root / META)
    except FileNotFoundError:
        return None
    except RowError as error:
        raise UsageError(f"the export cannot be read: {error}") from None
    kind = meta.get("projectType") or IMAGES
    if kind != IMAGES:
        raise UsageError(f"{root / META} is of a project of {kind}, expected one of {IMAGES}")
    return meta


def required_meta(root: Path) -> Json:
    """Return the classes and tags of an export that has to be there. Raises UsageError."""
    meta = load_meta(root)
    if meta is None:
        above = root.absolute().parent
        inside = (root / ANN).is_dir() and (above / META).exists()
        hint = f"it is in that of {above}; name that, and set `dataset: {root.name}`"
        raise UsageError(
            f"there is no export of a project at {root}: it has no {META}; "
            f"{hint if inside else f'check the path ({ON_SERVER})'}"
        )
    return meta


def load_image(root: Path, item: Item) -> Image:
    """Return what is known of an image beside its annotation. Raises RowError."""
    folder = folder_of(root, item.dataset)
    info = _optional(folder / INFO / (item.annotation or f"{item.name}.json"))
    meta = _optional(folder / MORE / (item.annotation or f"{item.name}.json"))
    own = info.get("meta")
    known = {key: info.get(key) for key in ("hash", "link", "width", "height")}
    image = Image.of({**known, "id": 0, "name": item.name}, item.dataset)
    image.origin = id_of(info.get("id"))
    image.meta = {**(own if isinstance(own, dict) else {}), **meta}
    return image


def load(root: Path, item: Item) -> tuple[Image, Json | None]:
    """Return an image and its annotation as `load_image` and `load_annotation` do. Raises RowError.

    Where neither says how large the image is, the picture of the export does, if there is one.
    """
    image, annotation = load_image(root, item), load_annotation(root, item)
    if item.picture and not (image.width and image.height) and not _tells_size(annotation or {}):
        image.width, image.height = _measured(folder_of(root, item.dataset) / IMG / item.name)
    return image, annotation


def _tells_size(annotation: Json) -> bool:
    size = annotation.get("size")
    return isinstance(size, dict) and is_size(size.get("height")) and is_size(size.get("width"))


def _measured(picture: Path) -> tuple[int, int] | tuple[None, None]:
    """Return (width, height) of a picture, as far as its first bytes tell."""
    for most in _HEADS:
        try:
            with picture.open("rb") as file:
                size = image_size(file.read(most))
        except OSError:
            break
        if size is not None:
            return size
    return None, None


def load_annotation(root: Path, item: Item) -> Json | None:
    """Return an image's annotation as it is on the wire, or None where there is none. Raises RowError."""
    if item.annotation is None:
        return None
    path = folder_of(root, item.dataset) / ANN / item.annotation
    try:
        return from_file(_load(path))
    except OSError as error:
        raise RowError(f"{path} cannot be read: {error.strerror}") from None
    except GeometryError as error:
        raise RowError(f"{path} is no annotation: {error}") from None


def _optional(path: Path) -> Json:
    try:
        return _load(path)
    except FileNotFoundError:
        return {}


def _load(path: Path) -> Json:
    """Return a JSON object. Raises FileNotFoundError, or RowError that names the file."""
    try:
        # Opening a pipe would wait for somebody to write into it.
        if not S_ISREG(path.stat().st_mode):
            raise RowError(f"{path} is no file")
        with path.open("rb") as file:
            data = file.read(MOST_JSON + 1)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise RowError(f"{path} cannot be read: {error.strerror}") from None
    if len(data) > MOST_JSON:
        raise RowError(f"{path} is longer than {MOST_JSON} bytes")
    try:
        value = msgspec.json.decode(data, type=Json)
        if _keys(msgspec.json.format(data, indent=-1)) != _keys(msgspec.json.encode(value)):
            json.loads(data, object_pairs_hook=_once)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise RowError(f"{path} is no JSON object: {error}") from None
    return value


def _keys(data: bytes) -> int:
    """Return how many keys a text of JSON without spaces has, about: other escapes in it may count too."""
    return data.count(b'":')


def _once(pairs: list[tuple[str, JsonValue]]) -> None:
    """Raise ValueError for a key that is there twice: of two values, one would be lost in silence."""
    seen = Counter(key for key, _ in pairs)
    twice = [key for key, uses in seen.items() if uses > 1]
    if twice:
        raise ValueError(f"the key {twice[0]!r} is there {seen[twice[0]]} times, expected once")


# ---- writing -------------------------------------------------------------------------------------------


def written(value: Json) -> bytes:
    """Return JSON as people can read it, as the vendor's tools write it."""
    return msgspec.json.format(msgspec.json.encode(value), indent=4)


def save_all(files: Mapping[Path, bytes], beside: Iterable[Path] = ()) -> None:
    """Write files, each whole or not at all, in folders that are made. Raises UsageError or Stopped.

    Files that were written `beside` their place before get their names after the others.
    """
    for folder in dict.fromkeys(path.parent for path in files):
        make_folder(folder)
    for path, data in files.items():
        write_beside(path, [data])
    publish(*files, *beside)


def make_folder(folder: Path) -> None:
    """Make a folder, and those above it. Raises UsageError or Stopped."""
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)


def info_of(image: Image) -> Json | None:
    """Return what the vendor's tools need to find a picture again that is not in the export, or None."""
    if image.hash is None and image.link is None and not image.origin:
        return None
    ending = os.path.splitext(image.name)[1].lower().removeprefix(".")  # noqa: PTH122 - it is no path
    known: Json = {
        "id": image.origin or None,
        "name": image.name,
        "link": image.link,
        "hash": image.hash,
        "ext": ending,
        "mime": f"image/{'jpeg' if ending == 'jpg' else ending}",
        "width": image.width,
        "height": image.height,
        "meta": image.meta,
        "tags": [],
    }
    return {key: known.get(key) for key in _INFO_KEYS}


def id_of(value: JsonValue) -> int:
    """Return the id of an image on a server, or 0 for what can be none."""
    return value if type(value) is int and value > 0 else 0


def hash_of(sha256: str | None) -> str | None:
    """Return a SHA-256 in hex as the vendor writes it, or None for what is no such thing."""
    try:
        return b64encode(bytes.fromhex(sha256)).decode() if sha256 else None
    except ValueError:
        return None
