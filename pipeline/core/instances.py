"""Pictures of numbered instances: many masks of one image that do not overlap, kept as runs of numbers.

A picture is split and drawn without a raster: the work grows with the runs, not with the pixels.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from hashlib import blake2b
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from pipeline.core import toggles as tg
from pipeline.core.masks import MAX_PIXELS, Mask, MaskError, check_size
from pipeline.core.toggles import Integers

MOST_NUMBERS = (1 << 24) - 1
"""The largest number of an instance: pictures travel with 24 bits a pixel."""

Runs = NDArray[np.uint32]


class OnTop(StrEnum):
    """Which of two masks that share pixels has them."""

    LAST = "last"
    FIRST = "first"
    SMALLEST = "smallest"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class InstanceMap:
    """A height x width picture of numbers: 0 where nothing is, else the instance that the pixel belongs to.

    Pixels are counted row by row from the top-left. `numbers[i]` holds from `starts[i]` up to the next start.
    Both are 1-D uint32 of one length; `starts` begins with 0 and increases strictly, neighbours in `numbers`
    differ, and none is above `MOST_NUMBERS`.
    """

    height: int
    width: int
    starts: Runs
    numbers: Runs

    @classmethod
    def from_array(cls, array: NDArray[Any], *, max_pixels: int = MAX_PIXELS) -> Self:
        """Return the picture of a 2-D array of integers, in any memory order.

        Raises `MaskError` for any other array, a negative number, and one above `MOST_NUMBERS`.
        """
        if not isinstance(array, np.ndarray) or array.ndim != 2 or array.dtype.kind not in "iub":  # noqa: PLR2004
            found = f"{array.ndim}-D {array.dtype}" if isinstance(array, np.ndarray) else type(array).__name__
            raise MaskError(f"instance picture is {found}; expected a 2-D array of integers")
        height, width = array.shape
        check_size(height, width, max_pixels=max_pixels)
        flat = np.ascontiguousarray(array).reshape(-1)
        changes = np.packbits(flat[1:] != flat[:-1], bitorder="little")
        starts = np.concatenate(([0], tg.set_bits(changes) + 1))
        numbers = flat[starts]
        low, high = int(numbers.min()), int(numbers.max())
        if low < 0 or high > MOST_NUMBERS:
            wrong = low if low < 0 else high
            raise MaskError(f"instance picture holds the number {wrong}; expected 0 to {MOST_NUMBERS}")
        return cls(height, width, starts.astype(np.uint32), numbers.astype(np.uint32))

    def to_array(self) -> NDArray[np.uint32]:
        """Return the picture as (height, width) uint32, C order."""
        return np.repeat(self.numbers, self._lengths()).reshape(self.height, self.width)

    @property
    def present(self) -> tuple[int, ...]:
        """The numbers above 0 that have a pixel, ascending."""
        found: list[int] = _distinct(self.numbers).tolist()
        return tuple(found[1:] if found[0] == 0 else found)

    @property
    def digest(self) -> str:
        """A digest of size and pixels: the same for equal pictures in every process."""
        digest = blake2b(f"{self.height} {self.width}\0".encode(), digest_size=16)
        digest.update(self.starts.astype("<u4").data)
        digest.update(self.numbers.astype("<u4").data)
        return digest.hexdigest()

    def mask(self, number: int) -> Mask:
        """Return the pixels of one number; without a pixel, an empty mask."""
        at = np.flatnonzero(self.numbers == number)
        return self._mask(at, self._ends())

    def masks(self) -> dict[int, Mask]:
        """Return every number above 0 that has a pixel with its mask, ascending, in one pass."""
        order = np.argsort(self.numbers, kind="stable")
        ranked = self.numbers[order]
        bounds = np.flatnonzero(ranked[1:] != ranked[:-1]) + 1
        ends = self._ends()
        parts = np.split(order, bounds)
        found = ((int(self.numbers[part[0]]), part) for part in parts)
        return {number: self._mask(part, ends) for number, part in found if number}

    def renumbered(self, numbers: Mapping[int, int]) -> "InstanceMap":
        """Return the picture with other numbers; one that `numbers` does not name becomes 0."""
        known = _distinct(self.numbers)
        new = np.array([numbers.get(number, 0) for number in known.tolist()], np.uint32)
        if (new == known).all():
            return self
        return _joined(self.height, self.width, self.starts, new[np.searchsorted(known, self.numbers)])

    def __eq__(self, other: object) -> bool:
        """Whether both have the same size and the same number at every pixel."""
        if not isinstance(other, InstanceMap):
            return NotImplemented
        return (
            (self.height, self.width) == (other.height, other.width)
            and np.array_equal(self.starts, other.starts)
            and np.array_equal(self.numbers, other.numbers)
        )

    def __hash__(self) -> int:
        """By value."""
        return hash(self.digest)

    def __repr__(self) -> str:
        """Size and instances: the runs are too many to read."""
        return f"InstanceMap(height={self.height}, width={self.width}, instances={len(self.present)})"

    def _ends(self) -> Runs:
        return np.append(self.starts[1:], np.uint32(self.height * self.width))

    def _lengths(self) -> Integers:
        lengths: Integers = np.diff(self.starts.astype(np.int64), append=self.height * self.width)
        return lengths

    def _mask(self, at: Integers, ends: Runs) -> Mask:
        toggles = np.empty(2 * at.size, np.uint32)
        toggles[0::2] = self.starts[at]
        toggles[1::2] = ends[at]
        toggles.setflags(write=False)
        return Mask(self.height, self.width, toggles)


@dataclass(frozen=True, slots=True, eq=False)
class DrawnInstances:
    """All instances of one frame as the bytes of a picture file in the notation `codec`.

    `digest` is that of the picture of numbers, `present` its numbers. `hidden` counts, by number, the pixels
    of a mask that belong to another instance, which lies on top of it.
    """

    height: int
    width: int
    codec: str
    data: bytes
    digest: str
    present: frozenset[int]
    hidden: Mapping[int, int]

    def __eq__(self, other: object) -> bool:
        """Whether both show the same pixels and hide as many."""
        if not isinstance(other, DrawnInstances):
            return NotImplemented
        return (self.digest, self.codec, self.hidden) == (other.digest, other.codec, other.hidden)

    def __hash__(self) -> int:
        """By the pixels."""
        return hash(self.digest)


@dataclass(frozen=True, slots=True)
class Instance:
    """One mask of a picture that holds many: the pixels of `number`."""

    of: InstanceMap | DrawnInstances
    number: int

    @property
    def height(self) -> int:
        """Rows."""
        return self.of.height

    @property
    def width(self) -> int:
        """Columns."""
        return self.of.width

    def to_mask(self) -> Mask:
        """Return the same pixels as toggles. Raises `MaskError` where the picture is a file already."""
        if isinstance(self.of, DrawnInstances):
            raise MaskError(f"instance {self.number} is part of a drawn picture; take it from the map it was")
        return self.of.mask(self.number)


def instances_of(array: NDArray[Any]) -> dict[int, Instance]:
    """Return the instances of a 2-D array of integers by their number, ascending; 0 is none.

    They are ready to be the geometry of objects. Raises `MaskError` as `InstanceMap.from_array`.
    """
    whole = InstanceMap.from_array(array)
    return {number: Instance(whole, number) for number in whole.present}


def painted(
    layers: Sequence[tuple[int, Mask]], on_top: OnTop = OnTop.LAST
) -> tuple[InstanceMap, dict[int, int]]:
    """Return the picture of masks with their numbers, and the pixels of each that others cover.

    At least one layer. Raises `MaskError` where sizes differ, a number is used twice, or is not 1 to
    `MOST_NUMBERS`.
    """
    height, width = _one_size(layers)
    if on_top is OnTop.FIRST:
        layers = layers[::-1]
    elif on_top is OnTop.SMALLEST:
        layers = sorted(layers, key=lambda layer: -layer[1].area)
    numbers = np.array([number for number, _ in layers], np.uint32)
    runs = np.array([mask.toggles.size // 2 for _, mask in layers])
    toggles = np.concatenate([mask.toggles for _, mask in layers]).astype(np.int64)
    owner, starts, ends = np.repeat(numbers, runs), toggles[0::2], toggles[1::2]
    order = np.argsort(starts, kind="stable")
    if (starts[order][1:] >= ends[order][:-1]).all():
        return _beside(height, width, starts[order], ends[order], owner[order]), {}
    whole = _over(height, width, layers)
    return whole, _hidden(whole, layers)


def check_numbers(numbers: Collection[int]) -> None:
    """Raise `MaskError` where a number of an instance is used twice, or is not 1 to `MOST_NUMBERS`."""
    if wrong := [number for number in numbers if not 1 <= number <= MOST_NUMBERS]:
        raise MaskError(f"instance number {wrong[0]} is not 1 to {MOST_NUMBERS}, the most that 24 bits hold")
    if len(set(numbers)) < len(numbers):
        raise MaskError("two masks of one frame have the same instance number")


def _one_size(layers: Iterable[tuple[int, Mask]]) -> tuple[int, int]:
    sizes = {(mask.height, mask.width): number for number, mask in layers}
    if len(sizes) > 1:
        found = " and ".join(f"{height} x {width}" for height, width in sizes)
        raise MaskError(f"masks of one frame have different sizes: {found} (height x width)")
    check_numbers([number for number, _ in layers])
    return next(iter(sizes))


def _beside(height: int, width: int, starts: Integers, ends: Integers, owner: Runs) -> InstanceMap:
    """The picture of runs in order that do not overlap."""
    edges = np.empty(2 * starts.size + 1, np.int64)
    edges[0], edges[1::2], edges[2::2] = 0, starts, ends
    numbers = np.zeros(edges.size, np.uint32)
    numbers[1::2] = owner
    # A run of no pixels lies between two that touch, before the first pixel or after the last.
    real = np.diff(edges, append=height * width) > 0
    return _joined(height, width, edges[real], numbers[real])


def _over(height: int, width: int, layers: Sequence[tuple[int, Mask]]) -> InstanceMap:
    """The picture of masks laid over one another, the last one on top."""
    edges = np.unique(np.concatenate([[0], *(mask.toggles for _, mask in layers)]))
    edges = edges[edges < height * width]
    numbers = np.zeros(edges.size, np.uint32)
    for number, mask in layers:
        first = np.searchsorted(edges, mask.toggles[0::2])
        run, step = tg.spread(np.searchsorted(edges, mask.toggles[1::2]) - first)
        numbers[first[run] + step] = number
    return _joined(height, width, edges, numbers)


def _hidden(whole: InstanceMap, layers: Sequence[tuple[int, Mask]]) -> dict[int, int]:
    known, places = np.unique(whole.numbers, return_inverse=True)
    areas = np.bincount(places, weights=whole._lengths())  # noqa: SLF001 - of this module
    seen = dict(zip(known.tolist(), areas.astype(np.int64).tolist(), strict=True))
    lost = {number: mask.area - seen.get(number, 0) for number, mask in layers}
    return {number: pixels for number, pixels in lost.items() if pixels}


def _distinct(numbers: Runs) -> Runs:
    """The numbers that occur, ascending. Small ones are counted, which is quicker than to sort them."""
    if numbers.max(initial=0) < numbers.size:
        return np.flatnonzero(np.bincount(numbers)).astype(np.uint32)
    return np.unique(numbers)


def _joined(height: int, width: int, starts: Integers, numbers: Runs) -> InstanceMap:
    """The picture of runs whose neighbours may have equal numbers."""
    new = np.concatenate(([True], numbers[1:] != numbers[:-1]))
    return InstanceMap(height, width, starts[new].astype(np.uint32), numbers[new])
