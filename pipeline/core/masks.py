"""Masks: a set of pixels of one image as toggles, as a raster, in a platform's notation, or with soft edges.

Pixels are counted from the top-left. Boxes are (x, y, width, height) in whole pixels.
"""

import operator
from dataclasses import dataclass
from typing import Any, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from pipeline.core import toggles as tg
from pipeline.core.quick import quick
from pipeline.core.toggles import Integers, Toggles

S = TypeVar("S", bound=np.generic)

MAX_PIXELS = 1 << 28
"""Default limit on height * width of what is decoded or drawn. A `Mask` itself ends below 2**32 pixels."""


class MaskError(ValueError):
    """A mask, or data that should have become one, breaks a rule that the message states."""


def check_size(height: int, width: int, *, max_pixels: int = MAX_PIXELS) -> None:
    """Raise `MaskError` unless height and width are at least 1 and their product is at most `max_pixels`.

    The product must stay below 2**32 in any case.
    """
    if height < 1 or width < 1:
        raise MaskError(f"mask size is {height} x {width} (height x width); both must be at least 1")
    if height * width > max_pixels or height * width >= 1 << 32:
        raise MaskError(
            f"mask size is {height} x {width} (height x width) = {height * width} pixels; "
            f"the limit is {min(max_pixels, (1 << 32) - 1)}; check the size of the image"
        )


def toggles_of_array(array: NDArray[Any]) -> Toggles:
    """Row-major toggles of a 2-D array of bool, or of uint8 with only 0 and 1, in any memory order.

    Raises `MaskError` for any other array.
    """
    array = _boolean(array)
    check_size(*array.shape, max_pixels=1 << 32)
    return _toggles(array)


