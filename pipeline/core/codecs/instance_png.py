"""Instance pictures as PNG: 8-bit RGBA, the number's low byte in red, 24 bits in all, alpha 255.

Source: Segments.ai's segmentation bitmaps, as `bitmap2file` of its SDK 1.33 writes them; PNG, RFC 2083.
"""

import struct
import zlib
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.core.codecs._deflate import LONGEST, REPEAT, Tokens, deflated
from pipeline.core.instances import MOST_NUMBERS, InstanceMap
from pipeline.core.masks import MAX_PIXELS, MaskError, check_size

LAYERED: Final = True
"""All masks of a frame are one picture, instead of each mask being a text of its own."""

_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_UP: Final = 2  # the filter that writes each pixel as its difference to the one above
_OPAQUE: Final = 0xFF000000
_MOD: Final = 65521
_HIGH: Final = np.uint32(0x80808080)
_HEAD: Final = struct.Struct(">II5B")
_RGBA: Final = (8, 6, 0, 0, 0)
_COLOURED: Final = frozenset({2, 3, 6})  # RGB, a palette, RGBA
_DEPTHS: Final = frozenset({1, 2, 4, 8})
_SHORTEST: Final = 3


def encode(whole: InstanceMap) -> bytes:
    """Return the picture as a PNG file.

    The compressed bytes are written straight from the runs: of a row, only what differs from the row above
    is looked at.
    """
    places, values = _changes(whole)
    lengths = np.diff(places, append=whole.height * whole.width)
    stream = b"\x78\x01" + deflated(_tokens(places, values, lengths, whole.width))
    stream += struct.pack(">I", _adler(places, values, lengths, whole))
    head = _HEAD.pack(whole.width, whole.height, *_RGBA)
    return _SIGNATURE + _chunk(b"IHDR", head) + _chunk(b"IDAT", stream) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return b"%b%b%b%b" % (
        struct.pack(">I", len(data)),
        kind,
        data,
        struct.pack(">I", zlib.crc32(kind + data)),
    )


def _changes(whole: InstanceMap) -> tuple[Tokens, Tokens]:
    """Return where the difference to the row above changes, each start of a row included, and to what.

    A difference is four bytes, each modulo 256, the lowest of red.
    """
    width, count = whole.width, whole.starts.size
    starts = whole.starts.astype(np.int64)
    rows = np.arange(0, whole.height * width, width)
    every = np.concatenate((starts, starts + width, rows))
    order = np.argsort(every, kind="stable")  # of three sorted parts, which this kind only has to merge
    every = every[order]
    last = np.concatenate((every[1:] != every[:-1], [True])) & (every < whole.height * width)
    here = (np.cumsum(order < count) - 1)[last]
    above = (np.cumsum((order >= count) & (order < 2 * count)) - 1)[last]
    every = every[last]
    here, above = whole.numbers[here], np.where(above < 0, np.uint32(0), whole.numbers[above])
    # Bytes of a word are subtracted at once: the top bit of each is kept out of the way of the borrow.
    change = ((here | _HIGH) - (above & ~_HIGH)) ^ ((here ^ ~above) & _HIGH)
    change[: np.searchsorted(every, width)] |= np.uint32(_OPAQUE)
    new = np.concatenate(([True], change[1:] != change[:-1]))
    new[np.searchsorted(every, rows)] = True
    return every[new], change[new].astype(np.int64)


def _tokens(places: Tokens, values: Tokens, lengths: Tokens, width: int) -> Tokens:
    """Return the rows as tokens.

    A segment is a run of pixels that differ from those above, or a row's start, with the pixels after it that
    do not differ.
    """
    begins, differs = places % width == 0, values != 0
    heads = begins | differs
    after = np.concatenate((np.where(heads, 0, lengths)[1:], [0]))[heads]
    begins, differs, values, lengths = begins[heads], differs[heads], values[heads], lengths[heads]
    same = np.where(differs, after, lengths)
    # Of the first row all pixels are new, opacity included: its segments have bytes that no other has.
    first = int(np.searchsorted(places[heads], width))
    parts = (slice(0, first), slice(first, None))
    return np.concatenate([_segments(begins[at], values[at], lengths[at], same[at]) for at in parts])


