"""Masks that people keep as pictures: one mask a file, black outside."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.core.codecs import _png
from pipeline.core.headers import image_size
from pipeline.core.masks import MAX_PIXELS, Mask, MaskError, check_size


def mask_of_picture(data: bytes, *, threshold: int | None = None, max_pixels: int = MAX_PIXELS) -> Mask:
    """Return the mask of the bytes of a picture file (PNG, BMP, TIFF, JPEG ...), which may be empty.

    The picture is grey, with 1 to 16 bits a pixel, or coloured: then the lightest of its channels counts. If
    it has opacities and they are not all full, those count and not its colours. Inside is what is not 0, and
    all of that must have one value; with a `threshold`, inside is what is at least that.

    Raises MaskError for more than `max_pixels` pixels, for other values, and for what is no whole picture.
    """
    size = image_size(data)
    if size is None:
        raise MaskError("it is no picture; expected a PNG file")
    check_size(size[1], size[0], max_pixels=max_pixels)
    pixels = _pixels(data, size)
    values: NDArray[Any] = pixels[:, :, 0] if pixels.shape[2] == 1 else pixels.max(axis=2)
    if threshold is not None:
        return Mask.from_array(values >= threshold)
    inside = values != 0
    one = pixels.reshape(-1, pixels.shape[2])[inside.argmax()]
    other = inside & (pixels[:, :, 0] != one[0] if pixels.shape[2] == 1 else (pixels != one).any(axis=2))
    if other.any():
        more = pixels[np.unravel_index(other.argmax(), other.shape)]
        raise MaskError(
            f"pixels inside have the values {_shown(one)} and {_shown(more)}, and a mask has one: a picture "
            "of several instances is no mask; for soft edges set `threshold`"
        )
    return Mask.from_array(inside)


def _shown(pixel: NDArray[Any]) -> str:
    return "/".join(map(str, pixel[::-1]))  # red first


def _pixels(data: bytes, size: tuple[int, int]) -> NDArray[Any]:
    """Return whole numbers (height, width, channels): grey or opacities, or blue, green and red."""
    if data.startswith(_png.SIGNATURE):
        try:
            for _ in _png.chunks(data):
                pass
        except ValueError as error:
            raise MaskError(f"it is no whole PNG file: {error}") from None
    pixels: NDArray[Any] | None = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.shape[1::-1] != size:
        raise MaskError("it cannot be read; is the file whole?")
    if pixels.dtype.kind != "u":
        raise MaskError(f"its pixels are {pixels.dtype}; expected whole numbers of at most 16 bits")
    if pixels.ndim == 2:  # noqa: PLR2004
        return pixels[:, :, None]
    opacities = pixels[:, :, 3:]
    if opacities.size and (opacities != np.iinfo(pixels.dtype).max).any():
        return opacities
    return pixels[:, :, :3]
