"""Instance pictures as PNG, judged by zlib, by OpenCV, and by files that others could have written."""

import struct
import zlib
from contextlib import suppress
from itertools import product

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pipeline.core.codecs import instance_png
from pipeline.core.codecs.instance_png import decode, encode
from pipeline.core.instances import MOST_NUMBERS, InstanceMap
from pipeline.core.masks import MAX_PIXELS, MaskError
from tests.core.png_files import GREY, GREY_ALPHA, PALETTE, RGB, RGBA, Bytes, chunk, chunks_of, file
from tests.numbered import Numbers, broad, pictures


def colours(array: Numbers) -> Bytes:
    """Return red (the number's lowest byte), green, blue and alpha of each pixel."""
    bits = [array & 0xFF, array >> 8 & 0xFF, array >> 16, np.full_like(array, 255)]
    return np.stack(bits, axis=-1).astype(np.uint8)


def pixels_of(data: bytes) -> Bytes:
    """Read a file by its standard: zlib's bytes, of which each row is a difference to what is before it."""
    (_, head), *pieces, end = chunks_of(data)
    width, height, *rest = struct.unpack(">II5B", head)
    assert rest == [8, RGBA, 0, 0, 0]
    assert end == (b"IEND", b"")
    stream = zlib.decompressobj()
    raw = stream.decompress(b"".join(body for kind, body in pieces if kind == b"IDAT"))
    assert stream.eof, "the checksum of the stream is right"
    assert stream.unused_data == b""
    rows = np.frombuffer(raw, np.uint8).reshape(height, 4 * width + 1)
    assert rows[:, 0].tolist() == [1, *[2] * (height - 1)]
    pixels = rows[:, 1:].reshape(height, width, 4).copy()
    pixels[0] = np.cumsum(pixels[0], axis=0, dtype=np.uint8)  # to the left, then all to the row above
    return np.cumsum(pixels, axis=0, dtype=np.uint8)


def survives(array: Numbers) -> bytes:
    """Check that the file of a picture says the same to all three readers, and return it."""
    whole = InstanceMap.from_array(array)
    data = encode(whole)
    expected = colours(array)
    assert np.array_equal(pixels_of(data), expected)
    theirs = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    assert theirs is not None
    assert np.array_equal(theirs, expected[:, :, [2, 1, 0, 3]])
    assert decode(data) == whole
    return data


def numbers(*rows: list[int]) -> Numbers:
    return np.array(rows, np.uint32)


# ---- writing -------------------------------------------------------------------------------------------


@given(pictures | broad)
def test_any_picture_survives(array: Numbers) -> None:
    survives(array)


@given(st.tuples(st.integers(1, 12), st.integers(1, 12)).flatmap(lambda size: hnp.arrays(np.uint32, size)))
def test_noise_survives(array: Numbers) -> None:
    survives(array & np.uint32(MOST_NUMBERS))


@pytest.mark.parametrize("number", [0, 1, 255, 256, 65_535, 65_536, MOST_NUMBERS])
@pytest.mark.parametrize("size", [(1, 1), (1, 2), (1, 9000), (2, 1), (700, 1), (64, 64), (300, 513)])
def test_pictures_of_one_number_survive(number: int, size: tuple[int, int]) -> None:
    survives(np.full(size, number, np.uint32))


