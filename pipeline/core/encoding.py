"""Which masks a row has, how much work they are, and the row with its masks encoded or drawn."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias, TypeGuard, cast

from pipeline.core import codecs
from pipeline.core.geometry import AnyMask, Geometry
from pipeline.core.instances import DrawnInstances, Instance, InstanceMap, OnTop, check_numbers, painted
from pipeline.core.labels import LabelRow, ObjectInstance, Occurrence
from pipeline.core.masks import EncodedMask, Mask, Raster
from pipeline.core.measure import mask_of
from pipeline.core.rows import EditedRow, Layers

SECONDS_PER_PIXEL = 0.4e-9
SECONDS_PER_TOGGLE = 60e-9
SECONDS_PER_MASK = 60e-6
SECONDS_PER_RUN = 0.25e-6
SECONDS_PER_PICTURE = 0.8e-3
SECONDS_PER_INSTANCE = 5e-6
"""Measured with masks of 512 x 512 to 4096 x 4096; only the order of magnitude matters."""

FrameKey: TypeAlias = tuple[str | None, int]
"""A frame of a row: its sensor, None where there are none, and its number."""
Layer: TypeAlias = tuple[int, AnyMask]
"""A mask and its number in the picture of its frame."""


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
    return ObjectInstance(item.id, item.class_name, drawn, item.answers, item.track, item.raw, item.sensor)


_MASKS = frozenset({Mask, Raster, EncodedMask, Instance})
"""Asked for first: it is quicker to find a type in a set than to ask what it is an instance of."""


def _differs(geometry: Geometry, codec: str) -> TypeGuard[AnyMask]:
    if type(geometry) is EncodedMask:
        return geometry.codec != codec
    return type(geometry) in _MASKS


def layers_of(row: EditedRow) -> dict[FrameKey, list[Layer]]:
    """Return, for each frame that has any, the masks that become one picture, in the order of drawing."""
    frames: dict[FrameKey, list[Layer]] = {}
    if row.layers is None:
        return frames
    objects = {item.id: item for item in row.row.objects}
    for name in row.layers.numbers:
        item = objects[name]
        for frame, found in item.occurrences.items():
            if type(found.geometry) in _MASKS:
                layer = row.layers.at(name, frame), cast("AnyMask", found.geometry)
                frames.setdefault((item.sensor, frame), []).append(layer)
    return frames


def drawn(codec: str, layers: Sequence[Layer], on_top: OnTop) -> DrawnInstances:
    """Draw the masks of one frame as one picture in a layered notation.

    Raises MaskError where masks differ in size, a number is used twice or needs more than 24 bits, and where
    an encoded mask is broken.
    """
    whole, hidden = _picture(layers, on_top)
    data = codecs.encode_map(codec, whole)
    present = frozenset(whole.present)
    return DrawnInstances(whole.height, whole.width, codec, data, whole.digest, present, hidden)


def _picture(layers: Sequence[Layer], on_top: OnTop) -> tuple[InstanceMap, Mapping[int, int]]:
    maps = {id(mask.of): mask.of for _, mask in layers if isinstance(mask, Instance)}
    whole = next(iter(maps.values())) if len(maps) == 1 else None
    numbers = {mask.number: number for number, mask in layers if isinstance(mask, Instance)}
    if isinstance(whole, InstanceMap) and len(numbers) == len(layers):
        check_numbers(numbers.values())
        return whole.renumbered(numbers), {}
    return painted([(number, mask_of(mask)) for number, mask in layers], on_top)


def with_pictures(row: EditedRow, pictures: Mapping[FrameKey, DrawnInstances]) -> EditedRow:
    """Put the pictures where `layers_of` found the masks: each object becomes an instance of its frame's."""
    layers = row.layers or Layers({})
    objects = tuple(
        _with_pictures(item, layers, pictures) if item.id in layers.numbers else item
        for item in row.row.objects
    )
    whole = row.row.with_objects(objects)
    return EditedRow(row.key, row.place, whole, row.existing, row.append, row.layers)


def _with_pictures(
    item: ObjectInstance, layers: Layers, pictures: Mapping[FrameKey, DrawnInstances]
) -> ObjectInstance:
    instances = {
        frame: Occurrence(
            Instance(pictures[item.sensor, frame], layers.at(item.id, frame)),
            found.keyframe,
            found.confidence,
            found.provenance,
        )
        if type(found.geometry) in _MASKS
        else found
        for frame, found in item.occurrences.items()
    }
    return ObjectInstance(
        item.id, item.class_name, instances, item.answers, item.track, item.raw, item.sensor
    )


def seconds_of_mask(mask: AnyMask) -> float:
    """Predict the seconds that encoding a mask takes; one in another codec is decoded first."""
    if isinstance(mask, Raster):
        return SECONDS_PER_MASK + mask.array.size * SECONDS_PER_PIXEL
    if isinstance(mask, EncodedMask):
        return 2 * (SECONDS_PER_MASK + len(mask.data) * SECONDS_PER_TOGGLE)
    if isinstance(mask, Instance):
        return SECONDS_PER_INSTANCE
    return SECONDS_PER_MASK + len(mask.toggles) * SECONDS_PER_TOGGLE


def seconds_of_layers(layers: Sequence[Layer]) -> float:
    """Predict the seconds that drawing the masks of a frame as one picture takes."""
    maps = {
        id(mask.of): mask.of.starts.size
        for _, mask in layers
        if isinstance(mask, Instance) and isinstance(mask.of, InstanceMap)
    }
    runs = sum(maps.values()) + sum(len(mask.toggles) // 2 for _, mask in layers if isinstance(mask, Mask))
    return SECONDS_PER_PICTURE + runs * SECONDS_PER_RUN + sum(seconds_of_mask(mask) for _, mask in layers)


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
            height, width = row.size_at(frame, item.sensor) or (0, 0)
            yield height * width
