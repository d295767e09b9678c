"""Which masks a row has, how much work they are, and the row with its masks encoded."""

from collections.abc import Iterator, Sequence
from typing import TypeAlias, TypeGuard

from pipeline.core.geometry import Geometry
from pipeline.core.labels import LabelRow, ObjectInstance, Occurrence
from pipeline.core.masks import EncodedMask, Mask, Raster

SECONDS_PER_PIXEL = 0.4e-9
SECONDS_PER_TOGGLE = 60e-9
SECONDS_PER_MASK = 60e-6
"""Measured with masks of 512 x 512 to 4096 x 4096; only the order of magnitude matters."""


AnyMask: TypeAlias = Mask | Raster | EncodedMask


def masks_of(row: LabelRow, codec: str) -> list[AnyMask]:
    """Return every mask of the row that is not in this codec yet, objects in order, frames ascending."""
    return [
        geometry
        for item in row.objects
        for found in item.occurrences.values()
        if type(geometry := found.geometry) in _MASKS and _differs(geometry, codec)
    ]


def with_masks(row: LabelRow, codec: str, encoded: Sequence[EncodedMask]) -> LabelRow:
    """Put the encoded masks where `masks_of` found the masks."""
    rest = iter(encoded)
    objects = list(row.objects)
    for at, item in enumerate(objects):
        for found in item.occurrences.values():
            if type(found.geometry) in _MASKS and _differs(found.geometry, codec):
                objects[at] = _with_masks(item, codec, rest)
                break
    return row.with_objects(tuple(objects))


def _with_masks(item: ObjectInstance, codec: str, rest: Iterator[EncodedMask]) -> ObjectInstance:
    drawn = {
        frame: Occurrence(next(rest), found.keyframe, found.confidence, found.provenance)
        if _differs(found.geometry, codec)
        else found
        for frame, found in item.occurrences.items()
    }
    return ObjectInstance(item.id, item.class_name, drawn, item.answers, item.track, item.raw)


_MASKS = frozenset({Mask, Raster, EncodedMask})
"""Asked for first: it is quicker to find a type in a set than to ask what it is an instance of."""


def _differs(geometry: Geometry, codec: str) -> TypeGuard[AnyMask]:
    if type(geometry) is EncodedMask:
        return geometry.codec != codec
    return type(geometry) in _MASKS


def seconds_of_mask(mask: Mask | Raster | EncodedMask) -> float:
    """Predict the seconds that encoding a mask takes; one in another codec is decoded first."""
    if isinstance(mask, Raster):
        return SECONDS_PER_MASK + mask.array.size * SECONDS_PER_PIXEL
    if isinstance(mask, EncodedMask):
        return 2 * (SECONDS_PER_MASK + len(mask.data) * SECONDS_PER_TOGGLE)
    return SECONDS_PER_MASK + len(mask.toggles) * SECONDS_PER_TOGGLE


def seconds_of_pixels(pixels: int, masks: int) -> float:
    """Predict the seconds for masks of which only the number and the summed H x W are known."""
    return masks * SECONDS_PER_MASK + pixels * SECONDS_PER_PIXEL


def seconds_of_row(row: LabelRow) -> float:
    """Predict the seconds that converting the row's geometries takes: ten times the encoding."""
    pixels = sum(_pixels(row))
    return 0.2e-3 * max(1, len(row.objects)) + 4e-9 * pixels


def _pixels(row: LabelRow) -> Iterator[int]:
    for item in row.objects:
        for frame in item.occurrences:
            height, width = row.size_at(frame) or (0, 0)
            yield height * width
