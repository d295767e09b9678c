"""Pictures and point clouds of the seed's rows: made when they are asked for, of the right size."""

import struct
import zlib

DEFAULT_SIZE = (480, 640)
"""Height and width of a picture whose size the seed does not know."""
POINT_BYTES = 16
"""x, y, z and intensity of one point in KITTI's form, as float32."""


class Pictures:
    """What is at the URLs of the seed's rows, by path."""

    def __init__(self) -> None:
        self._sizes: dict[str, tuple[int, int]] = {}
        self._points: dict[str, int] = {}

    def picture(self, path: str, height: int, width: int) -> None:
        """Promise a picture of this size in pixels."""
        self._sizes[path] = height, width

    def cloud(self, path: str, points: int) -> None:
        """Promise a cloud of so many points."""
        self._points[path] = points

    def make(self, path: str) -> tuple[bytes, str] | None:
        """Return the bytes and the content type of what was promised, or None."""
        size = self._sizes.get(path)
        if size is not None:
            return black_png(*size), "image/png"
        points = self._points.get(path)
        return None if points is None else (bytes(POINT_BYTES * points), "application/octet-stream")


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
