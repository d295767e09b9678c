"""The archive's JSON: one `RowWire` a line in `rows.jsonl`; `ontology.py` has the rest.

The order of the fields is the order of the keys. A field that holds its default is left out. Defaults are
only None, booleans, empty values, enum members and the integer 1, which msgspec recognises by identity.
`Number` keeps an integer an integer and a float a float.
"""

from typing import Any, TypeAlias

from msgspec import UNSET, Raw, Struct, UnsetType

from pipeline.core.geometry import Shape, Visibility
from pipeline.core.labels import MediaKind
from pipeline.core.ontology import AttributeKind

FORMAT = "labelferry-archive"
VERSION = 1

Number: TypeAlias = int | float
XY: TypeAlias = tuple[Number, Number]
XYZ: TypeAlias = tuple[Number, Number, Number]
Frames: TypeAlias = tuple[tuple[int, int], ...]


class Wire(Struct, omit_defaults=True, forbid_unknown_fields=True):
    """What all records share: an unknown key is an error, so that nothing is dropped in silence."""


class HeaderWire(Struct):
    """`archive.json`, the last file written: it marks a finished archive."""

    format: str
    version: int
    rows: int = 0


# ---- geometry -----------------------------------------------------------------------------------------


class GeometryWire(Wire, tag_field="shape"):
    """A geometry; `shape` says which."""


class BoxWire(GeometryWire, tag="box"):
    """`Box`."""

    x: Number
    y: Number
    width: Number
    height: Number


class RotatedBoxWire(GeometryWire, tag="rotated_box"):
    """`RotatedBox`; degrees, clockwise."""

    x: Number
    y: Number
    width: Number
    height: Number
    angle: Number


class EllipseWire(GeometryWire, tag="ellipse"):
    """`Ellipse`; degrees, clockwise."""

    x: Number
    y: Number
    radius_x: Number
    radius_y: Number
    angle: Number
    circle: bool = False


class PolygonWire(GeometryWire, tag="polygon"):
    """`Polygon`: parts, each a list of rings (the outer one first), each a list of points."""

    parts: tuple[tuple[tuple[XY, ...], ...], ...]


class PolylineWire(GeometryWire, tag="polyline"):
    """`Polyline`."""

    points: tuple[XY, ...]


class PointWire(GeometryWire, tag="point"):
    """`Point`."""

    x: Number
    y: Number


class NodeWire(Wire):
    """`Node`."""

    name: str
    x: Number
    y: Number
    visibility: Visibility = Visibility.VISIBLE


class SkeletonWire(GeometryWire, tag="skeleton"):
    """`Skeleton`."""

    nodes: tuple[NodeWire, ...]


class MaskWire(GeometryWire, tag="mask"):
    """`Mask`, as the row-major run-length string of the codec `encord_rle`."""

    height: int
    width: int
    rle: str


class AlphaMaskWire(GeometryWire, tag="alpha_mask"):
    """`AlphaMask`: `data` is base64 of zlib of the crop, 8 bit, row by row."""

    height: int
    width: int
    x: int
    y: int
    crop_width: int
    crop_height: int
    data: bytes


class Cuboid2DWire(GeometryWire, tag="cuboid_2d"):
    """`Cuboid2D`."""

    front: tuple[XY, ...]
    back: tuple[XY, ...]


class CuboidWire(GeometryWire, tag="cuboid"):
    """`Cuboid`; the rotation is the quaternion x y z w."""

    centre: XYZ
    size: XYZ
    rotation: tuple[Number, Number, Number, Number]


class Polygon3DWire(GeometryWire, tag="polygon_3d"):
    """`Polygon3D`."""

    points: tuple[XYZ, ...]


class Polyline3DWire(GeometryWire, tag="polyline_3d"):
    """`Polyline3D`."""

    points: tuple[XYZ, ...]


class Point3DWire(GeometryWire, tag="point_3d"):
    """`Point3D`."""

    x: Number
    y: Number
    z: Number


class PointSetWire(GeometryWire, tag="point_set"):
    """`PointSet`."""

    indices: tuple[int, ...]


