import struct

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.headers import image_size

KINDS = [".png", ".jpg", ".bmp", ".webp", ".tiff", ".gif"]


def written(kind: str, width: int, height: int, *options: int, channels: int = 3) -> bytes:
    shape = (height, width) if channels == 1 else (height, width, channels)
    picture = np.random.default_rng(width).integers(0, 256, shape, np.uint8)
    good, data = cv2.imencode(kind, picture, options)
    assert good
    return data.tobytes()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("width", "height"), [(1, 1), (3, 2), (640, 478), (17, 300)])
def test_the_size_of_a_written_picture_is_read(kind: str, width: int, height: int) -> None:
    assert image_size(written(kind, width, height)) == (width, height)


@pytest.mark.parametrize(
    ("kind", "options", "channels"),
    [
        (".png", (), 1),
        (".png", (), 4),
        (".jpg", (cv2.IMWRITE_JPEG_PROGRESSIVE, 1), 3),
        (".jpg", (cv2.IMWRITE_JPEG_RST_INTERVAL, 4), 1),
        (".webp", (cv2.IMWRITE_WEBP_QUALITY, 101), 3),
        (".webp", (cv2.IMWRITE_WEBP_QUALITY, 80), 4),
        (".tiff", (cv2.IMWRITE_TIFF_COMPRESSION, 1), 1),
    ],
)
def test_the_other_ways_to_write_one_are_read_too(kind: str, options: tuple[int, ...], channels: int) -> None:
    assert image_size(written(kind, 123, 45, *options, channels=channels)) == (123, 45)


def test_the_size_behind_long_texts_is_found_where_it_is_there() -> None:
    picture = written(".jpg", 640, 478)
    text = b"\xff\xe1" + struct.pack(">H", 65_535) + bytes(65_533)
    long = picture[:2] + text * 2 + b"\xff\xff\xff" + picture[3:]
    assert image_size(long) == (640, 478)
    assert image_size(long[: 64 * 1024]) is None


def test_a_picture_that_is_stored_from_top_to_bottom_has_its_size() -> None:
    picture = bytearray(written(".bmp", 30, 20))
    picture[22:26] = struct.pack("<i", -20)
    assert image_size(bytes(picture)) == (30, 20)
    old = b"BM" + bytes(12) + struct.pack("<IHH", 12, 30, 20)
    assert image_size(old) == (30, 20)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", [1, 3, 4, 16])
def test_tiff_in_both_byte_orders_and_both_widths(order: str, kind: int) -> None:
    mark = b"II" if order == "<" else b"MM"
    number = {1: "B7x", 3: "H6x", 4: "I4x", 16: "Q"}[kind]
    tags = [
        struct.pack(order + "HHQ" + number, tag, kind, 1, value) for tag, value in ((256, 200), (257, 100))
    ]
    big = mark + struct.pack(order + "HHHQQ", 43, 8, 0, 16, 2) + b"".join(tags)
    assert image_size(big) == (200, 100)
    if kind != 16:
        number = {1: "B3x", 3: "H2x", 4: "I"}[kind]
        tags = [
            struct.pack(order + "HHI" + number, tag, kind, 1, value)
            for tag, value in ((256, 200), (257, 100))
        ]
        small = mark + struct.pack(order + "HIH", 42, 8, 2) + b"".join(tags)
        assert image_size(small) == (200, 100)


@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_that_breaks_off_has_its_size_or_none(kind: str) -> None:
    picture = written(kind, 60, 50)
    found = {image_size(picture[:size]) for size in range(len(picture))}
    assert found == {None, (60, 50)} or (kind == ".tiff" and found == {None})


@pytest.mark.parametrize(
    "data", [b"", b"text", b"%PDF-1.7", b"BM", b"\x89PNG\r\n\x1a\n" + bytes(30), b"II*\0" + b"\xff" * 99]
)
def test_what_is_no_picture_has_no_size(data: bytes) -> None:
    assert image_size(data) is None


@given(
    mark=st.sampled_from(
        [b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF89a", b"RIFF1234WEBP", b"II*\0", b"MM\0+", b"BM"]
    ),
    data=st.binary(max_size=200),
)
def test_nothing_that_only_begins_like_a_picture_is_more_than_that(mark: bytes, data: bytes) -> None:
    size = image_size(mark + data)
    assert size is None or min(size) > 0
