"""Geometry to the archive's records and back, number by number."""

import zlib
from collections.abc import Iterable, Iterator
from itertools import chain
from math import isfinite
from operator import attrgetter
from typing import Any, cast

import numpy as np

from pipeline.core import codecs
from pipeline.core.geometry import (
    AnyMask,
    Box,
    Cuboid,
    Cuboid2D,
    Ellipse,
    Geometry,
    Node,
    Point,
    Point3D,
    PointSet,
    Polygon,
    Polygon3D,
    Polyline,
    Polyline3D,
    RotatedBox,
    Skeleton,
)
from pipeline.core.masks import MAX_PIXELS, AlphaMask, EncodedMask, MaskError
from pipeline.platforms.archive import wire

_CODEC = "encord_rle"

_ALIKE: dict[type[Any], type[wire.GeometryWire]] = {
    Box: wire.BoxWire,
    RotatedBox: wire.RotatedBoxWire,
    Ellipse: wire.EllipseWire,
    Polygon: wire.PolygonWire,
    Polyline: wire.PolylineWire,
    Point: wire.PointWire,
    Cuboid2D: wire.Cuboid2DWire,
    Cuboid: wire.CuboidWire,
    Polygon3D: wire.Polygon3DWire,
    Polyline3D: wire.Polyline3DWire,
    Point3D: wire.Point3DWire,
    PointSet: wire.PointSetWire,
}
"""Geometries whose fields are those of their record."""


def _fields(kind: type[Any]) -> Any:  # noqa: ANN401 - a getter that returns one value or a tuple of them
    return attrgetter(*kind.__struct_fields__)


_TO_WIRE = {kind: (record, _fields(record)) for kind, record in _ALIKE.items()}
_FROM_WIRE = {record: (kind, _fields(record)) for kind, record in _ALIKE.items()}
_SINGLE = frozenset(record for record in _ALIKE.values() if len(record.__struct_fields__) == 1)


def write_geometry(geometry: Geometry) -> wire.AnyGeometryWire:
    """Return the record of a geometry.

    Masks of every kind but AlphaMask become the row-major run-length string; one that is already encoded so
    is kept as it is. Raises MaskError for a mask whose data do not fit its size, ValueError for a number that
    is not finite.
    """
    if isinstance(geometry, AnyMask):
        return wire.MaskWire(geometry.height, geometry.width, _string(geometry))
    if isinstance(geometry, AlphaMask):
        data = zlib.compress(np.ascontiguousarray(geometry.crop).tobytes(), 6)
        height, width = geometry.crop.shape
        return wire.AlphaMaskWire(
            geometry.height, geometry.width, geometry.x, geometry.y, width, height, data
        )
    check_finite(geometry)
    if isinstance(geometry, Skeleton):
        return wire.SkeletonWire(
            tuple(wire.NodeWire(node.name, node.x, node.y, node.visibility) for node in geometry.nodes)
        )
    record, fields = _TO_WIRE[type(geometry)]
    values = fields(geometry)
    return cast("wire.AnyGeometryWire", record(values) if record in _SINGLE else record(*values))


def read_geometry(record: wire.AnyGeometryWire) -> Geometry:
    """Return the geometry of a record. Raises MaskError for a mask that does not fit its size."""
    if isinstance(record, wire.MaskWire):
        return codecs.decode(_CODEC, record.rle, record.height, record.width)
    if isinstance(record, wire.AlphaMaskWire):
        return _alpha(record)
    if isinstance(record, wire.SkeletonWire):
        return Skeleton(tuple(Node(node.name, node.x, node.y, node.visibility) for node in record.nodes))
    kind, fields = _FROM_WIRE[type(record)]
    values = fields(record)
    return cast("Geometry", kind(values) if type(record) in _SINGLE else kind(*values))


def check_finite(geometry: Geometry) -> None:
    """Raise ValueError if a number of the geometry is NaN or infinite; JSON has neither."""
    # A sum of numbers is finite only if all of them are; only a sum that overflows needs a second look.
    if not isfinite(sum(_numbers(geometry))):
        wrong = [number for number in _numbers(geometry) if not isfinite(number)]
        if wrong:
            kind = type(geometry).__name__
            raise ValueError(f"a coordinate of the {kind} is {wrong[0]}; expected a finite number")


def _numbers(geometry: Geometry) -> Iterable[float]:
    match geometry:
        case Polygon(parts):
            return chain.from_iterable(chain.from_iterable(chain.from_iterable(parts)))
        case Polyline(points) | Polygon3D(points) | Polyline3D(points):
            return chain.from_iterable(cast("Iterable[tuple[float, ...]]", points))
        case Skeleton(nodes):
            return chain.from_iterable((node.x, node.y) for node in nodes)
        case Cuboid2D(front, back):
            return chain.from_iterable((*front, *back))
        case Cuboid(centre, size, rotation):
            return (*centre, *size, *rotation)
        case _:
            return _flat(geometry)


def _flat(geometry: Geometry) -> Iterator[float]:
    for name in geometry.__slots__:
        value = getattr(geometry, name)
        yield from value if isinstance(value, tuple) else (value,)


def _string(mask: AnyMask) -> str:
    if isinstance(mask, EncodedMask):
        if mask.codec == _CODEC:
            return mask.data if isinstance(mask.data, str) else mask.data.decode("ascii")
        mask = codecs.decode(mask.codec, mask.data, mask.height, mask.width)
    return cast("str", codecs.encode(_CODEC, mask))


def _alpha(record: wire.AlphaMaskWire) -> AlphaMask:
    size = record.crop_height * record.crop_width
    if record.crop_height < 1 or record.crop_width < 1 or size > MAX_PIXELS:
        raise MaskError(
            f"crop of the alpha mask has {record.crop_height} x {record.crop_width} pixels; "
            f"expected 1 to {MAX_PIXELS}"
        )
    unpacker = zlib.decompressobj()
    try:
        data = unpacker.decompress(record.data, size + 1)
    except zlib.error as error:
        raise MaskError(f"data of the alpha mask are not zlib: {error}") from error
    if len(data) != size or not unpacker.eof:
        raise MaskError(f"data of the alpha mask do not hold {size} bytes, one for each pixel of its crop")
    crop = np.frombuffer(data, np.uint8).reshape(record.crop_height, record.crop_width)
    return AlphaMask(record.height, record.width, record.x, record.y, crop)
