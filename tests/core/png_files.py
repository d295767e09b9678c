"""PNG files written and read with zlib only, so that a picture is judged by its own standard (RFC 2083)."""

import struct
import zlib
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

SIGNATURE = b"\x89PNG\r\n\x1a\n"
GREY, RGB, PALETTE, GREY_ALPHA, RGBA = 0, 2, 3, 4, 6
Bytes = NDArray[np.uint8]


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def file(
    size: tuple[int, int],
    colour: int,
    rows: Iterable[bytes],
    *chunks: bytes,
    depth: int = 8,
    interlaced: bool = False,
) -> bytes:
    """Write a file of height and width from its rows, without a filter, with other chunks before them."""
    head = struct.pack(">II5B", size[1], size[0], depth, colour, 0, 0, interlaced)
    data = zlib.compress(b"".join(b"\0" + row for row in rows))
    return b"".join((SIGNATURE, chunk(b"IHDR", head), *chunks, chunk(b"IDAT", data), chunk(b"IEND", b"")))


def chunks_of(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Read kind and data of each chunk; their checksums must be right and nothing else may be there."""
    assert data.startswith(SIGNATURE)
    at = len(SIGNATURE)
    while at < len(data):
        [size] = struct.unpack_from(">I", data, at)
        kind, body = data[at + 4 : at + 8], data[at + 8 : at + 8 + size]
        assert data[at : at + size + 12] == chunk(kind, body)
        yield kind, body
        at += size + 12
