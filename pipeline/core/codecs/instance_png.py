"""Instance pictures as PNG: 8-bit RGBA, the number's low byte in red, 24 bits in all, alpha 255.

Source: Segments.ai's segmentation bitmaps, as `bitmap2file` of its SDK 1.33 writes them; PNG, RFC 2083.
"""

import struct
from typing import Final, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.core.codecs import _png
from pipeline.core.codecs._deflate import (
    FARTHEST,
    NOTHING,
    SHORTEST,
    Backs,
    Column,
    Copies,
    Literals,
    Numbers,
    Repeats,
    deflated,
)
from pipeline.core.instances import MOST_NUMBERS, InstanceMap
from pipeline.core.masks import MAX_PIXELS, MaskError, check_size

LAYERED: Final = True
"""All masks of a frame are one picture, instead of each mask being a text of its own."""

_SUB: Final = 1  # the filter that writes each pixel as its difference to the one before
_UP: Final = 2  # ... to the one above
_OPAQUE: Final = 255
_MOD: Final = 65521

# A difference is three bytes, each modulo 256, in lanes of nine bits: sums do not run from one into the next.
_LANE: Final = 9
_LANES: Final = 0xFF | 0xFF << _LANE | 0xFF << 2 * _LANE
_BORROW: Final = 1 << 8 | 1 << 8 + _LANE | 1 << 8 + 2 * _LANE
_STEP: Final = 3 * _LANE + 1
"""The bits of a change of a difference; it is written as its sum with `_ZERO`."""
_ZERO: Final = 1 << _STEP - 1
_BEGIN: Final = 1 << _STEP

_RGBA: Final = (8, _png.RGBA, 0, 0, 0)
_COLOURED: Final = frozenset({_png.RGB, _png.PALETTE, _png.RGBA})
_DEPTHS: Final = frozenset({1, 2, 4, 8})


def encode(whole: InstanceMap) -> bytes:
    """Return the picture as a PNG file.

    The compressed bytes are written straight from the runs: of a row, only what differs from the row above
    is looked at. Of the first row that is the pixel to the left, so that opacity is written once.
    """
    first = bytes((_SUB, *int(whole.numbers[0]).to_bytes(3, "little"), _OPAQUE))
    segments = _segments(whole)
    stream = b"\x78\x01" + deflated(first, _columns(segments, whole.width))
    stream += struct.pack(">I", _adler(first, segments, whole))
    head = _png.HEAD.pack(whole.width, whole.height, *_RGBA)
    parts = (_png.chunk(b"IHDR", head), _png.chunk(b"IDAT", stream), _png.chunk(b"IEND", b""))
    return b"".join((_png.SIGNATURE, *parts))


