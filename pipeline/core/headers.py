"""The size of a picture, from the first bytes of its file. Nothing is decoded.

Formats: PNG (ISO/IEC 15948), JPEG (ITU-T T.81), GIF89a, BMP, WebP (RFC 9649), TIFF 6.0 and BigTIFF.
"""

import struct
from collections.abc import Callable
from typing import Final, TypeAlias

Size: TypeAlias = tuple[int, int]

_FRAMES: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # JPEG: the markers that start a frame
_BARE: Final = frozenset({0x01, *range(0xD0, 0xD9)})  # JPEG: markers without a length
_FILL, _ENDS = 0xFF, frozenset({0xD9, 0xDA})
_OLD_BMP: Final = 12  # bytes of the header of OS/2, with 16-bit sizes
_WIDTH, _HEIGHT = 256, 257  # tags of TIFF
_WHOLE: Final = {1: "B", 3: "H", 4: "I", 16: "Q"}  # TIFF's types of whole numbers
_MOST_TAGS: Final = 4096


def image_size(head: bytes) -> Size | None:
    """Return (width, height) in pixels as they are stored: a rotation that EXIF asks for is not applied.

    `head` is the beginning of the file. None where the format is unknown, or the size is not in these bytes.
    """
    for mark, offset, read in _FORMATS:
        if head.startswith(mark, offset):
            try:
                width, height = read(head)
            except (struct.error, IndexError, OverflowError, _Nothing):
                return None
            return (width, height) if width > 0 and height > 0 else None
    return None


class _Nothing(Exception):  # noqa: N818 - a state, not a fault
    """The size is not in these bytes."""


def _png(head: bytes) -> Size:
    if head[12:16] != b"IHDR":
        raise _Nothing
    width, height = struct.unpack_from(">II", head, 16)
    return width, height


def _gif(head: bytes) -> Size:
    width, height = struct.unpack_from("<HH", head, 6)
    return width, height


def _bmp(head: bytes) -> Size:
    (size,) = struct.unpack_from("<I", head, 14)
    width, height = struct.unpack_from("<HH" if size == _OLD_BMP else "<ii", head, 18)
    return width, abs(height)  # a negative height: rows from top to bottom


def _webp(head: bytes) -> Size:
    kind = head[12:16]
    if kind == b"VP8X":
        return 1 + int.from_bytes(_at(head, 24, 3), "little"), 1 + int.from_bytes(_at(head, 27, 3), "little")
    if kind == b"VP8L" and head[20] == 0x2F:  # noqa: PLR2004 - the signature of a lossless stream
        (bits,) = struct.unpack_from("<I", head, 21)
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if kind == b"VP8 " and head[23:26] == b"\x9d\x01\x2a":
        width, height = struct.unpack_from("<HH", head, 26)
        return width & 0x3FFF, height & 0x3FFF
    raise _Nothing


def _jpeg(head: bytes) -> Size:
    at = 2
    while True:
        if head[at] != _FILL:
            raise _Nothing
        while head[at] == _FILL:
            at += 1
        marker = head[at]
        at += 1
        if marker in _FRAMES:
            height, width = struct.unpack_from(">HH", head, at + 3)
            return width, height
        if marker in _ENDS:
            raise _Nothing
        if marker not in _BARE:
            (length,) = struct.unpack_from(">H", head, at)
            at += max(length, 2)


def _tiff(head: bytes) -> Size:
    order = "<" if head.startswith(b"I") else ">"
    (version,) = struct.unpack_from(order + "H", head, 2)
    # BigTIFF has wider numbers in the same places.
    start, many, entry, value = (8, "Q", 20, 12) if version == 43 else (4, "H", 12, 8)  # noqa: PLR2004
    (at,) = struct.unpack_from(order + ("Q" if start == 8 else "I"), head, start)  # noqa: PLR2004
    (tags,) = struct.unpack_from(order + many, head, at)
    at += struct.calcsize("<" + many)
    found: dict[int, int] = {}
    for place in range(at, at + entry * min(tags, _MOST_TAGS), entry):
        tag, kind = struct.unpack_from(order + "HH", head, place)
        if tag in {_WIDTH, _HEIGHT} and kind in _WHOLE:
            (found[tag],) = struct.unpack_from(order + _WHOLE[kind], head, place + value)
        if len(found) == 2:  # noqa: PLR2004 - width and height
            return found[_WIDTH], found[_HEIGHT]
    raise _Nothing


def _at(head: bytes, start: int, size: int) -> bytes:
    if len(head) < start + size:
        raise _Nothing
    return head[start : start + size]


_FORMATS: Final[tuple[tuple[bytes, int, Callable[[bytes], Size]], ...]] = (
    (b"\x89PNG\r\n\x1a\n", 0, _png),
    (b"\xff\xd8\xff", 0, _jpeg),
    (b"GIF87a", 0, _gif),
    (b"GIF89a", 0, _gif),
    (b"WEBP", 8, _webp),
    (b"II*\0", 0, _tiff),
    (b"MM\0*", 0, _tiff),
    (b"II+\0", 0, _tiff),
    (b"MM\0+", 0, _tiff),
    (b"BM", 0, _bmp),
)
