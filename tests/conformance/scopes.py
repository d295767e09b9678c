"""What each platform holds beyond what its `Features` can say. One that is not named holds all of it."""

from collections.abc import Mapping
from typing import Any

from pipeline.core.geometry import Shape
from pipeline.core.labels import MediaKind
from pipeline.core.ontology import AttributeKind
from pipeline.ports import Platform
from tests.strategies import SOLID, Scope

_ENCORD: Mapping[str, Any] = {
    "relations": False,  # only those that an attribute of the ontology is there for
    "tracks": False,  # an object is one track, under its own hash
    "shapes": lambda shapes: shapes - {Shape.CUBOID_2D},  # only those whose faces are alike
    # Its image sequences are videos, of pictures of one size.
    "media_kinds": (MediaKind.IMAGE, MediaKind.IMAGE_GROUP, MediaKind.VIDEO),
}

_SEGMENTS: Mapping[str, Any] = {
    "attribute_kinds": tuple(kind for kind in AttributeKind if kind is not AttributeKind.JSON),
    "nested": False,
    "dynamic": False,  # on every frame of its object it is the same as a static one
    "relations": False,  # links have no names
    "tracks": False,  # numbers, of which an object has its own
}
# A dataset is of one type. Masks that are drawn at random overlap, and so do sets of points.
_FLAT_VECTOR = frozenset({Shape.BOX, Shape.POLYGON, Shape.POLYLINE, Shape.POINT})
_SOLID_VECTOR = frozenset({Shape.CUBOID, Shape.POLYGON_3D, Shape.POLYLINE_3D, Shape.POINT_3D})


_SUPERVISELY: Mapping[str, Any] = {
    "nested": False,
    "relations": False,
    "tracks": False,
    "parts": False,  # of a class that is drawn for polygons; one of shape `any` has them
}
# A project has one tag of a name, for all its classes and images: what is drawn at random would clash.
_TAGS: tuple[tuple[AttributeKind, ...], ...] = (
    (AttributeKind.RADIO, AttributeKind.CHECKLIST),
    (AttributeKind.TEXT,),
    (AttributeKind.NUMBER,),
    (AttributeKind.BOOLEAN,),
)


def _of_type(shapes: frozenset[Shape], kind: MediaKind) -> Mapping[str, Any]:
    return {**_SEGMENTS, "shapes": shapes, "media_kinds": (kind,)}


_FINER: Mapping[str, tuple[Mapping[str, Any], ...]] = {
    "archive": ({"sensors": True},),
    "coco": ({"attribute_kinds": (AttributeKind.TEXT, AttributeKind.NUMBER, AttributeKind.BOOLEAN)},),
    "segments": (
        _of_type(_FLAT_VECTOR, MediaKind.IMAGE),
        _of_type(_FLAT_VECTOR, MediaKind.IMAGE_SEQUENCE),
        _of_type(frozenset({Shape.CUBOID}), MediaKind.POINT_CLOUD),
        _of_type(_SOLID_VECTOR, MediaKind.POINT_CLOUD),
        _of_type(_SOLID_VECTOR, MediaKind.POINT_CLOUD_SEQUENCE),
    ),
    "supervisely": tuple({**_SUPERVISELY, "attribute_kinds": kinds} for kinds in _TAGS),
    "encord": (
        {
            **_ENCORD,
            "attribute_kinds": (
                AttributeKind.TEXT, AttributeKind.NUMBER, AttributeKind.RADIO, AttributeKind.BOOLEAN
            ),
            "dynamic": False,
        },
        {
            **_ENCORD,
            "attribute_kinds": (
                AttributeKind.TEXT, AttributeKind.NUMBER, AttributeKind.RADIO, AttributeKind.CHECKLIST
            ),
            "nested": False,
        },
    ),
}  # fmt: skip


def held_by(platform: Platform) -> list[Scope]:
    """Scopes of rows that arrive whole."""
    return [_scope(platform, finer) for finer in _FINER.get(platform.name, ({},))]


def met_by(platform: Platform) -> Scope:
    """The scope of every row that the platform can be asked to take."""
    if platform.features.shapes & SOLID:
        return Scope(sensors=True)
    if platform.stand_in is not None and not platform.features.frames:
        # Where rows must have their place before, a project of single pictures has none for anything else.
        return Scope(media_kinds=(MediaKind.IMAGE,))
    # Nobody has a place for the labels of a point cloud in a project of pictures.
    clouds = (MediaKind.POINT_CLOUD, MediaKind.POINT_CLOUD_SEQUENCE)
    return Scope(media_kinds=tuple(kind for kind in Scope().media_kinds if kind not in clouds))


def _scope(platform: Platform, finer: Mapping[str, Any]) -> Scope:
    scope = Scope.of(platform.features)
    changes = {
        name: value(getattr(scope, name)) if callable(value) else value for name, value in finer.items()
    }
    return Scope.of(platform.features, **changes)
