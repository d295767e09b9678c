"""The drawn work that both sides get: the same boxes and the same rasters. Needs numpy only."""

import numpy as np
from numpy.typing import NDArray

SIDE = 512
"""Height and width of every image, in pixels."""
DRAWINGS = 50
"""Rasters, and sets of boxes, that are used in turn."""
BOXES = 5
BOX_CLASS = "car"
MASK_CLASS = "person"


def title_of(number: int) -> str:
    """Return the title of the image of that number."""
    return f"image-{number:06d}.jpg"


def number_of(title: str) -> int:
    """Return the number of the image of that title."""
    return int(title.removeprefix("image-").removesuffix(".jpg"))


def boxes() -> list[list[tuple[float, float, float, float]]]:
    """Return 50 times five boxes, used in turn: (x, y, width, height) in pixels, all inside the image."""
    return [[_box(number, at) for at in range(BOXES)] for number in range(DRAWINGS)]


def _box(number: int, at: int) -> tuple[float, float, float, float]:
    x, y = (number * 37 + at * 97) % 400 + 0.25, (number * 53 + at * 61) % 400 + 0.5
    return x, y, 40.0 + (number + at * 7) % 60, 30.0 + (number + at * 11) % 70


def rasters() -> list[NDArray[np.bool_]]:
    """Draw the 50 rasters that are used in turn: (512, 512) bool, each about 5 % covered, with holes.

    Each is three blobs whose edges waver, with a hole in the largest: 300 to 450 runs.
    """
    return [_raster(np.random.default_rng(seed)) for seed in range(DRAWINGS)]


def _raster(draw: np.random.Generator) -> NDArray[np.bool_]:
    raster = np.zeros((SIDE, SIDE), np.bool_)
    for radius in (50, 35, 25):
        blob = _blob(draw, radius)
        if radius == 50:  # noqa: PLR2004 - the largest
            hole = _blob(draw, radius // 3)
            at = (blob.shape[0] - hole.shape[0]) // 2
            blob[at : at + hole.shape[0], at : at + hole.shape[1]] &= ~hole
        top, left = draw.integers(0, SIDE - blob.shape[0], 2)
        raster[top : top + blob.shape[0], left : left + blob.shape[1]] |= blob
    return raster


def _blob(draw: np.random.Generator, radius: int) -> NDArray[np.bool_]:
    """Draw a disc of about that radius, in the middle of a raster just large enough for it."""
    reach = round(radius * 1.2)
    v, u = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    angle = np.arctan2(v, u)
    waves, phase = draw.integers(5, 40, 3), draw.uniform(0.0, 6.3, 3)
    edge = 1.0 + sum(0.06 * np.sin(w * angle + p) for w, p in zip(waves, phase, strict=True))
    inside: NDArray[np.bool_] = np.hypot(v, u) <= radius * edge
    return inside


INSTANCES = 20
"""Instances of a picture."""
WIDE = 1024
"""Height and width of a picture of instances, in pixels."""


def instance_rasters() -> list[NDArray[np.uint32]]:
    """Draw the 50 pictures that are used in turn: (1024, 1024) uint32 with the numbers 1 to 20, 0 elsewhere.

    Each instance is a blob whose edge wavers, a fifth of them with a hole; later ones lie on top.
    """
    return [_instances(np.random.default_rng(seed)) for seed in range(DRAWINGS)]


def _instances(draw: np.random.Generator) -> NDArray[np.uint32]:
    picture = np.zeros((WIDE, WIDE), np.uint32)
    for number in range(1, INSTANCES + 1):
        radius = int(draw.integers(30, 90))
        blob = _blob(draw, radius)
        if number % 5 == 0:
            hole = _blob(draw, radius // 3)
            at = (blob.shape[0] - hole.shape[0]) // 2
            blob[at : at + hole.shape[0], at : at + hole.shape[1]] &= ~hole
        top, left = draw.integers(0, WIDE - blob.shape[0], 2)
        picture[top : top + blob.shape[0], left : left + blob.shape[1]][blob] = number
    return picture
