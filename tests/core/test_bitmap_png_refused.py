"""Bitmaps of Supervisely that are broken, too large or no bitmaps at all."""

import base64
import json
import struct
import zlib
from collections.abc import Callable
from contextlib import suppress
from typing import TypeAlias

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.codecs import bitmap_png
from pipeline.core.codecs.bitmap_png import decode, decode_alpha, encode
from pipeline.core.masks import AlphaMask, Mask, MaskError
from tests.core.bitmaps import BLACK_AND_WHITE, CLEAR, bitmap, blob, drawn, opened
from tests.core.png_files import GREY, GREY_ALPHA, PALETTE, RGB, RGBA, SIGNATURE, chunk, file

Read: TypeAlias = Callable[..., Mask | AlphaMask]

GOOD = encode(Mask.from_array(np.pad(blob(40), 8)))
PNG = opened(GOOD)[1]
decoders = pytest.mark.parametrize("read", [decode, decode_alpha])


@decoders
@pytest.mark.parametrize(
    "text",
    [
        "", "null", "[]", "{}", '{"origin":[1,2]}', '{"origin":[1],"data":""}',
        '{"origin":["a",2],"data":""}', '{"origin":[1,2],"data":7}', "{", '{"origin":[1,NaN],"data":""}',
    ],
)  # fmt: skip
def test_what_is_no_bitmap_is_refused(read: Read, text: str) -> None:
    with pytest.raises(MaskError, match=r"bitmap is not \{'origin': "):
        read(text, 56, 56)


@decoders
@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("", "hold no PNG file"),
        ("%%%=", "not base64|hold no PNG file"),
        ("abcde", "not base64"),
        ("eJy", "not base64"),
        ("é", "not base64"),
        (base64.b64encode(zlib.compress(PNG)[:-5]).decode(), "or it ends early"),
        (base64.b64encode(zlib.compress(b"<html>" * 20)).decode(), "hold no PNG file"),
        (base64.b64encode(b"GIF89a" * 20).decode(), "hold no PNG file"),
    ],
)
def test_data_that_hold_no_picture_are_refused(read: Read, data: str, message: str) -> None:
    with pytest.raises(MaskError, match=message):
        read(json.dumps({"origin": [0, 0], "data": data}), 56, 56)


@decoders
@pytest.mark.parametrize("origin", [(-1, 0), (0, -1), (17, 0), (0, 17), (1e30, 0), (-0.5, 0)])
def test_a_part_that_leaves_the_image_is_refused(read: Read, origin: tuple[float, float]) -> None:
    png = drawn(np.ones((40, 40), np.bool_))
    with pytest.raises(MaskError, match="leaves the image of 56 x 56 pixels"):
        read(bitmap(png, *origin), 56, 56)


@decoders
@pytest.mark.parametrize("size", [(57, 40), (40, 57), ((1 << 32) - 1, (1 << 32) - 1), (1 << 31, 1), (0, 5)])
def test_a_picture_larger_than_the_image_is_refused_before_it_is_decoded(
    read: Read, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bitmap_png, "cv2", None)
    with pytest.raises(MaskError, match="is empty or leaves the image"):
        read(bitmap(file(size, PALETTE, [bytes(40)], BLACK_AND_WHITE, CLEAR, depth=1)), 56, 56)


@decoders
def test_the_limit_of_pixels_can_be_set(read: Read) -> None:
    read(GOOD, 56, 56, max_pixels=56 * 56)
    with pytest.raises(MaskError, match="the limit is 3135"):
        read(GOOD, 56, 56, max_pixels=56 * 56 - 1)


@decoders
def test_a_stream_that_grows_beyond_any_picture_of_the_image_is_refused(read: Read) -> None:
    png = drawn(np.ones((40, 40), np.bool_)) + bytes(1 << 24)
    with pytest.raises(MaskError, match="not base64 of a zlib stream, or it ends early"):
        read(bitmap(png), 56, 56)


@decoders
def test_rows_beyond_those_of_the_picture_take_no_memory(read: Read) -> None:
    png = file((2, 8), PALETTE, [b"\xff"] * 2 + [bytes(1 << 24)], BLACK_AND_WHITE, CLEAR, depth=1)
    with suppress(MaskError):
        assert read(bitmap(png), 2, 8).height == 2


@decoders
def test_a_file_that_ends_early_is_refused_wherever_it_ends(read: Read) -> None:
    for size in range(len(PNG)):
        with pytest.raises(MaskError, match=r"no PNG file|no whole PNG file"):
            read(bitmap(PNG[:size]), 56, 56)


@decoders
@given(st.integers(0, len(PNG) - 1), st.integers(1, 255))
def test_a_damaged_file_is_refused_or_says_the_same(read: Read, at: int, change: int) -> None:
    damaged = bytearray(PNG)
    damaged[at] ^= change
    with suppress(MaskError):
        assert read(bitmap(bytes(damaged), 8, 8), 56, 56) == read(bitmap(PNG, 8, 8), 56, 56)


def broken(rows: bytes, *, packed: bool = True) -> bytes:
    head = struct.pack(">II5B", 8, 3, 1, PALETTE, 0, 0, 0)
    data = chunk(b"IDAT", zlib.compress(rows) if packed else rows)
    return b"".join((SIGNATURE, chunk(b"IHDR", head), BLACK_AND_WHITE, CLEAR, data, chunk(b"IEND", b"")))


@pytest.mark.parametrize(
    ("png", "message"),
    [
        (broken(b"\0\1\0\1"), "it has too few rows"),
        (broken(b""), "it has too few rows"),
        (broken(b"\5\1\0\1\0\1"), "it has a filter 5"),
        (broken(b"nothing", packed=False), "its compression is broken"),
    ],
)
def test_rows_that_are_broken_are_told_of_once(
    png: bytes, message: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(MaskError, match=message):
        decode(bitmap(png), 9, 9)
    # The decoder's own lines would stand between those of a log.
    assert capfd.readouterr() == ("", "")


@decoders
@pytest.mark.parametrize(("colour", "row"), [(GREY, 4), (GREY_ALPHA, 8), (RGB, 12), (RGBA, 16)])
def test_deep_pictures_are_refused(read: Read, colour: int, row: int) -> None:
    with pytest.raises(MaskError, match="16 bits a channel; expected 8 or fewer"):
        read(bitmap(file((3, 2), colour, [bytes(row)] * 3, depth=16)), 9, 9)
