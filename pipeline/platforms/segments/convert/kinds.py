"""The dataset types of Segments.ai: what one row of each annotates, and which labels it holds."""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final

from pipeline.core.geometry import Shape
from pipeline.core.labels import MediaKind
from pipeline.errors import UsageError

FLAT_VECTOR: Final = frozenset({Shape.BOX, Shape.POLYGON, Shape.POLYLINE, Shape.POINT})
SOLID_VECTOR: Final = frozenset({Shape.CUBOID, Shape.POLYGON_3D, Shape.POLYLINE_3D, Shape.POINT_3D})

_SUFFIX = "-sequence"


@dataclass(frozen=True, slots=True)
class Kind:
    """One dataset type.

    `shapes` are those that its labels draw. `sequence`: a label has frames. `solid`: it is drawn in a point
    cloud. `bitmaps`: in pictures of instance numbers. `links`: objects can be linked. `version` is the
    format_version of a new label and `frame_version` that of its frames ("" where it has none).
    """

    task_type: str
    media_kind: MediaKind
    shapes: frozenset[Shape]
    version: str
    frame_version: str = ""
    links: bool = False
    sequence: bool = field(init=False)
    """Whether a label has frames, of each sensor where there are sensors."""
    solid: bool = field(init=False)
    """Whether labels are drawn in a point cloud, and only there."""
    bitmaps: bool = field(init=False)
    """Whether labels are pictures of instance numbers. Of several sensors each is asked by itself."""
    points: bool = field(init=False)
    """Whether labels give a number to each point of a cloud."""
    sensors: bool = field(init=False)
    """Whether a label joins those of several sensors, each of a kind of its own."""
    takes: frozenset[Shape] = field(init=False)
    """The shapes that can be brought here: polygons are drawn into bitmaps."""

    def __post_init__(self) -> None:
        # Kept, as they are asked for with every annotation.
        found = {
            "sequence": self.task_type.endswith(_SUFFIX),
            "solid": self.media_kind in (MediaKind.POINT_CLOUD, MediaKind.POINT_CLOUD_SEQUENCE),
            "bitmaps": self.shapes == {Shape.MASK},
            "points": self.shapes == {Shape.POINT_SET},
            "sensors": self.media_kind is MediaKind.MULTI_SENSOR,
            "takes": self.shapes | {Shape.POLYGON} if Shape.MASK in self.shapes else self.shapes,
        }
        for name, value in found.items():
            object.__setattr__(self, name, value)


def _kinds() -> dict[str, Kind]:
    """All types; the versions are those of the published label formats."""
    image, images = MediaKind.IMAGE, MediaKind.IMAGE_SEQUENCE
    cloud, clouds = MediaKind.POINT_CLOUD, MediaKind.POINT_CLOUD_SEQUENCE
    mask, cuboid, points = (frozenset({one}) for one in (Shape.MASK, Shape.CUBOID, Shape.POINT_SET))
    found = (
        Kind("segmentation-bitmap", image, mask, "0.1"),
        Kind("segmentation-bitmap-highres", image, mask, "0.1"),
        Kind("image-segmentation-sequence", images, mask, "0.1", "0.1"),
        Kind("vector", image, FLAT_VECTOR, "0.1", links=True),
        Kind("bboxes", image, frozenset({Shape.BOX}), "0.1", links=True),
        Kind("keypoints", image, frozenset({Shape.POINT}), "0.1", links=True),
        Kind("image-vector-sequence", images, FLAT_VECTOR, "0.2", "0.1", links=True),
        Kind("pointcloud-cuboid", cloud, cuboid, "0.2", links=True),
        Kind("pointcloud-cuboid-sequence", clouds, cuboid, "0.2", "0.2", links=True),
        Kind("pointcloud-segmentation", cloud, points, "0.1"),
        Kind("pointcloud-segmentation-sequence", clouds, points, "0.2", "0.2"),
        Kind("pointcloud-vector", cloud, SOLID_VECTOR, "0.1", links=True),
        Kind("pointcloud-vector-sequence", clouds, SOLID_VECTOR, "0.2", "0.2", links=True),
        Kind(
            "multisensor-sequence",
            MediaKind.MULTI_SENSOR,
            FLAT_VECTOR | SOLID_VECTOR | mask | points,
            "",
            links=True,
        ),
    )
    return {kind.task_type: kind for kind in found}


KINDS: Final = _kinds()
"""Every dataset type, by its name. The empty string and types of text are not among them."""

SENSOR_KINDS: Final = {name: kind for name, kind in KINDS.items() if kind.sequence and not kind.sensors}
"""The types that a sensor of a multi-sensor sequence can have."""

_CHOSEN: Final = (
    "bboxes", "keypoints", "vector", "segmentation-bitmap", "image-vector-sequence",
    "image-segmentation-sequence", "pointcloud-cuboid", "pointcloud-vector", "pointcloud-segmentation",
    "pointcloud-cuboid-sequence", "pointcloud-vector-sequence", "pointcloud-segmentation-sequence",
    "multisensor-sequence",
)  # fmt: skip
"""Types for a new dataset: of those that hold all shapes the first is taken, so the narrow ones lead."""

_SEEN_AS: Final = {
    MediaKind.IMAGE_GROUP: MediaKind.IMAGE_SEQUENCE,
    MediaKind.VIDEO: MediaKind.IMAGE_SEQUENCE,
}


def kind_of(task_type: str) -> Kind:
    """Return the dataset type of that name. Raises UsageError, with the names of all, for an unknown one."""
    kind = KINDS.get(task_type)
    if kind is None:
        message = f"datasets of type {task_type!r} cannot be read or written"
        raise UsageError(f"{message}; those of these types can: {', '.join(KINDS)}")
    return kind


def sensor_kind_of(task_type: str) -> Kind:
    """Return the type of a sensor. Raises UsageError, with the names of all, for one that no sensor has."""
    kind = SENSOR_KINDS.get(task_type)
    if kind is None:
        raise UsageError(f"a sensor of type {task_type!r}; sensors have the types {', '.join(SENSOR_KINDS)}")
    return kind


def types_of(media_kind: MediaKind) -> list[str]:
    """Return the names of all dataset types for media of this kind."""
    seen = _SEEN_AS.get(media_kind, media_kind)
    return [name for name in _CHOSEN if KINDS[name].media_kind is seen]


def kind_for(shapes: Collection[Shape], media_kind: MediaKind) -> Kind:
    """Return the type of a new dataset that holds these shapes on media of this kind.

    Videos and image groups are image sequences in Segments.ai. Where no type holds all shapes, it is the one
    that holds most of them, where bitmaps hold polygons too; without any shape, one for vector labels. Raises
    UsageError where there is none.
    """
    seen = _SEEN_AS.get(media_kind, media_kind)
    able = [kind for kind in (KINDS[name] for name in _CHOSEN) if kind.media_kind is seen]
    if not able:
        raise UsageError(f"Segments.ai has no dataset for media of kind {media_kind.value}")
    wanted = frozenset(shapes).intersection(frozenset[Shape]().union(*(kind.shapes for kind in able)))
    if not wanted or Shape.ANY in shapes:
        wanted |= FLAT_VECTOR | SOLID_VECTOR
    return max(able, key=lambda kind: len(kind.takes & wanted))
