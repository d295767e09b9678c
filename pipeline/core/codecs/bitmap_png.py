"""Supervisely's bitmaps: a small PNG of the part that holds the mask, in base64, and where it lies.

The text is JSON, `{"origin":[x,y],"data":"..."}`, just as it travels: `origin` is the top-left pixel of the
part, `data` is base64 of a zlib stream of a PNG file. Masks are pictures of 1 bit with a palette of black,
which is transparent, and white; masks with soft edges (`AlphaMask`) are grey pictures of 8 bits. How they are
compressed depends on the tool and on the kind of processor; on one machine equal masks are equal texts.

Source: the vendor's SDK 6.74, whose `Bitmap` and `AlphaMask` read and write these; PNG, RFC 2083.
"""

import base64
import binascii
import math
import zlib
from dataclasses import dataclass
from typing import Final

import cv2
import msgspec
import numpy as np
from isal import isal_zlib
from numpy.typing import NDArray

from pipeline.core import toggles as tg
from pipeline.core.codecs import _png
from pipeline.core.masks import MAX_PIXELS, AlphaMask, Mask, MaskError, check_size

Bytes = NDArray[np.uint8]

_START: Final = _png.chunk(b"PLTE", b"\0\0\0\xff\xff\xff") + _png.chunk(b"tRNS", b"\0")
_GREY_START: Final = _png.chunk(b"tRNS", b"\0\0")
_ALPHA: Final = (cv2.IMWRITE_PNG_COMPRESSION, 4, cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_DEFAULT)
_END: Final = _png.chunk(b"IEND", b"")
_ALL: Final = np.uint64(0xFFFF_FFFF_FFFF_FFFF)
_SMALL: Final = 1 << 16
"""Bytes of rows up to which they are quickest made of a byte for each bit."""
_SAMPLE: Final = 12  # bytes
_BYTE: Final = 8  # pixels
_MOST_BYTES: Final = 8  # of one pixel of a PNG file: four channels of 16 bits
_SPARE: Final = 1 << 16  # bytes of a file for its head and what else it may say
_LEVEL: Final = 0
"""Of compression. 1 and 2 would make files a third smaller in up to three times the time, but not the same
ones each time: those of ISA-L 2.31 look up the third byte under a number that nobody has set."""
_STORED: Final = 11  # bytes that a short stream has beside what is stored in it
_ZLIB: Final = 8  # the low half of the first byte of a zlib stream
_LAST_FILTER: Final = 4
_CHANNELS: Final = 4  # colour and opacity


_EMPTY: Final = "mask has no pixel; Supervisely holds no empty bitmap. Remove the object"


class _Bitmap(msgspec.Struct):
    origin: tuple[float, float]
    data: str


def encode(mask: Mask) -> str:
    """Return the bitmap of the smallest part that holds every pixel. MaskError for a mask without one.

    No raster is made: the file's rows are written 64 pixels at a time, and only at the edges of the mask.
    """
    if not mask.toggles.size:
        raise MaskError(_EMPTY)
    rows, starts, ends = mask.segments()
    x, y = int(starts.min()), int(rows[0])
    width, height = int(ends.max()) - x, int(rows[-1]) + 1 - y
    line = 1 + (width + 7) // 8  # a byte for the filter, which is none
    places = np.empty(2 * rows.size, np.int64)
    base = (rows - y) * (8 * line) + (8 - x)
    np.add(base, starts, out=places[0::2])
    np.add(base, ends, out=places[1::2])
    return _file(x, y, width, height, _bits(places, height * line))


def encode_array(array: NDArray[np.bool_]) -> str:
    """Return what `encode` returns for the mask of a 2-D boolean array, sooner than by way of its toggles."""
    x, y, width, height = _box(array)
    if not width:
        raise MaskError(_EMPTY)
    # Where there are pixels enough at both sides, none of them is inside: the byte for the filter is 0.
    line = 1 + (width + 7) // 8
    left, right = x - _BYTE, x + _BYTE * (line - 1)
    if left >= 0 and right <= array.shape[1]:
        part = array[y : y + height, left:right]
    else:
        part = np.zeros((height, _BYTE * line), np.bool_)
        part[:, _BYTE : _BYTE + width] = array[y : y + height, x : x + width]
    return _file(x, y, width, height, _packbits(part).tobytes())


