"""Masks that are kept as pictures."""

import struct
from collections.abc import Iterator
from typing import Any, TypeAlias

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from pipeline.core.mask_pictures import mask_of_picture
from pipeline.core.masks import MAX_PIXELS, Mask, MaskError
from tests.core.png_files import GREY_ALPHA, PALETTE, chunk, file

Array: TypeAlias = NDArray[Any]
sizes = st.tuples(st.integers(1, 30), st.integers(1, 30))


def png(pixels: Array, ending: str = ".png") -> bytes:
    written, data = cv2.imencode(ending, pixels)
    assert written
    return data.tobytes()


def kinds_of(inside: NDArray[np.bool_], value: int) -> Iterator[Array]:
    """Pictures of a mask, in every form that people keep them in."""
    grey = inside.astype(np.uint8) * np.uint8(value)
    yield grey
    yield grey.astype(np.uint16) * 257
    for channel in range(3):
        coloured = np.zeros((*inside.shape, 3), np.uint8)
        coloured[:, :, channel] = grey
        yield coloured
    yield np.dstack([grey, grey, grey, np.full_like(grey, 255)])
    if not inside.all() or value < 255:
        for colour in (0, 255):
            yield np.dstack([np.full_like(grey, colour)] * 3 + [grey])


@given(sizes.flatmap(lambda size: hnp.arrays(np.bool_, size)), st.integers(1, 255))
def test_any_mask_is_read_from_every_kind_of_picture(inside: NDArray[np.bool_], value: int) -> None:
    for pixels in kinds_of(inside, value):
        assert mask_of_picture(png(pixels)) == Mask.from_array(inside)


@given(sizes.flatmap(lambda size: hnp.arrays(np.uint8, size)), st.integers(1, 255))
def test_a_threshold_cuts_any_picture(pixels: Array, threshold: int) -> None:
    assert mask_of_picture(png(pixels), threshold=threshold) == Mask.from_array(pixels >= threshold)


@pytest.mark.parametrize("ending", [".bmp", ".tif", ".webp"])
def test_other_files_are_read(ending: str) -> None:
    inside = np.eye(20, 30, dtype=np.uint8) * np.uint8(255)
    # A lossy file keeps what is in whole blocks of its own.
    inside[:] = np.kron(np.eye(2, 3), np.ones((10, 10))) * 255
    assert mask_of_picture(png(inside, ending), threshold=128) == Mask.from_array(inside > 0)


def test_a_palette_and_grey_with_opacity_are_read() -> None:
    inside = np.random.default_rng(1).random((9, 24)) > 0.5
    rows = [row.tobytes() for row in np.packbits(inside, axis=1)]
    coloured = file((9, 24), PALETTE, rows, chunk(b"PLTE", b"\0\0\0\x80\0\0"), depth=1)
    assert mask_of_picture(coloured) == Mask.from_array(inside)
    both = np.dstack([np.full((9, 24), 7, np.uint8), inside.astype(np.uint8) * np.uint8(200)])
    faint = file((9, 24), GREY_ALPHA, [row.tobytes() for row in both])
    assert mask_of_picture(faint) == Mask.from_array(inside)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([0, 1, 2], "inside have the values 1 and 2, and a mask has one"),
        ([100, 255], "the values 100 and 255"),
        ([0, 254, 255], "the values 254 and 255"),
        ([0, [255, 0, 0], [0, 0, 255]], "the values 0/0/255 and 255/0/0"),
    ],
)
def test_more_than_one_value_inside_is_refused(values: list[Any], message: str) -> None:
    coloured = any(isinstance(value, list) for value in values)
    pixels = [value if isinstance(value, list) or not coloured else [value] * 3 for value in values]
    with pytest.raises(MaskError, match=message):
        mask_of_picture(png(np.array([pixels], np.uint8)))


def test_an_empty_and_a_full_mask_are_masks() -> None:
    assert mask_of_picture(png(np.zeros((3, 4), np.uint8))) == Mask.empty(3, 4)
    assert mask_of_picture(png(np.full((3, 4), 9, np.uint8))).area == 12


GOOD = png(np.eye(9, dtype=np.uint8))


@pytest.mark.parametrize("data", [b"", b"<html>", b"%PDF-1.7" + bytes(99), GOOD[:20]])
def test_what_is_no_picture_is_refused(data: bytes) -> None:
    with pytest.raises(MaskError, match="it is no picture; expected a PNG file"):
        mask_of_picture(data)


def test_a_broken_file_is_told_of_once(capfd: pytest.CaptureFixture[str]) -> None:
    for size in range(24, len(GOOD)):
        with pytest.raises(MaskError, match="no whole PNG file"):
            mask_of_picture(GOOD[:size])
    # The decoder's own lines would stand between those of a log.
    assert capfd.readouterr() == ("", "")


def test_a_broken_file_of_another_kind_is_refused() -> None:
    with pytest.raises(MaskError, match="it cannot be read"):
        mask_of_picture(b"BM" + bytes(12) + struct.pack("<Iii", 40, 9, 9) + bytes(3))


def test_numbers_with_fractions_are_refused() -> None:
    with pytest.raises(MaskError, match="its pixels are float32; expected whole numbers"):
        mask_of_picture(png(np.zeros((3, 4), np.float32), ".tif"))


def test_a_picture_of_too_many_pixels_is_refused_before_it_is_decoded() -> None:
    with pytest.raises(MaskError, match=f"the limit is {MAX_PIXELS}"):
        mask_of_picture(file((60_000, 60_000), PALETTE, [bytes(99)], depth=1))
    with pytest.raises(MaskError, match="the limit is 80"):
        mask_of_picture(GOOD, max_pixels=80)
    assert mask_of_picture(GOOD, max_pixels=81).area == 9
