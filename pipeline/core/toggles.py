"""Sets of pixels as toggle positions: the arithmetic behind `Mask`.

A set of pixels of a height x width image is kept as the flat positions at which it switches on and off:
start, end, start, end ... (ends exclusive), strictly increasing, uint32. They are row-major unless a name
says otherwise. The work is proportional to the number of toggles; only `of_array`, `of_packed` and `to_array`
see every pixel.

A *row key* is `row * (width + 1) + column`. Its extra column lets a run end at the right edge of its own row,
which the flat position cannot tell from the start of the next row.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Toggles = NDArray[np.uint32]
Integers = NDArray[Any]
"""An array of integers of any width."""


def of_array(array: NDArray[np.bool_]) -> Toggles:
    """Toggles of a C-contiguous 2-D boolean array."""
    return of_packed(np.packbits(array.reshape(-1), bitorder="little"), array.size)


def of_packed(bits: NDArray[np.uint8], size: int) -> Toggles:
    """Toggles of `size` pixels given as packed bits of the flat raster, the first pixel in the lowest bit."""
    # Each bit against the one before it; that of the lowest bit is the highest of the byte before.
    changed = bits + bits
    changed ^= bits
    changed[1:] ^= (bits[:-1] > 127).view(np.uint8)  # noqa: PLR2004 - the highest bit
    toggles: Toggles = set_bits(changed).astype(np.uint32)
    # A run that touches the last pixel has no toggle in these bits unless some are left over.
    return np.append(toggles, np.uint32(size)) if toggles.size % 2 else toggles


def set_bits(packed: NDArray[np.uint8]) -> NDArray[np.int64]:
    """The places of the bits that are set, ascending; the first is the lowest bit of the first byte."""
    # Few bytes hold one; looking for them first is quicker than looking at every bit.
    hit = (packed != 0).nonzero()[0]
    bit = np.unpackbits(packed.take(hit), bitorder="little").view(np.bool_).nonzero()[0]
    base = (hit << 3) - np.arange(0, hit.size << 3, 8)
    places: NDArray[np.int64] = base.take(bit >> 3) + bit
    return places


def to_array(toggles: Toggles, height: int, width: int) -> NDArray[np.bool_]:
    """The raster: (height, width), bool, C order."""
    runs: Integers = np.diff(toggles.astype(np.int64), prepend=0, append=height * width)
    inside: NDArray[np.bool_] = (np.arange(runs.size) & 1).astype(np.bool_)
    return np.repeat(inside, runs).reshape(height, width)


def odd_ones(values: Integers) -> Integers:
    """Those of the sorted values that occur an odd number of times, once each."""
    if values.size < 2:  # noqa: PLR2004
        return values
    new = values[1:] != values[:-1]
    if new.all():
        return values
    first = np.concatenate(([0], np.flatnonzero(new) + 1))
    counts = np.diff(first, append=values.size)
    odd: Integers = values[first[(counts & 1) == 1]]
    return odd


def spread(lengths: Integers) -> tuple[Integers, Integers]:
    """Of groups of these lengths laid end to end: each element's group, and its place in the group."""
    group = np.repeat(np.arange(lengths.size), lengths)
    ends = np.cumsum(lengths)
    return group, np.arange(group.size) - (ends - lengths)[group]


def row_keys(toggles: Toggles, height: int, width: int) -> Integers:
    """Sorted row keys of the runs, each cut at the ends of its rows: start, end, start, end ..."""
    dtype = np.uint32 if (height + 2) * (width + 1) < 1 << 32 else np.int64
    first = toggles[0::2] // width
    last = (toggles[1::2] - 1) // width
    keys: Integers = toggles.astype(dtype)
    keys[0::2] += first
    keys[1::2] += last
    crossing = np.flatnonzero(first != last)
    if not crossing.size:
        return keys
    run, step = spread(last[crossing] - first[crossing])
    cuts = ((first[crossing][run] + step + 1) * (width + 1)).astype(dtype)
    keys = np.concatenate((keys, cuts - 1, cuts))
    keys.sort()
    return keys


def of_row_keys(keys: Integers, width: int) -> Toggles:
    """Toggles of sorted, separate row keys; runs that meet across a row's end become one."""
    stride = width + 1
    flat = keys.astype(np.int64)
    flat -= np.repeat(flat[0::2] // stride, 2)
    return odd_ones(flat).astype(np.uint32)


def transposed(toggles: Toggles, height: int, width: int) -> Toggles:
    """Column-major toggles of row-major ones. With height and width swapped: the way back."""
    if not toggles.size:
        return toggles
    stride = width + 1
    keys = row_keys(toggles, height, width)
    # Column-major order toggles where a row differs from the one above it. Below the last row is an empty
    # one.
    both = np.concatenate((keys, keys + keys.dtype.type(stride)))
    both.sort()
    edges = odd_ones(both)
    starts = edges[0::2]
    lengths = edges[1::2] - starts
    row = starts // stride
    # uint32 wraps on the way and is right at the end, because every position is at most height * width.
    origin = ((starts - row * stride) * height + row).astype(np.uint32)
    before = np.cumsum(lengths, dtype=np.uint32) - lengths.astype(np.uint32)
    flat = np.repeat(origin - before * np.uint32(height), lengths)
    flat += np.arange(flat.size, dtype=np.uint32) * np.uint32(height)
    flat.sort()
    return odd_ones(flat)


def combined(one: Toggles, other: Toggles, rule: Callable[[Integers, Integers], Integers]) -> Toggles:
    """Toggles of `rule(pixel in one, pixel in other)`: on boolean arrays, and False for neither."""
    places = np.concatenate((one, other))
    places.sort()
    inside_one = (np.searchsorted(one, places, side="right") & 1).astype(np.bool_)
    inside_other = (np.searchsorted(other, places, side="right") & 1).astype(np.bool_)
    inside = rule(inside_one, inside_other)
    # Of equal places only the last could differ from the one before it: both see the state after the toggle.
    return places[np.diff(inside, prepend=np.False_)]


def joined(starts: Integers, ends: Integers) -> Integers:
    """The union of half-open intervals given in any order: start, end, start, end ..."""
    starts, ends = np.sort(starts), np.sort(ends)
    if not starts.size:
        return starts
    gap = np.flatnonzero(starts[1:] > ends[:-1])
    keys = np.empty(2 * (gap.size + 1), starts.dtype)
    keys[0], keys[2::2] = starts[0], starts[gap + 1]
    keys[1:-1:2], keys[-1] = ends[gap], ends[-1]
    return keys


def area(toggles: Toggles) -> int:
    """Number of pixels in the set."""
    return int(toggles[1::2].sum(dtype=np.int64) - toggles[0::2].sum(dtype=np.int64))
