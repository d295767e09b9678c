"""Supervisely's bitmaps, judged by zlib, by OpenCV, and by files that others could have written."""

import os
import struct
import subprocess
import sys
import zlib
from typing import TypeAlias

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from pipeline.core import codecs
from pipeline.core.codecs.bitmap_png import decode, decode_alpha, encode, encode_alpha
from pipeline.core.masks import AlphaMask, Mask, MaskError, Raster
from tests.core.bitmaps import BLACK_AND_WHITE, CLEAR, Array, bitmap, blob, drawn, lines, opened
from tests.core.png_files import GREY, GREY_ALPHA, PALETTE, SIGNATURE, chunk, chunks_of, file

Bytes: TypeAlias = NDArray[np.uint8]

sizes = st.tuples(st.integers(1, 40), st.integers(1, 70))
arrays = sizes.flatmap(lambda size: hnp.arrays(np.bool_, size))
filled = arrays.filter(lambda array: bool(array.any()))


def mixed(array: Array, filters: list[int]) -> bytes:
    """Write the rows of a picture of 1 bit with these filters in turn (RFC 2083, section 6)."""
    rows = np.packbits(array, axis=1).astype(int)
    written = []
    for at, row in enumerate(rows):
        above = rows[at - 1] if at else np.zeros_like(row)
        left, corner = np.append(0, row[:-1]), np.append(0, above[:-1])
        guess = left + above - corner
        near = [abs(guess - one) for one in (left, above, corner)]
        paeth = np.where(
            (near[0] <= near[1]) & (near[0] <= near[2]), left, np.where(near[1] <= near[2], above, corner)
        )
        kind = filters[at % len(filters)]
        expected = [np.zeros_like(row), left, above, (left + above) // 2, paeth][kind]
        written.append(bytes([kind, *((row - expected) % 256).tolist()]))
    head = struct.pack(">II5B", array.shape[1], array.shape[0], 1, PALETTE, 0, 0, 0)
    parts = (BLACK_AND_WHITE, CLEAR, chunk(b"IDAT", zlib.compress(b"".join(written))), chunk(b"IEND", b""))
    return b"".join((SIGNATURE, chunk(b"IHDR", head), *parts))


# ---- writing -------------------------------------------------------------------------------------------


@given(filled, st.integers(0, 9), st.integers(0, 9), st.integers(0, 9), st.integers(0, 9))
def test_any_mask_survives_wherever_it_lies(array: Array, x: int, y: int, right: int, below: int) -> None:
    whole = np.pad(array, ((y, below), (x, right)))
    mask = Mask.from_array(whole)
    text = encode(mask)
    assert decode(text, *whole.shape) == mask
    assert decode(text.encode(), *whole.shape) == mask
    [left, top], png = opened(text)
    assert mask.box is not None
    assert mask.box[:2] == (left, top)
    theirs = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_UNCHANGED)
    assert theirs is not None
    assert np.array_equal(theirs[:, :, 3] > 0, whole[top:, left:][: theirs.shape[0], : theirs.shape[1]])
    assert (theirs.shape[1], theirs.shape[0]) == mask.box[2:]


@pytest.mark.parametrize("size", [(1, 1), (1, 8), (8, 1), (7, 9), (64, 64), (65, 127), (3, 9000), (2000, 3)])
def test_a_full_picture_survives(size: tuple[int, int]) -> None:
    mask = Mask.from_array(np.ones(size, np.bool_))
    assert decode(encode(mask), *size) == mask


@pytest.mark.parametrize("side", [100, 512, 2048])
def test_a_large_mask_survives(side: int) -> None:
    mask = Mask.from_array(blob(side))
    assert decode(encode(mask), side, side) == mask