class _Segments(NamedTuple):
    """Runs of pixels that differ by `values`, which are 0 at the start of a row of which the first does not.

    `lengths` counts the pixels that differ, `same` those after them that do not.
    """

    places: Numbers
    begins: NDArray[np.bool_]
    values: Numbers
    lengths: Numbers
    same: Numbers

    @property
    def most(self) -> int:
        """The most bytes that one of the values has."""
        return -(-int(self.values.max(initial=0)).bit_length() // _LANE)


def _segments(whole: InstanceMap) -> _Segments:
    """Return the picture as segments from its second pixel on."""
    size = whole.height * whole.width
    keys = np.sort(_changes(whole))
    places = keys >> (_STEP + 1)
    last = np.flatnonzero(places[1:] != places[:-1])  # of each place, but for the end of the picture
    begins = (keys[last] & _BEGIN).astype(np.bool_)
    sums = np.cumsum(keys & (_BEGIN - 1))[last] - _ZERO * (last + 1)
    values = (sums + _BORROW) & _LANES
    new = begins.copy()
    new[1:] |= values[1:] != values[:-1]
    at = np.flatnonzero(new)
    values, begins, starts = values[at], begins[at], np.append(places[last[at]], size)
    heads = np.flatnonzero(begins | (values != 0))
    values, begins, places = values[heads], begins[heads], starts[heads]
    lengths = np.where(values, starts[heads + 1] - places, 0)
    begins[:1] = whole.width == 1  # the first pixel is not among them
    return _Segments(places, begins, values, lengths, np.diff(places, append=size) - lengths)


def _changes(whole: InstanceMap) -> Numbers:
    """Return by how much the difference changes, and where, as sums of a place, `_BEGIN`, and a change.

    Each start of a row is among them, and the end of the picture.
    """
    width, size = whole.width, whole.height * whole.width
    numbers, starts = whole.numbers.astype(np.int64), whole.starts.astype(np.int64)
    if numbers.max() >= 1 << 8:
        numbers = numbers & 0xFF | (numbers & 0xFF00) << 1 | (numbers & 0xFF0000) << 2
    steps = np.diff(numbers, prepend=0)
    above = slice(0, np.searchsorted(starts, size - width))
    left = slice(1, np.searchsorted(starts, width))
    starts <<= _STEP + 1
    keys = starts - steps
    down, right, end = width << (_STEP + 1), 1 << (_STEP + 1), size << (_STEP + 1)
    edges = np.arange(down, end + 1, down)
    # The second row begins with what is new to the first.
    parts = (starts[1:] + steps[1:], keys[above] + down, keys[left] + right, [down + numbers[left.stop - 1]])
    found = np.concatenate((*parts, [right + _BEGIN], edges + _BEGIN))
    found += _ZERO
    return found


def _columns(segments: _Segments, width: int) -> list[Column]:
    """Return the table whose rows are the segments.

    Of a segment, the first pixel is written or, where it has several bytes, taken from where it was before;
    it is repeated for those that differ as much; zeros follow.
    """
    values, lengths = segments.values, segments.lengths
    written = (values != 0).astype(np.int64)
    rest, most = 4 * written, segments.most
    for number in range(1, most):
        written += values >= 1 << _LANE * number
    rest -= written  # zeros that end the first pixel
    columns: list[Column] = [Copies(_UP, segments.begins.astype(np.int64))]
    ended = lengths > 1
    if most > 1:
        backs = _backs(segments, written > 1, width)
        columns.append(Backs(backs))
        again = backs > 0
        written[again] = rest[again] = 0
        ended |= again
    bytes_ = ((values >> _LANE * number) & 0xFF for number in range(most))
    columns += [Literals(np.where(written > number, byte, NOTHING)) for number, byte in enumerate(bytes_)]
    zeros = 4 * segments.same + rest
    # After a byte that is no zero, one zero has to be written before it can be repeated.
    single = np.where(ended, rest, np.where(zeros > SHORTEST, 1, zeros))
    columns.append(Copies(0, single))
    return [*columns, Repeats(4, np.maximum(4 * lengths - 4, 0)), Repeats(1, zeros - single)]


def _backs(segments: _Segments, wanted: NDArray[np.bool_], width: int) -> Numbers:
    """Return how far back the same first pixel was written last, 0 where that is too far.

    Differences of several bytes are few, as instances are, and cost more than the way back.
    """
    found = np.zeros_like(segments.values)
    which = np.flatnonzero(wanted)
    places = segments.places[which]
    keys = segments.values[which] << 32 | np.arange(which.size)
    keys.sort()
    order = keys & 0xFFFFFFFF
    ways = np.diff((4 * places + places // width)[order])
    near = np.flatnonzero((np.diff(keys >> 32) == 0) & (ways <= FARTHEST))
    found[which[order[near + 1]]] = ways[near]
    return found


def _adler(first: bytes, segments: _Segments, whole: InstanceMap) -> int:
    """Return the checksum of the rows before compression (RFC 1950), as sums over the segments."""
    height, width = whole.height, whole.width
    across = 4 * width + 1
    size = height * across
    # A byte counts once in the low sum, and in the high one as often as there are bytes from it to the end.
    low = 1 + _UP * (height - 1) + sum(first)
    high = size + _UP * (height * (height - 1) // 2) * across
    high += sum(byte * (size - at) for at, byte in enumerate(first))
    places, lengths = segments.places, segments.lengths
    often = lengths * (size - 4 * places - places // width - 1 - 2 * (lengths - 1)) % _MOD
    for number in range(segments.most):
        byte = (segments.values >> _LANE * number) & 0xFF
        once = int(byte @ lengths)
        low += once
        high += int(byte @ often) - number * once
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
    if picture.shape[2] < 4:  # noqa: PLR2004
        picture = cv2.cvtColor(picture, cv2.COLOR_BGR2BGRA)
    colours: NDArray[np.uint32] = np.ascontiguousarray(picture).view("<u4").reshape(height, width)
    colours &= np.uint32(MOST_NUMBERS)  # in place, as pictures may be large
    found = InstanceMap.from_array(colours, max_pixels=max_pixels)
    # OpenCV has blue lowest. Which pixels differ from their neighbours does not depend on that.
    blue, green, red = (found.numbers & np.uint32(0xFF << at) for at in (0, 8, 16))
    numbers = blue << np.uint32(16) | green | red >> np.uint32(16)
    return InstanceMap(height, width, found.starts, numbers)


def _is_whole(data: bytes) -> bool:
    """Whether all pieces of the file are there, each with its checksum."""
    try:
        for _ in _png.chunks(data):
            pass
    except ValueError:
        return False
    return True


def _size(data: bytes, max_pixels: int) -> tuple[int, int]:
    """Return width and height from the head, before anything is decoded."""
    head = _png.head(data)
    if head is None:
        raise MaskError(f"instance picture of {len(data)} bytes is no PNG file; check what its address gives")
    width, height, depth, colour, *_ = head
    check_size(height, width, max_pixels=max_pixels)
    if depth not in _DEPTHS or colour not in _COLOURED:
        raise MaskError("instance picture is grey or has 16 bits a channel; expected RGBA, RGB or a palette")
    return width, height
