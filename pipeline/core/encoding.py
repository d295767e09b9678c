"""Which masks a row has, how much work they are, and the row with its masks encoded."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from pipeline.core.labels import LabelRow
from pipeline.core.masks import EncodedMask, Mask, Raster

SECONDS_PER_PIXEL = 0.4e-9
SECONDS_PER_TOGGLE = 60e-9
SECONDS_PER_MASK = 60e-6
"""Measured with masks of 512 x 512 to 4096 x 4096; only the order of magnitude matters."""


def masks_of(row: LabelRow) -> list[Mask | Raster]:
    """Return every Mask and Raster of the row, objects in order, frames ascending."""
    return [
        occurrence.geometry
        for item in row.objects
        for occurrence in item.occurrences.values()
        if isinstance(occurrence.geometry, Mask | Raster)
    ]


def with_masks(row: LabelRow, encoded: Sequence[EncodedMask]) -> LabelRow:
    """Put the encoded masks where `masks_of` found the masks."""
    rest = iter(encoded)
    return replace(
        row,
        objects=tuple(
            replace(
                item,
                occurrences={
                    frame: replace(occurrence, geometry=next(rest))
                    if isinstance(occurrence.geometry, Mask | Raster)
                    else occurrence
                    for frame, occurrence in item.occurrences.items()
                },
            )
            if any(isinstance(found.geometry, Mask | Raster) for found in item.occurrences.values())
            else item
            for item in row.objects
        ),
    )


def seconds_of_mask(mask: Mask | Raster) -> float:
    """Predict the seconds that encoding a mask takes."""
    if isinstance(mask, Mask):
        return SECONDS_PER_MASK + len(mask.toggles) * SECONDS_PER_TOGGLE
    return SECONDS_PER_MASK + mask.height * mask.width * SECONDS_PER_PIXEL


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