AnyGeometryWire: TypeAlias = (
    BoxWire
    | RotatedBoxWire
    | EllipseWire
    | PolygonWire
    | PolylineWire
    | PointWire
    | SkeletonWire
    | MaskWire
    | AlphaMaskWire
    | Cuboid2DWire
    | CuboidWire
    | Polygon3DWire
    | Polyline3DWire
    | Point3DWire
    | PointSetWire
)

# ---- a row ----------------------------------------------------------------------------------------------


class RawWire(Wire):
    """`Raw`."""

    platform: str
    data: dict[str, Any]


class ProvenanceWire(Wire):
    """`Provenance`."""

    created_at: str | None = None
    created_by: str | None = None
    edited_at: str | None = None
    edited_by: str | None = None
    manual: bool | None = None


class AnswerWire(Wire):
    """`Answer`. `value` is an `OptionWire` for a radio, a list of them for a checklist."""

    attribute: str
    kind: AttributeKind
    value: Any
    frames: Frames | None = None
    relation: bool = False


class OptionWire(Wire):
    """`Option`."""

    name: str
    answers: tuple[AnswerWire, ...] = ()


class OccurrenceWire(Wire):
    """`Occurrence` with its frame."""

    frame: int
    geometry: AnyGeometryWire
    keyframe: bool = True
    confidence: Number | None = None
    provenance: ProvenanceWire | None = None


class ObjectWire(Wire, rename={"class_name": "class"}):
    """`ObjectInstance`."""

    id: str
    class_name: str
    occurrences: tuple[OccurrenceWire, ...]
    answers: tuple[AnswerWire, ...] = ()
    track: str | None = None
    raw: RawWire | None = None
    sensor: str | None = None


class ClassificationWire(Wire):
    """`Classification`."""

    id: str
    answer: AnswerWire
    frames: Frames | None = None
    confidence: Number | None = None
    provenance: ProvenanceWire | None = None
    raw: RawWire | None = None
    sensor: str | None = None


class GroupWire(Wire):
    """`Group`."""

    id: str
    objects: tuple[str, ...]


class RelationWire(Wire):
    """`Relation`."""

    name: str
    source: str
    target: str
    answers: tuple[AnswerWire, ...] = ()


class MediaWire(Wire):
    """`Media`."""

    name: str = ""
    path: str | None = None
    url: str | None = None
    ref: str | None = None
    sha256: str | None = None
    width: int | None = None
    height: int | None = None
    points: int | None = None


class SensorWire(Wire):
    """`Sensor`."""

    name: str
    media_kind: MediaKind
    media: tuple[MediaWire, ...] = ()
    frame_count: int | None = None
    raw: RawWire | None = None


class RowWire(Wire):
    """`LabelRow`: one line of `rows.jsonl`."""

    key: str
    title: str = ""
    media_kind: MediaKind = MediaKind.IMAGE
    media: tuple[MediaWire, ...] = ()
    frame_count: int | None = 1
    fps: Number | None = None
    objects: tuple[ObjectWire, ...] = ()
    classifications: tuple[ClassificationWire, ...] = ()
    groups: tuple[GroupWire, ...] = ()
    relations: tuple[RelationWire, ...] = ()
    status: str | None = None
    priority: Number | None = None
    score: Number | None = None
    metadata: dict[str, Any] = {}
    raw: RawWire | None = None
    sensors: tuple[SensorWire, ...] = ()


# ---- what a first pass reads of a row --------------------------------------------------------------------


class GlanceGeometry(Struct):
    """The shape of a geometry, and the size of a mask."""

    shape: Shape
    circle: bool = False
    height: Number = 0
    width: Number = 0


class GlanceOccurrence(Struct):
    """An occurrence's geometry."""

    geometry: GlanceGeometry


class GlanceObject(Struct, rename={"class_name": "class"}):
    """An object's class and shapes."""

    class_name: str
    occurrences: tuple[GlanceOccurrence, ...]


class GlanceRow(Struct):
    """What matching and counting need of a row."""

    key: str
    title: str = ""
    media: tuple[MediaWire, ...] = ()
    objects: tuple[GlanceObject, ...] = ()
    classifications: tuple[Raw, ...] = ()
    status: str | None = None
    metadata: dict[str, Any] = {}


class GlanceName(Struct):
    """The key and title of a line that is otherwise wrong."""

    key: str | UnsetType = UNSET
    title: str = ""