def test_the_picture_has_one_bit_a_pixel_and_a_palette_whose_first_colour_is_clear() -> None:
    origin, png = opened(encode(Mask.from_array(np.pad(blob(20), ((3, 4), (5, 6))))))
    found = list(chunks_of(png))
    assert [kind for kind, _ in found] == [b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"]
    assert struct.unpack(">II5B", found[0][1])[2:] == (1, PALETTE, 0, 0, 0)
    assert found[1][1] == b"\0\0\0\xff\xff\xff"
    assert found[2][1] == b"\0"
    assert len(origin) == 2


def test_equal_masks_are_equal_texts_on_one_line() -> None:
    array = blob(50)
    one = encode(Mask.from_array(array))
    assert encode(Mask.from_array(np.asfortranarray(array))) == one
    assert "\n" not in one
    assert " " not in one


TINY = """
import numpy as np
from pipeline.core.codecs.bitmap_png import encode_array
draw = np.random.default_rng(0)
for _ in range(3000):
    array = np.zeros(draw.integers(4, 30, 2), np.bool_)
    for top, left, bottom, right in draw.integers(0, 30, (3, 4)):
        array[top % array.shape[0] : bottom + 1, left % array.shape[1] : right + 1] = True
    print(encode_array(array) if array.any() else "")
"""


def test_equal_masks_are_equal_texts_whatever_the_memory_held() -> None:
    found = [
        subprocess.run(
            [sys.executable, "-c", TINY],
            env=os.environ | {"PYTHONMALLOC": "malloc", "MALLOC_PERTURB_": str(filler)},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        ).stdout.splitlines()
        for filler in (0, 1, 17, 255)
    ]
    assert len(found[0]) == 3000
    assert all(one == found[0] for one in found)


def test_noise_takes_few_bytes_more_than_its_bits() -> None:
    array = np.random.default_rng(0).random((512, 512)) < 0.5
    assert len(encode(Mask.from_array(array))) < 4 * (array.size // 8 + 1000) // 3


def test_a_rectangle_takes_few_bytes() -> None:
    array = np.zeros((2048, 2048), np.bool_)
    array[300:1500, 100:1900] = True
    assert len(encode(Mask.from_array(array))) < 500


def test_a_mask_without_a_pixel_is_refused() -> None:
    with pytest.raises(MaskError, match="mask has no pixel; Supervisely holds no empty bitmap"):
        encode(Mask.empty(3, 4))


@given(array=arrays)
def test_a_raster_becomes_the_same_text_as_its_toggles(array: Array) -> None:
    turned = np.asfortranarray(array)
    for one in (array, turned):
        if array.any():
            assert codecs.encode("bitmap_png", Raster(one)) == encode(Mask.from_array(array))
        else:
            with pytest.raises(MaskError, match="no pixel"):
                codecs.encode("bitmap_png", Raster(one))


def test_the_codec_is_found_by_name() -> None:
    array = blob(30)
    text = codecs.encode("bitmap_png", Raster(array))
    assert codecs.decode("bitmap_png", text, 30, 30) == Mask.from_array(array)
    assert not codecs.layered("bitmap_png")


# ---- reading -------------------------------------------------------------------------------------------


@given(arrays, st.lists(st.integers(0, 4), min_size=1, max_size=5), st.integers(0, 9), st.integers(0, 9))
def test_rows_that_are_written_as_differences_are_read(
    array: Array, filters: list[int], x: int, y: int
) -> None:
    whole = np.pad(array, ((y, 2), (x, 1)))
    assert decode(bitmap(mixed(array, filters), x, y), *whole.shape) == Mask.from_array(whole)
    assert decode(bitmap(mixed(array, filters)), *array.shape) == Mask.from_array(array)


@given(arrays, st.data())
def test_pictures_of_other_kinds_are_read(array: Array, data: st.DataObject) -> None:
    wanted = Mask.from_array(array)
    opaque = array.astype(np.uint8) * data.draw(st.integers(1, 255))
    noise = data.draw(hnp.arrays(np.uint8, (*array.shape, 4)))
    noise[:, :, 3] = opaque
    coloured = np.zeros((*array.shape, 3), np.uint8)
    coloured[:, :, data.draw(st.integers(0, 2))] = opaque
    for pixels in (opaque, noise, coloured):
        written, png = cv2.imencode(".png", pixels)
        assert written
        assert decode(bitmap(png.tobytes()), *array.shape) == wanted
        assert decode(bitmap(png.tobytes(), bare=True), *array.shape) == wanted
    both = np.stack([noise[:, :, 0], opaque], axis=-1)
    grey_alpha = file(array.shape, GREY_ALPHA, [row.tobytes() for row in both])
    assert decode(bitmap(grey_alpha), *array.shape) == wanted


@pytest.mark.parametrize("depth", [1, 2, 4, 8])
def test_grey_pictures_of_few_bits_are_read(depth: int) -> None:
    values = np.random.default_rng(depth).integers(0, 1 << depth, (9, 24)) * (np.arange(24) % 3 > 0)
    bits = (values[:, :, None] >> np.arange(depth)[::-1]) & 1
    rows = np.packbits(bits.reshape(9, -1).astype(np.bool_), axis=1)
    png = file((9, 24), GREY, map(bytes, rows), depth=depth)
    assert decode(bitmap(png), 9, 24) == Mask.from_array(values > 0)


WHITE_FIRST = chunk(b"PLTE", b"\xff\xff\xff\0\0\0")
RED_AND_BLUE = chunk(b"PLTE", b"\xff\0\0\0\0\xff")


@pytest.mark.parametrize(
    ("chunks", "clear", "inside"),
    [
        ((BLACK_AND_WHITE, CLEAR), 0, 1),
        ((BLACK_AND_WHITE,), 0, 1),
        ((BLACK_AND_WHITE, chunk(b"tRNS", b"\0\x01")), 0, 1),
        ((BLACK_AND_WHITE, chunk(b"tRNS", b"\xff\0")), 1, 0),
        ((WHITE_FIRST,), 1, 0),
        ((WHITE_FIRST, CLEAR), 0, 1),
        ((RED_AND_BLUE, CLEAR), 0, 1),
    ],
)
def test_a_palette_says_which_of_its_colours_is_inside(
    chunks: tuple[bytes, ...], clear: int, inside: int
) -> None:
    array = blob(21)
    pixels = np.where(array, inside, clear).astype(np.bool_)
    assert decode(bitmap(drawn(pixels, *chunks)), 21, 21) == Mask.from_array(array)


def test_a_picture_in_which_both_colours_are_inside_is_full() -> None:
    text = bitmap(drawn(blob(21), RED_AND_BLUE), 1, 2)
    assert decode(text, 30, 40) == Mask.from_array(np.ones((21, 21), np.bool_)).place(1, 2, 30, 40)


def test_an_empty_picture_is_an_empty_mask() -> None:
    assert decode(bitmap(drawn(np.zeros((3, 9), np.bool_))), 5, 9) == Mask.empty(5, 9)


@pytest.mark.parametrize("width", [1, 5, 7, 9, 12])
def test_bits_beyond_the_last_column_are_not_looked_at(width: int) -> None:
    array = np.zeros((4, width), np.bool_)
    array[1:3] = True
    size = (width + 7) // 8
    rows = [bytes([0xFF]) * size if row.any() else row.tobytes() for row in np.packbits(array, axis=1)]
    for one in (rows, [bytes([row[0], *([255] * (size - 1))]) if size > 1 else row for row in rows]):
        png = file((4, width), PALETTE, one, BLACK_AND_WHITE, CLEAR, depth=1)
        pixels = np.unpackbits(np.array([list(row) for row in one], np.uint8), axis=1)[:, :width]
        assert decode(bitmap(png, 2, 1), 9, 30) == Mask.from_array(
            np.pad(pixels.astype(np.bool_), ((1, 4), (2, 28 - width)))
        )


def test_an_interlaced_picture_is_read() -> None:
    array = blob(13)
    passes = [
        (0, 0, 8, 8),
        (0, 4, 8, 8),
        (4, 0, 8, 4),
        (0, 2, 4, 4),
        (2, 0, 4, 2),
        (0, 1, 2, 2),
        (1, 0, 2, 1),
    ]
    rows = [row for top, left, down, across in passes for row in lines(array[top::down, left::across])]
    png = file((13, 13), PALETTE, rows, BLACK_AND_WHITE, CLEAR, depth=1, interlaced=True)
    assert decode(bitmap(png), 13, 13) == Mask.from_array(array)


def test_an_origin_between_pixels_is_that_of_its_pixel() -> None:
    array = np.ones((2, 3), np.bool_)
    assert decode(bitmap(drawn(array), 4.9, 1.0), 5, 9) == Mask.from_array(array).place(4, 1, 5, 9)


# ---- soft edges ----------------------------------------------------------------------------------------


def soft(crop: Bytes, x: int = 3, y: int = 2) -> AlphaMask:
    return AlphaMask(crop.shape[0] + y + 1, crop.shape[1] + x + 4, x, y, crop)


@given(sizes.flatmap(lambda size: hnp.arrays(np.uint8, size)).filter(lambda crop: bool(crop.any())))
def test_any_soft_mask_survives(crop: Bytes) -> None:
    mask = soft(crop)
    text = encode_alpha(mask)
    assert decode_alpha(text, mask.height, mask.width) == mask
    origin, png = opened(text)
    assert origin == [3, 2]
    found = list(chunks_of(png))
    assert [kind for kind, _ in found][:2] == [b"IHDR", b"tRNS"]
    assert struct.unpack(">II5B", found[0][1]) == (*crop.shape[::-1], 8, GREY, 0, 0, 0)


@given(arrays, st.data())
def test_soft_masks_of_others_are_read(array: Array, data: st.DataObject) -> None:
    opacity = data.draw(hnp.arrays(np.uint8, array.shape))
    pixels = data.draw(hnp.arrays(np.uint8, (*array.shape, 4)))
    pixels[:, :, 3] = opacity
    grey = np.repeat(opacity[:, :, None], 3, axis=2)
    for picture in (pixels, grey, opacity):
        written, png = cv2.imencode(".png", picture)
        assert written
        found = decode_alpha(bitmap(png.tobytes()), *array.shape)
        assert np.array_equal(found.crop, opacity)


def test_a_soft_mask_of_a_bitmap_is_opaque_inside() -> None:
    array = blob(20)
    found = decode_alpha(encode(Mask.from_array(np.pad(array, 4))), 28, 28)
    whole = np.zeros((28, 28), np.uint8)
    whole[found.y : found.y + found.crop.shape[0], found.x : found.x + found.crop.shape[1]] = found.crop
    assert np.array_equal(whole, np.pad(array, 4) * np.uint8(255))


def test_a_soft_mask_without_a_pixel_is_refused() -> None:
    with pytest.raises(MaskError, match="alpha mask has no pixel above 0"):
        encode_alpha(soft(np.zeros((2, 3), np.uint8)))