def _toggles(array: NDArray[np.bool_]) -> Toggles:
    flags = array.flags
    if flags.c_contiguous:
        return tg.of_array(array)
    if flags.f_contiguous:
        return tg.transposed(tg.of_array(array.T), array.shape[1], array.shape[0])
    return tg.of_array(np.ascontiguousarray(array))


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Mask:
    """A set of pixels of a height x width image, kept as its flat row-major toggles.

    `toggles` is 1-D uint32: start, end, start, end ... (ends exclusive), strictly increasing, even in length,
    the last at most height * width. It is read-only; a writable array is copied. Raises `MaskError` if any of
    this does not hold.
    """

    height: int
    width: int
    toggles: Toggles

    def __post_init__(self) -> None:
        object.__setattr__(self, "height", operator.index(self.height))
        object.__setattr__(self, "width", operator.index(self.width))
        check_size(self.height, self.width, max_pixels=1 << 32)
        _check_toggles(self.toggles, self.height * self.width)
        if self.toggles.flags.writeable:
            object.__setattr__(self, "toggles", _frozen(self.toggles.copy()))

    @classmethod
    def empty(cls, height: int, width: int) -> Self:
        """A mask without a pixel."""
        return cls(height, width, _frozen(np.empty(0, np.uint32)))

    @classmethod
    def from_array(cls, array: NDArray[Any]) -> Self:
        """The mask of a 2-D array of bool, or of uint8 with only 0 and 1, in any memory order.

        Raises `MaskError` for any other array.
        """
        toggles = toggles_of_array(array)
        return cls._of(array.shape[0], array.shape[1], toggles)

    @classmethod
    def from_packed(cls, bits: bytes, height: int, width: int) -> Self:
        """The mask of `np.packbits(..., bitorder="little")` of the flat row-major raster.

        Raises `MaskError` unless there are ceil(height * width / 8) bytes and the unused bits are zero.
        """
        check_size(height, width, max_pixels=1 << 32)
        size = height * width
        raw = np.frombuffer(bits, np.uint8)
        if raw.size != (size + 7) // 8 or (size % 8 and int(raw[-1]) >> size % 8):
            raise MaskError(
                f"packed mask has {raw.size} bytes; {height} x {width} pixels need {(size + 7) // 8}, "
                f"with the unused bits zero"
            )
        return cls._of(height, width, tg.of_packed(raw, size))

    @classmethod
    def _of(cls, height: int, width: int, toggles: Toggles) -> Self:
        """The mask of toggles that were just made from a raster, so that they need no check."""
        mask = object.__new__(cls)
        object.__setattr__(mask, "height", height)
        object.__setattr__(mask, "width", width)
        object.__setattr__(mask, "toggles", _frozen(toggles))
        return mask

    @classmethod
    def from_column_toggles(cls, toggles: Toggles, height: int, width: int) -> Self:
        """The mask of column-major toggles (position = column * height + row); else as the constructor."""
        flipped = Mask(width, height, toggles)
        return cls(height, width, _frozen(tg.transposed(flipped.toggles, width, height)))

    @classmethod
    def from_segments(cls, rows: Integers, starts: Integers, ends: Integers, height: int, width: int) -> Self:
        """The union of the row segments [start, end) given in any order; the reverse of `segments`.

        Three integer arrays of one length. Raises `MaskError` for an empty segment or one outside the image.
        """
        if rows.size and (
            rows.min() < 0
            or rows.max() >= height
            or starts.min() < 0
            or ends.max() > width
            or (starts >= ends).any()
        ):
            raise MaskError(
                f"row segments must not be empty and must lie in {height} x {width} (height x width) pixels"
            )
        line = rows.astype(np.int64) * (width + 1)
        return cls(height, width, _frozen(tg.of_row_keys(tg.joined(line + starts, line + ends), width)))

    def __eq__(self, other: object) -> bool:
        """Whether both have the same size and the same pixels."""
        if not isinstance(other, Mask):
            return NotImplemented
        same_size = self.height == other.height and self.width == other.width
        return same_size and np.array_equal(self.toggles, other.toggles)

    def __hash__(self) -> int:
        """By value."""
        return hash((self.height, self.width, self.toggles.tobytes()))

    def __repr__(self) -> str:
        """Size and area: the toggles are too many to read."""
        return f"Mask(height={self.height}, width={self.width}, area={self.area})"

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the toggles as plain bytes, so that the copy is read-only too."""
        return _restored, (self.height, self.width, self.toggles.tobytes())

    @property
    def area(self) -> int:
        """Number of pixels."""
        return tg.area(self.toggles)

    @property
    def box(self) -> tuple[int, int, int, int] | None:
        """Smallest (x, y, width, height) that holds every pixel; None for an empty mask."""
        if not self.toggles.size:
            return None
        starts, lasts = self.toggles[0::2], self.toggles[1::2] - 1
        top, bottom = int(starts[0]) // self.width, int(lasts[-1]) // self.width
        if (starts // self.width != lasts // self.width).any():
            left, right = 0, self.width - 1
        else:
            left, right = int((starts % self.width).min()), int((lasts % self.width).max())
        return left, top, right - left + 1, bottom - top + 1

    def to_array(self) -> NDArray[np.bool_]:
        """The raster: (height, width), bool, C order."""
        return tg.to_array(self.toggles, self.height, self.width)

    def column_toggles(self) -> Toggles:
        """The toggles of the same pixels in column-major order (position = column * height + row)."""
        return tg.transposed(self.toggles, self.height, self.width)

    def segments(self) -> tuple[Integers, Integers, Integers]:
        """Row, first column and end column (exclusive) of every horizontal run, in reading order: int64."""
        keys = tg.row_keys(self.toggles, self.height, self.width).astype(np.int64)
        rows = keys[0::2] // (self.width + 1)
        line = rows * (self.width + 1)
        return rows, keys[0::2] - line, keys[1::2] - line

    def crop(self, x: int, y: int, width: int, height: int) -> "Mask":
        """The part inside the box, as a mask of the box's size.

        Raises `MaskError` if the box is empty or leaves the image.
        """
        _check_box(x, y, width, height, self.height, self.width)
        rows, starts, ends = self.segments()
        starts, ends = np.maximum(starts, x), np.minimum(ends, x + width)
        kept = (rows >= y) & (rows < y + height) & (starts < ends)
        return Mask.from_segments(rows[kept] - y, starts[kept] - x, ends[kept] - x, height, width)

    def place(self, x: int, y: int, height: int, width: int) -> "Mask":
        """This mask with its top-left at (x, y) of a height x width image, the reverse of `crop`.

        Raises `MaskError` if it leaves that image.
        """
        _check_box(x, y, self.width, self.height, height, width)
        rows, starts, ends = self.segments()
        return Mask.from_segments(rows + y, starts + x, ends + x, height, width)

    def union(self, other: "Mask") -> "Mask":
        """Pixels in either. `MaskError` if the sizes differ, here and in the three below."""
        return self._combine(other, np.logical_or)

    def intersection(self, other: "Mask") -> "Mask":
        """Pixels in both."""
        return self._combine(other, np.logical_and)

    def difference(self, other: "Mask") -> "Mask":
        """Pixels in this one only."""
        return self._combine(other, np.greater)

    def iou(self, other: "Mask") -> float:
        """Shared area divided by joint area, 0 to 1; two empty masks are equal: 1."""
        shared = self.intersection(other).area
        joint = self.area + other.area - shared
        return shared / joint if joint else 1.0

    def _combine(self, other: "Mask", rule: np.ufunc) -> "Mask":
        if (self.height, self.width) != (other.height, other.width):
            raise MaskError(
                f"masks of different sizes: {self.height} x {self.width} and {other.height} x {other.width} "
                f"(height x width); they must be of one image"
            )
        return Mask(self.height, self.width, _frozen(tg.combined(self.toggles, other.toggles, rule)))


@dataclass(frozen=True, slots=True, eq=False)
class Raster:
    """A mask as (height, width) booleans, any memory order; the caller must not change the array afterwards.

    uint8 with only 0 and 1 is accepted and becomes bool without a copy. Any other array raises `MaskError`.
    """

    array: NDArray[np.bool_]

    def __post_init__(self) -> None:
        array = _boolean(self.array)
        check_size(*array.shape, max_pixels=1 << 32)
        object.__setattr__(self, "array", _frozen(array.view()))

    @property
    def height(self) -> int:
        """Rows."""
        return int(self.array.shape[0])

    @property
    def width(self) -> int:
        """Columns."""
        return int(self.array.shape[1])

    def __eq__(self, other: object) -> bool:
        """Whether both have the same size and the same pixels."""
        if not isinstance(other, Raster):
            return NotImplemented
        return np.array_equal(self.array, other.array)

    def __hash__(self) -> int:
        """By value."""
        return hash((self.height, self.width, self.packed()))

    def to_mask(self) -> Mask:
        """The same pixels as toggles."""
        return Mask._of(self.height, self.width, _toggles(self.array))  # noqa: SLF001 - of this module

    def packed(self) -> bytes:
        """`np.packbits(..., bitorder="little")` of the flat row-major raster: an eighth of its size."""
        return np.packbits(self.array, bitorder="little").tobytes()


@quick
@dataclass(frozen=True, slots=True)
class EncodedMask:
    """A height x width mask in a platform's own notation: `data` as the codec of that name wrote it."""

    height: int
    width: int
    codec: str
    data: str | bytes