def _packbits(array: NDArray[np.bool_]) -> Bytes:
    """Return the bits of each row, highest first. Rows of whole bytes are packed as one, in half the time."""
    if array.shape[1] % _BYTE or not array.size:
        return np.packbits(array, axis=1)
    return np.packbits(np.ascontiguousarray(array).reshape(-1)).reshape(array.shape[0], -1)


def _box(array: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    """Return x, y, width and height of what holds every pixel, all 0 without one, from the array's bits."""
    bits = _packbits(array)
    first, y, wide, height = cv2.boundingRect(bits)
    if not wide:
        return 0, 0, 0, 0
    left = int(np.bitwise_or.reduce(bits[y : y + height, first]))
    right = int(np.bitwise_or.reduce(bits[y : y + height, first + wide - 1]))
    x = 8 * first + 8 - left.bit_length()
    return x, y, 8 * (first + wide) + 1 - (right & -right).bit_length() - x, height


def decode(data: str | bytes, height: int, width: int, *, max_pixels: int = MAX_PIXELS) -> Mask:
    """Return the height x width mask of a bitmap, whose picture may be a PNG file of any kind up to 8 bits.

    A pixel is inside where its opacity is above 0, or, in a picture without opacities, where it is not black.
    Raises MaskError for more than `max_pixels` pixels, a part that leaves the image, and data that are no
    such text or no whole PNG file.
    """
    picture = _opened(data, height, width, max_pixels)
    packed = _packed(picture)
    line = 8 * (packed.size // picture.height)
    places = _places(packed)
    places -= 8  # the byte ahead of each row; a run that ends with a row ends in the one ahead of the next
    rows = places // line
    places += rows * (width - line)
    places += picture.y * width + picture.x
    toggles = places if picture.width < width else tg.odd_ones(places)
    frozen = toggles.astype(np.uint32)
    frozen.setflags(write=False)
    return Mask(height, width, frozen)


def encode_alpha(mask: AlphaMask) -> str:
    """Return the bitmap of a mask with soft edges. MaskError where no opacity is above 0."""
    if not mask.crop.any():
        raise MaskError("alpha mask has no pixel above 0; Supervisely holds no empty one. Remove the object")
    _, file = cv2.imencode(".png", mask.crop, _ALPHA)
    data = file.tobytes()
    at = len(_png.SIGNATURE) + 25  # behind the head
    return _text(mask.x, mask.y, data[:at] + _GREY_START + data[at:])


def decode_alpha(data: str | bytes, height: int, width: int, *, max_pixels: int = MAX_PIXELS) -> AlphaMask:
    """Return the mask with soft edges of a bitmap in a height x width image.

    An opacity is a pixel's grey, or what the picture gives as its opacity. Raises MaskError as `decode`.
    """
    picture = _opened(data, height, width, max_pixels)
    pixels = _pixels(picture)
    if pixels.ndim > 2:  # noqa: PLR2004
        flat = pixels.shape[2] < _CHANNELS
        pixels = cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY).astype(np.uint8) if flat else pixels[:, :, 3]
    crop = np.ascontiguousarray(pixels)
    crop.setflags(write=False)
    return AlphaMask(height, width, picture.x, picture.y, crop)


# ---- writing -------------------------------------------------------------------------------------------


def _file(x: int, y: int, width: int, height: int, rows: bytes) -> str:
    """Return the bitmap of rows of bits, highest first, each with a byte ahead that names no filter."""
    packed = isal_zlib.compress(rows, _LEVEL)
    if len(packed) > len(rows) + _STORED:  # noise, which is not worth the name of a mask
        packed = zlib.compress(rows, 0)
    head = _png.HEAD.pack(width, height, 1, _png.PALETTE, 0, 0, 0)
    parts = (_png.chunk(b"IHDR", head), _START, _png.chunk(b"IDAT", packed), _END)
    return _text(x, y, b"".join((_png.SIGNATURE, *parts)))


def _bits(places: NDArray[np.int64], size: int) -> bytes:
    """Return `size` bytes whose bits, highest first, switch at each of the ascending places."""
    if size > _SMALL:
        return _words(places, size)
    runs = np.empty(places.size + 1, np.int64)
    runs[0], runs[-1] = places[0], 8 * size - places[-1]
    np.subtract(places[1:], places[:-1], out=runs[1:-1])
    inside = np.zeros(runs.size, np.uint8)
    inside[1::2] = 1
    return np.packbits(np.repeat(inside, runs)).tobytes()


def _words(places: NDArray[np.int64], size: int) -> bytes:
    """Do the same without a byte for each bit: 64 bits at a time, and at the places only."""
    words = places >> 6
    first = np.concatenate(([True], words[1:] != words[:-1])).nonzero()[0]
    at = words[first]
    edges = np.bitwise_or.reduceat(np.uint64(1) << (~places & 63).view(np.uint64), first)
    for step in (1, 2, 4, 8, 16, 32):  # each bit becomes the sum, modulo 2, of those up to it
        edges ^= edges >> np.uint64(step)
    odd = edges & np.uint64(1)
    after = np.bitwise_xor.accumulate(odd)
    edges ^= (after ^ odd) * _ALL
    end = max((size + 7) // 8, int(at[-1]) + 1)
    values = np.concatenate(([np.uint64(0)], after * _ALL))
    filled = np.repeat(values, np.diff(at, prepend=0, append=end))
    filled[at] = edges
    return filled.astype(">u8").tobytes()[:size]


def _text(x: int, y: int, file: bytes) -> str:
    # What is compressed once is rarely compressed again: only many equal rows are, as those of a rectangle.
    middle = len(file) // 2
    again = 6 if file.find(file[middle : middle + _SAMPLE], middle + 1) > 0 else 0
    data = binascii.b2a_base64(zlib.compress(file, again), newline=False).decode("ascii")
    return f'{{"origin":[{x},{y}],"data":"{data}"}}'


# ---- reading -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Picture:
    """A PNG file, of known size, whose top-left is at pixel (x, y) of an image that holds all of it."""

    file: bytes
    x: int
    y: int
    width: int
    height: int
    depth: int
    colour: int
    interlaced: bool


def _opened(data: str | bytes, height: int, width: int, max_pixels: int) -> _Picture:
    check_size(height, width, max_pixels=max_pixels)
    try:
        bitmap = msgspec.json.decode(data, type=_Bitmap)
        x, y = map(math.floor, bitmap.origin)
        file = _unzipped(base64.b64decode(bitmap.data), height * width)
    except msgspec.DecodeError as error:
        raise MaskError(f"bitmap is not {{'origin': [x, y], 'data': base64 text}}: {error}") from None
    except (ValueError, OverflowError, zlib.error):
        raise MaskError("bitmap's `data` are not base64 of a zlib stream, or it ends early") from None
    head = _png.head(file)
    if head is None:
        raise MaskError("bitmap's `data` hold no PNG file")
    across, down, depth, colour, _, _, interlaced = head
    if not (0 <= x <= width - across and 0 <= y <= height - down and across and down):
        raise MaskError(
            f"bitmap of {down} x {across} (height x width) at x={x} y={y} is empty or leaves the image of "
            f"{height} x {width} pixels"
        )
    return _Picture(file, x, y, across, down, depth, colour, bool(interlaced))


def _unzipped(data: bytes, pixels: int) -> bytes:
    """Take off the outer compression. A bare PNG file is read as well, as some old labels have those."""
    if not data or data[0] & 0x0F != _ZLIB or data.startswith(_png.SIGNATURE):
        return data
    stream = zlib.decompressobj()
    file = stream.decompress(data, _SPARE + _MOST_BYTES * 2 * pixels)
    if not stream.eof:
        raise ValueError("the stream ends early, or is longer than a picture of the image can be")
    return file


def _packed(picture: _Picture) -> Bytes:
    """Return the rows as bits, highest first, each row in whole bytes with a byte of zeros ahead: 1-D."""
    bits = None
    if picture.depth == 1 and picture.colour in {_png.GREY, _png.PALETTE} and not picture.interlaced:
        bits = _of_one_bit(picture)
    if bits is None:
        pixels = _pixels(picture)
        bits = np.packbits(pixels != 0 if pixels.ndim == 2 else _inside(pixels), axis=1)  # noqa: PLR2004
    if bits.ndim == 1:
        return bits
    rows = np.zeros((picture.height, bits.shape[1] + 1), np.uint8)
    rows[:, 1:] = bits
    return rows.reshape(-1)


def _inside(pixels: Bytes) -> NDArray[np.bool_]:
    opacity: Bytes = pixels[:, :, 3] if pixels.shape[2] == _CHANNELS else pixels.max(axis=2)
    inside: NDArray[np.bool_] = opacity != 0
    return inside


def _of_one_bit(picture: _Picture) -> Bytes | None:
    """Return the bits of a picture of 1 bit: 2-D without their lines' first byte, or 1-D with it, which is 0.

    None where set bits do not stand for what is inside.
    """
    found: dict[bytes, list[memoryview]] = {}
    try:
        for kind, data in _png.chunks(picture.file):
            found.setdefault(kind, []).append(data)
    except ValueError as error:
        raise _broken(str(error)) from None
    if picture.colour == _png.PALETTE and not _is_usual(found):
        return None
    line = 1 + (picture.width + 7) // 8
    try:
        rows = zlib.decompressobj().decompress(b"".join(found.get(b"IDAT", [])), picture.height * line)
    except zlib.error:
        raise _broken("its compression is broken") from None
    if len(rows) < picture.height * line:
        raise _broken("it has too few rows")
    bits = np.frombuffer(rows, np.uint8).reshape(picture.height, line)
    filters = bits[:, 0].max()
    if filters:
        bits = _unfiltered(rows, picture.height, line, filters)
    unused = 0xFF >> 1 + (picture.width - 1) % 8
    if (bits[:, -1] & unused).any():
        bits = bits.copy()
        bits[:, -1] &= 0xFF ^ unused
    return bits if bits.shape[1] < line else bits.reshape(-1)


def _is_usual(found: dict[bytes, list[memoryview]]) -> bool:
    """Whether of the two colours of a palette the first is outside and the second is inside."""
    colours = bytes(found.get(b"PLTE", [memoryview(b"")])[0])
    if b"tRNS" in found:
        opacities = bytes(found[b"tRNS"][0]) + b"\xff\xff"
        return not opacities[0] and bool(opacities[1])
    return not any(colours[:3]) and any(colours[3:6])


def _unfiltered(rows: bytes, height: int, line: int, filters: int) -> Bytes:
    """Return the bits of rows that are written as differences, without their lines' first byte.

    The differences are those of whole bytes, so the same rows are read as a grey picture of an eighth of the
    width: a byte is then a pixel, and nothing has to be unpacked.
    """
    if filters > _LAST_FILTER:
        raise _broken(f"it has a filter {filters}")
    head = _png.HEAD.pack(line - 1, height, 8, _png.GREY, 0, 0, 0)
    parts = (_png.chunk(b"IHDR", head), _png.chunk(b"IDAT", zlib.compress(rows, 0)), _END)
    return _read(b"".join((_png.SIGNATURE, *parts)), height, line - 1)


def _pixels(picture: _Picture) -> Bytes:
    """Return the pixels of a file as OpenCV has them: (height, width), or with 3 or 4 channels."""
    try:
        for _ in _png.chunks(picture.file):
            pass
    except ValueError as error:
        raise _broken(str(error)) from None
    return _read(picture.file, picture.height, picture.width)


def _read(file: bytes, height: int, width: int) -> Bytes:
    pixels = cv2.imdecode(np.frombuffer(file, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.shape[:2] != (height, width):
        raise _broken("it cannot be read")
    if pixels.dtype != np.uint8:
        raise MaskError("bitmap's picture has 16 bits a channel; expected 8 or fewer")
    return pixels.astype(np.uint8, copy=False)


def _broken(why: str) -> MaskError:
    return MaskError(f"bitmap's picture is no whole PNG file: {why}")


def _places(packed: Bytes) -> NDArray[np.int64]:
    """Return where the bits, highest first, switch on and off; the end where the last one is set."""
    changed: Bytes = packed >> np.uint8(1)
    changed ^= packed
    changed[1:] ^= packed[:-1] << np.uint8(7)
    hit = changed.nonzero()[0]
    bit = np.unpackbits(changed.take(hit)).view(np.bool_).nonzero()[0]
    places: NDArray[np.int64] = hit.take(bit >> 3) * 8 + (bit & 7)
    return np.append(places, packed.size * 8) if places.size % 2 else places
