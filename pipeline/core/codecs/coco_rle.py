"""COCO's run-length masks: `counts` as a compressed string or as a list, both over *column-major* runs.

Source: `maskApi.c` and `mask.py` of the COCO API (pycocotools); the strings are the same, character for
character.
"""

from collections.abc import Sequence

import numpy as np

from pipeline.core.codecs import _runs
from pipeline.core.masks import MAX_PIXELS, Mask, MaskError, check_size


def encode(mask: Mask) -> str:
    """The mask's compressed `counts`."""
    return _runs.string_of_runs(_column_runs(mask))


def encode_counts(mask: Mask) -> list[int]:
    """The mask's uncompressed `counts`; they add up to height * width."""
    counts: list[int] = _column_runs(mask).tolist()
    return counts


def decode(
    data: str | bytes | Sequence[int], height: int, width: int, *, max_pixels: int = MAX_PIXELS
) -> Mask:
    """The mask of compressed (str, bytes) or uncompressed (a sequence of integers) `counts`.

    Pixels that counts of a smaller sum do not reach are outside; pycocotools leaves them undefined. Raises
    `MaskError` for more than `max_pixels` pixels, counts beyond height * width, a negative count, and data in
    neither form.
    """
    check_size(height, width, max_pixels=max_pixels)
    runs = _runs.runs_of_string(data) if isinstance(data, str | bytes) else _listed(data)
    return Mask.from_column_toggles(_runs.toggles_of_runs(runs, height * width), height, width)


def _column_runs(mask: Mask) -> _runs.Runs:
    return _runs.runs_of_toggles(mask.column_toggles(), mask.height * mask.width)


def _listed(counts: Sequence[int]) -> _runs.Runs:
    try:
        array = np.asarray(counts) if len(counts) else np.empty(0, np.int64)
    except ValueError:
        array = np.empty((0, 0))
    if array.ndim != 1 or array.dtype.kind != "i":
        raise MaskError("counts of the mask are neither a string nor a flat list of integers below 2**63")
    return array.astype(np.int64)
