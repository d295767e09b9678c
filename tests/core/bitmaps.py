"""Supervisely's bitmaps as others could have written them."""

import base64
import json
import zlib
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from tests.core.png_files import PALETTE, chunk, file

Array: TypeAlias = NDArray[np.bool_]

BLACK_AND_WHITE = chunk(b"PLTE", b"\0\0\0\xff\xff\xff")
CLEAR = chunk(b"tRNS", b"\0")


def bitmap(png: bytes, x: float = 0, y: float = 0, *, bare: bool = False) -> str:
    data = base64.b64encode(png if bare else zlib.compress(png)).decode()
    return json.dumps({"origin": [x, y], "data": data})


def opened(text: str | bytes) -> tuple[list[int], bytes]:
    known = json.loads(text)
    assert list(known) == ["origin", "data"]
    return known["origin"], zlib.decompress(base64.b64decode(known["data"], validate=True))


def lines(array: Array) -> list[bytes]:
    return [row.tobytes() for row in np.packbits(array, axis=1)]


def drawn(array: Array, *chunks: bytes) -> bytes:
    return file(array.shape, PALETTE, lines(array), *(chunks or (BLACK_AND_WHITE, CLEAR)), depth=1)


def blob(side: int) -> Array:
    rows, columns = np.mgrid[:side, :side] - side / 2
    ragged = np.random.default_rng(side).normal(0, 2, (side, side))
    array: Array = np.hypot(rows, columns) < side * 0.4 + ragged
    return array
