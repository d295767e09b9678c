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

_FINER: Mapping[str, tuple[Mapping[str, Any], ...]] = {
    "coco": ({"attribute_kinds": (AttributeKind.TEXT, AttributeKind.NUMBER, AttributeKind.BOOLEAN)},),
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
        return Scope()
    # Nobody has a place for the labels of a point cloud in a project of pictures.
    clouds = (MediaKind.POINT_CLOUD, MediaKind.POINT_CLOUD_SEQUENCE)
    return Scope(media_kinds=tuple(kind for kind in MediaKind if kind not in clouds))


def _scope(platform: Platform, finer: Mapping[str, Any]) -> Scope:
    scope = Scope.of(platform.features)
    changes = {
        name: value(getattr(scope, name)) if callable(value) else value for name, value in finer.items()
    }
    return Scope.of(platform.features, **changes)
