"""The frame of a PNG file: its chunks and their checksums, and its head. Source: RFC 2083."""

import struct
import zlib
from collections.abc import Iterator
from typing import Final

SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
HEAD: Final = struct.Struct(">II5B")
"""Width, height, bits of a sample, colour type, compression, filter and interlacing: the data of `IHDR`."""
GREY, RGB, PALETTE, GREY_ALPHA, RGBA = 0, 2, 3, 4, 6
"""The colour types."""

_LENGTH: Final = struct.Struct(">I")
_AROUND: Final = 12  # bytes of a chunk beside its data: length, kind and checksum


def chunk(kind: bytes, data: bytes) -> bytes:
    """Return one chunk of a file."""
    check = zlib.crc32(data, zlib.crc32(kind))
    return b"%b%b%b%b" % (_LENGTH.pack(len(data)), kind, data, _LENGTH.pack(check))


def chunks(data: bytes) -> Iterator[tuple[bytes, memoryview]]:
    """Give kind and data of each chunk from the first to `IEND`; what follows that is not looked at.

    Raises ValueError where a checksum is wrong or the file ends early. A decoder would write of it to stderr,
    between our own lines.
    """
    view = memoryview(data)
    at, kind = len(SIGNATURE), b""
    while kind != b"IEND":
        if at + _AROUND > len(data):
            raise ValueError("the file ends early")
        end = at + 8 + _LENGTH.unpack_from(data, at)[0]
        kind = data[at + 4 : at + 8]
        if zlib.crc32(view[at + 4 : end]).to_bytes(4, "big") != data[end : end + 4]:
            raise ValueError("a checksum is wrong, or the file ends early")
        yield kind, view[at + 8 : end]
        at = end + 4


def head(data: bytes) -> tuple[int, ...] | None:
    """Return the fields of `HEAD`, or None where the data do not begin as a PNG file does."""
    if len(data) < 33 or not data.startswith(SIGNATURE) or data[12:16] != b"IHDR":  # noqa: PLR2004
        return None
    return HEAD.unpack_from(data, 16)
