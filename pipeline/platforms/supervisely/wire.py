"""Supervisely's JSON as it travels: the names of its geometries and tags, and what is known of an image.

Annotations and project metas are plain JSON here: what goes back must keep keys that nobody knows. Sources:
the vendor's pages on the annotation format and on object binding, and what the supervisely SDK sends.
"""

from base64 import b64decode
from collections.abc import Mapping
from typing import Any, Final, TypeAlias, TypeGuard

import msgspec

from pipeline.core.geometry import Shape

PLATFORM = "supervisely"
DATASET = "dataset"
"""The dataset of images that come from no other, where there is none."""

MASK_CODEC = "bitmap_png"
"""A mask travels as the JSON {"origin":[x,y],"data":"<base64>"} of its crop, a 1-bit PNG."""

Json: TypeAlias = dict[str, Any]

JsonValue: TypeAlias = Any
"""Any JSON value, of the wire and so not to be trusted."""

ANY = "any"
"""The shape of a class whose labels may be drawn with anything."""

SHAPES: Final[dict[str, Shape]] = {
    "rectangle": Shape.BOX,
    "oriented_bbox": Shape.ROTATED_BOX,
    "polygon": Shape.POLYGON,
    "multipolygon": Shape.POLYGON,
    "line": Shape.POLYLINE,
    "point": Shape.POINT,
    "bitmap": Shape.MASK,
    "alpha_mask": Shape.ALPHA_MASK,
    "graph": Shape.SKELETON,
    "cuboid_2d": Shape.CUBOID_2D,
}
"""The shape of each geometry that the label model has. A multipolygon is a polygon of several parts."""

NAMES: Final[dict[Shape, str]] = {
    Shape.BOX: "rectangle",
    Shape.ROTATED_BOX: "oriented_bbox",
    Shape.POLYGON: "polygon",
    Shape.POLYLINE: "line",
    Shape.POINT: "point",
    Shape.MASK: "bitmap",
    Shape.ALPHA_MASK: "alpha_mask",
    Shape.SKELETON: "graph",
    Shape.CUBOID_2D: "cuboid_2d",
}
"""The geometry that each shape is drawn with; polygons of several parts are `MULTIPOLYGON`."""

MASK = "bitmap"
MULTIPOLYGON = "multipolygon"

DRAWN = frozenset(NAMES)
"""Shapes that images of a project can hold."""

SEPARATE = frozenset({MULTIPOLYGON, "alpha_mask"})
"""Geometries that no annotation holds when it is written: each such label is a figure of its own."""


class Image(msgspec.Struct, kw_only=True):
    """An image of a dataset. One in an export on disk has no `id` (0), but the one that it had on a server.

    `dataset` is the path of its dataset: names of nested ones, joined by "/". `hash` is the standard base64
    of the SHA-256 of its bytes, `link` where it is kept if not on the server. `origin` is the id on the
    server that an export is of (0: not known). `rest` holds the other keys of what the server says of it.
    """

    id: int = 0
    origin: int = 0
    name: str = ""
    dataset_id: int = 0
    dataset: str = ""
    hash: str | None = None
    link: str | None = None
    width: int | None = None
    height: int | None = None
    meta: Json = {}
    rest: Json = {}

    @classmethod
    def of(cls, info: Mapping[str, Any], dataset: str) -> "Image":
        """Return the image of an entity of `images.list`, or of a reply of `images.bulk.add`."""
        meta = info.get("meta")
        return cls(
            id=int(info["id"]),
            name=str(info.get("name") or info.get("title") or ""),
            dataset_id=int(info.get("datasetId") or 0),
            dataset=dataset,
            hash=text_of(info.get("hash")),
            link=text_of(info.get("link")),
            width=_size(info.get("width")),
            height=_size(info.get("height")),
            meta=meta if isinstance(meta, dict) else {},
            rest={key: value for key, value in info.items() if key not in _KNOWN},
        )

    @property
    def path(self) -> str:
        """The path of its dataset and its name."""
        return f"{self.dataset}/{self.name}" if self.dataset else self.name

    @property
    def key(self) -> str:
        """What its row is called: its id, or its path on disk."""
        return str(self.id) if self.id else self.path

    @property
    def unlabelled(self) -> bool:
        """Whether the server says of it that it has no label, no tag and no description."""
        said = self.rest
        empty = said.get("tags") == [] and said.get("description", ...) in (None, "")
        return empty and said.get("labelsCount") in (0, "0")

    @property
    def sha256(self) -> str | None:
        """The SHA-256 of its bytes in hex, or None where the hash is not known or is no such thing."""
        try:
            raw = b64decode(self.hash or "", validate=True)
        except ValueError:
            return None
        return raw.hex() if len(raw) == SHA256_BYTES else None


SHA256_BYTES = 32

_MOST_PIXELS: Final = 1 << 31
"""More than a side of a picture can have."""

_KNOWN = frozenset({"id", "name", "title", "datasetId", "hash", "link", "width", "height", "meta"})


def text_of(value: JsonValue) -> str | None:
    """Return a text of the wire, or None for an empty one and for anything else."""
    return value if isinstance(value, str) and value else None


def _size(value: JsonValue) -> int | None:
    """A width or height; some numbers come as text."""
    try:
        size = int(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return size if is_size(size) else None


def is_size(value: JsonValue) -> TypeGuard[int]:
    """Whether this can be the width or height of an image."""
    return type(value) is int and 0 < value < _MOST_PIXELS
