"""Encord's `rleString`: COCO's characters over *row-major* runs, so a COCO string is not valid here.

Source: the `bitmask` of Encord's label row JSON, as the encord SDK 0.1 writes it.
"""

from pipeline.core.codecs import _runs
from pipeline.core.masks import MAX_PIXELS, Mask, check_size


def encode(mask: Mask) -> str:
    """The mask's `rleString`; the runs add up to height * width."""
    return _runs.string_of_runs(_runs.runs_of_toggles(mask.toggles, mask.height * mask.width))


def decode(data: str | bytes, height: int, width: int, *, max_pixels: int = MAX_PIXELS) -> Mask:
    """The mask of a `rleString`.

    Pixels that a short string does not reach are outside, as in Encord's own reader. Raises `MaskError` for
    more than `max_pixels` pixels, runs beyond height * width, a negative run, a character outside the
    alphabet, and a string that ends inside a number.
    """
    check_size(height, width, max_pixels=max_pixels)
    return Mask(height, width, _runs.toggles_of_runs(_runs.runs_of_string(data), height * width))