def _segments(begins: NDArray[np.bool_], values: Tokens, lengths: Tokens, same: Tokens) -> Tokens:
    """Return the tokens of segments: pixels of a value other than 0, so many, and `same` ones after them.

    Each has a few texts, each so many times: the columns of two tables.
    """
    differs = values != 0
    bytes_ = differs + sum((values >= 1 << bits).astype(np.int64) for bits in (8, 16, 24))
    rest = differs * 4 - bytes_  # zeros that end the first pixel
    several = differs & (lengths > 1)
    zeros = 4 * same + ~several * rest
    # After a byte that is no zero, one zero has to be written before it can be repeated.
    single = np.where(several, rest, np.where(zeros > _SHORTEST, 1, zeros))
    zeros -= ~several * single
    columns: list[tuple[Tokens | int, Tokens | NDArray[np.bool_]]] = [(_UP, begins)]
    most = int(bytes_.max(initial=0))
    columns += [((values >> 8 * number) & 0xFF, bytes_ > number) for number in range(most)]
    columns.append((0, single))
    columns += _repeated(several * (4 * (lengths - 1)), REPEAT[4])
    columns += _repeated(zeros, REPEAT[1])
    texts = np.empty((values.size, len(columns)), np.int16)
    times = np.empty(texts.shape, np.int64)
    for at, (text, often) in enumerate(columns):
        texts[:, at], times[:, at] = text, often
    return np.repeat(texts.ravel(), times.ravel())


def _repeated(sizes: Tokens, start: int) -> list[tuple[Tokens | int, Tokens | NDArray[np.bool_]]]:
    """Return the columns of tokens, which begin at `start`, that repeat so many bytes.

    Fewer than three cannot be repeated: then the piece before gives some of its own.
    """
    full, left = np.divmod(sizes, LONGEST)
    short = (left > 0) & (left < _SHORTEST)
    columns: list[tuple[Tokens | int, Tokens | NDArray[np.bool_]]] = [
        (start + LONGEST, full - short),
        (start + LONGEST - _SHORTEST + left, short),
        (start + np.where(short, _SHORTEST, left), left > 0),
    ]
    return [column for column in columns if np.any(column[1])]


def _adler(places: Tokens, values: Tokens, lengths: Tokens, whole: InstanceMap) -> int:
    """Return the checksum of the rows before compression (RFC 1950), as sums over the runs."""
    height, width = whole.height, whole.width
    size = height * (4 * width + 1)
    rows = np.arange(height, dtype=np.int64)
    low = 1 + _UP * height
    high = size + _UP * int((size - rows * (4 * width + 1)).sum())
    for number in range(4):
        byte = (values >> 8 * number) & 0xFF
        some = byte.nonzero()[0]
        byte, place, length = byte[some], places[some], lengths[some]
        left = size - (place * 4 + place // width + 1) - number  # bytes from the run's first one to the end
        low += int((byte * length).sum())
        high += int((byte * ((length * left - 2 * length * (length - 1)) % _MOD)).sum())
    return (high % _MOD) << 16 | low % _MOD


def decode(data: bytes, *, max_pixels: int = MAX_PIXELS) -> InstanceMap:
    """Return the picture of a PNG file: RGBA, RGB, or a palette of such colours, whatever its alpha.

    Raises `MaskError` for more than `max_pixels` pixels, for grey or 16-bit pictures, and for data that are
    no whole PNG file.
    """
    width, height = _size(data, max_pixels)
    if not _is_whole(data):
        raise MaskError(f"instance picture of {len(data)} bytes is no whole PNG file; fetch it again")
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if picture is None or picture.shape[:2] != (height, width):
        raise MaskError(f"instance picture of {len(data)} bytes is no whole PNG file; fetch it again")
    flags = cv2.COLOR_BGRA2RGBA if picture.shape[2] == 4 else cv2.COLOR_BGR2RGBA  # noqa: PLR2004
    colours = np.ascontiguousarray(cv2.cvtColor(picture, flags)).view("<u4").reshape(height, width)
    return InstanceMap.from_array(colours & np.uint32(MOST_NUMBERS), max_pixels=max_pixels)


def _is_whole(data: bytes) -> bool:
    """Whether all pieces of the file are there, each with its checksum.

    What is damaged is found here, as the decoder would write of it to stderr, between our own lines.
    """
    at, kind = len(_SIGNATURE), b""
    while kind != b"IEND" and at + 12 <= len(data):
        end = at + 8 + int.from_bytes(data[at : at + 4], "big")
        kind = data[at + 4 : at + 8]
        if zlib.crc32(memoryview(data)[at + 4 : end]).to_bytes(4, "big") != data[end : end + 4]:
            return False
        at = end + 4
    return kind == b"IEND"


def _size(data: bytes, max_pixels: int) -> tuple[int, int]:
    """Return width and height from the head, before anything is decoded."""
    if len(data) < 33 or not data.startswith(_SIGNATURE) or data[12:16] != b"IHDR":  # noqa: PLR2004
        raise MaskError(f"instance picture of {len(data)} bytes is no PNG file; check what its address gives")
    width, height, depth, colour, *_ = _HEAD.unpack_from(data, 16)
    check_size(height, width, max_pixels=max_pixels)
    if depth not in _DEPTHS or colour not in _COLOURED:
        raise MaskError("instance picture is grey or has 16 bits a channel; expected RGBA, RGB or a palette")
    return width, height