@pytest.mark.parametrize("size", [(1, 1000), (1000, 1), (2, 500), (300, 300)])
def test_pictures_in_which_every_pixel_differs_survive(size: tuple[int, int]) -> None:
    count = size[0] * size[1]
    survives(np.arange(count, dtype=np.uint32).reshape(size) * (MOST_NUMBERS // count))
    survives(np.random.default_rng(1).integers(0, MOST_NUMBERS, size, np.uint32, endpoint=True))


@pytest.mark.parametrize("width", [8191, 8192, 8193, 20_000, 131_073])
def test_rows_wider_than_the_window_of_the_compression_survive(width: int) -> None:
    array = np.zeros((4, width), np.uint32)
    array[1:, width // 3 :] = MOST_NUMBERS
    array[2, ::1000] = 258
    array[3, -1] = 7
    survives(array)


@pytest.mark.parametrize("number", [5, 5 << 8, 5 << 16, 0x050500, 0x050005, 0x010203])
def test_runs_of_every_length_survive(number: int) -> None:
    """Pixels that differ from the row above, and those that do not, are repeated 258 bytes at a time."""
    lengths = [*range(5), *range(62, 69), *range(127, 132), 193, 194, 258]
    for run in lengths[1:]:
        for same in lengths:
            array = np.zeros((3, run + same), np.uint32)
            array[1, :run] = number
            array[2, same:] = number
            survives(array)


def test_a_difference_to_the_row_above_is_taken_byte_by_byte() -> None:
    steps = [0x000000, 0x0000FF, 0x00FF00, 0xFF0000, 0x010101, 0xFEFFFF, 0x7F8081, 0x80007F, 0x008000]
    survives(numbers(*([one] for one in steps), *([one] for one in reversed(steps))))
    survives(numbers(steps, steps[::-1], steps, [1] * 9))


def test_equal_pictures_are_equal_files() -> None:
    array = np.random.default_rng(0).integers(0, 3, (40, 50), np.uint32)
    one = encode(InstanceMap.from_array(array))
    assert encode(InstanceMap.from_array(np.asfortranarray(array).astype(np.int64))) == one


def test_a_file_holds_little_more_than_the_edges() -> None:
    array = np.zeros((2000, 3000), np.uint32)
    for at in range(20):
        array[90 * at : 90 * at + 60, 100 * at : 100 * at + 900] = at + 1
    assert len(survives(array)) < 30_000


def blobs(side: int, numbers: Numbers, seed: int) -> Numbers:
    """Draw an instance of each number, whose edges waver, later ones on top."""
    draw = np.random.default_rng(seed)
    picture = np.zeros((side, side), np.uint32)
    for number in numbers:
        v, u = np.mgrid[:side, :side] - draw.integers(0, side, 2)[:, None, None]
        edge = 1 + sum(0.06 * np.sin(draw.integers(5, 40) * np.arctan2(v, u) + wave) for wave in range(3))
        picture[np.hypot(v, u) <= draw.integers(side // 32, side // 11) * edge] = number
    return picture


def as_pillow_does(array: Numbers) -> int:
    """Return the size of the file that Pillow 11 writes of the picture, unless told otherwise.

    Each row has the filter of the least sum of differences; none of them is found by zlib at level 6.
    """
    height, width = array.shape
    pixels = np.zeros((height + 1, 4 * width + 4), np.int16)
    pixels[1:, 4:] = colours(array).reshape(height, -1)
    this, left, above, corner = pixels[1:, 4:], pixels[1:, :-4], pixels[:-1, 4:], pixels[:-1, :-4]
    guess = left + above - corner
    to_left, to_above, to_corner = (abs(guess - other) for other in (left, above, corner))
    nearest = np.where(to_above <= to_corner, above, corner)
    paeth = np.where((to_left <= to_above) & (to_left <= to_corner), left, nearest)
    filters = {2: above, 1: left, 0: 0, 3: (left + above) // 2, 4: paeth}
    filtered = np.array([(this - other).astype(np.uint8) for other in filters.values()])
    best = np.abs(filtered.view(np.int8).astype(np.int64)).sum(2).argmin(0)
    rows = filtered[best, np.arange(height)]
    stream = zlib.compressobj(6, zlib.DEFLATED, 15, 9, zlib.Z_FILTERED)
    data = stream.compress(np.insert(rows, 0, np.array([*filters])[best], axis=1).tobytes())
    return len(data + stream.flush()) + 57


@pytest.mark.parametrize(("bits", "ratio"), [(0, 0.96), (16, 1.05), (24, 1.05)])
def test_files_are_no_larger_than_those_of_pillow(bits: int, ratio: float) -> None:
    """Numbers of 24 bits are what the names of instances become that other platforms gave."""
    ours = theirs = 0
    for seed in range(4):
        some = np.random.default_rng(seed).integers(1, 1 << bits, 20) if bits else np.arange(1, 21)
        array = blobs(512, some.astype(np.uint32), seed)
        ours += len(survives(array))
        theirs += as_pillow_does(array)
    assert ours <= ratio * theirs, f"{ours / theirs:.3f}"


@pytest.mark.parametrize("width", [1, 2, 40, 2047, 2048, 4096, 8190, 8191, 8192, 9000])
def test_values_of_several_bytes_are_taken_from_as_far_back_as_they_may_be(width: int) -> None:
    """Between the same two differences lie up to, or just more than, 32,768 bytes."""
    array = np.zeros((9, width), np.uint32)
    array[1::2, width // 2] = 0x010203
    array[4, 0] = 0x010203
    array[5:7, -1] = 0xFE00FF
    survives(array)
    array[0, ::7] = 0x010203
    survives(array)


def test_values_of_several_bytes_are_repeated_for_runs_of_every_length() -> None:
    array = np.zeros((60, 90), np.uint32)
    for row in range(1, 60, 2):
        array[row, 1 : 1 + row % 11] = 0x8001FF
        array[row, 20 : 20 + row] = 0x00FF00
        array[row, 80 : 80 + row % 3] = 9
    survives(array)


@pytest.mark.parametrize("width", [3, 100_000, 1_000_000])
def test_long_runs_between_pixels_whose_numbers_are_all_different_survive(width: int) -> None:
    """The longest runs are rare here, so that their code is a long one."""
    array = np.zeros((6, width), np.uint32)
    array[:3, : width // 50] = np.random.default_rng(width).integers(0, 1 << 24, (3, width // 50))
    array[4, width // 3 :] = MOST_NUMBERS
    survives(array)


@pytest.mark.parametrize("size", [(1, 1), (1, 2), (2, 1), (1, 3), (3, 1), (2, 2)])
def test_the_smallest_pictures_survive(size: tuple[int, int]) -> None:
    some = [0, 1, 0x0100, 0x010000, 0xFF, MOST_NUMBERS]
    for picked in product(some, repeat=size[0] * size[1]):
        survives(np.array(picked, np.uint32).reshape(size))


# ---- reading -------------------------------------------------------------------------------------------


@given(pictures, st.data())
def test_files_of_others_are_read_whatever_their_alpha(array: Numbers, data: st.DataObject) -> None:
    wanted = InstanceMap.from_array(array)
    picture = colours(array)[:, :, [2, 1, 0, 3]]
    picture[:, :, 3] = data.draw(hnp.arrays(np.uint8, array.shape))
    for channels in (3, 4):
        found, file_ = cv2.imencode(".png", np.ascontiguousarray(picture[:, :, :channels]))
        assert found
        assert decode(file_.tobytes()) == wanted


COLOURS = bytes([0, 0, 0, 1, 0, 0, 0, 1, 0, 255, 255, 255])
MEANT = [0, 1, 256, MOST_NUMBERS]


@pytest.mark.parametrize("chunks", [(), (chunk(b"tRNS", b"\0\x80"),)], ids=["opaque", "transparent"])
@pytest.mark.parametrize("depth", [1, 2, 4, 8])
def test_a_palette_stands_for_its_colours(depth: int, chunks: tuple[bytes, ...]) -> None:
    indices = np.random.default_rng(depth).integers(0, min(4, 1 << depth), (9, 24))
    bits = (indices[:, :, None] >> np.arange(depth)[::-1]) & 1
    rows = np.packbits(bits.reshape(9, -1).astype(np.bool_), axis=1)
    data = file((9, 24), PALETTE, map(bytes, rows), chunk(b"PLTE", COLOURS), *chunks, depth=depth)
    assert np.array_equal(decode(data).to_array(), np.array(MEANT)[indices])


@pytest.mark.parametrize(
    "extra",
    [
        chunk(b"tRNS", struct.pack(">3H", 1, 0, 0)),
        chunk(b"gAMA", struct.pack(">I", 220_000)),
        chunk(b"sRGB", b"\0"),
        chunk(b"sBIT", b"\1\1\1"),
        chunk(b"bKGD", struct.pack(">3H", 9, 9, 9)),
        chunk(b"eXIf", b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"),
        chunk(b"tEXt", b"Software\0somebody else's"),
    ],
    ids=lambda extra: extra[4:8].decode(),
)
def test_what_a_file_says_of_its_colours_and_its_turning_changes_no_number(extra: bytes) -> None:
    array = numbers([0, 1, 0x64], [0x6400, 0x640000, MOST_NUMBERS])
    rows = [row.tobytes() for row in colours(array)[:, :, :3]]
    assert np.array_equal(decode(file((2, 3), RGB, rows, extra)).to_array(), array)


def test_an_interlaced_file_is_read() -> None:
    array = np.arange(11 * 13, dtype=np.uint32).reshape(11, 13) * 1000
    passes = [
        (0, 0, 8, 8),
        (0, 4, 8, 8),
        (4, 0, 8, 4),
        (0, 2, 4, 4),
        (2, 0, 4, 2),
        (0, 1, 2, 2),
        (1, 0, 2, 1),
    ]
    parts = [colours(array)[top::down, left::across] for top, left, down, across in passes]
    rows = [row.tobytes() for part in parts if part.size for row in part]
    assert np.array_equal(decode(file((11, 13), RGBA, rows, interlaced=True)).to_array(), array)


def test_what_follows_the_end_of_a_file_is_not_looked_at() -> None:
    assert decode(GOOD + b"anything") == WHOLE


WHOLE = InstanceMap.from_array(np.random.default_rng(3).integers(0, 1 << 24, (7, 9)))
GOOD = encode(WHOLE)


# ---- refusing ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("colour", "depth", "row"),
    [
        (GREY, 8, 2), (GREY, 1, 1), (GREY, 16, 4), (GREY_ALPHA, 8, 4), (GREY_ALPHA, 16, 8),
        (RGB, 16, 12), (RGBA, 16, 16),
    ],
)  # fmt: skip
@pytest.mark.parametrize("transparent", [False, True])
def test_grey_and_deep_pictures_are_refused(colour: int, depth: int, row: int, *, transparent: bool) -> None:
    extra = (
        [chunk(b"tRNS", bytes(2 if colour == GREY else 6))] if transparent and colour in {GREY, RGB} else []
    )
    data = file((3, 2), colour, [bytes(row)] * 3, *extra, depth=depth)
    with pytest.raises(MaskError, match=r"is grey or has 16 bits a channel; expected RGBA, RGB or a palette"):
        decode(data)


def test_a_file_that_ends_early_is_refused_wherever_it_ends() -> None:
    for size in range(len(GOOD)):
        with pytest.raises(MaskError, match=f"instance picture of {size} bytes is no"):
            decode(GOOD[:size])


def test_a_large_file_in_many_pieces_that_ends_early_is_refused() -> None:
    array = np.random.default_rng(4).integers(0, 1 << 24, (200, 300), np.uint32)
    raw = zlib.compress(b"".join(b"\0" + row.tobytes() for row in colours(array)))
    head = file((200, 300), RGBA, [])[:33]
    pieces = [chunk(b"IDAT", raw[at : at + 8192]) for at in range(0, len(raw), 8192)]
    assert np.array_equal(decode(b"".join((head, *pieces, chunk(b"IEND", b"")))).to_array(), array)
    for count in range(len(pieces)):
        for end in (b"", chunk(b"IEND", b"")):
            with pytest.raises(MaskError, match="no whole PNG file; fetch it again"):
                decode(b"".join((head, *pieces[:count], end)))


@given(st.integers(0, len(GOOD) - 1), st.integers(1, 255))
def test_a_damaged_file_is_refused_or_shows_the_same_picture(at: int, change: int) -> None:
    damaged = bytearray(GOOD)
    damaged[at] ^= change
    with suppress(MaskError):
        assert decode(bytes(damaged)) == WHOLE


@pytest.mark.parametrize(("at", "change"), [(45, 255), (-20, 0)])
def test_a_damaged_file_is_told_of_once(at: int, change: int, capfd: pytest.CaptureFixture[str]) -> None:
    data = encode(InstanceMap.from_array(np.arange(64).reshape(8, 8)))
    damaged = data[:at] + (bytes([data[at] ^ change]) + data[at + 1 :] if change else b"")
    with pytest.raises(MaskError, match="no whole PNG file"):
        decode(damaged)
    # The decoder's own lines would stand between those of a log.
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<html>" + bytes(40),
        b"\xff\xd8\xff\xe0" + bytes(60),
        GOOD[:8] + GOOD[33:],
        cv2.imencode(".bmp", np.zeros((3, 3, 3), np.uint8))[1].tobytes(),
    ],
    ids=["nothing", "page", "jpeg", "headless", "bmp"],
)
def test_what_is_no_png_file_is_refused(data: bytes) -> None:
    with pytest.raises(MaskError, match="is no PNG file; check what its address gives"):
        decode(data)


@pytest.mark.parametrize("size", [(60_000, 60_000), (1 << 31, 1), (1, (1 << 28) + 1), ((1 << 32) - 1,) * 2])
def test_a_picture_of_too_many_pixels_is_refused_before_it_is_decoded(
    size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(instance_png, "cv2", None)
    with pytest.raises(MaskError, match=rf"mask size is {size[0]} x {size[1]} .*; the limit is {MAX_PIXELS}"):
        decode(file(size, RGBA, [b"\0" * 4000]))


def test_the_limit_of_pixels_can_be_set() -> None:
    assert decode(GOOD, max_pixels=63) == WHOLE
    with pytest.raises(MaskError, match=r"mask size is 7 x 9 .* the limit is 62"):
        decode(GOOD, max_pixels=62)


@pytest.mark.parametrize("size", [(0, 5), (5, 0)])
def test_a_picture_without_pixels_is_refused(size: tuple[int, int]) -> None:
    with pytest.raises(MaskError, match="both must be at least 1"):
        decode(file(size, RGBA, []))
