"""Pictures and point clouds of the seed's rows: made when they are asked for, of the right size."""

from pipeline.sandbox.pictures import black_png

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
