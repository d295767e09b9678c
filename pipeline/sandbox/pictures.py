"""Pictures of the rows of a seed: black, of the right size, made when they are asked for."""

import struct
import zlib
from functools import lru_cache

DEFAULT_SIZE = (480, 640)
"""Height and width of a picture whose size the seed does not know."""


@lru_cache(maxsize=16)
def black_png(height: int, width: int) -> bytes:
    """Return a black picture, one bit per pixel."""
    line = bytes(1 + (width + 7) // 8)
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)),
            _chunk(b"IDAT", zlib.compress(line * height, 1)),
            _chunk(b"IEND", b""),
        )
    )


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