@dataclass(frozen=True, slots=True, eq=False)
class AlphaMask:
    """A mask with soft edges: 8-bit opacities of a part of a height x width image.

    `crop` is 2-D uint8 and its top-left is at pixel (x, y). It is read-only; a writable array is copied.
    Raises `MaskError` for any other array, and for a crop that is empty or leaves the image.
    """

    height: int
    width: int
    x: int
    y: int
    crop: NDArray[np.uint8]

    def __post_init__(self) -> None:
        check_size(self.height, self.width, max_pixels=1 << 32)
        if not isinstance(self.crop, np.ndarray) or self.crop.ndim != 2 or self.crop.dtype != np.uint8:  # noqa: PLR2004
            raise MaskError(f"crop of an alpha mask is {_described(self.crop)}; expected a 2-D uint8 array")
        height, width = self.crop.shape
        _check_box(self.x, self.y, width, height, self.height, self.width)
        if self.crop.flags.writeable:
            object.__setattr__(self, "crop", _frozen(self.crop.copy()))

    def __eq__(self, other: object) -> bool:
        """Whether size, place and every opacity are the same."""
        if not isinstance(other, AlphaMask):
            return NotImplemented
        return self._place() == other._place() and np.array_equal(self.crop, other.crop)

    def __hash__(self) -> int:
        """By value."""
        return hash((*self._place(), self.crop.shape, self.crop.tobytes()))

    def _place(self) -> tuple[int, int, int, int]:
        return self.height, self.width, self.x, self.y


def _check_box(x: int, y: int, width: int, height: int, image_height: int, image_width: int) -> None:
    if x < 0 or y < 0 or width < 1 or height < 1 or x + width > image_width or y + height > image_height:
        raise MaskError(
            f"box x={x} y={y} width={width} height={height} is empty or leaves the image of "
            f"{image_height} x {image_width} (height x width) pixels"
        )


def _check_toggles(toggles: object, size: int) -> None:
    if not isinstance(toggles, np.ndarray) or toggles.dtype != np.uint32 or toggles.ndim != 1:
        raise MaskError(f"toggles are {_described(toggles)}; expected a 1-D uint32 array")
    if toggles.size % 2:
        raise MaskError(f"toggles have odd length {toggles.size}; every start needs an end")
    if toggles.size and (int(toggles[-1]) > size or not (toggles[1:] > toggles[:-1]).all()):
        raise MaskError(
            f"toggles must increase strictly up to at most {size} (height * width); the last is {toggles[-1]}"
        )


def _boolean(array: object) -> NDArray[np.bool_]:
    if isinstance(array, np.ndarray) and array.ndim == 2:  # noqa: PLR2004
        if array.dtype == np.bool_:
            return array
        if array.dtype == np.uint8:
            if not array.size or array.max() <= 1:
                return array.view(np.bool_)
            raise MaskError(
                f"mask array of uint8 holds {array.max()}; only 0 and 1 are allowed (pass `array > 0`)"
            )
    raise MaskError(
        f"mask array is {_described(array)}; expected a 2-D array of bool, or of uint8 with only 0 and 1"
    )


def _described(value: object) -> str:
    if isinstance(value, np.ndarray):
        return f"{value.ndim}-D {value.dtype}"
    return type(value).__name__


def _frozen(array: NDArray[S]) -> NDArray[S]:
    array.setflags(write=False)
    return array


def _restored(height: int, width: int, raw: bytes) -> Mask:
    return Mask(height, width, np.frombuffer(raw, np.uint32))
